"""Devices of domains that come, go and change: live, in the definition, or both.

The rules of libvirt's driver where it has any: what counts as the same device, what may be there
only once, in which words a refusal is made. What it does to a running container is in
:mod:`virtlxc.driver.change.changing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.change import changing
from virtlxc.driver.constants import Affect
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain import definitions, impact
from virtlxc.driver.domain.domain import Entry, View
from virtlxc.driver.events import DeviceAdded, DeviceRemovalFailed, DeviceRemoved
from virtlxc.driver.life import starting
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import Aliases, Device, Domain, Interface
from virtlxc.model.complete import random_mac, with_ids
from virtlxc.plan import ports

Owner = TypeVar("Owner", Domain, Aliases)

_AFFECT = Affect.LIVE | Affect.CONFIG
# virDomainDeviceModifyFlags: force ejection of media, which a container has none of.
_FORCE = 4


def attach(core: Core, ref: Ref, xml: str, flags: int) -> None:
    refusals.check_flags("lxcDomainAttachDeviceFlags", flags, _AFFECT)
    device = model.parse_device(xml, new_mac=random_mac)
    with core.changing(ref, "change the devices of") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        device = _identified(entry, device)
        config = None
        if wanted & Affect.CONFIG:
            config = _checked(_with(_config(entry), device))
        if wanted & Affect.LIVE:
            _attach_live(core, entry, device)
        _keep(core, entry, config)


def detach(core: Core, ref: Ref, xml: str, flags: int) -> None:
    refusals.check_flags("lxcDomainDetachDeviceFlags", flags, _AFFECT)
    device = model.parse_device(xml, new_mac=random_mac)
    with core.changing(ref, "change the devices of") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        config = None
        if wanted & Affect.CONFIG:
            domain = _config(entry)
            config = _without(domain, device.kind, _find(domain, device))
        if wanted & Affect.LIVE:
            view = entry.view
            assert view.live is not None
            at = _find(view.live, device, _aliases(view, device.kind))
            _detach_live(core, entry, device.kind, at)
        _keep(core, entry, config)


def detach_alias(core: Core, ref: Ref, alias: str, flags: int) -> None:
    """Only a running domain's devices have aliases; with CONFIG the same one goes there too."""
    refusals.check_flags("lxcDomainDetachDeviceAlias", flags, _AFFECT)
    with core.changing(ref, "change the devices of") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        view = entry.view
        kind, at = _with_alias(view, alias)
        config = None
        if wanted & Affect.CONFIG:
            domain, value = _config(entry), getattr(view.live, kind)[at]
            same = Device(tag="", kind=kind, value=value, mac=getattr(value, "mac", None))
            config = _without(domain, kind, _find(domain, same))
        if wanted & Affect.LIVE:
            _detach_live(core, entry, kind, at)
        _keep(core, entry, config)


def update(core: Core, ref: Ref, xml: str, flags: int) -> None:
    refusals.check_flags("lxcDomainUpdateDeviceFlags", flags, _AFFECT | _FORCE)
    device = model.parse_device(xml, new_mac=random_mac)
    with core.changing(ref, "change the devices of") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        if device.kind != "interfaces":
            where = "live" if wanted & Affect.LIVE else "persistent"
            raise _unsupported(f"{where} update of device '{device.tag}' is not supported")

        def new(domain: Domain, old: Interface, at: int) -> Domain:
            card = replace(device.value, mac=old.mac)
            card = replace(card, virtualport=with_ids(card, entry.view.uuid))
            return replace(domain, interfaces=_put(domain.interfaces, at, card))

        _update_card(core, entry, wanted, lambda view: device, new)


Find = Callable[[View], Device]
New = Callable[[Domain, Interface, int], Domain]


def update_card(
    core: Core, entry: Entry, flags: int, device: Device, change: Callable[[Interface], Interface]
) -> None:
    """Changes the card that ``device`` names, where ``flags`` say; the caller holds the job."""

    def new(domain: Domain, old: Interface, at: int) -> Domain:
        return replace(domain, interfaces=_put(domain.interfaces, at, change(old)))

    _update_card(core, entry, impact.resolve(entry.view, flags), lambda view: device, new)


def _identified(entry: Entry, device: Device) -> Device:
    """The device with the ids that a definition of this domain would get."""
    card = device.value
    if device.kind != "interfaces" or card.virtualport is None:
        return device
    port = with_ids(card, entry.view.uuid)
    return replace(device, value=replace(card, virtualport=port))


def _update_card(core: Core, entry: Entry, wanted: int, find: Find, new: New) -> None:
    config = None
    if wanted & Affect.CONFIG:
        domain = _config(entry)
        at = _find(domain, find(entry.view))
        config = _checked(new(domain, domain.interfaces[at], at))
    if wanted & Affect.LIVE:
        view = entry.view
        assert view.live is not None
        at = _find(view.live, find(view), _aliases(view, "interfaces"))
        _update_live(core, entry, at, new(view.live, view.live.interfaces[at], at))
    _keep(core, entry, config)


