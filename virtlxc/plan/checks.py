"""What a start is refused for, and what it warns of, before anything is done.

Each check is a small function; :data:`_REFUSALS` is the order in which a person learns of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.capabilities_xml import guest_architectures
from virtlxc.host.cgroup.limits import ELEMENT
from virtlxc.host.facts import OLDEST_KERNEL
from virtlxc.host.security import idmap
from virtlxc.model import Filesystem, Interface
from virtlxc.model.unserved import Unserved, unserved
from virtlxc.plan import (
    cgroups,
    device_checks,
    filesystem_checks,
    hostroot,
    lending,
    network,
    nodes,
    overlays,
    ports,
    proc,
    process,
)
from virtlxc.plan.scene import Scene


def check(scene: Scene) -> tuple[str, ...]:
    """The warnings of a start that can be tried; raises VirtlxcError for one that cannot."""
    for refuse in _REFUSALS:
        refuse(scene)
    return tuple(_warnings(scene))


def refusals(scene: Scene) -> tuple[VirtlxcError, ...]:
    """Every reason why a start cannot be; when it is the host, that alone."""
    found = []
    for refuse in _REFUSALS:
        try:
            refuse(scene)
        except VirtlxcError as error:
            found.append(error)
            if refuse in (_kernel, _cgroup2):
                break
    return tuple(found)


def _kernel(scene: Scene) -> None:
    if scene.host.kernel_version < OLDEST_KERNEL:
        oldest = ".".join(map(str, OLDEST_KERNEL))
        raise scene.refuse(
            "look at the host", f"kernel {scene.host.kernel} is too old, {oldest} is needed"
        )


def _architecture(scene: Scene) -> None:
    arch = scene.domain.os.arch
    names = [name for name, _bits in guest_architectures(scene.host.arch)]
    if arch is None or arch in names or ("i686" in names and arch in ("i386", "i486", "i586")):
        return
    raise scene.refuse(
        "execute init",
        f"its programs are for {arch} (<os><type arch=>), and this host runs {' and '.join(names)}",
        "take a root filesystem for this host, and the attribute out",
    )


def _cgroup2(scene: Scene) -> None:
    facts = scene.host.cgroup
    if facts.hidden:
        raise scene.refuse(
            "look at the host",
            f"cgroup2 is mounted at {facts.hidden}, where something else is mounted over it, and "
            "processes are tracked, killed and frozen by it",
            "unmount what hides it, or run the daemon in the host's mount namespace",
        )
    if not facts.mount:
        raise scene.refuse(
            "look at the host",
            "cgroup2 is not mounted, and processes are tracked, killed and frozen by it",
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
        )
    for there, what in (
        (facts.kill, "cgroup.kill"),
        (facts.freeze, "cgroup.freeze"),
        # A container that is a host has the device program of its own host above its guests.
        (
            facts.device_program or scene.host.user_namespace,
            "device programs (CONFIG_CGROUP_BPF)",
        ),
    ):
        if not there:
            raise scene.refuse("look at the host", f"this kernel's cgroup2 has no {what}")


def _ignored(scene: Scene, item: Unserved) -> bool:
    """Whether ``--ignore`` names it: the element, or its whole path."""
    return bool({item.name, item.path} & scene.options.ignore)


def _protecting(scene: Scene) -> None:
    for item in unserved(scene.domain):
        if item.protects and not _ignored(scene, item):
            raise scene.refuse(
                "keep the promises of its XML",
                str(item),
                f"take it out, or start with --ignore {item.name}",
                _CODES.get(item.path.rpartition("/")[2], Code.CONFIG_UNSUPPORTED),
            )


# Where libvirt has a code of its own, which clients know.
_CODES = {"@floor": Code.OPERATION_UNSUPPORTED}


_NAMESPACED_SYSCTLS = (
    ("net", "net."),
    ("ipc", "kernel.shm"),
    ("ipc", "kernel.msg"),
    ("ipc", "kernel.sem"),
    ("ipc", "fs.mqueue."),
    ("uts", "kernel.domainname"),
)


def _sysctls(scene: Scene) -> None:
    """Only those that belong to a namespace of the container's own: others are the host's."""
    own = {"net"} if scene.own_net else set()
    own |= {kind for kind in ("ipc", "uts") if kind not in scene.shares}
    for row in scene.domain.container.sysctls:
        if not any(
            kind in own and row.name.startswith(prefix) for kind, prefix in _NAMESPACED_SYSCTLS
        ):
            raise scene.refuse(
                f"set {row.name}",
                "it would change a setting of the host's, not one of the container's",
                "take <virtlxc:sysctl> out, and set it on the host",
            )


def _folders(scene: Scene) -> None:
    """What a hostile root has in place of /dev must not decide where we mount."""
    needed = ["/dev", "/proc", "/sys", *(["/run"] if scene.systemd_guest else [])]
    root = scene.domain.root
    for path in needed:
        kind = scene.start.no_folders.get(path)
        if kind and root:
            what = "a symbolic link" if kind == "link" else f"a {kind}"
            raise scene.refuse(
                f"attach {path}",
                f"'{path}' in the root folder '{root.source}' is {what}",
                "make it a folder",
            )


def _host_targets(scene: Scene) -> None:
    """The host's own root is read-only: no mount point can be made in it."""
    for filesystem in scene.domain.filesystems if hostroot.applies(scene) else ():
        if not hostroot.can_hold(scene, filesystem.target):
            raise scene.refuse(
                f"attach {filesystem.target}",
                f"there is no '{filesystem.target}' on the host, whose root this container has",
                "create it, or give the domain a root file system",
            )


