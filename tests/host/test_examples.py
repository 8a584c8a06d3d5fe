"""Every example as it is: started on a host that has what it names, and looked at from inside.

Each example has an element that no other has; the guest, a script in place of the program that the
example names, shows what that element does to it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from tests import rootfs
from tests.harness import CHECKOUT
from tests.host.blocklab import ext4, image
from tests.host.examplelab import Host, example_host, program
from tests.host.lifelab import Ref
from tests.host.switchlab import BRIDGE, WithSwitch
from virtlxc.errors import VirtlxcError
from virtlxc.model import Domain, parse_domain

pytestmark = pytest.mark.host

EXAMPLES = CHECKOUT / "xml-examples"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with example_host() as made:
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """``unique``: the feature that is this example's alone, see :func:`features`.

    ``script`` runs inside and prints NAME=VALUE lines; ``expect`` judges them. ``before`` makes
    what the example needs beside its root.
    """

    unique: str
    script: str = ""
    expect: Callable[[dict[str, str]], bool]
    before: Callable[[Host, Domain], None] = lambda host, domain: None
    needs: str = ""


def _image_root(host: Host, domain: Domain) -> None:
    """The appliance: its root folder becomes an image."""
    assert domain.root is not None and domain.root.source
    target = host.instance.seen(Path(domain.root.source))
    folder = target.with_suffix(".d")
    target.parent.mkdir(parents=True, exist_ok=True)
    rootfs.make_busybox(folder)
    (folder / "sbin/init").unlink()
    rootfs.script(folder, "/sbin/init", program(EXPECTED["appliance"].script))
    ext4(image(target, 24), "-d", str(folder))


def _saved_image(host: Host, domain: Domain) -> None:
    saved = host.instance.seen(Path("/srv/images/saved.img"))
    saved.parent.mkdir(parents=True, exist_ok=True)
    image(saved)


def _web1(host: Host, domain: Domain) -> None:
    """The sidecar's other half runs."""
    if "web1" not in host.instance.domains():
        _start(host, "webserver")


def _say(**lines: str) -> str:
    return "\n".join(f'echo "{name}=$( {command} )"' for name, command in lines.items())


