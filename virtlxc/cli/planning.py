"""plan: what a start would do, worked out here, without root and without the daemon."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

from virtlxc import model
from virtlxc.cli.failures import Failed
from virtlxc.config import load_config
from virtlxc.errors import VirtlxcError
from virtlxc.host.facts import HostFacts, Network, Nic, Shared, Source, StartFacts
from virtlxc.host.gather import Surroundings, start_facts
from virtlxc.host.packages import OVS_VSCTL
from virtlxc.host.probe import probe_passive
from virtlxc.model import Domain
from virtlxc.model.complete import mac_of
from virtlxc.model.network_document import parse_network
from virtlxc.paths import Paths
from virtlxc.plan import StartOptions, plan_start, ports, render

# What stands for the UUID that a real start would take from chance.
NO_UUID = "00000000-0000-4000-8000-000000000000"


def completed(domain: Domain) -> Domain:
    """The domain as it would be defined, but the same each time: MACs are numbered."""
    macs = (mac_of(number.to_bytes(3)) for number in itertools.count(1))
    return model.complete(domain, new_uuid=lambda: NO_UUID, new_mac=lambda: next(macs))


def plan_text(
    paths: Paths, xml: str, facts_file: str | None, ignore: frozenset[str] = frozenset()
) -> str:
    """The steps of a start, as text; Failed, with the mend, when it could not start.

    What the domain names and this host, or this user, does not see is assumed to be there: a plan
    can be made anywhere. Lines after the first tell what was assumed.
    """
    try:
        domain = model.parse_domain(xml)
        model.check(domain)
        domain = completed(domain)
        host, source = host_facts(paths, facts_file)
        networks = _networks(paths, domain)
        facts, assumed = assume(domain, start_facts(domain, Surroundings(networks=networks)))
        config = load_config(paths.config)
        options = StartOptions(
            run=paths.domain_run(domain.uuid),
            log=paths.domain_log(domain.name),
            instance=paths.instance,
            ignore=ignore | frozenset(config.ignore),
            require_idmap=config.require_idmap,
        )
        text = render(plan_start(domain, host, facts, options), facts=source)
    except VirtlxcError as error:
        raise Failed(error.message) from None
    first, _, others = text.partition("\n")
    return "\n".join([first, *(f"assumed: {line}" for line in assumed), others])


def assume(domain: model.Domain, facts: StartFacts) -> tuple[StartFacts, list[str]]:
    """The facts as if all that the domain names were there, and what that adds, in words."""
    assumed: list[str] = []
    sources = []
    for source in facts.sources:
        if source.kind == "missing":
            source = as_wanted(domain, source.path)
            assumed.append(f"there is a {_KINDS[source.kind]} {source.path}")
        sources.append(source)
    init = facts.init
    unseen = domain.root is not None and facts.source(domain.root.source or "").kind == "missing"
    if init.found == "no" and unseen:
        init = replace(init, found="unknown", executable=True)
    shared = dict(facts.shared)
    for share in domain.shares:
        if shared[share.kind].problem:
            shared[share.kind] = Shared(path=f"<{share.type} {share.value}>/ns/{share.kind}")
            assumed.append(f"the {share.kind} namespace of {share.type} {share.value} is there")
    bridges = {*facts.bridges, *(network.bridge for network in facts.networks.values())}
    for card in domain.interfaces:
        if card.type == "bridge" and card.source and card.source not in bridges:
            bridges.add(card.source)
            assumed.append(f"there is a bridge {card.source}")
    filtering, switches, links = dict(facts.filtering), {*facts.switches}, {*facts.links}
    for card in (ports.of_network(card, facts.networks) for card in domain.interfaces):
        there = facts.networks.get(card.source or "") if card.type == "network" else None
        bridge = there.bridge if there else card.source or ""
        if bridge in facts.links:
            continue
        if ports.switched(card):
            switches.add(bridge)
            links.add(bridge)
        elif card.vlan is not None:
            filtering[bridge] = True
            assumed.append(f"bridge {bridge} keeps VLANs apart")
    vsctl = facts.vsctl
    if switches and not vsctl:
        vsctl = OVS_VSCTL
        assumed.append("Open vSwitch is installed")
    nics = dict(facts.nics)
    for name in _nics(domain):
        if name not in nics:
            nics[name] = Nic(mac="02:00:00:00:00:00", mtu=1500, up=True)
            assumed.append(f"there is a network interface {name}")
    usb = dict(facts.usb)
    for name, found in facts.usb.items():
        if not found:
            usb[name] = (_USB,)
            sources.append(Source(path=_USB, kind="char", device=(189, 0)))
            assumed.append(f"the USB device {name} is plugged in")
    inside = {path: "dir" if kind == "missing" else kind for path, kind in facts.inside.items()}
    known = replace(
        facts,
        nics=nics,
        usb=usb,
        sources=tuple(sources),
        init=init,
        bridges=tuple(sorted(bridges)),
        filtering=filtering,
        switches=tuple(sorted(switches)),
        links=tuple(sorted(links)),
        vsctl=vsctl,
        inside=inside,
        shared=shared,
    )
    return known, assumed


_KINDS = {"dir": "folder", "file": "file", "block": "block device", "char": "device"}


_USB = "/dev/bus/usb/001/001"


def _nics(domain: model.Domain) -> list[str]:
    """The host's interfaces that are lent, or that macvlans are built upon."""
    names = [card.source for card in domain.interfaces if card.type == "direct"]
    names += [dev.source for dev in domain.hostdevs if dev.type == "net"]
    return [name for name in names if name]


