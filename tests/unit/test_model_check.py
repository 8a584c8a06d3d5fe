"""What is an error at define, with the words a person gets; and what is only worth a warning."""

from __future__ import annotations

import pytest

from tests.unit.domains import xml
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import check, parse_domain

BODY = "<memory>1024</memory><os><type>exe</type><init>/i</init></os>"
WHOLE = "<idmap><{0} start='0' target='100000' count='65536'/>{1}</idmap>"


def domain(name: str = "web1", body: str = BODY) -> str:
    return f"<domain type='lxc'><name>{name}</name>{body}</domain>"


def idmap(uids: str, gids: str = "<gid start='0' target='100000' count='65536'/>") -> str:
    return domain(body=f"{BODY}<idmap>{uids}{gids}</idmap>")


def card(inside: str, kind: str = "bridge", source: str = "<source bridge='br0'/>") -> str:
    return xml(f"<interface type='{kind}'>{source}{inside}</interface>")


FAR = "".join(
    f"<uid start='{at * 10}' target='{at * 10 + 100000}' count='5'/>" for at in range(341)
)

ERRORS = [
    (domain(" "), "domain ' ': the name is empty; give it one in <name>"),
    (domain("n" * 300), "the name has 300 bytes; at most 200 are possible"),
    (domain("\u20ac" * 67), "the name has 201 bytes; at most 200 are possible"),
    (
        domain("a/b"),
        "domain 'a/b': the name contains '/'; names are file names, choose one without",
    ),
    (domain("a\nb"), "the name contains a newline; write it in one line"),
    (domain("a\tb"), "the name contains a control character; remove it"),
    (domain(".a"), "domain '.a': the name begins with '.'; choose one that begins otherwise"),
    (xml(more="<title>a\nb</title>"), "the title contains a newline"),
    (
        domain(body="<memory>0</memory><os><init>/i</init></os>"),
        "domain 'web1': <memory> is 0; give the most that the container may use, such as 512 MiB",
    ),
    (
        domain(body="<memory>1</memory><os><type>exe</type></os>"),
        "no init is given; name the first program in <os>, such as <init>/sbin/init</init>",
    ),
    (xml(more="<vcpu current='3'>2</vcpu>"), "<vcpu current='3'> is more than its maximum, 2"),
    (
        xml(more="<cputune><shares>1</shares></cputune>"),
        "<cputune> <shares> is 1; it can be 2 to 262144",
    ),
    (
        xml(more="<cputune><period>999</period></cputune>"),
        "<cputune> <period> is 999; it can be 1000 to 1000000",
    ),
    (xml(more="<cputune><quota>5</quota></cputune>"), "<cputune> <quota> is 5; it can be 1000 to"),
    (
        idmap("<uid start='1' target='100000' count='5'/>"),
        "<idmap> maps no <uid> 0, so that the container has no root; add a <uid start='0' .../>",
    ),
    (
        idmap(
            "<uid start='0' target='100000' count='10'/><uid start='9' target='200000' count='10'/>"
        ),
        "<idmap> <uid start='0' count='10'> and <uid start='9' count='10'> overlap",
    ),
    (
        idmap(
            "<uid start='0' target='100000' count='10'/><uid start='10' target='100009' count='9'/>"
        ),
        "<idmap> <uid target='100000' count='10'> and <uid target='100009' count='9'> overlap",
    ),
    (idmap("<uid start='0' target='1' count='0'/>"), "<uid start='0'> has count='0'; leave it out"),
    (
        idmap("<uid start='0' target='4294967290' count='6'/>"),
        "<uid start='0'> goes beyond the highest id, 4294967294",
    ),
    (idmap(""), "<idmap> has no <uid>; users and groups are both needed"),
    (idmap("<uid start='0' target='100000' count='5'/>", ""), "<idmap> has no <gid>; users and"),
    (idmap(FAR), "<idmap> has 341 <uid> lines; the kernel takes 340"),
    (
        xml("<filesystem type='mount'><target dir='/a'/></filesystem>"),
        "<filesystem> at '/a' has no source; add <source dir='...'/>",
    ),
    (
        xml("<filesystem type='block'><source dir='/x'/><target dir='/a'/></filesystem>"),
        "<filesystem> at '/a' has no source; add <source dev='...'/>",
    ),
    (
        xml("<filesystem type='ram'><target dir='/a'/></filesystem>"),
        "<filesystem> at '/a' has no size; add <source usage='64' units='MiB'/>",
    ),
    (
        xml("<filesystem type='volume'><source pool='p'/><target dir='/a'/></filesystem>"),
        "has no source; add <source pool='...' volume='...'/>",
    ),
    (
        xml(
            more="<metadata><v:container xmlns:v='urn:virtlxc:domain:1'>"
            "<v:filesystem target='/dta' idmap='none'/></v:container></metadata>"
        ),
        "<virtlxc:filesystem target='/dta'> belongs to no <filesystem> (targets: none)",
    ),
    (
        card("<mac address='01:54:00:00:00:01'/>"),
        "interface 1 has the multicast MAC 01:54:00:00:00:01; the second digit must be even",
    ),
    (card("", source=""), "interface 1 has no source; add <source bridge='...'/>"),
    (card("", "network", ""), "interface 1 has no source; add <source network='...'/>"),
    (
        card("<ip address='10.0.0.1' prefix='33'/>"),
        "interface 1: the prefix 33 of '10.0.0.1' is more than 32",
    ),
    (
        card("<ip address='fd00::1' family='ipv4'/>"),
        "interface 1: <ip address='fd00::1'> is not of the family 'ipv4'",
    ),
    (
        card("<route family='ipv6' address='::' gateway='10.0.0.1'/>"),
        "interface 1: <route gateway='10.0.0.1'> is not of the family 'ipv6'",
    ),
    (
        card("", source="<source bridge='br0'><ip address='10.0.0.1'/></source>"),
        "interface 1 has addresses inside <source>, the host's end; only type='ethernet' can",
    ),
]