EXPECTED: dict[str, Example] = {
    "application": Example(
        unique="metadata/virtlxc:container/virtlxc:cgroup/@view=none",
        expect=lambda said: "cgroup" not in said["mounts"],
    ),
    "appliance": Example(
        unique="devices/filesystem/@type=file",
        before=_image_root,
        script=_say(
            root="grep ' / ' /proc/mounts | cut -d' ' -f3,4 | cut -d, -f1",
            write="(touch /x) 2>&1",
            var="touch /var/x && echo works",
        ),
        expect=lambda said: (
            said["root"] == "ext4 ro" and "Read-only" in said["write"] and said["var"] == "works"
        ),
    ),
    "backup": Example(
        unique="devices/hostdev/source/block",
        script=_say(
            disk="echo kept > /dev/vg0/backup && head -c 4 /dev/vg0/backup",
            other="ls /dev/vg0",
        ),
        expect=lambda said: said["disk"] == "kept" and said["other"] == "backup",
    ),
    "busybox": Example(
        unique="features/capabilities/linux_immutable",
        script=_say(bounding="grep CapBnd /proc/self/status | cut -f2"),
        expect=lambda said: int(said["bounding"], 16) & 0x201 == 0x001,
    ),
    "centos": Example(
        unique="os/type/@arch=i686",
        script=_say(machine="uname -m"),
        expect=lambda said: said["machine"] == "i686",
    ),
    "ci-runner": Example(
        unique="metadata/virtlxc:container/virtlxc:rlimit",
        script=_say(files="ulimit -n", hard="ulimit -H -n", core="ulimit -c", who="id -un"),
        expect=lambda said: (
            (said["files"], said["hard"], said["core"], said["who"])
            == ("4096", "8192", "0", "runner")
        ),
    ),
    "database": Example(
        unique="metadata/virtlxc:container/virtlxc:memory/virtlxc:low",
        needs="protected memory needs the memory controller on cgroup v2",
        script=_say(nodes="grep Mems_allowed_list /proc/self/status | cut -f2"),
        expect=lambda said: said["nodes"] == "0",
    ),
    "firewall": Example(
        unique="devices/interface/source/ip",
        script=_say(
            out="ip -4 address show out | grep -c 'inet 198.51.100.2 peer 198.51.100.1'",
            ping="ping -c 1 -W 5 198.51.100.1 | grep -c 'bytes from'",
        ),
        expect=lambda said: (said["out"], said["ping"]) == ("1", "1"),
    ),
    "inventory-2014": Example(
        unique="devices/filesystem/@accessmode=passthrough",
        script=_say(owner="touch /made && stat -c %u /made"),
        expect=lambda said: said["owner"] == "0",
    ),
    "license-dongle": Example(
        unique="devices/hostdev/source/@startupPolicy=optional",
        script=_say(bus="ls /dev/bus 2>&1", loaded="echo yes"),
        expect=lambda said: "No such file" in said["bus"] and said["loaded"] == "yes",
    ),
    "macvlan": Example(
        unique="devices/interface/@type=direct",
        script=_say(
            card="ip address show lan | tr '\\n' ' '",
        ),
        expect=lambda said: (
            "52:54:00:3a:c0:01" in said["card"]
            and "192.0.2.40/24" in said["card"]
            and "lan@if" in said["card"]
        ),
    ),
    "mirror": Example(
        unique="devices/interface/bandwidth",
        script=r"""
now() { tr -d . < /proc/uptime | cut -d' ' -f1; }
until nc 192.0.2.1 7001 < /dev/null 2>/dev/null; do sleep 0.1; done
start=$(now)
dd if=/dev/zero bs=64k count=24 2>/dev/null | nc 192.0.2.1 7002
echo "took=$(( $(now) - start ))"
""",
        before=lambda host, domain: _services(host),
        expect=lambda said: int(said["took"]) >= 100,  # 1.5 MiB at 1 MiB a second, hundredths
    ),
    "monitor": Example(
        unique="lxc:namespace/lxc:shareuts",
        before=_web1,
        script=_say(name="hostname", links="ls /sys/class/net"),
        expect=lambda said: (said["name"], said["links"]) == ("web1", "lo"),
    ),
    "mysql": Example(
        unique="devices/filesystem/@type=block",
        script=_say(
            mount="grep ' /var/lib/mysql ' /proc/mounts",
            write="echo data > /var/lib/mysql/x && cat /var/lib/mysql/x",
        ),
        expect=lambda said: (
            " ext4 " in said["mount"] and "noatime" in said["mount"] and said["write"] == "data"
        ),
    ),
    "nested": Example(
        unique="metadata/virtlxc:container/@nesting=yes",
        script=_say(proc="mkdir -p /mnt && mount -t proc proc /mnt && ls -d /mnt/1 2>&1"),
        expect=lambda said: said["proc"] == "/mnt/1" and "/proc/keys" not in said["mounts"],
    ),
    "offline-worker": Example(
        unique="devices/filesystem/@type=bind",
        script=_say(
            bound="ls /var/spool/out",
            line="echo $LIBVIRT_LXC_CMDLINE",
            net="ls /sys/class/net",
        ),
        before=lambda host, domain: host.instance.seen(Path("/srv/jobs/out/result")).touch(),
        expect=lambda said: (
            (said["bound"], said["line"], said["net"]) == ("result", "quality=90 threads=2", "lo")
        ),
    ),
    "rescue": Example(
        unique="devices/disk",
        before=_saved_image,
        script=_say(
            read="dd if=/dev/sda bs=512 count=1 2>/dev/null | wc -c",
            write="(echo x > /dev/sda) 2>&1",
            saved="echo kept > /dev/sdb && head -c 4 /dev/sdb",
        ),
        expect=lambda said: (
            said["read"] == "512" and "not permitted" in said["write"] and said["saved"] == "kept"
        ),
    ),
    "router": Example(
        unique="devices/hostdev/source/interface",
        script=_say(
            card="ip address show wan0 | tr '\\n' ' '",
            route="ip route | grep default",
            ping="ping -c 1 -W 5 198.51.100.1 | grep -c 'bytes from'",
        ),
        expect=lambda said: (
            "198.51.100.10/24" in said["card"]
            and "via 198.51.100.1 dev wan0" in said["route"]
            and said["ping"] == "1"
        ),
    ),
    "sidecar": Example(
        unique="lxc:namespace/lxc:sharenet/@type=name",
        before=_web1,
        script=_say(links="ls /sys/class/net | tr '\\n' ' '", card="ip address show front"),
        expect=lambda said: "back front lo" in said["links"],
    ),
    "standby": Example(
        unique="devices/interface/link/@state=down",
        script=_say(public="ip address show public | tr '\\n' ' '", private="ip link show private"),
        expect=lambda said: (
            "192.0.2.10/24" in said["public"]
            and ",UP" not in said["public"]
            and ",UP" in said["private"]
        ),
    ),
    "switched": Example(
        unique="devices/interface/virtualport/@type=openvswitch",
        before=lambda host, domain: _switch(host),
        script=_say(
            own="ping -c 1 -W 5 10.70.0.107 | grep -c 'bytes from'",
            other="ping -c 1 -W 1 10.70.0.109 | grep -c 'bytes from'",
        ),
        expect=lambda said: (said["own"], said["other"]) == ("1", "0"),
    ),
    "systemd": Example(
        unique="memtune/hard_limit",
        script=_say(killed="dd if=/dev/zero of=/dev/null bs=1G count=1 2>/dev/null; echo $?"),
        expect=lambda said: said["killed"] == "137",
    ),
    "tenant": Example(
        unique="devices/interface/port/@isolated=yes",
        before=lambda host, domain: _neighbour(host),
        script=_say(
            bridge="ping -c 1 -W 5 192.0.2.1 | grep -c 'bytes from'",
            tenant="ping -c 1 -W 1 192.0.2.118 | grep -c 'bytes from'",
        ),
        expect=lambda said: (said["bridge"], said["tenant"]) == ("1", "0"),
    ),
    "test": Example(
        unique="features/capabilities/mknod/@state=on",
        script=_say(node="mknod -m 666 /null c 1 3 && echo x > /null && stat -c %F /null"),
        expect=lambda said: said["node"] == "character special file",
    ),
    "throwaway": Example(
        unique="metadata/virtlxc:container/virtlxc:filesystem/@overlay",
        script=_say(
            write="echo new > /made && cat /made",
            root="grep -c ' / overlay ' /proc/mounts",
        ),
        expect=lambda said: (said["write"], said["root"]) == ("new", "1"),
    ),
    "vpn-gateway": Example(
        unique="devices/hostdev/source/char",
        script=_say(
            tunnel="tunctl -t tun0 >/dev/null && ls -d /sys/class/net/tun0",
            forward="cat /proc/sys/net/ipv4/ip_forward",
        ),
        expect=lambda said: (said["tunnel"], said["forward"]) == ("/sys/class/net/tun0", "1"),
    ),
    "vpn-namespace": Example(
        unique="lxc:namespace/lxc:sharenet/@type=netns",
        script=_say(links="ls /sys/class/net | tr '\\n' ' '", who="id -un"),
        expect=lambda said: said["links"].strip() == "lo tunnel7 tunnel8" and said["who"] == "user",
    ),
    "webserver": Example(
        unique="devices/interface/route/@prefix",
        script=_say(route="ip route | grep ^default"),
        expect=lambda said: "via 192.0.2.1 dev front" in said["route"],
    ),
}


