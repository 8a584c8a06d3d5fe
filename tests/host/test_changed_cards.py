"""Cards of every kind that come to a running container, are changed, and go: from the command line,
and looked at from inside, in the host's kernel, after the daemon's death and after a reboot.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Instance, wait_for
from tests.host.changelab import CONFIG, IDMAP, INACTIVE, LIVE, ChangeLab
from tests.host.lifelab import Ref
from virtlxc.errors import Code

pytestmark = pytest.mark.host

MAC = "52:54:00:ca:4d:01"
NETWORK = """<network><name>{name}</name><bridge name='{bridge}'/>
<ip address='10.{second}.0.1' prefix='24'/></network>"""
ETHERNET = f"""<interface type='ethernet'><mac address='{MAC}'/>
<source><ip address='10.30.0.1' family='ipv4' prefix='24'/>
<route family='ipv4' address='10.31.0.0' prefix='16' gateway='10.30.0.2'/></source>
<target dev='eth-host'/><guest dev='wan'/>
<ip address='10.30.0.2' family='ipv4' prefix='24'/>
<route family='ipv4' address='0.0.0.0' gateway='10.30.0.1'/></interface>"""
DIRECT = f"""<interface type='direct'><mac address='{MAC}'/><source dev='up0' mode='bridge'/>
<guest dev='lan'/><ip address='10.32.0.2' family='ipv4' prefix='24'/></interface>"""
BRIDGE = f"""<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/>
<target dev='card0'/><guest dev='lan'/><ip address='10.9.0.2' family='ipv4' prefix='24'/>
</interface>"""


class CardLab(ChangeLab):
    """Also commands, each with an XML file where it needs one."""

    def command(self, *words: str, xml: str = "") -> str:
        given = [self.instance.write("device.xml", xml)] if xml else []
        return self.instance.virtlxc(*words, *given).ok()

    def refused_command(self, *words: str, xml: str = "") -> str:
        given = [self.instance.write("device.xml", xml)] if xml else []
        done = self.instance.virtlxc(*words, *given)
        assert done.code == 1, str(done)
        return done.stderr

    def on_host(self, *argv: str) -> str:
        return self.instance.run(*argv).ok()

    def link(self, ref: Ref, name: str) -> str:
        return self.inside(ref, "/bin/ip", "address", "show", name)

    def reaches(self, ref: Ref, address: str) -> None:
        """In a while: a bridge with a spanning tree looks about before it forwards."""
        wait_for(f"an answer of {address}", lambda: self.pings(ref, address))

    def pings(self, ref: Ref, address: str) -> bool:
        return ", 0% packet loss" in self.inside(ref, "/bin/ping", "-c1", "-W2", address)


@pytest.fixture(scope="module")
def lab() -> Iterator[CardLab]:
    instance = Instance()
    instance.bridge("br0", "10.9.0.1/24")
    instance.run("ip", "link", "add", "up0", "type", "veth", "peer", "up1").ok()
    for name in ("up0", "up1"):
        instance.run("ip", "link", "set", name, "up").ok()
    instance.own_links |= {"up0", "up1"}
    for name, second in (("blue", 40), ("green", 41)):
        text = NETWORK.format(name=name, bridge=f"vb-{name}", second=second)
        instance.virtlxc("net-define", instance.write("net.xml", text)).ok()
    try:
        yield CardLab(instance)
    finally:
        instance.close()


@pytest.fixture(params=["plain", "mapped"])
def ref(lab: CardLab, request: pytest.FixtureRequest) -> Iterator[Ref]:
    """A running domain with a network of its own; its definition goes with the test."""
    made = lab.start(lab.define(request.param, more=IDMAP if request.param == "mapped" else ""))
    yield made
    if lab.id(made) >= 0:
        lab.destroy(made)
    lab.call("DOMAIN_UNDEFINE", dom=made)
    for name in ("blue", "green"):
        lab.instance.virtlxc("net-destroy", name)


def test_a_card_of_a_network(lab: CardLab, ref: Ref) -> None:
    name = ref[0]
    card = (
        f"<interface type='network'><mac address='{MAC}'/><source network='blue'/>"
        "<ip address='10.40.0.2' family='ipv4' prefix='24'/></interface>"
    )
    message = lab.refused_command("attach-interface", name, "network", "red", "--live")
    assert "there is no network 'red'" in message
    # As at a start: the network that it needs is started.
    lab.command("attach-device", name, "--live", "--config", xml=card)
    assert "inet 10.40.0.2/24" in lab.link(ref, "eth0")
    lab.reaches(ref, "10.40.0.1")
    xml = lab.xml(ref)
    assert "<source network='blue' bridge='vb-blue'/>" in xml
    assert "<source network='blue'/>" in lab.xml(ref, INACTIVE)
    host = next(one for one in lab.instance.links() if one.startswith("vnet"))
    assert "master vb-blue" in lab.on_host("ip", "-o", "link", "show", host)
    lab.restart_daemon()
    assert lab.xml(ref) == xml
    assert "green" in lab.command("net-list", "--inactive", "--name")
    # Into another network while it runs; the definition stays as it is.
    lab.command("update-device", name, "--live", xml=card.replace("blue", "green"))
    assert "master vb-green" in lab.on_host("ip", "-o", "link", "show", host)
    assert "<source network='green' bridge='vb-green'/>" in lab.xml(ref)
    assert "<source network='blue'/>" in lab.xml(ref, INACTIVE)
    lab.inside(ref, "/bin/ip", "address", "add", "10.41.0.2/24", "dev", "eth0")
    lab.reaches(ref, "10.41.0.1")
    lab.restart_daemon()
    lab.reboot(ref)
    wait_for("its card", lambda: "10.40.0.2/24" in lab.link(ref, "eth0"))
    assert "master vb-green" in lab.on_host("ip", "-o", "link", "show", host)
    lab.command("detach-interface", name, "network", "--mac", MAC, "--live", "--config")
    assert host not in lab.instance.links()
    assert "<interface" not in lab.xml(ref) + lab.xml(ref, INACTIVE)


def test_a_card_whose_network_has_gone(lab: CardLab, ref: Ref) -> None:
    """It stays where it is, without a bridge; it can be moved, and it can be taken."""
    name = ref[0]
    lab.command("net-start", "blue")
    lab.command("attach-interface", name, "network", "blue", "--mac", MAC, "--live")
    lab.command("net-destroy", "blue")
    lab.command("net-start", "green")
    green = f"<interface type='network'><mac address='{MAC}'/><source network='green'/></interface>"
    lab.command("update-device", name, "--live", xml=green)
    host = next(one for one in lab.instance.links() if one.startswith("vnet"))
    assert "master vb-green" in lab.on_host("ip", "-o", "link", "show", host)
    lab.command("net-destroy", "green")
    lab.command("detach-interface", name, "network", "--live")
    assert host not in lab.instance.links()


def test_a_card_without_a_bridge(lab: CardLab, ref: Ref) -> None:
    name = ref[0]
    lab.command("attach-device", name, "--live", xml=ETHERNET)
    assert "inet 10.30.0.2/24" in lab.link(ref, "wan")
    assert "default via 10.30.0.1 dev wan" in lab.inside(ref, "/bin/ip", "route")
    lab.reaches(ref, "10.30.0.1")
    assert "10.31.0.0/16 via 10.30.0.2" in lab.on_host("ip", "route")
    assert "master" not in lab.on_host("ip", "-o", "link", "show", "eth-host")
    lab.restart_daemon()
    lab.command("domif-setlink", name, "eth-host", "down")
    wait_for("no carrier", lambda: "LOWER_UP" not in lab.link(ref, "wan"))
    assert "10.31.0.0/16" not in lab.on_host("ip", "route"), "the kernel took it with the link"
    lab.restart_daemon()
    lab.command("domif-setlink", name, "eth-host", "up")
    wait_for("the carrier", lambda: "LOWER_UP" in lab.link(ref, "wan"))
    assert "10.31.0.0/16 via 10.30.0.2" in lab.on_host("ip", "route")
    lab.reaches(ref, "10.30.0.1")
    assert "default via 10.30.0.1" in lab.inside(ref, "/bin/ip", "route")
    lab.reboot(ref)
    wait_for("its card", lambda: "10.30.0.2/24" in lab.link(ref, "wan"))
    assert "10.31.0.0/16 via 10.30.0.2" in lab.on_host("ip", "route")
    lab.command("detach-device", name, "--live", xml=ETHERNET)
    assert "eth-host" not in lab.instance.links()
    assert "10.31.0.0/16" not in lab.on_host("ip", "route")


def test_a_macvlan_of_the_hosts_card(lab: CardLab, ref: Ref) -> None:
    name = ref[0]
    lab.on_host("ip", "address", "replace", "10.32.0.1/24", "dev", "up1")
    lab.command("attach-device", name, "--live", "--config", xml=DIRECT)
    assert "inet 10.32.0.2/24" in lab.link(ref, "lan")
    lab.reaches(ref, "10.32.0.1")
    found = lab.instance.run("nsenter", "-t", str(lab.id(ref)), "-n", "ip", "-d", "link").ok()
    assert "macvlan mode bridge" in found
    lab.restart_daemon()
    lab.command("domif-setlink", name, MAC, "down")
    assert ",UP" not in lab.link(ref, "lan")
    lab.command("domif-setlink", name, MAC, "up")
    lab.reaches(ref, "10.32.0.1")
    lab.reboot(ref)
    wait_for("its card", lambda: "10.32.0.2/24" in lab.link(ref, "lan"))
    lab.reaches(ref, "10.32.0.1")
    lab.command("detach-device", name, "--live", "--config", xml=DIRECT)
    assert "can't find device 'lan'" in lab.link(ref, "lan")
    assert "<interface" not in lab.xml(ref) + lab.xml(ref, INACTIVE)


def test_from_a_bridge_into_a_network_and_out_of_any(lab: CardLab, ref: Ref) -> None:
    """The three kinds that are a veth pair differ in where its end on the host is."""
    name = ref[0]
    lab.command("net-start", "blue")
    lab.command("attach-device", name, "--live", xml=BRIDGE)
    other = BRIDGE.replace("'bridge'", "'network'").replace("bridge='br0'", "network='blue'")
    lab.command("update-device", name, "--live", xml=other)
    assert "master vb-blue" in lab.on_host("ip", "-o", "link", "show", "card0")
    assert "<source network='blue' bridge='vb-blue'/>" in lab.xml(ref)
    lab.restart_daemon()
    alone = other.replace("'network'", "'ethernet'").replace("<source network='blue'/>", "")
    lab.command("update-device", name, "--live", xml=alone)
    assert "master" not in lab.on_host("ip", "-o", "link", "show", "card0")
    assert "<interface type='ethernet'>" in lab.xml(ref)
    assert "inet 10.9.0.2/24" in lab.link(ref, "lan"), "inside nothing has changed"
    lab.command("update-device", name, "--live", xml=BRIDGE)
    assert "master br0" in lab.on_host("ip", "-o", "link", "show", "card0")
    lab.reaches(ref, "10.9.0.1")
    lab.command("detach-device", name, "--live", xml=BRIDGE)


def _state(lab: CardLab, ref: Ref) -> tuple[str, str, str]:
    """Without the link's own address of IPv6, which the kernel adds a moment after it is up."""
    inside, _, _ = lab.link(ref, "lan").partition("inet6 ")
    return lab.xml(ref), inside, lab.on_host("ip", "-o", "link", "show", "card0")


