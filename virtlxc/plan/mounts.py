"""The container's tree: its root, the kernel's file systems, and what the domain adds."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.host.security.idmap import shift_for
from virtlxc.model import Filesystem
from virtlxc.plan import images, inside, overlays
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

# Of the kernel's own files, what tells about or acts on the whole host: hidden, or read-only.
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger")


def private(scene: Scene) -> Step:
    return inside.step(
        "stop propagation", "private-mounts", {}, "mounts of the container never reach the host"
    )


def sources(scene: Scene) -> Iterator[Step]:
    """The controller clones what the domain takes from the host, detached."""
    for filesystem in scene.domain.filesystems:
        if _skipped(scene, filesystem):
            continue
        if filesystem.type == "mount":
            yield from _clone(scene, filesystem)
        elif filesystem.type == "block" or filesystem in images.filesystems(scene):
            yield from _mount_device(scene, filesystem)


def key_of(filesystem: Filesystem) -> str:
    return "root" if filesystem.target == "/" else f"fs:{filesystem.target}"


def _skipped(scene: Scene, filesystem: Filesystem) -> bool:
    """An optional source that is not there."""
    extra = scene.domain.container.filesystem(filesystem.target)
    if filesystem.type not in ("mount", "block", "file"):
        return False
    missing = scene.start.source(filesystem.source or "").kind == "missing"
    return missing and extra is not None and extra.optional


def _clone(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    source = filesystem.source or ""
    extra = scene.domain.container.filesystem(filesystem.target)
    overlay = extra.overlay if extra else None
    # As libvirt: the host's "/" with all that is mounted below it, everything else alone.
    recursive = source == "/" and overlay is None
    key = key_of(filesystem)
    yield Step(
        name=f"clone {source} for {filesystem.target}",
        side="controller",
        op="open-tree",
        args={"key": key, "path": source, "recursive": recursive},
        text="detached",
        boot=True,
        kernel=inside.FREED,
    )
    if overlay is not None:
        yield overlays.lay(scene, key, filesystem.target, overlay)
    attrs, propagation, _ = _attributes(scene, filesystem)
    if attrs or propagation:
        yield Step(
            name=f"set attributes of {filesystem.target}",
            side="controller",
            op="mount-attr",
            args={"key": key, "set": attrs, "recursive": recursive, "propagation": propagation},
            text=", ".join([*attrs, *([propagation] if propagation else [])]),
            boot=True,
            kernel=inside.FREED,
        )
    if attrs and scene.host.user_namespaces:
        yield lock(key, filesystem.target, recursive=recursive)


def _mount_device(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    """A block device, or the loop device of an image, mounted outside: nothing of it inside."""
    key, source = key_of(filesystem), scene.start.source(filesystem.source or "")
    attrs, _, options = _attributes(scene, filesystem)
    where = (
        {"source": source.path}
        if filesystem.type == "block"
        else {"device": images.key_of(filesystem.target)}
    )
    yield Step(
        name=f"mount {source.path} for {filesystem.target}",
        side="controller",
        op="new-mount",
        args={
            "key": key,
            "fstype": source.holds,
            # The file system itself is told, too: it must not write to what is read-only.
            "options": [*([["ro"]] if filesystem.readonly else []), *options],
            "attrs": attrs,
            **where,
        },
        text=f"{source.holds}, detached",
        boot=True,
        kernel=inside.FREED,
    )
    if attrs and scene.host.user_namespaces:
        yield lock(key, filesystem.target)


def lock(
    key: str, target: str, *, recursive: bool = False, covers: list[str] | None = None
) -> Step:
    """Without it, root inside remounts what is read-only: the mount namespace is its own."""
    return Step(
        name=f"lock the attributes of {target}",
        side="controller",
        op="lock-tree",
        args={"key": key, "recursive": recursive, **({"covers": covers} if covers else {})},
        text="nobody inside can clear them" + (", nor uncover what is hidden" if covers else ""),
        boot=True,
        kernel=inside.FREED,
    )


def translate(scene: Scene) -> Iterator[Step]:
    """Idmapped mounts: they need the namespace's maps, so they come behind them."""
    for filesystem in scene.domain.filesystems:
        if filesystem.type in ("block", "file"):
            yield from _shift(scene, filesystem)
        if filesystem.type != "mount" or _skipped(scene, filesystem):
            continue
        if not needs_idmapped_mount(scene, filesystem):
            continue
        yield Step(
            name=f"translate the ids of {filesystem.target}",
            side="controller",
            op="mount-attr",
            args={
                "key": key_of(filesystem),
                "recursive": filesystem.source == "/",
                "idmap": "userns",
            },
            text=f"an idmapped mount: {filesystem.source} belongs to the guest's own ids",
            boot=True,
            kernel=inside.FREED,
        )