# The definition


def _config(entry: Entry) -> Domain:
    assert entry.view.config is not None
    return entry.view.config


def _keep(core: Core, entry: Entry, config: Domain | None) -> None:
    if config is None:
        return
    view = entry.view
    with doing(f"cannot change domain '{view.name}'"):
        definitions.keep_config(core, view, config)
    core.registry.publish(entry, replace(view, config=config))


def _checked(domain: Domain) -> Domain:
    model.check(domain)
    return domain


def _with(domain: Domain, device: Device) -> Domain:
    """The definition with one more device; raises what may be there only once."""
    _check_new(domain, device)
    return _put_all(domain, device.kind, (*getattr(domain, device.kind), device.value))


def _check_new(domain: Domain, device: Device) -> None:
    value = device.value
    for other in getattr(domain, device.kind):
        if not _same(device.kind, other, value):
            continue
        if device.kind == "interfaces":
            raise refusals.bad_argument(f"network device with mac {value.mac} already exists")
        if device.kind == "disks":
            raise refusals.bad_argument(f"target {value.target} already exists.")
        if device.kind == "filesystems":
            raise refusals.invalid(f"Target already exists: '{value.target}' is mounted there")
        raise refusals.bad_argument("device is already in the domain configuration")


def _without(domain: Domain, kind: str, at: int) -> Domain:
    devices = getattr(domain, kind)
    domain = _put_all(domain, kind, _cut(devices, at))
    if kind != "filesystems":
        return domain
    # What is said of the target besides goes with it.
    extras = tuple(
        extra for extra in domain.container.filesystems if extra.target != devices[at].target
    )
    return replace(domain, container=replace(domain.container, filesystems=extras))


def _put_all(owner: Owner, kind: str, items: tuple[Any, ...]) -> Owner:
    """``owner`` with other items in its field ``kind``."""
    changed: dict[str, Any] = {kind: items}
    return replace(owner, **changed)


def _put(items: tuple[Any, ...], at: int, item: Any) -> tuple[Any, ...]:
    return (*items[:at], item, *items[at + 1 :])


# Which device is meant


def _same(kind: str, one: Any, other: Any) -> bool:
    if kind == "interfaces":
        return bool(one.mac == other.mac)
    if kind in ("disks", "filesystems"):
        return bool(one.target == other.target)
    fields = ("mode", "type", "source", "vendor", "product", "bus", "device")
    asked = [field for field in fields if getattr(other, field) is not None]
    return all(getattr(one, field) == getattr(other, field) for field in asked)


def _find(domain: Domain, device: Device, aliases: tuple[str, ...] = ()) -> int:
    """The place of the device that is meant; raises in libvirt's words when it is none or many."""
    devices = getattr(domain, device.kind)
    if device.kind == "interfaces":
        return _find_card(domain, device, aliases)
    for at, one in enumerate(devices):
        if _same(device.kind, one, device.value):
            return at
    if device.kind == "disks":
        raise refusals.bad_argument(f"no target device {device.value.target}")
    if device.kind == "filesystems":
        raise VirtlxcError(
            f"device not found: no filesystem with target '{device.value.target}'",
            Code.DEVICE_MISSING,
        )
    raise refusals.bad_argument("device not present in domain configuration")


def _find_card(domain: Domain, device: Device, aliases: tuple[str, ...]) -> int:
    found = []
    for at, card in enumerate(domain.interfaces):
        if device.mac is not None and card.mac != device.mac:
            continue
        if device.alias is not None and at < len(aliases) and aliases[at] != device.alias:
            continue
        found.append(at)
    if len(found) == 1:
        return found[0]
    if found:
        about = f"devices matching MAC address {device.mac} found" if device.mac else (
            "matching devices found"
        )
        raise VirtlxcError(f"operation failed: multiple {about}", Code.OPERATION_FAILED)
    raise VirtlxcError(
        "device not found: no device found at address '(<null>)' matching MAC address"
        f" '{device.mac or '(<null>)'}' and alias '{device.alias or '(<null>)'}'",
        Code.DEVICE_MISSING,
    )


def _aliases(view: View, kind: str) -> tuple[str, ...]:
    assert view.run is not None
    names: tuple[str, ...] = getattr(view.run.aliases, kind)
    return names


def _with_alias(view: View, alias: str) -> tuple[str, int]:
    for kind in model.DEVICE_KINDS:
        if view.run is not None and alias in _aliases(view, kind):
            return kind, _aliases(view, kind).index(alias)
    raise VirtlxcError(
        f"device not found: no device found with alias {alias}", Code.DEVICE_MISSING
    )


def _unsupported(cause: str) -> VirtlxcError:
    return VirtlxcError(f"unsupported configuration: {cause}", Code.CONFIG_UNSUPPORTED)


# The running container


