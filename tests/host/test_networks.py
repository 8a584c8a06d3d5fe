"""Virtual networks on the real kernel: bridges, DHCP, NAT, and who is in the way."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness import wait_for
from tests.host.netlab import ip, run, take_lease
from tests.host.network_host import Host, leftovers, network_host, xml
from virtlxc.driver.named import NamedEvent
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import programs

pytestmark = pytest.mark.host

Runner = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


@pytest.fixture
def host() -> Iterator[Host]:
    with network_host() as made:
        yield made


# --- the way through


@pytest.mark.kernel
def test_default_network_gives_a_lease_a_name_and_a_way_out(host: Host, tmp_path: Path) -> None:
    outside = host.outside()
    assert host.networks.start(host.default) == ()
    bridge = host.networks.bridge_name(host.default)
    guest = host.guest(bridge, "52:54:00:00:00:07")
    line = take_lease(guest, tmp_path, "web1")
    (lease,) = host.networks.dhcp_leases(host.default)
    assert line == f"lease {lease.ipaddr} router 192.168.122.1 dns 192.168.122.1"
    assert (lease.mac, lease.hostname, lease.prefix, lease.type, lease.iface) == (
        "52:54:00:00:00:07",
        "web1",
        24,
        0,
        bridge,
    )
    assert abs(lease.expirytime - time.time() - 3600) < 60
    assert host.networks.dhcp_leases(host.default, "52:54:00:00:00:08") == []
    asked = guest.run("busybox", "nslookup", "-type=a", "web1", "192.168.122.1").ok()
    assert lease.ipaddr in asked
    # Answered here and now: nobody outside is asked for the IPv6 address of a guest.
    guest.run("busybox", "nslookup", "-type=aaaa", "web1", "192.168.122.1").ok()
    # The outside has no route back: an answer can only come to the host's own address.
    guest.run("busybox", "ping", "-c", "1", "-W", "3", "203.0.113.2").ok()
    outside.run("ip", "route", "add", "192.168.122.0/24", "via", "203.0.113.1").ok()
    assert (
        "100% packet loss"
        in outside.run("busybox", "ping", "-c", "1", "-W", "1", lease.ipaddr).stdout
    )


# Prints the address and port of the first to connect.
SERVER = """
import socket
s = socket.create_server(("203.0.113.2", 7777))
print("ready", flush=True)
print(*s.accept()[1])
"""
CLIENT = """
import socket
s = socket.socket()
s.bind(("", 500))
s.connect(("203.0.113.2", 7777))
"""


def test_nat_hides_the_guest_behind_the_host(host: Host, tmp_path: Path) -> None:
    outside = host.outside()
    host.networks.start(host.default)
    guest = host.guest(host.networks.bridge_name(host.default))
    take_lease(guest, tmp_path)
    server = outside.spaces.popen(["python3", "-c", SERVER], stdout=subprocess.PIPE)
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    guest.run("python3", "-c", CLIENT).ok()
    address, port = server.communicate(timeout=60)[0].split()
    assert address == b"203.0.113.1"
    assert int(port) >= 1024, "a guest cannot take the host's reserved ports"


def test_dhcp_answers_carry_no_half_made_checksum(host: Host, tmp_path: Path) -> None:
    host.networks.start(host.default)
    guest = host.guest(host.networks.bridge_name(host.default))
    catcher = guest.spaces.popen(["python3", "-c", CATCH], stdout=subprocess.PIPE)
    assert catcher.stdout is not None
    assert catcher.stdout.readline() == b"ready\n"
    take_lease(guest, tmp_path)
    out, _ = catcher.communicate(timeout=60)
    assert out.strip() == b"0"


# Prints the UDP checksum of the first packet to port 68.
CATCH = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
print("ready", flush=True)
while True:
    data = s.recv(2000)
    head = (data[0] & 15) * 4
    if data[9] == 17 and data[head + 2 : head + 4] == bytes((0, 68)):
        print(int.from_bytes(data[head + 6 : head + 8], "big"))
        break
"""