def _shift(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    """The ownership rule for what is only seen once it is mounted."""
    extra = scene.domain.container.filesystem(filesystem.target)
    how = extra.idmap if extra else None
    shown = filesystem.type == "block" or filesystem in images.filesystems(scene)
    if how == "none" or not shown or _skipped(scene, filesystem):
        return
    yield Step(
        name=f"translate the ids of {filesystem.target}",
        side="controller",
        op="shift-tree",
        args={
            "key": key_of(filesystem),
            "idmap": "userns",
            "ids": [list(line) for line in scene.uids],
            "decide": how is None,
        },
        text="an idmapped mount" + (", if its top folder is the guest's own" if not how else ""),
        boot=True,
        kernel=inside.FREED,
    )


# What a mount itself can be told; every other option is the file system's.
ATTRIBUTES = frozenset(
    {
        *("ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "strictatime"),
        *("nodiratime", "nosymfollow"),
    }
)


def options_of(scene: Scene, filesystem: Filesystem) -> tuple[str, ...]:
    """Its ``virtlxc:filesystem options``, as they are written."""
    extra = scene.domain.container.filesystem(filesystem.target)
    return extra.options if extra else ()


def _attributes(
    scene: Scene, filesystem: Filesystem
) -> tuple[list[str], str | None, list[list[str]]]:
    """Attributes of the mount, its propagation, and options of the file system."""
    extra = scene.domain.container.filesystem(filesystem.target)
    asked = [option for option in options_of(scene, filesystem) if option != "rw"]
    attrs = ["ro"] if filesystem.readonly else []
    attrs += [option for option in asked if option in ATTRIBUTES and option not in attrs]
    options = [option.split("=", 1) for option in asked if option not in ATTRIBUTES]
    return attrs, extra.propagation if extra else None, options


def needs_idmapped_mount(scene: Scene, filesystem: Filesystem) -> bool:
    """The ownership rule; the domain's own word comes first."""
    if not scene.userns:
        return False
    extra = scene.domain.container.filesystem(filesystem.target)
    if extra is not None and extra.idmap is not None:
        return extra.idmap == "mount"
    owner = scene.start.source(filesystem.source or "").uid
    return shift_for(scene.uids, owner) == "mount"


def attach_root(scene: Scene) -> Step:
    return inside.step(
        "attach the root",
        "attach-root",
        {"key": "root", "at": "/"},
        "over the host's, as seen by init alone",
    )


def kernel(scene: Scene) -> Iterator[Step]:
    """/proc and /sys, before pivot_root: the kernel wants to see that nothing of them is hidden."""
    flags = ["nosuid", "nodev", "noexec"]
    yield inside.mount("proc", "/proc", "the container's processes", flags, create="dir")
    if scene.own_net or not scene.userns:
        text = "read-only, as libvirt gives it"
        yield inside.mount("sysfs", "/sys", text, ["ro", *flags], create="dir")
    else:
        yield inside.step(
            "attach /sys",
            "attach",
            {"key": "sys", "target": "/sys", "create": "dir", "nosymlinks": True},
            "made outside, read-only",
        )


def foreign_sysfs(scene: Scene, side: str) -> Iterator[Step]:
    """The /sys of a network that the user namespace does not own, and cannot mount itself.

    What it shows is the network of whoever mounts it: the controller for the host's, the stage,
    once it has joined it, for somebody else's.
    """
    mounter = "stage" if "net" in scene.shares else "controller"
    if scene.own_net or not scene.userns or side != mounter:
        return
    yield Step(
        name="make /sys",
        side=side,
        op="new-mount",
        args={
            "key": "sys",
            "fstype": "sysfs",
            "source": "sysfs",
            "options": [],
            "attrs": ["ro", "nosuid", "nodev", "noexec"],
        },
        text="detached and read-only; inside a user namespace it could not be mounted",
        boot=True,
        kernel=inside.FREED,
    )


def protect_kernel(scene: Scene) -> Iterator[Step]:
    """Hide or write-protect what concerns the whole host.

    Skipped for nesting in a user namespace: there the kernel itself protects these files, and
    refuses a nested /proc where any of them is covered.
    """
    yield inside.step(
        "protect /proc/sys",
        "bind-inside",
        {"source": "/proc/sys", "target": "/proc/sys", "set": ["ro"]},
        "read-only",
    )
    if scene.own_net:
        yield inside.step(
            "bind /proc/sys/net",
            "bind-inside",
            {"source": "/proc/sys/net", "target": "/proc/sys/net"},
            "the container's own network settings",
        )
        yield inside.step(
            "open /proc/sys/net",
            "remount",
            {"target": "/proc/sys/net", "clear": ["ro"]},
            "writable",
        )
    if scene.domain.container.nesting and scene.userns:
        return
    for path in READ_ONLY:
        yield inside.step(
            f"protect {path}",
            "bind-inside",
            {"source": path, "target": path, "set": ["ro"], "optional": True},
            "read-only",
        )
    masked = " ".join(MASKED)
    yield inside.step("mask files of the kernel", "mask", {"targets": list(MASKED)}, masked)


def lock_kernel(scene: Scene) -> Iterator[Step]:
    """Behind the pivot: the kernel gives no user namespace to who is not in his own root.

    Without a user namespace root could mount another /proc whatever is locked here.
    """
    if scene.userns and not scene.domain.container.nesting:
        yield inside.step(
            "lock /proc and /sys",
            "lock-inside",
            {"targets": ["/proc", "/sys"]},
            "nobody inside uncovers what is hidden, or mounts others in which it is not",
        )


def additions(scene: Scene) -> Iterator[Step]:
    """The other file systems, in the domain's order."""
    for filesystem in scene.domain.filesystems:
        if filesystem.target == "/" or filesystem.type not in _ADD:
            continue
        if _skipped(scene, filesystem):
            continue
        yield from _ADD[filesystem.type](scene, filesystem)


def _add_mount(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    kind = "dir" if scene.start.source(filesystem.source or "").kind == "dir" else "file"
    yield inside.step(
        f"attach {filesystem.target}",
        "attach",
        {"key": key_of(filesystem), "target": filesystem.target, "create": kind},
        f"the host's {filesystem.source}",
        "the mount goes with its namespace; a mount point made for it stays in the root",
    )


def _add_bind(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    source = filesystem.source or ""
    attrs, _, _ = _attributes(scene, filesystem)
    kind = "file" if scene.start.inside.get(source) == "file" else "dir"
    yield inside.step(
        f"bind {filesystem.target}",
        "bind-inside",
        {"source": source, "target": filesystem.target, "set": attrs, "create": kind},
        f"the container's own {source}",
        "the mount goes with its namespace; a mount point made for it stays in the root",
    )


def _add_ram(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    attrs, _, asked = _attributes(scene, filesystem)
    size = ram_kib(filesystem)
    defaults = {"mode": "755", "size": f"{size}k"}
    given = {option[0] for option in asked}
    yield inside.mount(
        "tmpfs",
        filesystem.target,
        f"{size} KiB of memory",
        [*attrs, *(name for name in ("nosuid", "nodev") if name not in attrs)],
        options=[*([k, v] for k, v in defaults.items() if k not in given), *asked],
        create="dir",
        nosymlinks=False,
    )


def ram_kib(filesystem: Filesystem) -> int:
    """The size of a RAM disk: its usage, or its space limit when that is less."""
    usage, limit = filesystem.usage_kib or 0, filesystem.space_hard_limit_bytes
    return usage if limit is None else min(usage, max(limit // 1024, 1))


def _add_device(scene: Scene, filesystem: Filesystem) -> Iterator[Step]:
    if filesystem.type == "file" and filesystem not in images.filesystems(scene):
        return
    yield inside.step(
        f"attach {filesystem.target}",
        "attach",
        {"key": key_of(filesystem), "target": filesystem.target, "create": "dir"},
        f"what is on {filesystem.source}",
        "the mount goes with its namespace; a mount point made for it stays in the root",
    )


_ADD = {
    "mount": _add_mount,
    "bind": _add_bind,
    "ram": _add_ram,
    "block": _add_device,
    "file": _add_device,
}


# systemd's own share of the memory for /run; a guest that fills it must not be killed for that.
_RUN_SHARE = 0.2
_RUN_LEAST_KIB = 8 << 10


def _run_kib(scene: Scene) -> int:
    limit = scene.domain.memtune.hard_limit or scene.domain.memory
    return max(int(limit * _RUN_SHARE), _RUN_LEAST_KIB)


def systemd_run(scene: Scene) -> Iterator[Step]:
    """What systemd's container interface asks for: /run, and who manages the container."""
    if not scene.systemd_guest:
        return
    owner = {"uid": scene.root_uid, "gid": scene.root_gid}
    yield Step(
        name="make /run",
        side="controller",
        op="new-mount",
        args={
            "key": "run",
            "fstype": "tmpfs",
            "source": "run",
            "options": [
                ["mode", "755"],
                ["size", f"{_run_kib(scene)}k"],
                *([name, str(value)] for name, value in owner.items()),
            ],
            "attrs": ["nosuid", "nodev"],
        },
        text="a detached tmpfs, for systemd",
        boot=True,
        kernel=inside.FREED,
    )
    rows: tuple[tuple[str, dict[str, str | int]], ...] = (
        ("host", {"kind": "dir", "mode": 0o755}),
        ("host/container-manager", {"kind": "file", "mode": 0o444, "data": "lxc-libvirt\n"}),
        (
            "host/container-uuid",
            {"kind": "file", "mode": 0o444, "data": f"{scene.domain.uuid}\n"},
        ),
        ("systemd", {"kind": "dir", "mode": 0o755}),
        ("systemd/journal", {"kind": "dir", "mode": 0o755}),
    )
    for path, args in rows:
        yield Step(
            name=f"make /run/{path}",
            side="controller",
            op="node",
            args={"key": "run", "path": path, **args, **owner},
            text="systemd's container interface",
            boot=True,
            kernel="goes with /run",
        )
    yield Step(
        name="make /run/systemd/journal/syslog",
        side="controller",
        op="log-socket",
        args={"key": "run", "path": "systemd/journal/syslog", **owner},
        text="journald forwards its messages there, and they are logged",
        boot=True,
        kernel="goes with /run",
    )


def attach_run(scene: Scene) -> Iterator[Step]:
    if scene.systemd_guest:
        yield inside.step(
            "attach /run",
            "attach",
            {"key": "run", "target": "/run", "create": "dir", "nosymlinks": True},
            "the tmpfs for systemd",
        )


def pivot(scene: Scene) -> Step:
    return inside.step(
        "pivot", "pivot", {"key": "root"}, "the root becomes /, the host's tree is left behind"
    )
