"""Inventories, computed: what differs, in which order, what is remembered, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from tests.unit import domains
from virtlxc.errors import VirtlxcError
from virtlxc.inventory import changes as planning
from virtlxc.inventory import verdict
from virtlxc.inventory.changes import DEFINE, KEEP, REDEFINE, REMOVE, Change, Present
from virtlxc.inventory.documents import (
    Document,
    foreign,
    format_value,
    kind_of,
    ordered,
    read_document,
    twins,
)
from virtlxc.inventory.record import Entry, Record, read_record
from virtlxc.model import Domain

UUID = "6fd65115-9831-445d-a708-e0f0c4e4afa2"
NETWORK = "<network><name>{name}</name><ip address='10.7.0.1' prefix='24'/></network>"
CARD = "<interface type='network'><source network='{net}'/></interface>"


def domain(name: str, *, file: str = "", inside: str = "", devices: str = "") -> Document:
    """A domain with these elements ``inside`` it, and these devices."""
    text = domains.xml(devices, inside).replace("web1", name)
    return read_document(text, file or f"{name}.xml")


def network(name: str, *, file: str = "") -> Document:
    return read_document(NETWORK.format(name=name), file or f"{name}.xml")


def numbers(text: str) -> Iterator[str]:
    return (text.format(one) for one in count(1))


def plan(documents: Sequence[Document], present: Sequence[Present] = ()) -> list[Change]:
    uuids, macs = numbers("00000000-0000-4000-8000-{:012d}"), numbers("52:54:00:00:00:{:02x}")
    return planning.changes(
        documents, present, new_uuid=lambda: next(uuids), new_mac=lambda: next(macs)
    )


def as_present(change: Change, *, autostart: bool = False, active: bool = False) -> Present:
    """What the daemon has once the change was carried out."""
    return Present(
        kind=change.kind, name=change.name, uuid=change.uuid, xml=change.xml,
        autostart=autostart, active=active,
    )  # fmt: skip


# --- documents


@pytest.mark.parametrize(
    ("text", "kind", "other"),
    [
        ("<domain type='lxc'/>", "domain", ""),
        ("\ufeff<?xml version='1.0'?>\n<!-- <network> -->\n<domain/>", "domain", ""),
        ("<network>", "network", ""),
        ("<domain id='3' type=\"kvm\">", "domain", "a domain of type 'kvm'"),
        ("<pool type='dir'/>", "pool", ""),
        ("<volume/>", "volume", "a <volume>"),
        ("", "", ""),
        ("no XML", "", ""),
        (" " * 100_000 + "<!-- " * 1000, "", ""),
    ],
)
def test_what_a_text_is(text: str, kind: str, other: str) -> None:
    assert (kind_of(text), foreign(text)) == (kind, other)


def test_the_order_is_that_of_need() -> None:
    share = "<lxc:namespace xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>"
    share += "<lxc:shareipc type='name' value='{}'/></lxc:namespace>"
    some = [domain("c", inside=share.format("b")), domain("b", inside=share.format("a")),
            domain("z"), network("n2"), domain("a"), network("n1")]  # fmt: skip
    assert [one.name for one in ordered(some)] == ["n2", "n1", "z", "a", "b", "c"]
    some[4] = domain("a", inside=share.format("c"))
    with pytest.raises(VirtlxcError, match=r"in a circle: '\w' needs '\w' needs '\w' needs '\w'"):
        ordered(some)


def test_twins_are_named_with_the_file_that_was_first() -> None:
    some = [domain("a"), network("a"), domain("a", file="other.xml"), domain("b"),
            domain("c", inside=f"<uuid>{UUID}</uuid>"),
            domain("d", inside=f"<uuid>{UUID}</uuid>")]  # fmt: skip
    assert twins(some) == {
        "other.xml": "a.xml has a domain with the name a already",
        "d.xml": f"c.xml has a domain with the uuid {UUID} already",
    }


# --- changes


def test_the_second_time_nothing_changes() -> None:
    some = [network("n"), domain("a", devices=CARD.format(net="n")), domain("b")]
    first = plan(some)
    assert [one.action for one in first] == [DEFINE] * 3
    again = plan(some, [as_present(one) for one in first])
    assert [(one.action, one.alters) for one in again] == [(KEEP, False)] * 3
    assert planning.summary(again) == "3 as they are"
    assert [one.uuid for one in again] == [one.uuid for one in first]


def macs(xml: str) -> dict[str | None, str | None]:
    """By network, the MAC of a domain's card on it."""
    value = read_document(xml, "x").value
    assert isinstance(value, Domain)
    return {card.source: card.mac for card in value.interfaces}