def _idmap(scene: Scene) -> None:
    if not scene.userns:
        if scene.options.require_idmap:
            raise scene.refuse(
                "look at the host's rules",
                "it has no <idmap>, and require_idmap is set",
                "add an <idmap>, or set require_idmap = false in virtlxc.toml",
            )
        return
    if scene.options.require_idmap and _reaches_root(scene):
        raise scene.refuse(
            "look at the host's rules",
            "its <idmap> reaches the host's id 0, and require_idmap is set",
            "map to other ids, or set require_idmap = false in virtlxc.toml",
        )
    found = (*idmap.problems("uid", scene.uids), *idmap.problems("gid", scene.gids))
    if found:
        raise scene.refuse("map ids", "; ".join(found), "mend <idmap>")
    if not scene.host.user_namespaces:
        raise scene.refuse(
            "make a user namespace",
            "this host allows none",
            "sysctl user.max_user_namespaces=10000",
        )
    for kind, ranges, own in (
        ("users", scene.uids, scene.host.uids),
        ("groups", scene.gids, scene.host.gids),
    ):
        if idmap.beyond(ranges, own):
            raise scene.refuse(
                "map ids",
                f"its <idmap> wants the {kind} {idmap.describe(idmap.beyond(ranges, own))}, and "
                f"this host, itself a container, has {idmap.describe_blocks(own)}",
                "mend <idmap>, or give that container more by a larger count in its own",
            )
    for filesystem in scene.domain.filesystems:
        if filesystem.type == "mount":
            _owner(scene, filesystem)


def _reaches_root(scene: Scene) -> bool:
    return idmap.reaches_root(scene.uids) or idmap.reaches_root(scene.gids)


def _owner(scene: Scene, filesystem: Filesystem) -> None:
    """The ownership rule: shifted already, or the guest's own, or an error with both."""
    extra = scene.domain.container.filesystem(filesystem.target)
    how = extra.idmap if extra else None
    source = scene.start.source(filesystem.source or "")
    if source.kind == "missing" or how == "none":
        return
    shift = idmap.shift_for(scene.uids, source.uid)
    if how is None and shift == "foreign":
        raise scene.refuse(
            f"clone {source.path} for {filesystem.target}",
            f"it belongs to id {source.uid}, which is in neither range of the id map "
            f"{idmap.describe(scene.uids)}",
            f"chown it, or say <virtlxc:filesystem target='{filesystem.target}' "
            "idmap='mount|none'/>",
        )
    wants_mount = how == "mount" or shift == "mount"
    if wants_mount and source.idmapped is False:
        unshifted = (
            f", or say <virtlxc:filesystem target='{filesystem.target}' idmap='none'/>, which "
            "shows it as nobody's"
        )
        raise scene.refuse(
            f"set attributes of {filesystem.target}",
            f"this host is itself a container, which did not mount what '{source.path}' is on, so "
            "that it takes no idmapped mounts here",
            f"chown -R it to the id map's range {idmap.describe(scene.uids)}"
            + ("" if filesystem.target == "/" else unshifted),
        )
    works = scene.host.idmapped.get(source.fstype) is not False or source.idmapped
    if wants_mount and not works:
        raise scene.refuse(
            f"set attributes of {filesystem.target}",
            f"{source.fstype}, which '{source.path}' is on, takes no idmapped mounts on kernel "
            f"{scene.host.kernel}",
            f"chown -R to the id map's range {idmap.describe(scene.uids)}",
        )


