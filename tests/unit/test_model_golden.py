"""Documents in and out: each ``NAME-in.xml`` and what it becomes when it is defined and started.

``everything`` and ``minimal`` are what libvirt 9.0's own LXC driver prints, but for metadata (kept
as it was written) and what it adds for machines; tests/interop compares all of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.domains import DATA, EXAMPLES, completed, xml
from virtlxc.errors import VirtlxcError
from virtlxc.model import LiveView, format_domain, parse_domain, unserved

INPUTS = [*sorted(DATA.glob("*-in.xml")), *EXAMPLES]


def name_of(path: Path) -> str:
    return path.stem.removesuffix("-in")


@pytest.mark.parametrize("path", INPUTS, ids=name_of)
def test_defined(path: Path, golden: Callable[[str, str], None]) -> None:
    domain = completed(path.read_text())
    text = format_domain(domain)
    golden(f"domain/{name_of(path)}-out.xml", text)
    assert parse_domain(text) == domain
    assert format_domain(parse_domain(text)) == text


def test_running(golden: Callable[[str, str], None]) -> None:
    domain = completed((DATA / "everything-in.xml").read_text())
    live = LiveView(
        id=4711,
        consoles=("/dev/pts/4", "/dev/pts/5"),
        links=(("vnet0", "eth7"), ("vnet1", "eth0")),
        bridges=("virbr0", None),
    )
    text = format_domain(domain, live=live)
    golden("domain/everything-live.xml", text)
    assert "<domain type='lxc' id='4711' xmlns:lxc=" in text
    # What is only true of the running domain is not taken for a wish when it is defined again.
    again = parse_domain(text)
    assert [card.target for card in again.interfaces][:2] == [None, None]
    assert again.consoles[0].path is None


def test_no_partition_of_a_running_domain_without_one() -> None:
    domain = completed((DATA / "minimal-in.xml").read_text())
    shown = "<partition>/machine</partition>"
    assert shown in format_domain(domain, live=LiveView(id=1))
    assert shown not in format_domain(domain)


def test_foreign_metadata_comes_back_byte_for_byte() -> None:
    source = (DATA / "metadata-in.xml").read_text()
    text = format_domain(parse_domain(source))
    start, end = source.index("<app:one"), source.index("</app:one>")
    assert source[start:end] in text
    assert "<?target instruction?>\n    <two:x xmlns:two='urn:two'/>" in text
    assert parse_domain(source).container.pids_limit == 100
    assert text.count("virtlxc:container") == 2


OWN = "<v:container xmlns:v='urn:virtlxc:domain:1' nesting='yes'/>"
LONG = OWN.replace("/>", "><v:pids limit='1'/></v:container>")


@pytest.mark.parametrize(
    ("inside", "foreign"),
    [
        ("", None),
        ("\n  ", None),
        (OWN, None),
        (f"{OWN}<a:x xmlns:a='urn:a'>t</a:x>", "<a:x xmlns:a='urn:a'>t</a:x>"),
        (f"<a:x xmlns:a='urn:a'/>{OWN}<b/>", "<a:x xmlns:a='urn:a'/><b/>"),
        (f"\n <a b='>/>'/>\n {OWN}\n <c>></c>\n", "\n <a b='>/>'/>\n <c>></c>"),
        (f"<a/>{LONG}<b/>", "<a/><b/>"),
        ("<metadata><x/></metadata>", "<metadata><x/></metadata>"),
        ("<!-- only a comment -->", "<!-- only a comment -->"),
        ("<a/>\r\n<b/>", "<a/>\r\n<b/>"),
    ],
)
def test_our_own_element_is_taken_out_of_the_others(inside: str, foreign: str | None) -> None:
    text = xml(more=f"<metadata>{inside}</metadata><description><x/></description>")
    domain = parse_domain(text)
    assert domain.metadata == foreign
    assert domain.container.nesting == (OWN[:12] in inside)
    assert parse_domain(text.encode("utf-16")) == domain
    assert parse_domain(format_domain(domain)) == domain


def test_an_empty_metadata_element_is_none() -> None:
    assert parse_domain(xml(more="<metadata/><title>a</title>")).metadata is None


def test_namespaces_from_around_the_metadata_go_with_it() -> None:
    text = xml(more="<metadata xmlns:a='urn:a'>\n  <a:x b='1'/>\n</metadata>")
    domain = parse_domain(text)
    assert domain.metadata == '\n  <a:x xmlns:a="urn:a" b="1"/>\n'
    assert parse_domain(format_domain(domain)) == domain


def test_a_second_element_of_ours_is_an_error() -> None:
    with pytest.raises(
        VirtlxcError, match=r"metadata/v:container\[2\]: a second <virtlxc:container>"
    ):
        parse_domain(xml(more=f"<metadata>{OWN}{OWN}</metadata>"))


def test_what_has_no_effect_is_named(golden: Callable[[str, str], None]) -> None:
    domain = completed((DATA / "kept-in.xml").read_text())
    lines = [f"{'!' if item.protects else ' '} {item.name}: {item}\n" for item in unserved(domain)]
    golden("domain/kept-unserved.txt", "".join(lines))
