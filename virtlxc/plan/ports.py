"""The port of a bridge that a card is: its VLANs, and what Open vSwitch is told of it.

Other bridges are the kernel's. Cards get here what their networks and port groups say as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from virtlxc.host.facts import Network
from virtlxc.host.packages import OVS_VSCTL, how_to_install
from virtlxc.model import Interface, Port, Vlan
from virtlxc.model.complete import with_ids
from virtlxc.model.port import OPENVSWITCH, differ, merge
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step, Undo

# Numbers of the standard that are no VLANs; Open vSwitch has a meaning of its own for the first.
_NO_VLANS = frozenset({0, 4095})


def settled(scene: Scene, card: Interface) -> Interface:
    """The card with all that is said of its port, without what may go unheeded and must."""
    card = of_network(card, scene.start.networks)
    if card.vlan is None and card.virtualport is None:
        return card
    ignored = scene.options.ignore
    if card.virtualport is not None:
        lost = "virtualport" in ignored and _no_switch(card) is not None
        port = None if lost else with_ids(card, scene.domain.uuid)
        card = replace(card, virtualport=port)
    if "vlan" in ignored and _no_vlan(scene, card) is not None:
        card = replace(card, vlan=None)
    return card


def of_network(card: Interface, networks: Mapping[str, Network]) -> Interface:
    """The card with what its network and port group say, where it says nothing itself."""
    network = networks.get(card.source or "") if card.type == "network" else None
    port = network.ports.get(card.portgroup or "", network.port) if network else Port()
    if port == Port():
        return card
    return replace(
        card, vlan=card.vlan or port.vlan, virtualport=merge(card.virtualport, port.virtualport)
    )


def as_made(card: Interface, host: str, steps: Iterable[Step]) -> Interface:
    """The card without what no step of a start does for its end ``host``."""
    made = {step.op for step in steps if step.args.get("host") == host}
    if "ovs-port" in made:
        return card
    return replace(
        card,
        vlan=card.vlan if "link-vlan" in made else None,
        virtualport=None if switched(card) else card.virtualport,
    )


def switched(card: Interface) -> bool:
    """Whether the card's bridge is Open vSwitch's."""
    return card.virtualport is not None and card.virtualport.type == OPENVSWITCH


def _bridge(scene: Scene, card: Interface) -> str:
    if card.type == "network":
        network = scene.start.networks.get(card.source or "")
        return network.bridge if network else ""
    return card.source or ""


def check(scene: Scene, card: Interface, guest: str) -> None:
    """Refuses what the port of a settled card cannot be."""
    network = scene.start.networks.get(card.source or "") if card.type == "network" else None
    if network and any(differ(card.virtualport, one.virtualport)
                       for one in (network.port, *network.ports.values())):  # fmt: skip
        raise scene.refuse(
            f"attach {guest} to its bridge",
            f"its <virtualport> has another type than that of network '{card.source}'",
            "take the card's out",
        )
    problem = _no_switch(card)
    if problem is not None:
        raise scene.refuse(f"attach {guest} to its bridge", *problem)
    if switched(card):
        _check_switch(scene, _bridge(scene, card), guest)
        if card.isolated and "port" not in scene.options.ignore:
            raise scene.refuse(
                f"attach {guest} to its bridge",
                "Open vSwitch isolates no ports",
                "take <port isolated='yes'/> out, or start with --ignore port",
            )
    elif (card.type in ("bridge", "network")) and _bridge(scene, card) in scene.start.switches:
        raise scene.refuse(
            f"attach {guest} to its bridge",
            f"'{_bridge(scene, card)}' is a bridge of Open vSwitch",
            "add <virtualport type='openvswitch'/> to the interface",
        )
    problem = _no_vlan(scene, card)
    if problem is not None:
        cause, mend = problem
        assert card.vlan is not None
        raise scene.refuse(
            f"put {guest} into {named(card.vlan)}", cause, f"{mend}, or start with --ignore vlan"
        )


def _check_switch(scene: Scene, bridge: str, guest: str) -> None:
    step = f"attach {guest} to its bridge"
    if bridge in scene.start.bridges and bridge not in scene.start.switches:
        raise scene.refuse(
            step,
            f"'{bridge}' is a bridge of the kernel, not of Open vSwitch",
            "take <virtualport> out, or name another bridge: ovs-vsctl list-br",
        )
    if not scene.start.vsctl:
        raise scene.refuse(
            step,
            f"Open vSwitch's program '{OVS_VSCTL}' is not on this host",
            how_to_install(OVS_VSCTL),
        )
    if bridge not in scene.start.links:
        raise scene.refuse(
            step,
            f"there is no bridge '{bridge}'",
            f"ovs-vsctl add-br {bridge}, while Open vSwitch runs",
        )


def _no_switch(card: Interface) -> tuple[str, str] | None:
    """Why a card cannot have its virtual port, and the mend."""
    port = card.virtualport
    if port is None or port.type is None:
        return None
    if card.type == "direct":
        return "a macvlan has no virtual port", "use a bridge of Open vSwitch's"
    if port.type != OPENVSWITCH:
        return (
            f"<virtualport type='{port.type}'> is for macvtap devices of virtual machines",
            "take it out, or start with --ignore virtualport",
        )
    return None


def _no_vlan(scene: Scene, card: Interface) -> tuple[str, str] | None:
    """Why a card cannot be in its VLANs, and the mend."""
    if card.vlan is None or switched(card):
        return None
    if card.type == "direct":
        return (
            "on a macvlan, <vlan> needs a virtual function of an SR-IOV card, and containers get "
            "none",
            "use a bridge, or the host's VLAN device as <source dev>",
        )
    if card.type == "ethernet":
        return "it has no bridge that could do that", "use type='bridge'"
    bridge = _bridge(scene, card)
    wrong = sorted(_NO_VLANS & {tag.id for tag in card.vlan.tags})
    if wrong:
        return f"{wrong[0]} is the number of no VLAN", "use one of 1 to 4094"
    filtering = scene.start.filtering.get(bridge)
    if bridge not in scene.start.bridges or filtering:
        return None
    if filtering is None:
        return (
            "bridges of this kernel keep no VLANs apart (CONFIG_BRIDGE_VLAN_FILTERING)",
            "use one over a VLAN device of the host",
        )
    return (
        f"bridge '{bridge}' keeps no VLANs apart",
        f"ip link set {bridge} type bridge vlan_filtering 1",
    )


def named(vlan: Vlan) -> str:
    """``VLAN 7``, ``VLANs 7, 9 and 12``; for people."""
    ids = [str(number) for number in sorted({tag.id for tag in vlan.tags})]
    if len(ids) == 1:
        return f"VLAN {ids[0]}"
    return f"VLANs {', '.join(ids[:-1])} and {ids[-1]}"


def make(scene: Scene, card: Interface, host: str, guest: str) -> Iterator[Step]:
    """What makes the pair's end ``host`` the port that a settled card asks for."""
    if switched(card):
        yield _switch_port(scene, card, host, guest)
    elif card.vlan is not None:
        yield _vlans(card.vlan, _bridge(scene, card), host, guest)


