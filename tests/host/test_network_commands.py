"""Virtual networks by command: what a boot starts, who is in the way, and that a mend mends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance
from tests.host.badlab import refuse
from tests.host.netlab import Peer, take_lease
from tests.host.network_host import uplink, xml
from tests.namespaces import plain_environment

pytestmark = pytest.mark.host


def bridge_of(instance: Instance, network: str = "default") -> str:
    return instance.virtlxc("net-info", network).ok().rpartition("Bridge:")[2].strip()


def active(instance: Instance) -> list[str]:
    return instance.virtlxc("net-list", "--name").ok().split()


def define(instance: Instance, text: str) -> None:
    instance.virtlxc("net-define", instance.write("network.xml", text)).ok()


def again(instance: Instance, *, boot: bool = False) -> None:
    """The next daemon; behind a ``boot`` of the host nothing is left of /run."""
    instance.stop_daemon()
    if boot:
        shutil.rmtree(instance.paths.run)
    instance.start_daemon()
    # Waits for the autostart, of networks too.
    instance.virtlxc("guests-start").ok()


# --- what a boot starts


def test_a_marked_network_is_started_once_a_boot(instance: Instance) -> None:
    bridge = bridge_of(instance)
    define(instance, xml("unmarked", "10.87.0", "nat"))
    instance.virtlxc("net-autostart", "default").ok()
    again(instance, boot=True)
    assert active(instance) == ["default"]
    (link,) = json.loads(instance.run("ip", "-j", "address", "show", "dev", bridge).ok())
    assert "UP" in link["flags"]
    assert "192.168.122.1" in [one["local"] for one in link["addr_info"]]
    assert len(instance.nft_tables()) == 1
    instance.virtlxc("net-destroy", "default").ok()
    again(instance)
    assert active(instance) == [] and bridge not in instance.links(), "what was ended stays so"


# --- who is in the way


def test_a_taken_bridge_or_subnet_names_its_holder(instance: Instance) -> None:
    bridge = bridge_of(instance)
    link = f"cannot start network 'default': create bridge '{bridge}': the name is taken by "
    instance.run("ip", "link", "add", bridge, "type", "bridge").ok()
    assert refuse(instance, lambda: instance.virtlxc("net-start", "default")) == (
        "error: Failed to start network default\n"
        f"error: {link}a bridge without address (remove that one, or give the network another"
        " bridge: virtlxc net-edit default)\n"
    )
    instance.run("ip", "link", "delete", bridge).ok()
    subnet = f"give '{bridge}' its address: the subnet 192.168.122.0/24 is taken by "
    instance.bridge("x0", "192.168.122.9/24")
    assert refuse(instance, lambda: instance.virtlxc("net-start", "default")) == (
        "error: Failed to start network default\n"
        f"error: cannot start network 'default': {subnet}interface 'x0' (192.168.122.9/24) (choose"
        " another: virtlxc net-edit default)\n"
    )


def test_what_another_network_has_is_named(instance: Instance) -> None:
    """A bridge's name is refused when it is written down, a subnet when both would run."""
    bridge = bridge_of(instance)
    same = xml("second", "10.88.0", "nat").replace("<bridge ", f"<bridge name='{bridge}' ")
    path = instance.write("same.xml", same)
    words = (
        f"cannot define network 'second': its bridge '{bridge}' is that of network 'default'"
        " (choose another name, or leave it out to get a free one)\n"
    )
    said = refuse(instance, lambda: instance.virtlxc("net-define", path))
    assert said == f"error: Failed to define network from {path}\nerror: {words}"
    said = refuse(instance, lambda: instance.virtlxc("net-create", path))
    assert said == f"error: Failed to create network from {path}\nerror: {words}"
    assert instance.virtlxc("net-list", "--all", "--name").ok().split() == ["default"]
    define(instance, xml("second", "10.88.0", "nat"))
    define(instance, xml("third", "10.88.0", "nat"))
    instance.virtlxc("net-start", "second").ok()
    said = refuse(instance, lambda: instance.virtlxc("net-start", "third"))
    assert "the subnet 10.88.0.0/24 is taken by network 'second' (10.88.0.0/24)" in said
    assert active(instance) == ["second"]


# --- firewalls of others


