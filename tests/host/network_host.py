"""A host of a test's own with an instance's networks on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.netlab import Peer, ip, own_network, run
from tests.namespaces import Namespaces
from virtlxc.driver.events import Event, EventBus, NetworkLifecycle
from virtlxc.driver.named import NamedRef
from virtlxc.driver.network.networks import Networks
from virtlxc.host.network import process
from virtlxc.paths import Paths


def uplink(host: Namespaces | None = None) -> Peer:
    """The outside of a host, or of the test's own namespace: 203.0.113.2, behind 203.0.113.1."""
    peer = Peer("uplink", host=host)
    peer.ip("addr", "add", "203.0.113.1/24", "dev", "uplink")
    peer.ip("route", "add", "default", "via", "203.0.113.2")
    peer.run("ip", "addr", "add", "203.0.113.2/24", "dev", "eth0").ok()
    return peer


class Host:
    """One instance's networks in a namespace of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(str(root))
        self.events: list[tuple[str, int]] = []
        self.networks = self.daemon()
        self.peers: list[Peer] = []

    def daemon(self) -> Networks:
        """The networks as a daemon that starts now sees them."""
        bus = EventBus()
        bus.subscribe(self._heard)
        networks = Networks(self.paths, bus)
        networks.load()
        return networks

    def _heard(self, event: Event) -> None:
        assert isinstance(event, NetworkLifecycle)
        self.events.append((event.network[0], event.event))

    def guest(self, bridge: str, mac: str | None = None) -> Peer:
        self.peers.append(Peer(f"guest{len(self.peers)}", bridge=bridge, mac=mac))
        return self.peers[-1]

    def outside(self) -> Peer:
        """A world behind the host's uplink: 203.0.113.2, which knows no way back to guests."""
        peer = uplink()
        self.peers.append(peer)
        return peer

    @property
    def default(self) -> NamedRef:
        return self.networks.lookup_name("default")

    def conf(self, ref: NamedRef) -> str:
        return f"{self.paths.run}/network/{ref.uuid_text}.conf"

    def dnsmasq(self, ref: NamedRef) -> int | None:
        return process.find(self.conf(ref), "/nonexistent")

    def close(self) -> None:
        for ref in self.networks.list_all():
            if self.networks.is_active(ref):
                self.networks.destroy(ref)
        for peer in self.peers:
            peer.close()


@contextmanager
def network_host() -> Iterator[Host]:
    """A host for one test; its end checks that nothing is left."""
    root = Path(tempfile.mkdtemp(prefix="vln", dir="/tmp"))
    root.chmod(0o755)
    with own_network():
        made = Host(root)
        try:
            yield made
        finally:
            made.close()
            left = leftovers(made)
            shutil.rmtree(root)
    assert left == []


def leftovers(host: Host) -> list[str]:
    """What of networks is in this namespace and in the instance's live state."""
    links = [line.split(": ")[1] for line in ip("-o", "link").splitlines()]
    found = [name for name in links if name.startswith("virbr")]
    found += [line for line in run("nft", "list", "tables").splitlines() if "virtlxc" in line]
    folder = Path(host.paths.run) / "network"
    found += [str(path) for path in folder.iterdir()]
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and bytes(folder) in (entry / "cmdline").read_bytes():
                found.append(f"process {entry.name}")
        except OSError:
            continue
    return found


NETWORK = """\
<network><name>{name}</name>{forward}<bridge stp='off'/>
<ip address='{net}.1' prefix='24'><dhcp><range start='{net}.2' end='{net}.99'/></dhcp></ip>
</network>"""


def xml(name: str, net: str, mode: str = "") -> str:
    forward = f"<forward mode='{mode}'/>" if mode else ""
    return NETWORK.format(name=name, net=net, forward=forward)
