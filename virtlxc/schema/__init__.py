"""Is a document valid, and if not: where, what is allowed there, and what was probably meant.

lxml's RelaxNG says yes or no, which is fast. Its messages name neither place nor cause, so for a
document that is not valid our own schema is walked down beside it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from lxml import etree

from virtlxc import model, xmlmap
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.schema.grammar import folder, grammar
from virtlxc.schema.problem import Problem
from virtlxc.schema.walk import walk

__all__ = ["Problem", "require_valid", "validate"]

# The kinds of documents, and the name of each one's root element.
ROOTS = {
    "domain": "domain",
    "network": "network",
    "storagepool": "pool",
    "storagevol": "volume",
    "domainsnapshot": "domainsnapshot",
    "capability": "capabilities",
    "domaincaps": "domainCapabilities",
    "nodedev": "device",
    "hostinterface": "interface",
}
KINDS = tuple(ROOTS)


def validate(
    text: str | bytes, kind: str = "domain", file: str | None = None
) -> tuple[Problem, ...]:
    """What is wrong with a document, in the order of its lines; empty when nothing is.

    ``kind`` is one of KINDS; ``file`` is only put into the problems. A document that the
    schema accepts is also read: what contradicts itself is a problem, too.
    """
    try:
        root = xmlmap.read(text, ROOTS[kind])
        problems = _invalid(root, kind) or _contradictions(text, kind)
    except VirtlxcError as error:
        line = error.line if isinstance(error, xmlmap.DocumentError) else 0
        cause = "syntax" if isinstance(error, xmlmap.DocumentError) else "rule"
        problems = [Problem(line=line, path="", message=error.message, kind=cause)]
    return tuple(replace(problem, file=file) for problem in problems)


def require_valid(text: str | bytes, kind: str = "domain") -> None:
    """Raises VirtlxcError (XML_INVALID_SCHEMA) with every problem of a document that has some."""
    problems = validate(text, kind)
    if problems:
        listed = "\n".join(str(problem) for problem in problems)
        raise VirtlxcError(
            f"XML document failed to validate against schema: {listed}",
            Code.XML_INVALID_SCHEMA,
            From.XML,
        )


@cache
def _relaxng(kind: str) -> etree.RelaxNG:
    return etree.RelaxNG(file=str(folder() / f"{kind}.rng"))


def _invalid(root: etree._Element, kind: str) -> list[Problem]:
    schema = _relaxng(kind)
    if schema.validate(root):
        return []
    problems = walk(grammar(kind), root)
    if problems:
        return problems
    # The walk is as strict as the schema, as far as the tests could find out: see test_schema.
    last = schema.error_log.last_error
    message = last.message if last else "it is not valid"
    return [Problem(line=last.line if last else 0, path="", message=message, kind="schema")]


def _contradictions(text: str | bytes, kind: str) -> list[Problem]:
    if kind == "domain":
        model.check(model.parse_domain(text))
    # Few documents are anything else, and the classes take a while to import.
    elif kind == "network":
        from virtlxc.model.network_document import parse_network

        parse_network(text)
    elif kind == "storagepool":
        from virtlxc.model.pool import parse_pool

        parse_pool(text)
    elif kind == "storagevol":
        from virtlxc.model.volume import parse_volume

        parse_volume(text)
    return []
