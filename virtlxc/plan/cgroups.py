"""Control groups: made, limited, entered, and seen from inside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from virtlxc.errors import VirtlxcError
from virtlxc.host.cgroup import devices, layout
from virtlxc.host.cgroup.limits import ELEMENT, IoDevice, Limits, Write, unkept, writes
from virtlxc.plan import inside, nodes
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import CONTROLLER, Group, Step, Undo

# On v1 a domain is in these from its start, because limits and counters are asked for later.
_ALWAYS_V1 = ("memory", "cpu", "cpuset", "pids", "blkio")

# What a guest in a user namespace must own to manage groups of its own; the kernel's list is
# /sys/kernel/cgroup/delegate.
_DELEGATED_FILES = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"]
_DELEGATED_FILES_V1 = ["cgroup.procs", "tasks"]

_KEPT = "shared by all domains, and empty costs nothing"
_WITH_GROUP = "goes with the group"


def limits_of(scene: Scene) -> Limits:
    """The limits that the domain asks for, from all elements that speak of them."""
    domain, extra = scene.domain, scene.domain.container
    quota, period = domain.cputune.quota, domain.cputune.period
    if quota is None and extra.cpu_limit is not None:
        shown = domain.vcpus_current or domain.vcpus
        count = shown if extra.cpu_limit == "vcpu" else float(extra.cpu_limit)
        period = period or 100_000
        quota = int(count * period)
    hard = domain.memtune.hard_limit
    return Limits(
        memory=domain.memory if hard is None else hard,
        memory_soft=domain.memtune.soft_limit,
        memory_low=extra.memory_low,
        memory_min=extra.memory_min,
        swap=domain.memtune.swap_hard_limit,
        shares=domain.cputune.shares,
        period=period,
        quota=quota,
        cpus=domain.cpuset,
        mems=domain.numatune.nodeset,
        pids=extra.pids_limit,
        io_weight=domain.blkiotune.weight,
        io_devices=tuple(_io_devices(scene)) or None,
    )


def _io_devices(scene: Scene) -> Iterator[IoDevice]:
    """Limits of single devices: by path in <blkiotune>, or beside a disk in its <iotune>."""
    for device in scene.domain.blkiotune.devices:
        source = scene.start.source(device.path)
        yield IoDevice(
            device=source.device,
            weight=device.weight,
            weigher=source.weigher,
            read_bytes=device.read_bytes_sec,
            write_bytes=device.write_bytes_sec,
            read_iops=device.read_iops_sec,
            write_iops=device.write_iops_sec,
        )
    for disk in scene.domain.disks:
        node = nodes.of_disk(scene, disk)
        if node is None or disk.iotune is None:
            continue
        item = IoDevice(
            device=node.device,
            key=node.loop,
            read_bytes=disk.iotune.read_bytes_sec,
            write_bytes=disk.iotune.write_bytes_sec,
            read_iops=disk.iotune.read_iops_sec,
            write_iops=disk.iotune.write_iops_sec,
        )
        if item.throttled:
            yield item


def v1_groups(scene: Scene) -> dict[str, Group]:
    """The groups on cgroup v1 that have the domain's limits, by controller."""
    facts = scene.host.cgroup
    wanted = {write.controller for write in limit_writes(scene)} | set(_ALWAYS_V1)
    if cgroup_view(scene) == "v1":
        wanted |= {*facts.v1, "name=systemd"}
    # A plan for systemd's scope has its leaf on cgroup2 alone; on v1 the place is always our own.
    path = layout.leaf(
        scene.domain.name,
        CONTROLLER,
        partition=scene.domain.partition,
        instance=scene.options.instance,
    )
    return {
        name: Group(mount=mount, path=path)
        for name, mount in sorted(facts.v1.items())
        if name in wanted
    }


def limit_writes(scene: Scene) -> tuple[Write, ...]:
    facts = scene.host.cgroup
    limits = replace(limits_of(scene), **dict.fromkeys(given_up(scene)))
    if limits.swap is not None and not facts.swap:
        raise scene.refuse(
            "set limits",
            "this kernel does not account swap, so <swap_hard_limit> would not hold",
            "boot with swapaccount=1, or take the element out",
        )
    try:
        return writes(limits, facts.version_of(), io_weight_files=facts.io_weight_files)
    except VirtlxcError as error:
        missed = [field for fields in unkept(limits, facts.version_of()) for field in fields]
        names = " ".join(f"--ignore {_ignored_by(field)[0]}" for field in missed)
        mend = f"take that out, or start with {names}" if names else ""
        raise scene.refuse("set limits", error.message, mend) from None


