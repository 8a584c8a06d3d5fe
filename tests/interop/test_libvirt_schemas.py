"""Our schema accepts what libvirt's own accepts for containers, and little more.

Examples, generated documents and every small mistake in them are validated with both. Each
disagreement stands in the table below, with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lxml import etree

from tests import peers
from tests.unit.domains import EXAMPLES
from tests.unit.generated import definition
from tests.unit.mutations import mutants
from virtlxc.model import format_domain, parse_domain
from virtlxc.schema.grammar import folder

pytestmark = pytest.mark.interop

OURS_ONLY = "only ours accepts"
THEIRS_ONLY = "only libvirt's accepts"
# (who accepts, what it is about, why): patterns are searched in "KIND PLACE" of a mutant, or in the
# text of a generated document.
EXPLAINED = (
    (THEIRS_ONLY, r"virtlxc:", "libvirt does not look into metadata"),
    (THEIRS_ONLY, r"console/target/@port", "libvirt's takes any text for the number of a port"),
    (OURS_ONLY, r"<cmdline>", "libvirt's driver makes a variable of it, its schema forbids it"),
    (OURS_ONLY, r"<inituser>", "a user without <initgroup> works in libvirt's driver"),
    (OURS_ONLY, r"os/init(user|group)$", "user names are not only letters"),
    (OURS_ONLY, r"os/type/@arch", "any architecture: check() of the host decides"),
    (
        OURS_ONLY,
        r"console/(source|alias|@tty)",
        "what is only true of a running domain is read over",
    ),
    (OURS_ONLY, r"memory to devices", "<memory> is a device of virtual machines, not looked into"),
)


def explained(who: str, what: str) -> bool:
    return any(side == who and re.search(pattern, what) for side, pattern, _ in EXPLAINED)


def read(text: str) -> etree._Element:
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    return etree.fromstring(text.encode(), parser)


@pytest.fixture(scope="module")
def schemas() -> tuple[etree.RelaxNG, etree.RelaxNG]:
    theirs = peers.virsh().root / "usr/share/libvirt/schemas/domain.rng"
    ours = folder() / "domain.rng"
    return etree.RelaxNG(file=str(ours)), etree.RelaxNG(file=str(theirs))


Schemas = tuple[etree.RelaxNG, etree.RelaxNG]


def disagreement(schemas: Schemas, text: str) -> str | None:
    root = read(text)
    ours, theirs = (schema.validate(root) for schema in schemas)
    if ours and not theirs:
        # libxml2 refuses some orders of elements that libvirt's schema allows: so it gets its own.
        theirs = schemas[1].validate(read(format_domain(parse_domain(text))))
    return None if ours == theirs else OURS_ONLY if ours else THEIRS_ONLY


def test_examples_and_generated_documents(schemas: Schemas) -> None:
    texts = [path.read_text() for path in EXAMPLES] + [definition(n) for n in range(1000)]
    found = [(disagreement(schemas, text), text) for text in texts]
    assert sum(who is None for who, _ in found) > 400
    odd = [text for who, text in found if who is not None and not explained(who, text)]
    assert odd == []


def mistakes(schemas: Schemas) -> Iterator[tuple[str | None, str]]:
    for path in EXAMPLES:
        text = path.read_text()
        if disagreement(schemas, text) is None:
            for mutant in mutants(text):
                place = re.sub(r"\[[0-9]+\]", "", mutant.what)
                yield disagreement(schemas, mutant.text), f"{mutant.kind} {place}"


def test_mistakes(schemas: Schemas) -> None:
    found = list(mistakes(schemas))
    assert len(found) > 1500
    odd = sorted({f"{who}: {what}" for who, what in found if who and not explained(who, what)})
    assert odd == []


def test_every_explanation_is_needed(schemas: Schemas) -> None:
    texts = [path.read_text() for path in EXAMPLES] + [definition(n) for n in range(1000)]
    found = [(disagreement(schemas, text), text) for text in texts]
    found += mistakes(schemas)
    for side, pattern, why in EXPLAINED:
        assert any(who == side and re.search(pattern, what) for who, what in found), why
