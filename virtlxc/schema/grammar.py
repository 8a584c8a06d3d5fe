"""Our RelaxNG schemas as a tree of patterns that can be asked what is allowed where.

lxml answers yes or no from the same files; this reads them again, for the messages. Only what our
schemas use is understood: another pattern is a KeyError, and a test loads every schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

_RNG: Final = "{http://relaxng.org/ns/structure/1.0}"
_DOC: Final = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"
ANY: Final = "*"


@dataclass(slots=True)
class Pattern:
    """One pattern. ``kind`` is the name in RelaxNG.

    ``name`` of an element is in Clark's notation, ``*`` for any; of a reference, the define.
    ``value``: the text of a value, the type of data. ``doc`` says what is allowed, in words.
    """

    kind: str
    name: str = ""
    value: str = ""
    doc: str = ""
    kids: list[Pattern] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    excluded: str = ""


class Grammar:
    """One schema with all that it includes."""

    def __init__(self, folder: Path, name: str) -> None:
        self.defines: dict[str, Pattern] = {}
        self.start = Pattern("notAllowed")
        self._load(folder, name)

    def target(self, pattern: Pattern) -> Pattern:
        """What a reference stands for."""
        return self.defines[pattern.name]

    def elements(self) -> Iterator[Pattern]:
        """Every element pattern, once."""
        todo = [self.start, *self.defines.values()]
        while todo:
            pattern = todo.pop()
            if pattern.kind == "element":
                yield pattern
            todo.extend(pattern.kids)

    def _load(self, folder: Path, name: str) -> None:
        root = etree.parse(folder / f"{name}.rng").getroot()
        space = root.get("ns", "")
        for child in root:
            if child.tag == f"{_RNG}include":
                self._load(folder, str(child.get("href")).removesuffix(".rng"))
            elif child.tag == f"{_RNG}start":
                self.start = _group(child, space)
            elif child.tag == f"{_RNG}define":
                self.defines[str(child.get("name"))] = _group(child, space)


@cache
def grammar(kind: str) -> Grammar:
    """The schema of one kind of document, such as 'domain'."""
    return Grammar(folder(), kind)


def folder() -> Path:
    """Where the schemas are."""
    # importlib.resources costs more to import than a schema to load.
    return Path(__file__).parent.parent / "schemas"


def _group(node: etree._Element, space: str) -> Pattern:
    """The children of ``node`` as one pattern."""
    doc = " ".join((node.findtext(_DOC) or "").split())
    kids = _kids(node, space)
    if len(kids) == 1 and not doc:
        return kids[0]
    return Pattern("group", doc=doc, kids=kids)


def _kids(node: etree._Element, space: str) -> list[Pattern]:
    return [
        _pattern(child, space)
        for child in node
        if isinstance(child.tag, str)
        and child.tag.startswith(_RNG)
        and child.tag != f"{_RNG}anyName"
    ]


def _pattern(node: etree._Element, space: str) -> Pattern:
    kind = etree.QName(node).localname
    if kind in ("element", "attribute"):
        return _named(kind, node, node.get("ns", space if kind == "element" else ""), space)
    if kind == "ref":
        return Pattern(kind, name=str(node.get("name")))
    if kind == "value":
        return Pattern(kind, value=(node.text or "").strip())
    if kind == "data":
        params = {str(param.get("name")): param.text or "" for param in node.iter(f"{_RNG}param")}
        return Pattern(kind, value=str(node.get("type")), params=params)
    if kind in ("text", "empty"):
        return Pattern(kind)
    return Pattern(_KINDS[kind], kids=_kids(node, space))


# What the walk needs to know of each: whether all of it, one of it, or none of it may be there.
_KINDS: Final = {
    "group": "group",
    "interleave": "group",
    "choice": "choice",
    "optional": "optional",
    "zeroOrMore": "repeat",
    "oneOrMore": "group-repeat",
}


def _named(kind: str, node: etree._Element, space: str, inherited: str) -> Pattern:
    # ``ns`` on an element holds for what is inside it, too.
    content = _group(node, space if kind == "element" else inherited)
    wild = node.find(f"{_RNG}anyName")
    if wild is not None:
        # An attribute with any name is written without a value: any text.
        kids = content if content.kids or content.kind != "group" else Pattern("text")
        return Pattern(kind, name=ANY, excluded=_excluded(wild), kids=[kids])
    name = str(node.get("name"))
    if kind == "attribute" and content.kind == "group" and not content.kids:
        content.kids.append(Pattern("text"))
    return Pattern(kind, name=f"{{{space}}}{name}" if space else name, kids=[content])


def _excluded(wild: etree._Element) -> str:
    space = wild.find(f"{_RNG}except/{_RNG}nsName")
    return "" if space is None else str(space.get("ns"))


def matches(grammar: Grammar, pattern: Pattern, text: str) -> bool:
    """Whether the pattern describes this text; elements and attributes in it are ignored."""
    kind = pattern.kind
    if kind == "ref":
        return matches(grammar, grammar.target(pattern), text)
    if kind == "value":
        return " ".join(text.split()) == pattern.value
    if kind == "data":
        return _is_data(pattern, text)
    if kind == "text":
        return True
    if kind == "empty":
        return not text.strip()
    texts = [kid for kid in pattern.kids if has_text(grammar, kid)]
    if kind == "choice":
        return any(matches(grammar, kid, text) for kid in texts)
    return all(matches(grammar, kid, text) for kid in texts)


def has_text(grammar: Grammar, pattern: Pattern) -> bool:
    """Whether the pattern is about a text, and not only about elements and attributes."""
    if pattern.kind in ("value", "data", "text", "empty"):
        return True
    if pattern.kind in ("element", "attribute"):
        return False
    if pattern.kind == "ref":
        return has_text(grammar, grammar.target(pattern))
    return any(has_text(grammar, kid) for kid in pattern.kids)


_SPACE_COUNTS: Final = frozenset({"string"})


def _is_data(pattern: Pattern, text: str) -> bool:
    if pattern.value not in _SPACE_COUNTS:
        text = " ".join(text.split())
    params = pattern.params
    if "pattern" in params and not re.fullmatch(params["pattern"], text):
        return False
    if len(text) < int(params.get("minLength", 0)):
        return False
    if "maxLength" in params and len(text) > int(params["maxLength"]):
        return False
    return pattern.value == "string" or _is_number(pattern, text)


_BOUNDS: Final = {
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "positiveInteger": (1, None),
    "nonNegativeInteger": (0, None),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "integer": (None, None),
    "decimal": (None, None),
}


def _is_number(pattern: Pattern, text: str) -> bool:
    digits = r"[-+]?[0-9]+" if pattern.value != "decimal" else r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)"
    if not re.fullmatch(digits, text, re.ASCII):
        return False
    number = float(text) if pattern.value == "decimal" else int(text)
    least, most = _BOUNDS[pattern.value]
    if (least is not None and number < least) or (most is not None and number > most):
        return False
    params = pattern.params
    return not (
        ("minInclusive" in params and number < int(params["minInclusive"]))
        or ("maxInclusive" in params and number > int(params["maxInclusive"]))
        or ("minExclusive" in params and number <= int(params["minExclusive"]))
    )


def words(grammar: Grammar, pattern: Pattern) -> list[str]:
    """The values that are spelt out in a pattern."""
    if pattern.kind == "ref":
        return words(grammar, grammar.target(pattern))
    if pattern.kind == "value":
        return [pattern.value]
    if pattern.kind in ("element", "attribute"):
        return []
    return [word for kid in pattern.kids for word in words(grammar, kid)]


def describe(grammar: Grammar, pattern: Pattern) -> list[str]:
    """What a text may be: the values, or a sentence about them."""
    if pattern.doc:
        return [pattern.doc]
    if pattern.kind == "ref":
        return describe(grammar, grammar.target(pattern))
    if pattern.kind == "value":
        return [pattern.value]
    if pattern.kind == "data":
        return [pattern.value]
    if pattern.kind == "text":
        return ["any text"]
    if pattern.kind == "empty":
        return ["nothing"]
    if pattern.kind in ("element", "attribute"):
        return []
    return [part for kid in pattern.kids for part in describe(grammar, kid)]