def given_up(scene: Scene) -> tuple[str, ...]:
    """The limits that no controller is there for, and that ``--ignore`` or the configuration name.

    Names of fields of :class:`Limits`.
    """
    missed = unkept(limits_of(scene), scene.host.cgroup.version_of())
    return tuple(
        field
        for fields in missed
        for field in fields
        if scene.options.ignore.intersection(_ignored_by(field))
    )


def _ignored_by(field: str) -> list[str]:
    """The names of elements that a limit can be called by, the last of its path first."""
    return re.findall(r"<(?:virtlxc:)?(\w+)", ELEMENT[field])[::-1]


def cgroup_view(scene: Scene) -> str:
    """What is below the guest's /sys/fs/cgroup: v2, v1 or none.

    Unless the domain says it, a systemd that is too old for cgroup2 gets v1, everybody else v2.
    """
    asked = scene.domain.container.cgroup_view
    if asked is not None:
        return asked
    version = scene.start.init.systemd
    if scene.systemd_guest and 0 < version < FIRST_SYSTEMD_ON_V2 and scene.host.cgroup.v1:
        return "v1"
    return "v2"


FIRST_SYSTEMD_ON_V2 = 232
FIRST_SYSTEMD_WITHOUT_V1 = 256


def birthplace(scene: Scene) -> Iterator[Step]:
    """The daemon makes the group that the controller is born in.

    To be born in a group costs nothing; to be moved to one costs the kernel's patience for all
    others (some 10 ms).
    """
    if scene.options.leaf is not None:
        return
    leaf, enabled = scene.leaf, _handed_down(scene)
    yield from _partition(leaf, enabled)
    yield _make(leaf, "the domain's group", side="daemon", late=True)
    supervisor = leaf.below(layout.SUPERVISOR)
    yield _make(
        supervisor, "the controller is born in it, outside all limits", side="daemon", late=True
    )


def born(scene: Scene) -> Group | None:
    """The group of :func:`birthplace`; None where somebody else made the leaf."""
    return scene.leaf.below(layout.SUPERVISOR) if scene.options.leaf is None else None


def _handed_down(scene: Scene) -> list[str]:
    return [name for name in layout.DELEGATED if name in scene.host.cgroup.controllers]


def make(scene: Scene) -> Iterator[Step]:
    """The groups of the domain, on cgroup2 and on what is bound to v1."""
    leaf, enabled = scene.leaf, _handed_down(scene)
    if scene.options.leaf is not None:
        supervisor = leaf.below(layout.SUPERVISOR)
        yield _make(supervisor, "the controller's group, without limits", late=True)
        yield Step(
            name="enter the supervisor's group",
            side="controller",
            op="cgroup-attach",
            args=supervisor.to_json() | {"pid": CONTROLLER},
            text="out of the leaf itself, whose children get controllers",
            kernel="a process leaves its group when it ends",
        )
    yield _make(scene.payload, "the group with limits, device rules, freeze and kill")
    for group in (leaf, scene.payload) if enabled else ():
        yield _enable(group, enabled)
    yield _make(scene.guest_group, "the root of the container's own cgroup namespace")
    yield from _make_v1(scene)


def _partition(leaf: Group, enabled: list[str]) -> Iterator[Step]:
    top = Group(mount=leaf.mount, path="/")
    if enabled:
        yield _enable(top, enabled, side="daemon")
    for path in layout.ancestors(leaf.path):
        group = Group(mount=leaf.mount, path=path)
        yield _make_shared(group, side="daemon")
        if enabled:
            yield _enable(group, enabled, side="daemon")


def _make_v1(scene: Scene) -> Iterator[Step]:
    for mount, names in _by_mount(v1_groups(scene)).items():
        group = v1_groups(scene)[names[0]]
        for path in layout.ancestors(group.path):
            yield _make_shared(Group(mount=mount, path=path))
            if "cpuset" in names:
                yield _inherit(Group(mount=mount, path=path))
        yield _make(group, f"the domain's limits of {', '.join(names)}")
        if "cpuset" in names:
            yield _inherit(group)