def test_routed_network_is_reached_from_outside(host: Host, tmp_path: Path) -> None:
    outside = host.outside()
    ref = host.networks.define(xml("lan", "10.77.0", "route"))
    host.networks.start(ref)
    guest = host.guest(host.networks.bridge_name(ref))
    address = take_lease(guest, tmp_path).split()[1]
    outside.run("ip", "route", "add", "10.77.0.0/24", "via", "203.0.113.1").ok()
    outside.run("busybox", "ping", "-c", "1", "-W", "3", address).ok()
    guest.run("busybox", "ping", "-c", "1", "-W", "3", "203.0.113.2").ok()


def test_isolated_network_leads_nowhere(host: Host, tmp_path: Path) -> None:
    host.outside()
    host.networks.start(host.default)  # which switches forwarding on
    ref = host.networks.define(xml("alone", "10.78.0"))
    host.networks.start(ref)
    bridge = host.networks.bridge_name(ref)
    one, two = host.guest(bridge), host.guest(bridge)
    assert take_lease(one, tmp_path).split()[2:4] == ["router", "dns"]
    address = take_lease(two, tmp_path).split()[1]
    one.run("busybox", "ping", "-c", "1", "-W", "3", address).ok()
    one.run("ip", "route", "add", "default", "via", "10.78.0.1").ok()
    assert one.run("busybox", "ping", "-c", "1", "-W", "1", "203.0.113.2").code != 0


def test_networks_with_nat_are_closed_to_each_other(host: Host, tmp_path: Path) -> None:
    host.networks.start(host.default)
    ref = host.networks.define(xml("zz", "10.79.0", "nat"))
    host.networks.start(ref)
    one = host.guest(host.networks.bridge_name(host.default))
    two = host.guest(host.networks.bridge_name(ref))
    first = take_lease(one, tmp_path).split()[1]
    second = take_lease(two, tmp_path).split()[1]
    assert one.run("busybox", "ping", "-c", "1", "-W", "1", second).code != 0
    assert two.run("busybox", "ping", "-c", "1", "-W", "1", first).code != 0


def test_ipv6_is_announced_to_guests(host: Host, tmp_path: Path) -> None:
    text = xml("six", "10.85.0", "nat").replace(
        "</network>", "<ip family='ipv6' address='fd00:5::1' prefix='64'/></network>"
    )
    ref = host.networks.define(text)
    host.networks.start(ref)
    guest = host.guest(host.networks.bridge_name(ref))
    take_lease(guest, tmp_path)
    wait_for(
        "an address from the announced prefix",
        lambda: "fd00:5::" in guest.run("ip", "-6", "addr", "show", "dev", "eth0").stdout,
    )
    wait_for(
        "an answer from the bridge",
        lambda: guest.run("busybox", "ping", "-c", "1", "-W", "1", "fd00:5::1").code == 0,
    )


def test_fixed_lease_is_by_configuration(host: Host, tmp_path: Path) -> None:
    fixed = "<host mac='52:54:00:00:00:0a' ip='10.86.0.200' name='db'/>"
    ref = host.networks.define(xml("fixed", "10.86.0", "nat").replace("</dhcp>", fixed + "</dhcp>"))
    host.networks.start(ref)
    guest = host.guest(host.networks.bridge_name(ref), "52:54:00:00:00:0a")
    assert take_lease(guest, tmp_path).split()[1] == "10.86.0.200"
    assert "10.86.0.200" in guest.run("busybox", "nslookup", "-type=a", "db", "10.86.0.1").ok()


def test_bridge_of_others_is_used_and_left_alone(host: Host) -> None:
    text = "<network><name>lan</name><forward mode='bridge'/><bridge name='br7'/></network>"
    ref = host.networks.define(text)
    with pytest.raises(VirtlxcError) as caught:
        host.networks.start(ref)
    assert caught.value.message == (
        "cannot start network 'lan': there is no bridge 'br7' (create it: ip link add br7 type "
        "bridge)"
    )
    ip("link", "add", "br7", "type", "bridge")
    assert host.networks.ready("lan") == "br7"
    host.networks = host.daemon()
    assert host.networks.is_active(ref)
    host.networks.destroy(ref)
    ip("link", "show", "br7")