def _shares(scene: Scene) -> None:
    if "net" in scene.shares and scene.domain.needs_netns:
        raise scene.refuse(
            "join the net namespace",
            "interfaces or <privnet/> contradict <lxc:sharenet>",
            "take one of them out",
        )
    for kind, what in scene.shares.items():
        shared = scene.start.shared.get(kind)
        problem = "it was not looked at" if shared is None else shared.problem
        if problem:
            raise scene.refuse(f"open the {kind} namespace of {what}", problem)


def _cards(scene: Scene) -> None:
    cards = network.named_cards(scene)
    for card, host, guest in cards:
        step = f"attach {guest} to its bridge"
        if card.type == "direct":
            device_checks.macvlan(scene, card, guest)
        elif card.type == "network":
            _network(scene, step, card)
        elif (
            card.type == "bridge"
            and card.source not in scene.start.bridges
            and not ports.switched(card)
        ):
            is_link = card.source in scene.start.links
            cause = (
                f"'{card.source}' is no bridge"
                if is_link
                else "there is no bridge " + repr(card.source)
            )
            raise scene.refuse(step, cause, "create it, or use a network: virtlxc net-list --all")
        ports.check(scene, card, guest)
        for name in (guest,) if card.type == "direct" else (host, guest):
            if not 0 < len(name) <= network.NAME_MAX or "/" in name:
                raise scene.refuse(step, f"'{name}' cannot be the name of a link")
        if host in scene.start.links:
            raise scene.refuse(step, f"the host has a link '{host}' already", "change <target dev>")
    names = [guest for _, _, guest in cards] + [loan.name for loan in lending.loans(scene)]
    for name in {name for name in names if names.count(name) > 1}:
        raise scene.refuse(
            f"make {name}",
            f"two interfaces are named '{name}' inside",
            "change <guest dev>",
        )


def _network(scene: Scene, step: str, card: Interface) -> None:
    name = card.source or ""
    found = scene.start.networks.get(name)
    if found is None:
        raise scene.refuse(step, f"there is no network '{name}'", "see virtlxc net-list --all")
    if not found.active:
        raise scene.refuse(step, f"network '{name}' is not active", f"virtlxc net-start {name}")
    if found.bridge not in scene.start.bridges and not ports.switched(card):
        raise scene.refuse(
            step,
            f"there is no bridge '{found.bridge}' of network '{name}'",
            f"virtlxc net-destroy {name} && virtlxc net-start {name}",
        )


def _clock(scene: Scene) -> None:
    for timer in scene.domain.clock.timers:
        if scene.domain.clock.offset == "localtime" and timer.name not in ("rtc", "hpet"):
            raise scene.refuse(
                "make /dev", f"a container has no timer '{timer.name}'", "take it out"
            )
    for path in nodes.timers(scene):
        if scene.start.source(path).kind != "char":
            raise scene.refuse(
                "make /dev", f"the host has no {path}, which <clock> asks for", "take the timer out"
            )


def _init(scene: Scene) -> None:
    init = scene.start.init
    root = scene.domain.root
    where = f"the root folder '{root.source}'" if root else "the host's root"
    if init.found == "no":
        raise scene.refuse(
            "execute init", f"there is no '{init.path}' in {where}", "mend <os><init>"
        )
    if init.found == "yes" and not init.executable:
        raise scene.refuse(
            "execute init",
            f"'{init.path}' in {where} is not an executable file",
            "chmod +x it, or mend <os><init>",
        )
    lost = [name for name in init.file_caps if name not in process.kept_capabilities(scene)]
    if init.file_caps_effective and lost:
        raise scene.refuse(
            "execute init",
            f"'{init.path}' has file capabilities that the container does not get: "
            + ", ".join(lost),
            "allow them in <features><capabilities>, or setcap -r the file",
        )