def make_v1_view(scene: Scene) -> Iterator[Step]:
    """Behind the limits: a cpuset of v1 cannot be narrowed below that of a child."""
    if cgroup_view(scene) != "v1":
        return
    groups = v1_groups(scene)
    for names in _by_mount(groups).values():
        group = groups[names[0]].below(layout.V1_INIT)
        yield _make(group, f"what the container sees of {', '.join(names)}")
        if "cpuset" in names:
            yield _inherit(group)


def _by_mount(groups: dict[str, Group]) -> dict[str, list[str]]:
    """Controllers can be mounted together (cpu,cpuacct): one group for all of a mount."""
    found: dict[str, list[str]] = {}
    for name, group in groups.items():
        found.setdefault(group.mount, []).append(name)
    return found


def _make(group: Group, what: str, *, side: str = "controller", late: bool = False) -> Step:
    return Step(
        name=f"make {_place(group)}",
        side=side,
        op="cgroup-mkdir",
        args=group.to_json(),
        text=what,
        undo=Undo(op="cgroup-rmdir", args=group.to_json(), late=late),
    )


def _make_shared(group: Group, *, side: str = "controller") -> Step:
    return Step(
        name=f"make {_place(group)}",
        side=side,
        op="cgroup-mkdir",
        args=group.to_json() | {"shared": True},
        text="the partition, unless it is there",
        kernel=_KEPT,
    )


def _enable(group: Group, controllers: list[str], *, side: str = "controller") -> Step:
    return Step(
        name=f"hand controllers down from {_place(group)}",
        side=side,
        op="cgroup-enable",
        args=group.to_json() | {"controllers": controllers},
        text=", ".join(controllers),
        kernel=_WITH_GROUP if "lxc-" in group.path else _KEPT,
    )


def _inherit(group: Group) -> Step:
    return Step(
        name=f"fill the cpuset of {_place(group)}",
        side="controller",
        op="cgroup-inherit",
        args=group.to_json() | {"files": ["cpuset.cpus", "cpuset.mems"]},
        text="cgroup v1 takes no process into a group without processors and memory",
        kernel=_WITH_GROUP if "lxc-" in group.path else _KEPT,
    )


def _place(group: Group) -> str:
    """``memory:LEAF/init``: the hierarchy by the last part of its mount point, the leaf by name."""
    hierarchy = group.mount.rsplit("/", 1)[-1]
    for end in (layout.SUFFIX, layout.SCOPE):
        _, suffix, below = group.path.partition(end)
        if suffix:
            return f"{hierarchy}:LEAF{below}"
    return f"{hierarchy}:{group.path}"


def limit(scene: Scene) -> Iterator[Step]:
    """The limits and the device rules, before any process is in the group."""
    bound = scene.host.cgroup.version_of()
    v1 = v1_groups(scene)
    names: Counter[str] = Counter()
    for write in limit_writes(scene):
        group = scene.payload if bound[write.controller] == 2 else v1[write.controller]
        names[write.file] += 1
        again = f" ({names[write.file]})" if names[write.file] > 1 else ""
        yield Step(
            name=f"set {write.file}{again}",
            side="controller",
            op="cgroup-write",
            args=group.to_json()
            | {"file": write.file, "value": write.value}
            | ({"device": write.key} if write.key else {}),
            text=write.value,
            kernel=_WITH_GROUP,
        )
    yield from _limit_devices(scene)


# The rules are the second line: who cannot make a node has those that are bound into its /dev.
NO_DEVICE_RULES = (
    "this host is itself a container, whose kernel takes no device rules from it: this container "
    "has those of the container that it is in"
)


def _limit_devices(scene: Scene) -> Iterator[Step]:
    if not scene.host.cgroup.device_program:
        return
    rules = device_rules(scene)
    slots = [list(slot) for slot in devices.slots(rules)]
    yield Step(
        name="set device rules",
        side="controller",
        op="bpf-device",
        args=scene.payload.to_json()
        | {"insns": devices.program(rules).hex()}
        | ({"slots": slots} if slots else {}),
        text="allowed are " + ", ".join(map(str, rules)),
        kernel=_WITH_GROUP,
    )