# --- definitions


def test_default_is_made_once(host: Host) -> None:
    text = host.networks.xml(host.default)
    assert f"<bridge name='virbr{host.paths.instance}-0' stp='off' delay='0'/>" in text
    assert "<ip address='192.168.122.1' netmask='255.255.255.0'>" in text
    assert host.daemon().xml(host.default) == text
    host.networks.undefine(host.default)
    again = host.daemon()
    assert again.list_all() == []


def test_default_takes_the_first_free_subnet(host: Host) -> None:
    host.networks.undefine(host.default)
    Path(f"{host.paths.lib}/network/default-was-made").unlink()
    ip("link", "add", "x0", "type", "bridge")
    ip("addr", "add", "192.168.122.200/29", "dev", "x0")
    ip("link", "set", "x0", "up")
    host.networks = host.daemon()
    assert "<ip address='192.168.123.1'" in host.networks.xml(host.default)


def test_lifecycle_and_events(host: Host) -> None:
    networks = host.networks
    host.events.clear()
    ref = networks.define(xml("n", "10.80.0", "nat"))
    text = networks.xml(ref)
    assert networks.define(text) == ref and networks.xml(ref) == text
    assert not networks.autostart(ref)
    networks.set_autostart(ref, True)
    assert host.daemon().autostart(ref)
    assert [one.name for one in networks.list_all(2)] == []
    networks.start(ref)
    assert [one.name for one in networks.list_all(2)] == ["n"]
    with pytest.raises(VirtlxcError, match="network is already active"):
        networks.start(ref)
    networks.undefine(ref)
    assert not networks.is_persistent(ref) and networks.is_active(ref)
    leases = Path(host.paths.lib) / "network" / f"{ref.uuid_text}.leases"
    assert leases.exists()
    networks.destroy(ref)
    assert not leases.exists()
    with pytest.raises(VirtlxcError) as caught:
        networks.lookup_name("n")
    assert caught.value.code == Code.NO_NETWORK
    assert host.events == [
        ("n", NamedEvent.DEFINED),
        ("n", NamedEvent.DEFINED),
        ("n", NamedEvent.STARTED),
        ("n", NamedEvent.UNDEFINED),
        ("n", NamedEvent.STOPPED),
    ]


def test_transient_network(host: Host) -> None:
    ref = host.networks.create(xml("t", "10.81.0", "nat"))
    assert host.networks.is_active(ref) and not host.networks.is_persistent(ref)
    host.networks = host.daemon()
    assert host.networks.is_active(ref)
    host.networks.destroy(ref)
    assert "t" not in [one.name for one in host.networks.list_all()]


def test_names_and_uuids_are_unique(host: Host) -> None:
    ref = host.networks.define(xml("n", "10.82.0"))
    other = "<uuid>00000000-0000-4000-8000-000000000001</uuid>"
    with pytest.raises(VirtlxcError, match="network 'n' already exists with uuid"):
        host.networks.define(xml("n", "10.82.0").replace("<bridge", other + "<bridge"))
    same = f"<uuid>{ref.uuid_text}</uuid>"
    with pytest.raises(VirtlxcError, match="network 'n' is already defined with uuid"):
        host.networks.define(xml("m", "10.82.0").replace("<bridge", same + "<bridge"))


def test_update_gives_a_guest_a_fixed_address(host: Host, tmp_path: Path) -> None:
    host.networks.start(host.default)
    before = host.dnsmasq(host.default)
    host.networks.update(
        *(host.default, 3, 4, -1),
        "<host mac='52:54:00:00:00:09' name='fixed' ip='192.168.122.77'/>",
        3,
    )
    assert host.dnsmasq(host.default) == before, "a host's change needs no new process"
    guest = host.guest(host.networks.bridge_name(host.default), "52:54:00:00:00:09")
    assert take_lease(guest, tmp_path).split()[1] == "192.168.122.77"
    assert "ip='192.168.122.77'" in host.networks.xml(host.default, 1)
    with pytest.raises(VirtlxcError, match="existing ip-dhcp-host that matches"):
        host.networks.update(host.default, 3, 4, -1, "<host mac='52:54:00:00:00:09'/>", 1)


