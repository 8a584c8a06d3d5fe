"""Model -> ``lxc-tools``: what reading the result gives is the domain again, or it is noted."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from lxml import etree

from virtlxc import model
from virtlxc.convert.files import Nothing
from virtlxc.convert.lxc.read import INIT, read_lxc
from virtlxc.convert.lxc.unsaid import unsaid
from virtlxc.convert.report import Written
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.cgroup.devices import ANY, STANDARD, Rule
from virtlxc.host.cgroup.limits import UNLIMITED_KIB, weight_from_shares
from virtlxc.model import Domain, Filesystem, FilesystemExtra, Interface, Ip, Route, unserved
from virtlxc.model.container import RAM

Lines = Iterator[tuple[str, object]]
Say = Callable[[str], None]

# What libvirt drops by default, and LXC does not.
_DROPPED = ("audit_control", "mac_admin", "mknod", "sys_module", "sys_time")


def write_lxc(domain: Domain) -> Written:
    """The configuration, and what of the domain LXC has no key for.

    Raises VirtlxcError for a domain that could not be defined, or whose values LXC would refuse.
    """
    model.check(domain)
    notes: list[str] = []
    parts = []
    for part in _PARTS:
        said = [(key, str(value)) for key, value in part(domain, notes.append)]
        # An empty value would take back what stands before it.
        notes += [f"{key} cannot be empty, and is left out" for key, value in said if not value]
        lines = [f"{key} = {_quoted(value)}" for key, value in said if value]
        broken = next((line for line in lines if "\n" in line), None)
        if broken is not None:
            raise VirtlxcError(
                f"a value with a line break cannot stand in a configuration of LXC: {broken!r}",
                Code.CONFIG_UNSUPPORTED,
            )
        if lines:
            parts.append("\n".join(lines) + "\n")
    notes += [str(item) for item in unserved(domain) if item.name not in _WRITTEN]
    text = "\n".join(parts)
    try:
        back = read_lxc(text, "", Nothing()).domain
    except VirtlxcError as error:
        raise VirtlxcError(
            f"domain '{domain.name}': LXC would not take its configuration: {error.message}",
            Code.CONFIG_UNSUPPORTED,
        ) from None
    notes += unsaid(domain, back)
    return Written(text=text, notes=tuple(dict.fromkeys(notes)))


def _quoted(value: str) -> str:
    """In quotes what LXC would strip: blanks around it, or a pair of quotes."""
    bare = value == value.strip() and not (len(value) > 1 and value[0] == value[-1] in "'\"")
    return value if bare else f'"{value}"'


# Not acted on by virtlxc, but said to LXC.
_WRITTEN = ("hostdev", "device", "filesystem", "seclabel", "interface", "numatune", "memory")


def _base(domain: Domain, say: Say) -> Lines:
    os = domain.os
    yield "lxc.uts.name", domain.name
    if os.arch:
        yield "lxc.arch", os.arch
    if os.init and (os.init != INIT or os.initargs):
        yield "lxc.init.cmd", shlex.join((os.init, *os.initargs))
    for key, name in (("uid", os.inituser), ("gid", os.initgroup)):
        if name is not None and name.removeprefix("+").isdecimal():
            yield f"lxc.init.{key}", name.removeprefix("+")
        elif name is not None:
            say(f"LXC takes numbers only: init's {key} '{name}' is left out")
    if os.initdir:
        yield "lxc.init.cwd", os.initdir
    for name, value in os.initenv:
        yield "lxc.environment", f"{name}={value}"
    if os.cmdline:
        yield "lxc.environment", f"LIBVIRT_LXC_CMDLINE={os.cmdline}"
    for what, text in (("title", domain.title), ("description", domain.description)):
        if text:
            say(f"no key for the {what}")
    if domain.metadata and domain.metadata.strip():
        say("no key for the metadata of others")


def _root(domain: Domain, say: Say) -> Lines:
    root = domain.root
    if root is None:
        say("no root is given: LXC then shares the host's, read-write, where virtlxc does not")
        return
    extra = domain.container.filesystem("/")
    if extra is not None and extra.overlay == RAM:
        say("an overlay in memory cannot be said: the root itself is written")
    if extra is not None and extra.overlay not in (None, RAM):
        yield "lxc.rootfs.path", f"overlay:{root.source}:{extra.overlay}/upper"
    elif root.type in ("mount", "block"):
        yield "lxc.rootfs.path", f"dir:{root.source}" if root.type == "mount" else root.source
    elif root.type == "file":
        nbd = root.driver_type == "nbd" or root.driver_format not in (None, "raw")
        yield "lxc.rootfs.path", f"{'nbd' if nbd else 'loop'}:{root.source}"
    else:
        say(f"a root of type '{root.type}' cannot be said")
    options = _options(root, extra)
    if options:
        yield "lxc.rootfs.options", ",".join(options)


def _options(filesystem: Filesystem, extra: FilesystemExtra | None) -> list[str]:
    options = ["ro"] if filesystem.readonly else []
    if extra is not None:
        options += extra.options
        options += ["optional"] if extra.optional else []
        options += [extra.propagation] if extra.propagation else []
        options += ["idmap=container"] if extra.idmap == "mount" else []
    return options


def _mounts(domain: Domain, say: Say) -> Lines:
    yield "lxc.mount.auto", "cgroup:mixed proc:mixed sys:mixed"
    for filesystem in domain.filesystems:
        if filesystem.target == "/":
            continue
        options = _options(filesystem, domain.container.filesystem(filesystem.target))
        line = _entry(filesystem, options)
        if line is None:
            say(f"a file system of type '{filesystem.type}' cannot be said: {filesystem.target}")
        else:
            yield "lxc.mount.entry", line
    for device in domain.hostdevs:
        if device.type in ("misc", "storage") and device.source:
            line = f"{device.source} {device.source[1:]} none bind,create=file 0 0"
            yield "lxc.mount.entry", line
            say(f"allow {device.source} by hand: lxc.cgroup2.devices.allow = KIND MAJOR:MINOR rwm")
        elif device.type != "net":
            say(f"no key for a {device.type} device")
    for disk in domain.disks:
        say(f"no key for the disk {disk.target}")


def _entry(filesystem: Filesystem, options: list[str]) -> str | None:
    target = _escaped(filesystem.target.lstrip("/"))
    source = _escaped(filesystem.source or "")
    if filesystem.type == "mount":
        return f"{source} {target} none {','.join(['bind', 'create=dir', *options])} 0 0"
    if filesystem.type == "bind":
        source = source.lstrip("/")
        return f"{source} {target} none {','.join(['bind', 'relative', *options])} 0 0"
    if filesystem.type == "ram":
        sized = [f"size={filesystem.usage_kib}k", "create=dir", *options]
        return f"tmpfs {target} tmpfs {','.join(sized)} 0 0"
    if filesystem.type == "block":
        return f"{source} {target} auto {','.join(['create=dir', *options])} 0 0"
    return None


def _escaped(path: str) -> str:
    """Blanks as fstab(5) wants them."""
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\" else char for char in path)


def _devices(domain: Domain, say: Say) -> Lines:
    """virtlxc forbids all but the standard devices; LXC forbids nothing by itself."""
    yield "lxc.cgroup2.devices.deny", "a"
    rules = [*STANDARD, Rule("c", 5, 1)]
    if ("mknod", "on") in domain.features.caps:
        rules += [Rule(kind, ANY, ANY, "m") for kind in "bc"]
    for rule in rules:
        yield "lxc.cgroup2.devices.allow", rule


def _network(domain: Domain, say: Say) -> Lines:
    shares = {share.kind: share.value for share in domain.shares}
    for share in domain.shares:
        value = f"/run/netns/{share.value}" if share.type == "netns" else share.value
        yield f"lxc.namespace.share.{share.kind}", value
    at = 0
    for interface in domain.interfaces:
        yield from ((f"lxc.net.{at}.{key}", said) for key, said in _card(interface, say))
        at += 1
    for device in domain.hostdevs:
        if device.type == "net":
            yield f"lxc.net.{at}.type", "phys"
            yield f"lxc.net.{at}.link", device.source
            inside = _addresses(device.ips, device.routes, say)
            yield from ((f"lxc.net.{at}.{key}", said) for key, said in inside)
            at += 1
    if at == 0 and "net" not in shares:
        yield "lxc.net.0.type", "empty" if domain.needs_netns else "none"


def _card(interface: Interface, say: Say) -> Lines:
    yield "type", "macvlan" if interface.type == "direct" else "veth"
    if interface.type == "network":
        say(f"LXC knows bridges only: give the bridge of network '{interface.source}' as link")
    elif interface.source:
        yield "link", interface.source
    if interface.type == "direct":
        mode = interface.source_mode or "vepa"
        yield "macvlan.mode", "passthru" if mode == "passthrough" else mode
    if interface.link_state != "down":
        yield "flags", "up"
    for key, value in (
        ("name", interface.guest),
        ("hwaddr", interface.mac),
        ("veth.pair", interface.target),
        ("mtu", interface.mtu),
    ):
        if value is not None:
            yield key, value
    yield from _port(interface, say)
    yield from _addresses(interface.ips, interface.routes, say)
    if interface.host_ips or interface.host_routes:
        say("no key for addresses and routes of the host's end")


def _port(interface: Interface, say: Say) -> Lines:
    vlan = interface.vlan
    if vlan is not None and interface.type in ("bridge", "network"):
        native = vlan.native
        hidden = native is not None and native.id not in vlan.tagged
        if native is not None and not hidden:
            say("LXC sends the native VLAN without tags")
        yield "veth.vlan.id", str(native.id) if native is not None else "none"
        yield from (
            ("veth.vlan.tagged.id", str(tag))
            for tag in vlan.tagged
            if native is None or tag != native.id
        )
    if interface.virtualport is not None:
        say("LXC tells Open vSwitch no ids of a port")


def _addresses(ips: tuple[Ip, ...], routes: tuple[Route, ...], say: Say) -> Lines:
    for ip in ips:
        full = {"ipv4": 32, "ipv6": 128}[ip.family]
        yield f"{ip.family}.address", f"{ip.address}/{ip.prefix if ip.prefix is not None else full}"
        if ip.peer:
            say(f"no key for the peer of {ip.address}")
    for route in routes:
        family = route.family or ("ipv6" if ":" in route.address else "ipv4")
        if route.address in ("0.0.0.0", "::") and not route.prefix and route.metric is None:
            yield f"{family}.gateway", route.gateway
        else:
            say(f"no key for the route to {route.address}")


def _terminals(domain: Domain, say: Say) -> Lines:
    yield "lxc.tty.max", max(len(domain.consoles), 1)
    yield "lxc.pty.max", 1024


def _limits(domain: Domain, say: Say) -> Lines:
    tune, container = domain.memtune, domain.container
    memory = domain.memory if tune.hard_limit is None else tune.hard_limit
    limited = memory < UNLIMITED_KIB
    if limited:
        yield "lxc.cgroup2.memory.max", memory * 1024
    if tune.swap_hard_limit is not None and limited and tune.swap_hard_limit < UNLIMITED_KIB:
        yield "lxc.cgroup2.memory.swap.max", max(tune.swap_hard_limit - memory, 0) * 1024
    for key, size in (
        ("memory.high", tune.soft_limit),
        ("memory.low", container.memory_low),
        ("memory.min", container.memory_min),
    ):
        if size is not None and size < UNLIMITED_KIB:
            yield f"lxc.cgroup2.{key}", size * 1024
    if container.pids_limit is not None:
        yield "lxc.cgroup2.pids.max", container.pids_limit
    if container.start_order:
        yield "lxc.start.order", container.start_order
    if container.start_delay:
        yield "lxc.start.delay", container.start_delay
    yield from _processors(domain, say)
    if domain.numatune.nodeset:
        yield "lxc.cgroup2.cpuset.mems", domain.numatune.nodeset
    if domain.blkiotune.weight:
        yield "lxc.cgroup2.io.weight", domain.blkiotune.weight
    yield from _blkio(domain, say)
    for limit in container.rlimits:
        soft = limit.soft or limit.hard
        if soft is None:
            continue
        yield f"lxc.prlimit.{limit.name}", f"{soft}:{limit.hard or soft}"
    for sysctl in container.sysctls:
        yield f"lxc.sysctl.{sysctl.name}", sysctl.value


def _processors(domain: Domain, say: Say) -> Lines:
    tune = domain.cputune
    if tune.shares is not None:
        yield "lxc.cgroup2.cpu.weight", weight_from_shares(tune.shares)
    limited = tune.quota is not None and tune.quota >= 0
    if limited or tune.period is not None:
        quota = tune.quota if limited else "max"
        yield "lxc.cgroup2.cpu.max", f"{quota} {tune.period}" if tune.period else quota
    elif domain.container.cpu_limit is not None:
        processors = domain.container.cpu_limit
        count = float(domain.vcpus if processors == "vcpu" else processors)
        yield "lxc.cgroup2.cpu.max", f"{round(count * 100000)} 100000"
    if domain.cpuset:
        yield "lxc.cgroup2.cpuset.cpus", domain.cpuset


def _blkio(domain: Domain, say: Say) -> Lines:
    for device in domain.blkiotune.devices:
        numbers = device.path.removeprefix("/dev/block/")
        limits = (
            ("rbps", device.read_bytes_sec),
            ("wbps", device.write_bytes_sec),
            ("riops", device.read_iops_sec),
            ("wiops", device.write_iops_sec),
        )
        words = [f"{key}={value}" for key, value in limits if value]
        if numbers == device.path or device.weight:
            say(f"LXC takes limits by MAJOR:MINOR, and no weight of one device: {device.path}")
        elif words:
            yield "lxc.cgroup2.io.max", " ".join((numbers, *words))


def _security(domain: Domain, say: Say) -> Lines:
    if domain.idmap is not None:
        for letter, ranges in (("u", domain.idmap.uids), ("g", domain.idmap.gids)):
            for item in ranges:
                yield "lxc.idmap", f"{letter} {item.start} {item.target} {item.count}"
    features = domain.features
    on = [name for name, state in features.caps if state == "on"]
    off = [name for name, state in features.caps if state == "off"]
    if features.cap_policy == "deny":
        yield "lxc.cap.keep", " ".join(on) or "none"
        return
    if features.cap_policy == "default":
        off = sorted({*off, *_DROPPED} - {*on})
    if off:
        yield "lxc.cap.drop", " ".join(off)


def _labels(domain: Domain, say: Say) -> Lines:
    for kept in domain.kept:
        if kept.path != "seclabel":
            continue
        element = etree.fromstring(kept.xml)
        key = {"apparmor": "apparmor.profile", "selinux": "selinux.context"}.get(
            element.get("model") or ""
        )
        label = element.findtext("label")
        if key and label:
            yield f"lxc.{key}", label.strip()
        elif element.get("type") != "none":
            say("no key for a label that libvirt would make up")


_PARTS = (_base, _root, _mounts, _devices, _network, _terminals, _limits, _security, _labels)