class Fitted(Instance):
    """Has iptables, as Docker's hosts do: the one that speaks to nft, from an unpacked package."""

    def __init__(self) -> None:
        super().__init__(start=False)
        tree = peers.fetch("iptables").root
        (libraries,) = tree.glob("usr/lib/*/xtables")
        programs = self.root / "bin"
        programs.mkdir()
        for name in ("iptables", "iptables-nft-save"):
            (programs / name).write_text(
                f"#!/bin/sh\nexport LD_LIBRARY_PATH={libraries.parent} XTABLES_LIBDIR={libraries}\n"
                f'exec {tree}/usr/sbin/xtables-nft-multi {name} "$@"\n'
            )
            (programs / name).chmod(0o755)
        self.start_daemon()

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{self.root}/bin:{plain_environment()['PATH']}"
        return super().environment(**{"PATH": path, **more})


@pytest.fixture
def fitted() -> Iterator[Instance]:
    try:
        made = Fitted()
    except peers.Unavailable as error:
        pytest.skip(str(error))
    yield made
    made.close()


NFT_DROPS = """
table inet mine {
  chain across { type filter hook forward priority 0; policy drop; }
  chain arriving { type filter hook input priority 0; policy drop; iifname "lo" accept; }
}
"""
# As Docker leaves them; its own chains end before anybody else's traffic is accepted.
DOCKER_DROPS = """
iptables -N DOCKER-USER
iptables -A DOCKER-USER -j RETURN
iptables -N DOCKER
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -o docker0 -j DOCKER
iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables -P FORWARD DROP
iptables -P INPUT DROP
"""
ASK = ("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "1", "-T", "1", "-s", "true")
PING = ("busybox", "ping", "-c", "1", "-W", "1", "203.0.113.2")


def warnings(instance: Instance) -> list[str]:
    """What the start of the network warns of."""
    done = instance.virtlxc("net-start", "default")
    assert done.ok() == "Network default started\n\n"
    return done.stderr.splitlines()


def mend(instance: Instance, warning: str) -> None:
    """Does what the warning says."""
    said, _, command = warning.partition("; let it pass with: ")
    assert command, said
    instance.run("sh", "-ec", command).ok()


def check_mends(instance: Instance, folder: Path) -> list[str]:
    """What a start warns of is so, and doing what it says ends that; the words before the mends."""
    outside = uplink(instance.spaces)
    guest = None
    try:
        found = warnings(instance)
        guest = Peer("guest0", bridge=bridge_of(instance), host=instance.spaces)
        instance.own_links |= {"uplink", "guest0"}
        assert "no lease" in guest.run(*ASK).failed()
        arriving, across = found
        mend(instance, arriving)
        take_lease(guest, folder)
        assert guest.run(*PING).code != 0
        mend(instance, across)
        guest.run(*PING).ok()
        instance.virtlxc("net-destroy", "default").ok()
        assert warnings(instance) == []
        return [one.partition("; let it pass")[0] for one in found]
    finally:
        for peer in filter(None, (guest, outside)):
            peer.close()


def test_a_dropping_firewall_is_named_and_opened_by_what_is_printed(
    instance: Instance, tmp_path: Path
) -> None:
    instance.run("nft", "-f", "-", input=NFT_DROPS).ok()
    rule = "warning: network 'default': a firewall rule (table inet mine, chain"
    assert check_mends(instance, tmp_path) == [
        f"{rule} arriving) drops DHCP and DNS from its guests",
        f"{rule} across) drops its guests' traffic to the outside",
    ]
    instance.run("nft", "delete", "table", "inet", "mine").ok()


def test_dockers_firewall_is_named_and_opened_by_what_is_printed(
    fitted: Instance, tmp_path: Path
) -> None:
    fitted.run("sh", "-ec", DOCKER_DROPS).ok()
    table = "(table ip filter, chain"
    assert check_mends(fitted, tmp_path) == [
        f"warning: network 'default': a firewall rule {table} INPUT) drops DHCP and DNS from its"
        " guests",
        f"warning: network 'default': Docker's firewall {table} FORWARD) drops its guests' traffic"
        " to the outside",
    ]
    fitted.run("nft", "delete", "table", "ip", "filter").ok()
