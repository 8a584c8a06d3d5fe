"""Networks read from XML and written back, byte for byte as libvirt 9.0.0 does."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.errors import Code, VirtlxcError
from virtlxc.model.network import (
    Bridge,
    DhcpHost,
    DhcpRange,
    Dns,
    DnsHost,
    Forward,
    Lease,
    Network,
    NetworkIp,
)
from virtlxc.model.network_document import format_network, parse_network
from virtlxc.model.network_tables import NETWORK
from virtlxc.schema import validate
from virtlxc.schema.grammar import folder
from virtlxc.xmlmap import check_table, tables_of

SCHEMAS = Path(str(folder()))
DATA = Path(__file__).parent.parent / "data" / "network"


def in_out() -> list[Path]:
    """Pairs NAME-in.xml, NAME-out.xml; the outputs are what virsh 9.0.0 prints for the inputs
    (``virsh -c test:///default 'net-define NAME-in.xml; net-dumpxml NAME'``)."""
    return sorted(DATA.glob("*-in.xml"))


@pytest.mark.parametrize("source", in_out(), ids=lambda path: path.name)
def test_written_as_libvirt_writes(source: Path) -> None:
    wanted = source.with_name(source.name.replace("-in.xml", "-out.xml")).read_text()
    written = format_network(parse_network(source.read_text()))
    assert written == wanted
    assert format_network(parse_network(written)) == wanted


def test_there_are_pairs() -> None:
    assert len(in_out()) >= 6


def test_tables_are_sound() -> None:
    for table in tables_of(NETWORK):
        assert check_table(table) == []


def net(body: str, name: str = "n") -> str:
    return f"<network><name>{name}</name>{body}</network>"


IP = "<ip address='192.168.5.1' prefix='24'/>"
BAD = [
    ("<network/>", r"<name> is missing"),
    (net("<forward/>"), r"<forward mode='nat'> needs an <ip>"),
    (net("<forward mode='natt'/>" + IP), r"'natt' is not allowed.*did you mean 'nat'"),
    (net("<uuid>12</uuid>"), r"'12' is not a UUID"),
    (net("<mac address='01:00:00:00:00:01'/>"), r"multicast"),
    (net("<ip address='300.1.1.1'/>"), r"an IPv4 or IPv6 address"),
    (net("<ip family='ipv6' address='10.0.0.1'/>"), r"the address is IPv4, the family ipv6"),
    (net("<ip address='10.0.0.1' prefix='24' netmask='255.0.0.0'/>"), r"a netmask and a prefix"),
    (net("<ip address='10.0.0.1' netmask='255.0.255.0'/>"), r"is not a length of an IPv4 subnet"),
    (net("<ip address='10.0.0.1' prefix='40'/>"), r"40 is not a length of an IPv4 subnet"),
    (
        net(
            "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.1.2' end='10.0.1.9'/>"
            "</dhcp></ip>"
        ),
        r"10.0.1.2 to 10.0.1.9 is not inside 10.0.0.0/24",
    ),
    (
        net(
            "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.9' end='10.0.0.2'/>"
            "</dhcp></ip>"
        ),
        r"10.0.0.9 to 10.0.0.2 is not a range",
    ),
    (
        net(
            "<ip address='10.0.0.1' prefix='24'><dhcp><host mac='02:00:00:00:00:01' "
            "ip='10.0.0.2'/><host mac='02:00:00:00:00:02' ip='10.0.0.2'/></dhcp></ip>"
        ),
        r"<host ip='10.0.0.2'> stands there 2 times",
    ),
    (net("<ip address='10.0.0.1' prefix='24'><dhcp><host/></dhcp></ip>"), r"neither mac, name"),
    (net("<route address='10.9.0.0' prefix='16' gateway='10.8.0.1'/>" + IP), r"in none of the"),
    (net("<forward mode='bridge'/><bridge name='br0'/>" + IP), r"<ip> is not possible with"),
    (net("<forward mode='bridge'/><bridge name='br0' stp='on'/>"), r"<bridge stp, delay or zone>"),
    (net("<forward mode='open' dev='eth0'/>" + IP), r"cannot have a dev"),
    (net("", name="x" * 201), r"the name has 201 bytes"),
    (net("", name=".x"), r"starts with '\.'"),
    (net("", name="a/b"), r"without '/'"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message for _, message in BAD])
def test_refused(text: str, message: str) -> None:
    with pytest.raises(VirtlxcError, match=message) as caught:
        parse_network(text)
    assert caught.value.code == Code.XML_ERROR


def test_defaults() -> None:
    network = parse_network(net(""))
    assert network.forward is None and network.mode == "none"
    assert network.bridge == Bridge(stp=True, delay=0)
    assert parse_network(net("<forward mode='none'/>")).forward is None


def test_length_of_an_address_without_one_is_that_of_its_class() -> None:
    for address, length in (
        ("10.0.0.1", 8),
        ("172.16.0.1", 16),
        ("192.168.1.1", 24),
        ("fd::1", 64),
    ):
        assert NetworkIp(address=address).interface.network.prefixlen == length


def test_metadata_comes_back_byte_for_byte() -> None:
    inside = '\n  <app:x xmlns:app="urn:a"  b = "1"><!-- c --></app:x>\n '
    text = format_network(parse_network(net(f"<metadata>{inside}</metadata>")))
    assert f"<metadata>{inside}</metadata>" in text


addresses = st.integers(2, 2**24 - 2).map(lambda n: ipaddress.IPv4Address(10 << 24 | n))
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
leases = st.none() | st.builds(
    Lease, expiry=st.integers(0, 10**6), unit=st.sampled_from(["seconds", "minutes", "hours"])
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    low, high = sorted(draw(st.lists(addresses, min_size=2, max_size=2, unique=True)))
    macs = draw(st.lists(st.integers(0, 2**24), max_size=4, unique=True))
    hosts = tuple(
        DhcpHost(
            mac=f"52:54:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
            name=draw(st.none() | words),
            ip=str(low + at) if draw(st.booleans()) else None,
            lease=draw(leases),
        )
        for at, n in enumerate({n & 0xFFFFFF for n in macs})
        if low + at <= high
    )
    ip = NetworkIp(
        address="10.0.0.1",
        prefix=8,
        ranges=(DhcpRange(start=str(low), end=str(high), lease=draw(leases)),),
        hosts=hosts,
    )
    dns = Dns(
        enable=draw(st.none() | st.booleans()),
        hosts=tuple(
            DnsHost(ip=str(address), names=tuple(draw(st.lists(words, max_size=3))))
            for address in draw(st.lists(addresses, max_size=2))
        ),
    )
    return Network(
        name=draw(words),
        uuid=str(draw(st.uuids())),
        forward=draw(st.sampled_from([None, Forward(mode="nat"), Forward(mode="route")])),
        bridge=Bridge(name=draw(st.none() | words.map(lambda w: w[:15])), stp=True, delay=0),
        mtu=draw(st.none() | st.integers(68, 65535)),
        dns=dns,
        ips=(ip,),
    )


@given(networks())
def test_what_is_written_is_read_back(network: Network) -> None:
    assert parse_network(format_network(network)) == network


EXAMPLES = sorted((Path(__file__).parent.parent.parent / "xml-examples").glob("network-*.xml"))


@pytest.mark.parametrize("path", [*EXAMPLES, *in_out()], ids=lambda path: path.name)
def test_what_we_read_is_valid(path: Path) -> None:
    assert validate(path.read_bytes(), "network") == ()


def test_schema_names_place_and_cause() -> None:
    text = net(
        "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.9' ennd='x'/></dhcp></ip>"
    )
    assert [str(problem) for problem in validate(text, "network")] == [
        "line 1: /network/ip/dhcp/range/@ennd: <range> has no attribute 'ennd' (allowed: end, "
        "start); did you mean 'end'?"
    ]


def test_schema_knows_every_row_of_the_tables() -> None:
    """Every element and attribute that a table reads has a place in the schema, by its name."""
    files = ("network", "addresses", "port")
    schema = "".join((SCHEMAS / f"{name}.rng").read_text() for name in files)
    for table in tables_of(NETWORK):
        for row in table.rows:
            for part in row.path.split("/"):
                name = part.lstrip("@").partition(":")[2] or part.lstrip("@")
                assert f'name="{name}"' in schema, f"<{table.tag}> {row.path}"