def test_what_of_a_card_cannot_change(lab: CardLab, ref: Ref) -> None:
    lab.attach(ref, BRIDGE)
    state = _state(lab, ref)
    begin = (
        "unsupported configuration: cannot modify network device net0 while the container runs: "
    )
    macvlan = BRIDGE.replace("type='bridge'", "type='direct'").replace(
        "<source bridge='br0'/><target dev='card0'/>", "<source dev='up0' mode='bridge'/>"
    )
    for wrong, what in (
        (BRIDGE.replace("card0", "card1"), "target"),
        (BRIDGE.replace("dev='lan'", "dev='wan'"), "guest"),
        (BRIDGE.replace("10.9.0.2", "10.9.0.3"), "ips"),
        (BRIDGE.replace("<guest", "<mtu size='1400'/><guest"), "mtu"),
        (BRIDGE.replace("<guest", "<port isolated='yes'/><guest"), "isolated"),
        (macvlan, "type"),
    ):
        assert lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, wrong) == f"{begin}{what}"
    nowhere = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, BRIDGE.replace("br0", "br9"))
    assert "there is no bridge 'br9'" in nowhere
    stranger = BRIDGE.replace(MAC, "52:54:00:ca:4d:99")
    assert "no device found" in lab.refused(Code.DEVICE_MISSING, "update", ref, stranger)
    folder = "<filesystem><source dir='/usr'/><target dir='/'/></filesystem>"
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, folder)
    assert "live update of device 'filesystem' is not supported" in message
    assert _state(lab, ref) == state
    lab.detach(ref, BRIDGE)
    lab.attach(ref, DIRECT)
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, DIRECT.replace("up0", "up1"))
    assert message == f"{begin}source"
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, BRIDGE)
    assert message == f"{begin}type"
    assert "inet 10.32.0.2/24" in lab.link(ref, "lan")
    lab.detach(ref, DIRECT)


def test_an_update_of_the_definition_and_of_both(lab: CardLab, ref: Ref) -> None:
    name = ref[0]
    lab.attach(ref, BRIDGE, LIVE | CONFIG)
    down = BRIDGE.replace("<guest", "<link state='down'/><guest")
    lab.command("update-device", name, "--config", xml=down)
    assert "<link state='down'/>" in lab.xml(ref, INACTIVE)
    assert "<link state='down'/>" not in lab.xml(ref)
    lab.reaches(ref, "10.9.0.1")
    lab.command("update-device", name, "--live", "--config", xml=BRIDGE)
    assert "<link state='down'/>" not in lab.xml(ref, INACTIVE)
    # What only a start can do is written for it, and refused for what runs; then neither changes.
    other = BRIDGE.replace("10.9.0.2", "10.9.0.77")
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, other, LIVE | CONFIG)
    assert "while the container runs: ips" in message
    assert "10.9.0.77" not in lab.xml(ref, INACTIVE)
    lab.command("update-device", name, "--config", xml=other)
    lab.restart_daemon()
    lab.destroy(ref)
    lab.start(ref)
    assert "inet 10.9.0.77/24" in lab.link(ref, "lan")
    lab.detach(ref, other, LIVE | CONFIG)
