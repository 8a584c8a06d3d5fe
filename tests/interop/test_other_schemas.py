"""The schemas of everything but domains accept what libvirt's own accept, and little more.

Documents of every kind that a host of containers meets, and every small mistake in them, are
validated with both. Each disagreement stands in the table below, with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from tests import peers
from tests.harness import Instance
from tests.unit.mutations import Mutant, mutants
from virtlxc.rpc.client import Connection
from virtlxc.schema import validate
from virtlxc.schema.grammar import folder

pytestmark = pytest.mark.interop

DOCUMENTS = sorted((Path(__file__).parents[1] / "data" / "documents").glob("*.xml"))
# libvirt's name of a schema, where ours has another.
THEIR_NAMES = {"hostinterface": "interface"}
OURS_ONLY = "only ours accepts"
THEIRS_ONLY = "only libvirt's accepts"
# (who accepts, KIND: MISTAKE PLACE, why)
EXPLAINED = (
    (OURS_ONLY, r"capability: .*/cpu/feature", "features of virtual machines are not looked into"),
    (OURS_ONLY, r"capability: .*(/arch/@name|/cpu/arch)$", "any architecture has its name"),
    (OURS_ONLY, r"domaincaps: .*/cpu/mode/", "models of virtual machines are not looked into"),
    (OURS_ONLY, r"domaincaps: doubled /domainCapabilities/cpu/mode$", "modes are a list"),
    (OURS_ONLY, r"domainsnapshot: .*/domain/uuid", "the domain inside has a schema of its own"),
    (OURS_ONLY, r"domainsnapshot: .*/disk/(driver|source)/", "disks of virtual machines, too"),
    (OURS_ONLY, r"hostinterface: doubled /interface/protocol$", "protocols are a list"),
    (OURS_ONLY, r"network: wrong value .*(hostname|domain/@name)$", "names of hosts are any text"),
    (
        OURS_ONLY,
        r"nodedev: .*/capability/(iommuGroup|type|uuid)",
        "mediated devices are for virtual machines: not looked into",
    ),
)


def kind_of(path: Path) -> str:
    return path.stem.partition("-")[0]


@cache
def schemas(kind: str) -> tuple[etree.RelaxNG, etree.RelaxNG]:
    theirs = peers.virsh().root / "usr/share/libvirt/schemas"
    name = THEIR_NAMES.get(kind, kind)
    return (
        etree.RelaxNG(file=str(folder() / f"{kind}.rng")),
        etree.RelaxNG(file=str(theirs / f"{name}.rng")),
    )


def verdicts(kind: str, text: str) -> tuple[bool, bool]:
    root = etree.fromstring(text.encode(), etree.XMLParser(remove_comments=True))
    ours, theirs = (schema.validate(root) for schema in schemas(kind))
    return ours, theirs


def mistakes() -> Iterator[tuple[str, str, Mutant]]:
    """Who accepts what the other does not, and the mistake."""
    for path in DOCUMENTS:
        kind = kind_of(path)
        for mutant in mutants(path.read_text()):
            ours, theirs = verdicts(kind, mutant.text)
            if ours != theirs:
                place = re.sub(r"\[[0-9]+\]", "", mutant.what)
                who = OURS_ONLY if ours else THEIRS_ONLY
                yield who, f"{kind}: {mutant.kind} {place}", mutant


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_both_accept(path: Path) -> None:
    assert verdicts(kind_of(path), path.read_text()) == (True, True)
    assert validate(path.read_text(), kind_of(path)) == ()


def test_mistakes_are_mistakes_for_both() -> None:
    found = {f"{who}: {what}" for who, what, _ in mistakes()}
    odd = {
        one
        for one in found
        if not any(one.startswith(who) and re.search(what, one) for who, what, _ in EXPLAINED)
    }
    assert not odd, "\n".join(sorted(odd))
    for who, what, why in EXPLAINED:
        assert any(one.startswith(who) and re.search(what, one) for one in found), why


def test_a_misspelt_word_is_found_in_its_line() -> None:
    right = lines = words = 0
    for path in DOCUMENTS:
        kind = kind_of(path)
        for mutant in mutants(path.read_text()):
            if mutant.meant is None or verdicts(kind, mutant.text)[0]:
                continue
            first = validate(mutant.text, kind)[0]
            right += 1
            lines += first.line == mutant.line
            words += first.suggestion == mutant.meant
    assert right > 300
    assert lines >= 0.98 * right
    assert words >= 0.95 * right


def test_what_we_write_is_valid(shared_instance: Instance) -> None:
    """Capabilities, node devices and interfaces of this very host."""
    with Connection(shared_instance.paths.socket) as link:
        texts = [
            ("capability", link.call("CONNECT_GET_CAPABILITIES")["capabilities"]),
            ("domaincaps", link.call("CONNECT_GET_DOMAIN_CAPABILITIES")["capabilities"]),
        ]
        found = link.call("CONNECT_LIST_ALL_NODE_DEVICES", need_results=1)["devices"]
        for (name,) in found:
            texts.append(("nodedev", link.call("NODE_DEVICE_GET_XML_DESC", name=name)["xml"]))
        ifaces = link.call("CONNECT_LIST_ALL_INTERFACES", need_results=1)["ifaces"]
        for iface in ifaces:
            xml = link.call("INTERFACE_GET_XML_DESC", iface=iface)["xml"]
            texts.append(("hostinterface", xml))
    wrong = [(kind, text) for kind, text in texts if verdicts(kind, text) != (True, True)]
    assert wrong == []