def _services(host: Host) -> None:
    """Somebody on the bridge who takes whatever comes."""
    for port, command in (("7001", "true"), ("7002", "dd of=/dev/null bs=64k")):
        listener = ["busybox", "nc", "-ll", "-p", port, "-e", *command.split()]
        host.helpers.append(host.instance.spaces.popen(listener, stderr=subprocess.DEVNULL))


def _neighbour(host: Host) -> None:
    """Another tenant on the bridge, at another isolated port."""
    run = host.instance.run
    run("ip", "netns", "add", "other").ok()
    run("ip", "link", "add", "n118", "type", "veth", "peer", "name", "eth0", "netns", "other").ok()
    run("ip", "link", "set", "n118", "master", "br0", "up").ok()
    run("bridge", "link", "set", "dev", "n118", "isolated", "on").ok()
    run("ip", "-n", "other", "address", "add", "192.0.2.118/24", "dev", "eth0").ok()
    run("ip", "-n", "other", "link", "set", "eth0", "up").ok()
    host.instance.own_links.add("n118")


def _switch(host: Host) -> None:
    """Others on the switch: one in the customer's VLAN, one in another."""
    if not isinstance(host.instance, WithSwitch):
        pytest.skip("Open vSwitch cannot be fetched here")
    run = host.instance.run
    for vlan in (7, 9):
        name, far = f"s{vlan}", f"vlan{vlan}"
        run("ip", "netns", "add", far).ok()
        peer = ("type", "veth", "peer", "name", "eth0", "netns", far)
        run("ip", "link", "add", name, *peer).ok()
        run("ip", "link", "set", name, "up").ok()
        run("ip", "-n", far, "address", "add", f"10.70.0.10{vlan}/24", "dev", "eth0").ok()
        run("ip", "-n", far, "link", "set", "eth0", "up").ok()
        host.instance.vsctl("add-port", BRIDGE, name, f"tag={vlan}")
        host.instance.own_links.add(name)