def _systemd(scene: Scene) -> None:
    version = scene.start.init.systemd
    if not scene.systemd_guest or not version:
        return
    view = cgroups.cgroup_view(scene)
    facts = scene.host.cgroup
    if version < cgroups.FIRST_SYSTEMD_ON_V2 and view != "v1":
        raise scene.refuse(
            "execute init",
            f"systemd {version} in the container cannot use cgroup v2, "
            + ("which is all this host has" if not facts.v1 else f"which view='{view}' gives it"),
            "boot the host with systemd.unified_cgroup_hierarchy=0, or update the container",
        )
    if version >= cgroups.FIRST_SYSTEMD_WITHOUT_V1 and view == "v1":
        raise scene.refuse(
            "execute init",
            f"systemd {version} in the container no longer boots on cgroup v1",
            "take <virtlxc:cgroup view='v1'/> out",
        )
    if view == "v1" and "name=systemd" not in facts.v1:
        raise scene.refuse(
            "execute init",
            f"systemd {version} in the container needs the cgroup v1 hierarchy name=systemd",
            "mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup "
            "/sys/fs/cgroup/systemd",
        )


def _limits(scene: Scene) -> None:
    if cgroups.cgroup_view(scene) == "v1" and not scene.host.cgroup.v1:
        raise scene.refuse(
            "mount /sys/fs/cgroup", "view='v1' is asked for, and this host has no cgroup v1"
        )
    cgroups.limit_writes(scene)


_REFUSALS: tuple[Callable[[Scene], None], ...] = (
    _kernel,
    _cgroup2,
    _architecture,
    _protecting,
    device_checks.nodes_of_a_container,
    filesystem_checks.root_type,
    filesystem_checks.sources,
    filesystem_checks.overlays,
    _folders,
    _host_targets,
    _idmap,
    _shares,
    _cards,
    device_checks.nics,
    _clock,
    device_checks.disks,
    device_checks.hostdevs,
    device_checks.node_names,
    device_checks.device_limits,
    _init,
    _systemd,
    _sysctls,
    _limits,
)

# What was checked when the domain was started, and what no device changes.
_OF_THE_START = (
    *(
        _kernel,
        _cgroup2,
        _architecture,
        filesystem_checks.root_type,
        _folders,
        _shares,
        _clock,
        _init,
        _systemd,
        _sysctls,
        _limits,
    ),
)


def check_devices(scene: Scene) -> None:
    """The checks that are about devices, for those that a running domain is to be given."""
    for refuse in _REFUSALS:
        if refuse not in _OF_THE_START:
            refuse(scene)


def _warnings(scene: Scene) -> Iterator[str]:
    if hostroot.applies(scene):
        yield hostroot.WARNING
        if not scene.host.overlays:
            yield hostroot.UNSCREENED
    if not scene.userns:
        yield "root in this container is root on the host (no <idmap>)"
    elif _reaches_root(scene):
        yield "the host's id 0 is in this container (see <idmap>): its files are open to it"
    if scene.host_net:
        yield (
            "no interface and no <privnet/>: the container is on the host's network"
            + (
                ""
                if ("net_admin", "on") in scene.domain.features.caps
                else ", without CAP_NET_ADMIN"
            )
        )
    if not scene.host.cgroup.device_program:
        yield cgroups.NO_DEVICE_RULES
    if overlays.keeps_folders(scene):
        yield overlays.KEEPS_FOLDERS
    if proc.missed(scene):
        yield proc.WARNING
    for card in scene.domain.interfaces:
        there = scene.start.networks.get(card.source or "") if card.type == "network" else None
        if there is not None and card.virtualport and not card.virtualport.type:
            own = there.ports.get(card.portgroup or "", there.port)
            if own.virtualport is None:
                yield f"<virtualport> has no type, and network '{card.source}' none, ignored"
        if card.portgroup and there is not None and card.portgroup not in there.port_limits:
            yield f"network '{card.source}' has no port group '{card.portgroup}', ignored"
    for field in cgroups.given_up(scene):
        yield f"the host has no controller for {ELEMENT[field]}, ignored"
    for item in unserved(scene.domain):
        yield f"{item}, ignored" if item.protects else str(item)