# --- what can be in the way


def test_taken_bridge_and_subnet_name_the_holder(host: Host) -> None:
    bridge = host.networks.bridge_name(host.default)
    ip("link", "add", bridge, "type", "bridge")
    with pytest.raises(VirtlxcError, match=f"create bridge '{bridge}': the name is taken by a bri"):
        host.networks.start(host.default)
    ip("link", "delete", bridge)
    ip("link", "add", "x0", "type", "bridge")
    ip("addr", "add", "192.168.122.9/24", "dev", "x0")
    with pytest.raises(VirtlxcError, match=r"taken by interface 'x0' \(192.168.122.9/24\)"):
        host.networks.start(host.default)
    assert leftovers(host) == []


@pytest.mark.parametrize("missing", ["nft", "dnsmasq"])
def test_missing_program_names_its_package(
    host: Host, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in {"nft", "dnsmasq"} - {missing}:
        (folder / name).symlink_to(str(programs.find(name)))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(folder))
        patch.setattr(programs, "EXTRA_FOLDERS", ())
        with pytest.raises(VirtlxcError) as caught:
            host.networks.start(host.default)
    what, package = {
        "nft": ("firewall rules", "nftables"),
        "dnsmasq": ("DHCP and DNS", "dnsmasq-base"),
    }[missing]
    assert caught.value.message.startswith(
        f"cannot start network 'default': {what}: there is no program '{missing}' (install it: "
        f"apt install {package}, dnf install "
    )
    assert leftovers(host) == []