def _start(host: Host, name: str) -> Ref:
    """Defines the example as it stands, and starts it."""
    text = (EXAMPLES / f"{name}.xml").read_text()
    domain, case = parse_domain(text), EXPECTED[name]
    case.before(host, domain)
    if case.script and domain.root is not None and domain.root.type == "mount":
        host.put(domain, case.script)
    if domain.name in host.instance.domains():  # another example needed it
        host.instance.virtlxc("destroy", domain.name).ok()
    ref = host.ref_of(host.call("DOMAIN_DEFINE_XML", xml=text))
    return host.start(ref)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_does_what_it_says(host: Host, name: str) -> None:
    case = EXPECTED[name]
    if case.needs and "memory" in _bound_to_v1():
        with pytest.raises(VirtlxcError, match=case.needs):
            _start(host, name)
        return
    ref = _start(host, name)
    said = {"mounts": Path(f"/proc/{host.id(ref)}/mounts").read_text()}
    if case.script:
        words = host.console(ref, b"END").decode(errors="replace")
        said |= dict(line.strip().split("=", 1) for line in words.splitlines() if "=" in line)
    assert case.expect(said), said
    host.destroy(ref)
    if name == "router":
        cards = json.loads(host.instance.run("ip", "-j", "link", "show", "wan0").ok())
        assert "UP" in cards[0]["flags"], "the host has its card back"


def _bound_to_v1() -> set[str]:
    rows = [line.split("\t") for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    return {name for name, hierarchy, *_ in rows if hierarchy != "0"}


_PREFIXES = {
    "urn:virtlxc:domain:1": "virtlxc:",
    "http://libvirt.org/schemas/domain/lxc/1.0": "lxc:",
}


def features(path: Path) -> set[str]:
    """Paths of all elements and attributes in a document, and attributes with their values."""
    found = set()

    def name(tag: str) -> str:
        space, _, local = tag.rpartition("}")
        return _PREFIXES.get(space.lstrip("{"), "") + local

    def walk(element: etree._Element, at: str) -> None:
        found.add(at)
        for attribute in map(str, element.keys()):
            path = f"{at}/@{name(attribute)}"
            found.update((path, f"{path}={element.get(attribute)}"))
        for child in element.iterchildren("*"):
            walk(child, f"{at}/{name(str(child.tag))}".lstrip("/"))

    walk(etree.parse(path).getroot(), "")
    return found


def test_each_example_has_what_no_other_has() -> None:
    documents = {
        path.stem: features(path) for path in EXAMPLES.glob("*.xml") if "network-" not in path.name
    }
    assert set(documents) == set(EXPECTED)
    assert len(documents) >= 25
    for name, case in EXPECTED.items():
        having = [other for other, found in documents.items() if case.unique in found]
        assert having == [name], f"{case.unique} is in {having}"


def test_few_examples_need_more_than_this_host_has() -> None:
    needy = [name for name, case in EXPECTED.items() if case.needs]
    assert len(needy) <= 3
    for name in needy:
        assert "cannot start everywhere" in (EXAMPLES / f"{name}.xml").read_text()