def test_what_a_file_leaves_open_stays_as_it_is() -> None:
    (first,) = plan([domain("a", devices=CARD.format(net="n1") + CARD.format(net="n2"))])
    assert first.xml.count("<mac address=") == 2
    swapped = domain("a", devices=CARD.format(net="n2") + CARD.format(net="n1"))
    (again,) = plan([swapped], [as_present(first)])
    assert (again.action, again.uuid) == (REDEFINE, first.uuid)
    # Each card keeps the MAC that it had on its network.
    assert macs(again.xml) == macs(first.xml)
    grown = domain("a", devices="".join(CARD.format(net=f"n{at}") for at in (1, 2, 3)))
    (more,) = plan([grown], [as_present(first)])
    assert macs(first.xml).items() < macs(more.xml).items()


def test_a_change_is_shown_by_its_lines() -> None:
    (first,) = plan([domain("a")])
    (again,) = plan([domain("a", inside="<title>t</title>")], [as_present(first)])
    assert planning.shown(again).splitlines()[0] == "~ domain 'a': changed (a.xml)"
    assert "    +  <title>t</title>\n" in planning.shown(again)
    assert planning.plain(again)["diff"]


@pytest.mark.parametrize(
    ("wish", "there", "to_do"),
    [(None, True, None), (None, False, None), (True, False, True), (True, True, None),
     (False, True, False), (False, False, None)],
)  # fmt: skip
def test_autostart_is_set_where_the_inventory_says_something(
    wish: bool | None, there: bool, to_do: bool | None
) -> None:
    plain = domain("a")
    (first,) = plan([plain])
    wanted = Document(file="a.xml", value=plain.value, autostart=wish)
    (again,) = plan([wanted], [as_present(first, autostart=there)])
    assert (again.action, again.autostart, again.starts) == (KEEP, to_do, bool(wish))
    assert again.alters == (to_do is not None)


def test_conflicts_are_named() -> None:
    (first,) = plan([domain("a")])
    (other,) = plan([domain("a", inside=f"<uuid>{UUID}</uuid>")], [as_present(first)])
    assert f"with another uuid, {first.uuid}, not {UUID}" in other.conflict
    (renamed,) = plan([domain("b", inside=f"<uuid>{first.uuid}</uuid>")], [as_present(first)])
    assert renamed.conflict.endswith("is that of domain 'a' (rename that one first)")


def test_only_what_came_from_here_and_is_gone_is_removed() -> None:
    some = plan([network("n"), domain("a"), domain("b"), domain("theirs")])
    present = [as_present(one) for one in some]
    entries = [
        Entry(kind=one.kind, uuid=one.uuid, name=one.name, file=f"/inv/{one.name}.xml")
        for one in some[:3]
    ]
    entries.append(Entry(kind="domain", uuid=UUID, name="lost", file="/inv/lost.xml"))
    record = Record(tuple(entries))
    wanted = [one for one in some if one.name == "b"]
    found = planning.removals(record, wanted, present, ["/inv"])
    assert [(one.action, one.kind, one.name) for one in found] == [
        (REMOVE, "domain", "a"),
        (REMOVE, "network", "n"),
    ]
    assert planning.removals(record, wanted, present, ["/in", "/other"]) == []
    assert planning.removals(record, [], present, ["/inv/b.xml"])[0].name == "b"


