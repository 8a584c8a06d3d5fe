"""The field tables' machinery: every table is sound, values convert, untrusted text is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.unit.domains import xml
from virtlxc import xmlmap
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import parse_domain
from virtlxc.model.container import CONTAINER
from virtlxc.model.document import DOMAIN
from virtlxc.xmlmap import Flag, Kept, Repeat, Table, Value, check_table, tables_of, types

TABLES = [*tables_of(DOMAIN), *tables_of(CONTAINER)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.tag)
def test_tables_are_sound(table: Table) -> None:
    assert check_table(table) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    name: str
    size: int | None = None
    on: bool = False
    words: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()


THING = Table(
    "thing",
    Thing,
    (
        Value(path="@name", field="name"),
        Value(path="limits/size", field="size", type=types.size("KiB"), unit="unit"),
        Flag(path="on", field="on"),
        Repeat(path="word", field="words"),
    ),
)


def thing(text: str) -> Thing:
    value: Thing = xmlmap.parse(THING, xmlmap.read(text, "thing"))
    return value


def test_a_table_reads_and_writes() -> None:
    text = (
        "<thing name='a&apos;b'>\n  <limits>\n    <size unit='KiB'>2048</size>\n  </limits>\n"
        "  <on/>\n  <word>x</word>\n  <word/>\n</thing>\n"
    )
    assert thing(text) == Thing(name="a'b", size=2048, on=True, words=("x", ""))
    assert xmlmap.format(THING, thing(text)) == text


def test_mistakes_in_a_table_are_found() -> None:
    table = Table(
        "thing",
        Thing,
        (
            Value(path="@name", field="nam"),
            Value(path="@name", field="name"),
            Value(path="size", field="size", type=types.size("KiB"), treatment="eaten"),
            Value(path="size/@of", field="on", when=("colour", ("red",))),
        ),
    )
    found = "\n".join(check_table(table))
    for expected in ("no field 'nam'", "@name: two rows", "treatment 'eaten'", "'colour'", "unit"):
        assert expected in found


def test_what_is_unknown_is_kept_where_it_was() -> None:
    text = "<thing name='a' colour='red'><limits new='1'/><far:x xmlns:far='urn:far'/></thing>"
    value = thing(text)
    assert value.kept == (
        Kept(path="@colour", xml="red"),
        Kept(path="far:x", xml="<far:x xmlns:far='urn:far'/>"),
        Kept(path="limits/@new", xml="1"),
    )
    assert thing(xmlmap.format(THING, value)) == value


def test_attributes_of_others_come_back() -> None:
    text = (
        "<thing name='a' xmlns:f='http://far/a' f:x='1' xml:lang='en'>"
        "<limits f:y='&lt;'/><word>b</word></thing>"
    )
    value = thing(text)
    assert [item.path for item in value.kept] == [
        "@{http://far/a}x",
        "@{http://www.w3.org/XML/1998/namespace}lang",
        "limits/@{http://far/a}y",
    ]
    assert thing(xmlmap.format(THING, value)) == value


def test_the_second_of_a_single_element_is_kept_and_not_used() -> None:
    value = thing("<thing name='a'><limits><size>1</size><size>2</size></limits></thing>")
    assert (value.size, value.kept) == (1, (Kept(path="limits/size", xml="<size>2</size>"),))


@pytest.mark.parametrize(
    ("text", "kib"),
    [
        *(("1 b", 1), ("1024 bytes", 1), ("1025 byte", 2), ("1 KB", 1), ("2 KB", 2), ("3 k", 3)),
        *(("3 KiB", 3), ("1 MB", 977), ("1 M", 1024), ("1 MiB", 1024), ("1 GB", 976563)),
        *(("1 G", 1048576), ("1 GiB", 1048576), ("1 TB", 976562500), ("1 T", 1073741824)),
        *(("1 TiB", 1073741824), ("7", 7), ("15 EiB", 15 * 2**50), ("0 MiB", 0)),
    ],
)
def test_sizes(text: str, kib: int) -> None:
    assert types.size("KiB").parse(text) == kib


@pytest.mark.parametrize("text", ["-1 KiB", "1 XB", "1 KiBi", "", "a", "1.5 MiB", "16 EiB", "0x10"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError):
        types.size("KiB").parse(text)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (
            "<interface type='bridge'><mac address='52:54:0:x'/></interface>",
            r"line 1, /domain/devices/interface/mac/@address: '52:54:0:x' is not allowed "
            r"\(allowed: six pairs of hexadecimal digits",
        ),
        (
            "<filesystem type='mout'/>",
            r"/domain/devices/filesystem/@type: 'mout' is not allowed .*did you mean 'mount'",
        ),
        (
            "<filesystem type='ram'><source usage='5' units='Mb'/></filesystem>"
            "<filesystem type='ram'><source usage='-5'/></filesystem>",
            r"/domain/devices/filesystem\[1\]: attribute 'dir' of <target> is missing",
        ),
        (
            "<filesystem type='ram'><source usage='-5'/><target dir='/a'/></filesystem>",
            r"filesystem/source/@usage: '-5' is not allowed \(allowed: .* not negative",
        ),
        (
            "<filesystem type='ram'><source usage='5' units='lots'/><target dir='/'/></filesystem>",
            r"source/@usage: '5 lots' is not allowed \(allowed: .*one of the units b, bytes",
        ),
    ],
)
def test_values_that_do_not_convert(devices: str, message: str) -> None:
    with pytest.raises(VirtlxcError, match=message) as caught:
        parse_domain(xml(devices))
    assert caught.value.code == Code.XML_ERROR


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("<features><capabilities><sys_tim state='on'/></capabilities></features>", "<sys_time>"),
        ("<vcpu>0</vcpu>", r"/domain/vcpu: '0' is not allowed \(allowed: a whole number from 1 to"),
        ("<uuid>12</uuid>", r"/domain/uuid: '12' is not allowed \(allowed: 32 hexadecimal"),
        ("<on_crash>explode</on_crash>", r"'explode' is not allowed \(allowed: destroy, restart"),
        ("<vcpu cpuset='3-1'>1</vcpu>", r"/domain/vcpu/@cpuset: '3-1' is not allowed"),
        ("<vcpu cpuset='0-99999999'>1</vcpu>", r"/domain/vcpu/@cpuset: "),
        ("<memory unit='lots'>1</memory><os/>", ""),
    ],
)
def test_other_values_that_do_not_convert(more: str, message: str) -> None:
    if not message:
        # The second <memory> is not used, so its unit does no harm: it is kept.
        assert parse_domain(xml(more=more)).memory == 65536
        return
    with pytest.raises(VirtlxcError, match=message):
        parse_domain(xml(more=more))


LAUGHS = (
    '<!DOCTYPE domain [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    "<domain type='lxc'><name>&c;</name></domain>"
)
OUTSIDE = (
    '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<domain type='lxc'><name>&x;</name></domain>"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"document type \(<!DOCTYPE ...>\); remove it"),
        (OUTSIDE, r"document type \(<!DOCTYPE ...>\); remove it"),
        (LAUGHS.encode("utf-16"), r"document type \(<!DOCTYPE ...>\); remove it"),
        ("<domain>&x;</domain>", "not well formed: Entity 'x' not defined"),
        ("<domain type='lxc'>" + "<a>" * 400 + "</a>" * 400 + "</domain>", "nested too deeply"),
        ("<domain>" + " " * xmlmap.MOST_BYTES + "</domain>", "more than the 4194304 that are read"),
        ("", "not well formed"),
        ("hello", "not well formed: Start tag expected"),
        ("<domain><name></domain>", "not well formed: Opening and ending tag mismatch.* line 1"),
        ("<network/>", "line 1: the root element is <network>, not <domain>"),
        ("<domain xmlns='urn:x'/>", "the root element is <domain>, not <domain>"),
        ("<domain type='kvm'><name>a</name></domain>", r"'kvm' is not allowed \(allowed: lxc\)"),
        ("<domain type='lxc'><memory>1</memory></domain>", "/domain: <name> is missing"),
        ("<domain type='lxc'><name>a</name></domain>", "/domain: <memory> is missing"),
        ("<domain><name>a</name><name>\0</name></domain>", "not well formed"),
    ],
)
def test_documents_that_are_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(VirtlxcError, match=message) as caught:
        parse_domain(text)
    assert caught.value.code == Code.XML_ERROR


def test_a_hundred_megabytes_are_refused_before_they_are_parsed() -> None:
    text = b"<domain>" + b"x" * (100 * 1024 * 1024)
    with pytest.raises(VirtlxcError, match="104857608 bytes"):
        parse_domain(text)


def test_no_file_and_no_network_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        '<domain type="lxc" xmlns:xi="http://www.w3.org/2001/XInclude"><name>a</name>'
        '<memory>1</memory><xi:include href="file:///etc/passwd" parse="text"/></domain>'
    )
    domain = parse_domain(text)
    assert "root:" not in repr(domain)
    assert domain.kept[0].path == "xi:include"


def test_texts_that_cannot_stand_in_xml_are_not_written() -> None:
    with pytest.raises(VirtlxcError, match=re.escape("'\\x01' cannot stand in XML")):
        xmlmap.format(THING, Thing(name="a\x01"))


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("filesytem", ("filesystem", "interface"), "filesystem"),
        ("on_crsh", ("on_crash", "on_reboot"), "on_crash"),
        ("currentmemory", ("memory", "currentMemory"), "currentMemory"),
        ("pi", ("ip", "mac"), "ip"),
        ("ip", ("ip",), None),
        ("zebra", ("filesystem", "interface"), None),
    ],
)
def test_suggestions(word: str, known: tuple[str, ...], meant: str | None) -> None:
    assert xmlmap.suggestion(word, known) == meant