def test_address_in_use_for_dns_says_who_to_look_for(host: Host) -> None:
    holder = "import socket,time; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    holder += "s.bind(('', 53)); print('x', flush=True); time.sleep(60)"
    other = subprocess.Popen(["python3", "-c", holder], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(VirtlxcError, match=r"start dnsmasq: .*ddress already in use.*ss -lunp"):
            host.networks.start(host.default)
    finally:
        other.kill()
        other.communicate()
    assert leftovers(host) == []


DROPPING = """
table inet mine {
  chain across {
    type filter hook forward priority 0; policy drop;
    ct state invalid drop
  }
  chain arriving {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
  }
}
"""


def test_dropping_firewall_is_named_and_its_mend_works(host: Host, tmp_path: Path) -> None:
    outside = host.outside()
    run("nft", "-f", "-", input=DROPPING)
    warnings = host.networks.start(host.default)
    assert len(warnings) == 2
    assert "table inet mine, chain arriving) drops DHCP and DNS from its guests" in warnings[0]
    assert "table inet mine, chain across) drops its guests' traffic to the outside" in warnings[1]
    assert host.networks.messages(host.default) == warnings
    for warning in warnings:
        run("sh", "-c", warning.partition("let it pass with: ")[2])
    guest = host.guest(host.networks.bridge_name(host.default))
    take_lease(guest, tmp_path)
    guest.run("busybox", "ping", "-c", "1", "-W", "3", "203.0.113.2").ok()
    host.networks.destroy(host.default)
    assert host.networks.start(host.default) == ()
    outside.run("true").ok()


def test_unsupported_mode_says_what_to_use(host: Host) -> None:
    ref = host.networks.define(
        "<network><name>v</name><forward mode='vepa'><interface dev='eth0'/></forward></network>"
    )
    with pytest.raises(VirtlxcError, match=r"<forward mode='vepa'> is not supported for contain"):
        host.networks.start(ref)


def test_limit_that_would_not_hold_is_refused(host: Host) -> None:
    limit = "<bandwidth><inbound average='10'{}/></bandwidth>"
    floor = limit.format(" floor='5'")
    ref = host.networks.define(xml("b", "10.83.0").replace("<ip", floor + "<ip"))
    with pytest.raises(VirtlxcError, match="the floor of <bandwidth> would not be in force"):
        host.networks.start(ref)
    group = f"<portgroup name='g'>{floor}</portgroup>"
    ref = host.networks.define(xml("g", "10.84.0").replace("</network>", group + "</network>"))
    with pytest.raises(VirtlxcError, match="the floor of <bandwidth> would not be in force"):
        host.networks.start(ref)
    ip("link", "add", "theirs", "type", "bridge")
    other = f"<network><name>o</name><forward mode='bridge'/><bridge name='theirs'/>{limit}"
    ref = host.networks.define(other.format("") + "</network>")
    wanted = "<bandwidth> of somebody else's bridge would not be in force"
    with pytest.raises(VirtlxcError, match=wanted):
        host.networks.start(ref)


LIMIT = "<bandwidth><{way} average='1024' peak='2048' burst='64'/></bandwidth>"
BYTES = 2 << 20


def timed(sender: Runner, receiver: Runner, address: str, port: str) -> float:
    """Seconds that two mebibytes take from one to the other."""
    listening = receiver(["busybox", "nc", "-l", "-p", port, "-e", "wc", "-c"])
    try:
        time.sleep(0.2)
        start = time.monotonic()
        words = f"dd if=/dev/zero bs=64k count=32 2>/dev/null | busybox nc {address} {port}"
        assert sender(["sh", "-c", words]).wait(60) == 0
        listening.wait(60)
        return time.monotonic() - start
    finally:
        listening.kill()
        listening.wait()


@pytest.mark.parametrize("way", ["inbound", "outbound"])
def test_the_traffic_of_a_network_is_limited(host: Host, way: str) -> None:
    """With the host, as seen from the guests; what these send to each other is not."""
    limit = LIMIT.format(way=way)
    ref = host.networks.define(xml("slow", "10.83.0").replace("<ip", limit + "<ip"))
    host.networks.start(ref)
    bridge = host.networks.bridge_name(ref)
    queues = json.loads(run("tc", "-j", "qdisc", "show", "dev", bridge))
    if way == "inbound":
        assert [row["kind"] for row in queues if row.get("root")] == ["htb"]
        assert "rate 8388Kbit ceil 16777Kbit" in run("tc", "class", "show", "dev", bridge)
    else:
        assert "clsact" in [row["kind"] for row in queues]
        (_, judge) = json.loads(run("tc", "-j", "filter", "show", "dev", bridge, "ingress"))
        assert judge["options"]["bpf_name"] == "virtlxc-rate"
    one, two = host.guest(bridge), host.guest(bridge)
    for number, guest in ((11, one), (12, two)):
        guest.run("ip", "address", "add", f"10.83.0.{number}/24", "dev", "eth0").ok()

    def judged() -> int:
        """Bytes that have come to the limit so far: seconds would also tell of the host's load."""
        rows = json.loads(run("tc", "-j", "-s", "qdisc", "show", "dev", bridge))
        return sum(row["bytes"] for row in rows if row["kind"] in ("htb", "clsact"))

    seen, before = {}, judged()
    for name, sender, receiver, address in (
        ("inbound", subprocess.Popen, one.spaces.popen, "10.83.0.11"),
        ("outbound", one.spaces.popen, subprocess.Popen, "10.83.0.1"),
        ("among", one.spaces.popen, two.spaces.popen, "10.83.0.12"),
    ):
        seconds = timed(sender, receiver, address, "7001")
        seen[name], before = judged() - before, judged()
        assert name != way or seconds > 1.5
    assert seen.pop(way) >= BYTES
    # Only what the receiver answers passes there.
    assert all(number < BYTES / 4 for number in seen.values()), seen
    assert f"<{way} average='1024' peak='2048' burst='64'/>" in host.networks.xml(ref)
    host.networks.destroy(ref)
    assert bridge not in run("ip", "-o", "link")


def test_unknown_network_lists_those_that_are(host: Host) -> None:
    with pytest.raises(VirtlxcError, match=r"there is no network 'x' \(there is: 'default'; defin"):
        host.networks.ready("x")