def _vlans(vlan: Vlan, bridge: str, host: str, guest: str) -> Step:
    native = vlan.native
    words = [f"untagged: {native.id}"] if native and native.native_mode != "tagged" else []
    words += [f"native: {native.id}"] if native and native.native_mode == "tagged" else []
    words += [f"tagged: {', '.join(map(str, vlan.tagged))}"] if vlan.tagged else []
    return Step(
        name=f"put {guest} into {named(vlan)}",
        side="controller",
        op="link-vlan",
        args={
            "host": host,
            "bridge": bridge,
            "native": native.id if native else None,
            "tagged": list(vlan.tagged),
        },
        text=f"its end {host} in {bridge}, and no other VLAN; {'; '.join(words)}",
        boot=True,
        kernel="goes with the link",
    )


def _switch_port(scene: Scene, card: Interface, host: str, guest: str) -> Step:
    port = card.virtualport
    assert port is not None
    bridge = _bridge(scene, card)
    ids = {
        "attached-mac": card.mac or "",
        "iface-id": port.interface_id or "",
        "vm-id": scene.domain.uuid,
        **({"port-profile": port.profile_id} if port.profile_id else {}),
    }
    inside = f", in {named(card.vlan)}" if card.vlan else ""
    return Step(
        name=f"attach {guest} to its bridge",
        side="controller",
        op="ovs-port",
        args={
            "program": scene.start.vsctl,
            "bridge": bridge,
            "host": host,
            "ids": ids,
            **_columns(card.vlan),
        },
        text=f"its end {host} as a port of Open vSwitch's {bridge}{inside}",
        boot=True,
        undo=Undo(
            op="ovs-port-away",
            args={"program": scene.start.vsctl, "host": host, "vm": scene.domain.uuid},
        ),
    )


def _columns(vlan: Vlan | None) -> dict[str, int | str | list[int]]:
    """In the words of the switch's table Port; a trunk that names none would carry all VLANs."""
    if vlan is None:
        return {}
    native = vlan.native
    if native is None:
        return {"trunks": list(vlan.tagged)}
    if not vlan.trunk and native.native_mode is None:
        return {"tag": native.id}
    return {
        "tag": native.id,
        "vlan_mode": f"native-{native.native_mode or 'untagged'}",
        "trunks": sorted({tag.id for tag in vlan.tags}),
    }