def device_rules(scene: Scene) -> tuple[devices.Rule, ...]:
    """libvirt's standard set, and what the domain's elements open."""
    rules = list(devices.STANDARD)
    if ("mknod", "on") in scene.domain.features.caps:
        rules.append(devices.MKNOD_ALL)
    return (*rules, *(node.rule for node in nodes.nodes(scene)))


def clear(scene: Scene) -> Step:
    """A guest that reboots leaves groups of its own behind."""
    return Step(
        name="clear the container's groups",
        side="controller",
        op="cgroup-clear",
        args=scene.guest_group.to_json(),
        text="remove what an earlier boot left below its cgroup namespace's root",
        boot=True,
        kernel="removes only",
    )


def open_v1(scene: Scene) -> Iterator[Step]:
    """On v1 nobody can be born in a group; but a thread that moves itself waits for nobody."""
    for mount, group in _v1_entrances(scene).items():
        yield Step(
            name=f"open {_place(group)}",
            side="controller",
            op="cgroup-open",
            args=group.to_json() | {"key": f"cgroup:{mount}"},
            text="for the stage to move itself in",
            boot=True,
            kernel="the descriptor ends with the controller",
        )


def enter_v1(scene: Scene) -> Iterator[Step]:
    keys = [f"cgroup:{mount}" for mount in _v1_entrances(scene)]
    if keys:
        yield Step(
            name="enter the groups of cgroup v1",
            side="stage",
            op="cgroup-enter",
            args={"keys": keys},
            text="everything in the container follows",
            boot=True,
            kernel="a process leaves its group when it ends",
        )


def _v1_entrances(scene: Scene) -> dict[str, Group]:
    """The group of each mounted hierarchy of v1 that the container's processes are in."""
    groups = v1_groups(scene)
    below = cgroup_view(scene) == "v1"
    return {
        mount: groups[names[0]].below(layout.V1_INIT) if below else groups[names[0]]
        for mount, names in _by_mount(groups).items()
    }


def delegate(scene: Scene) -> Iterator[Step]:
    """A container in a user namespace owns its own group, and makes others below it."""
    if not scene.userns:
        return
    groups = [(scene.guest_group, _DELEGATED_FILES)]
    if cgroup_view(scene) == "v1":
        groups += [(group, _DELEGATED_FILES_V1) for group in _v1_entrances(scene).values()]
    for group, files in groups:
        yield Step(
            name=f"hand {_place(group)} to the container",
            side="controller",
            op="cgroup-chown",
            args=group.to_json() | {"uid": scene.root_uid, "gid": scene.root_gid, "files": files},
            text=f"its root is id {scene.root_uid} on the host",
            kernel=_WITH_GROUP,
        )


def mount_view(scene: Scene) -> Iterator[Step]:
    """/sys/fs/cgroup as the guest sees it; its namespace makes its own group the root."""
    view = cgroup_view(scene)
    flags = ["nosuid", "nodev", "noexec"]
    if view == "v2":
        text = "the container's own part of cgroup2"
        yield inside.mount("cgroup2", "/sys/fs/cgroup", text, flags, source="cgroup")
    if view != "v1":
        return
    yield inside.mount(
        "tmpfs",
        "/sys/fs/cgroup",
        "room for the hierarchies of cgroup v1",
        flags,
        source="cgroup",
        options=[["mode", "755"], ["size", "64k"]],
    )
    for names in _by_mount(v1_groups(scene)).values():
        folder = ",".join(name.removeprefix("name=") for name in names)
        options = [name.split("=", 1) if "=" in name else [name] for name in names]
        if names == ["name=systemd"]:
            options = [["none"], *options]
        yield inside.mount(
            "cgroup",
            f"/sys/fs/cgroup/{folder}",
            f"the container's own part of {folder}",
            flags,
            source="cgroup",
            options=options,
            create="dir",
        )


def freeze(scene: Scene) -> Step:
    """``start --paused``: init stands where its program begins; nothing runs until resume."""
    return Step(
        name="pause",
        side="controller",
        op="cgroup-write",
        args=scene.payload.to_json() | {"file": "cgroup.freeze", "value": "1"},
        text="freeze the container's processes until it is resumed",
        kernel=_WITH_GROUP,
    )