LXC = "xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'"
ERRORS += [
    (
        xml(more=f"<lxc:namespace {LXC}><lxc:shareipc type='netns' value='a'/></lxc:namespace>"),
        "<lxc:shareipc> has type='netns'; use 'name' or 'pid'",
    ),
    (
        xml(more=f"<lxc:namespace {LXC}><lxc:shareuts type='pid' value='a'/></lxc:namespace>"),
        "<lxc:shareuts> has type='pid' and the value 'a', which is no pid",
    ),
    (
        xml(
            more="<features><privnet/></features>"
            f"<lxc:namespace {LXC}><lxc:sharenet type='name' value='a'/></lxc:namespace>"
        ),
        "<lxc:sharenet> and interfaces or <privnet/> exclude each other; remove one",
    ),
]


@pytest.mark.parametrize(("text", "message"), ERRORS, ids=[message[:50] for _, message in ERRORS])
def test_errors(text: str, message: str) -> None:
    parsed = parse_domain(text)
    with pytest.raises(VirtlxcError) as caught:
        check(parsed)
    assert message in caught.value.message
    assert caught.value.message.startswith("domain '")
    assert caught.value.code == Code.XML_ERROR


def test_what_only_the_host_can_tell_is_no_error() -> None:
    there = "<filesystem type='mount'><source dir='/not/there'/><target dir='/'/></filesystem>"
    check(parse_domain(xml(there + "<interface type='bridge'><source bridge='none'/></interface>")))
    longest = idmap(FAR.rpartition("<uid")[0], "<gid start='0' target='0' count='1'/>")
    check(parse_domain(longest))
    check(parse_domain(domain("n" * 200)))


SAFE = "<idmap><uid start='0' target='9' count='9'/><gid start='0' target='9' count='9'/></idmap>"
ROOT = "<filesystem><source dir='/r'/><target dir='/'/></filesystem>"
ALONE = SAFE + "<features><privnet/></features>"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (xml(), "root in this container is root on the host"),
        (
            domain(body=BODY.replace("1024", "64")),
            "64 KiB of memory is too little for any program (<memory> without a unit is KiB: ",
        ),
        (xml(), "no root file system is given: the container sees the host's programs, read-only"),
        (xml(), "no interface is given: the container uses the host's network"),
        (
            xml(ROOT + "<graphics type='vnc'/>", ALONE),
            "/domain/devices/graphics has no effect: for virtual machines",
        ),
        (
            xml(ROOT, ALONE + "<seclabel type='dynamic'/>"),
            "it will not start unless told to ignore 'seclabel'",
        ),
        (xml(ROOT + "<disk type='network'><target dev='sda'/></disk>", ALONE), "ignore 'disk'"),
        (
            xml(ROOT + "<console type='file'/>", ALONE),
            "/domain/devices/console/@type has no effect: only 'pty' can be started; "
            "it will not start unless told to ignore 'console'",
        ),
        (
            xml(
                ROOT + "<interface type='bridge'><mac address='2:0:0:0:0:1'/><source bridge='b'/>"
                "</interface>" * 2,
                SAFE,
            ),
            "the MAC 02:00:00:00:00:01 is used twice",
        ),
        (xml(ROOT, ALONE + "<colour/>"), "/domain/colour has no effect: virtlxc does not know it"),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    assert any(warning in line for line in check(parse_domain(text))), check(parse_domain(text))


def test_a_tidy_domain_gives_no_warning() -> None:
    labels = "<seclabel type='none'/><on_crash>restart</on_crash>"
    assert check(parse_domain(xml(ROOT + "<console type='pty'/>", ALONE + labels))) == []