def as_wanted(domain: model.Domain, path: str) -> Source:
    """What would have to be at a path that is not there, owned by the container's root."""
    kinds: dict[str | None, str] = {device.path: "block" for device in domain.blkiotune.devices}
    kinds |= {disk.source: disk.type for disk in domain.disks}
    kinds |= {dev.source: "char" for dev in domain.hostdevs if dev.type == "misc"}
    kinds |= {extra.overlay: "dir" for extra in domain.container.filesystems}
    kinds |= {fs.source: "dir" if fs.type == "mount" else fs.type for fs in domain.filesystems}
    kind = kinds.get(path, "block")
    mounted = {fs.source for fs in domain.filesystems if fs.type in ("block", "file")}
    idmap = domain.idmap
    return Source(
        path=path,
        kind=kind,
        uid=idmap.uids[0].target if idmap and idmap.uids else 0,
        gid=idmap.gids[0].target if idmap and idmap.gids else 0,
        fstype="ext4",
        holds="ext4" if path in mounted else "",
        device={"block": (8, 0), "char": (10, 200)}.get(kind, (0, 0)),
    )


def host_facts(paths: Paths, file: str | None) -> tuple[HostFacts, str]:
    """What is known of the host, and where from: a file, the daemon's, or what we may read."""
    for path in (file,) if file else (paths.facts,):
        try:
            with open(path, encoding="utf-8") as opened:
                return HostFacts.from_json(opened.read()), f"from {path}"
        except OSError as error:
            if file:
                raise Failed(
                    f"Failed to open file '{file}': {os.strerror(error.errno or 0)}"
                ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"'{path}' holds no facts of a host: {error}") from None
    return probe_passive(), "read passively (the daemon knows more)"


def _networks(paths: Paths, domain: model.Domain) -> dict[str, Network]:
    """The domain's virtual networks as the daemon would have them ready."""
    names = {card.source for card in domain.interfaces if card.type == "network" and card.source}
    return {name: _network(paths, name) for name in sorted(names)}


def _network(paths: Paths, name: str) -> Network:
    """A network by its definition; words for its bridge where that cannot be read."""
    unknown = f"<bridge of {name}>"
    try:
        with open(f"{paths.networks}/{name}.xml", encoding="utf-8") as file:
            found = parse_network(file.read())
    except (OSError, VirtlxcError):
        return Network(active=True, bridge=unknown)
    return Network(
        active=True,
        bridge=found.bridge.name or unknown,
        port_limits=found.port_limits,
        port=found.port,
        ports=found.ports,
    )