def test_a_record_comes_back_and_nonsense_is_refused() -> None:
    one = Entry(kind="domain", uuid=UUID, name="a", file="/inv/a.xml")
    record = Record().with_entries([one])
    assert read_record(record.to_json(), "f") == record
    moved = Entry(kind="domain", uuid=UUID, name="a", file="/inv/b.xml")
    assert record.with_entries([moved]).entries == (moved,)
    assert record.without([("domain", UUID)]) == Record() == read_record("", "f")
    for text in ("{", "[]", '{"objects": [{}]}'):
        with pytest.raises(VirtlxcError, match="says what may be removed"):
            read_record(text, "f")


# --- verdicts


def test_causes_are_the_same_for_many_files() -> None:
    gone = "cannot start domain '{0}': clone /srv/{0} for /: there is no '/srv/{0}' (create it)"
    found = [
        verdict.Verdict(
            file=f"{name}.xml",
            kind="domain",
            name=name,
            findings=(verdict.cannot(gone.format(name), specific=(f"/srv/{name}", "/")),),
        )
        for name in ("a", "bb")
    ]
    found.append(verdict.Verdict(file="c.xml", kind="domain", name="c"))
    (group,) = verdict.grouped(found)
    assert group.cause == "clone ... for /: there is no '...' (create it)"
    assert group.files == (("a.xml", "/srv/a"), ("bb.xml", "/srv/bb"))
    assert verdict.headline(found) == "1 run as they are, 0 run with differences, 2 cannot"
    assert "      bb.xml: /srv/bb\n" in verdict.report(found)


def test_differences_of_a_file_that_cannot_run_are_not_told_as_running() -> None:
    odd = verdict.Finding(weight=verdict.DIFFERS, cause="no root file system")
    bad = verdict.Verdict(
        file="a.xml", kind="domain", name="a", findings=(verdict.cannot("no bridge"), odd)
    )
    report = verdict.report([bad])
    assert report.startswith("0 run as they are, 0 run with differences, 1 cannot\n")
    assert "\ncannot run:\n  no bridge\n      a.xml\n" in report
    assert "\nrun with differences:" not in report
    assert "\ndifferences from libvirt's LXC driver:\n  no root file system\n" in report


def test_the_cause_of_a_wrong_line_is_without_its_number() -> None:
    assert verdict.cannot("line 7: <memory> is wrong") == verdict.Finding(
        weight=verdict.CANNOT, cause="<memory> is wrong", detail="line 7"
    )
    assert verdict.cannot("domain 'x': the name is bad").cause == "the name is bad"


def test_what_libvirt_ignores_too_is_no_difference() -> None:
    def causes(document: Document, *ignored: str) -> list[str]:
        assert isinstance(document.value, Domain)
        found = verdict.differences(document.value, frozenset(ignored))
        return [one.cause for one in found]

    net = CARD.format(net="n")
    root = "<filesystem type='mount'><source dir='/srv/x'/><target dir='/'/></filesystem>"
    machine = "<graphics type='vnc'/>"
    assert causes(domain("a", devices=root + net + machine)) == []
    assert causes(domain("a", devices=root + net + "<mystery/>")) == [
        "/domain/devices/mystery has no effect: virtlxc does not know it"
    ]
    assert len(causes(domain("a"))) == 2  # the host's programs, and the host's network
    filtered = net.replace("/></", "/><filterref filter='clean-traffic'/></")
    assert causes(domain("a", devices=root + filtered)) == []  # a start is refused: that tells it
    assert causes(domain("a", devices=root + filtered), "filterref") != []


def test_a_mac_in_two_files() -> None:
    mac = "<mac address='52:54:00:00:00:{}'/>"
    card = f"<interface type='bridge'>{mac}<source bridge='b'/></interface>"
    some = [domain("a", devices=card.format("07")), domain("b", devices=card.format("07")),
            domain("c", devices=card.format("08"))]  # fmt: skip
    found = verdict.shared_macs(
        (one.file, one.value) for one in some if isinstance(one.value, Domain)
    )
    assert set(found) == {"a.xml", "b.xml"}
    assert "52:54:00:00:00:07 is in 2 files" in found["a.xml"][0].cause


def test_formatting_is_the_daemons() -> None:
    (change,) = plan([network("n")])
    assert format_value(read_document(change.xml, "x").value) == change.xml