def _attach_live(core: Core, entry: Entry, device: Device) -> None:
    view = entry.view
    assert view.live is not None and view.run is not None
    if device.kind == "interfaces":
        # What its network says of its port now holds as long as the card is there.
        value = ports.of_network(device.value, core.networks.facts())
        device = replace(device, value=value)
    live = _checked(_with(view.live, device))
    run = view.run
    value = device.value
    if device.kind == "interfaces":
        _check_network(view)
        starting.check_macs(core, replace(live, interfaces=(value,)))
        guest = value.guest or _free_guest(view)
        value = replace(value, guest=guest)
        host = changing.host_name(core, view, value)
        value = replace(value, target=host or value.target)
        run = replace(
            run,
            links=(*run.links, (host, guest)),
            bridges=(*run.bridges, _bridge(core, value)),
        )
    names = _aliases(view, device.kind)
    alias = model.free_alias(device.kind, names)
    run = replace(run, aliases=_put_all(run.aliases, device.kind, (*names, alias)))
    changing.change(core, entry, replace(view, live=live, run=run), _alone(live, device, value))
    core.events.emit(DeviceAdded(view.ref, alias))


def _alone(live: Domain, device: Device, value: Any) -> Domain:
    """The domain with nothing but its root and what is new, for the checks of a start."""
    bare = Domain(
        name=live.name,
        uuid=live.uuid,
        memory=live.memory,
        os=live.os,
        idmap=live.idmap,
        features=live.features,
        filesystems=(live.root,) if live.root is not None else (),
        container=live.container,
    )
    return _put_all(bare, device.kind, (*getattr(bare, device.kind), value))


def _check_network(view: View) -> None:
    assert view.live is not None
    if view.live.needs_netns:
        return
    whose = "another's" if any(one.kind == "net" for one in view.live.shares) else "the host's"
    raise refusals.invalid(
        f"the container is on {whose} network, and gets one of its own at a start only"
        " (attach the interface with --config, and start it again)"
    )


def _free_guest(view: View) -> str:
    assert view.run is not None
    taken = {guest for _, guest in view.run.links}
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


def _bridge(core: Core, card: Interface) -> str | None:
    if card.type != "network":
        return None
    return core.networks.ready(card.source or "")


def _detach_live(core: Core, entry: Entry, kind: str, at: int) -> None:
    view = entry.view
    assert view.live is not None and view.run is not None
    old = getattr(view.live, kind)[at]
    if kind == "filesystems" and old.target == "/":
        raise refusals.invalid("the root of a running container cannot be detached")
    live = _without(view.live, kind, at)
    run = view.run
    if kind == "interfaces":
        run = replace(run, links=_cut(run.links, at), bridges=_cut(run.bridges, at))
    if view.live.needs_netns and not live.needs_netns:
        # Its network stays its own, also when it boots again.
        live = replace(live, features=replace(live.features, privnet=True))
    names = _aliases(view, kind)
    run = replace(run, aliases=_put_all(run.aliases, kind, _cut(names, at)))
    alias = names[at]
    try:
        changing.change(core, entry, replace(view, live=live, run=run), None)
    except VirtlxcError as error:
        if error.code == Code.RESOURCE_BUSY:
            core.events.emit(DeviceRemovalFailed(view.ref, alias))
        raise
    core.events.emit(DeviceRemoved(view.ref, alias))


def _cut(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*items[:at], *items[at + 1 :])


# What of a card can be changed while it is there.
_CHANGEABLE = ("type", "source", "portgroup", "link_state", "bandwidth", "bridge", "alias")
# These differ in where the end on the host is: it can be put elsewhere.
_WITH_AN_END = frozenset({"bridge", "network", "ethernet"})


def _fixed(old: Interface, new: Interface) -> list[str]:
    """What is asked to change and cannot."""
    if new.type != old.type and not {new.type, old.type} <= _WITH_AN_END:
        return ["type"]
    changeable = set(_CHANGEABLE) - ({"source"} if new.type == "direct" else set())
    return sorted(
        field
        for field in Interface.__dataclass_fields__
        if field not in changeable and getattr(old, field) != getattr(new, field)
    )


def _update_live(core: Core, entry: Entry, at: int, live: Domain) -> None:
    view = entry.view
    assert view.live is not None and view.run is not None
    old, new = view.live.interfaces[at], live.interfaces[at]
    host, guest = view.run.links[at]
    # A document that was dumped while it runs has the names that were made up.
    if new.target in (None, host):
        new = replace(new, target=old.target)
    if new.guest in (None, guest):
        new = replace(new, guest=old.guest)
    new = ports.of_network(new, core.networks.facts())
    fixed = _fixed(old, new)
    if fixed:
        raise _unsupported(
            f"cannot modify network device {_aliases(view, 'interfaces')[at]} while the container"
            f" runs: {', '.join(fixed)}"
        )
    live = replace(live, interfaces=_put(live.interfaces, at, new))
    bridges = _put(view.run.bridges, at, _bridge(core, new))
    target = replace(view, live=live, run=replace(view.run, bridges=bridges))
    device = Device(tag="interface", kind="interfaces", value=new)
    # Its name is there already, and is its own.
    changing.change(core, entry, target, _alone(live, device, replace(new, target=None)))
