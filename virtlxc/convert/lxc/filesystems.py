"""Readers: the root, mount entries and fstab files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from virtlxc.convert.lxc.draft import Draft, kib
from virtlxc.convert.lxc.lines import Line
from virtlxc.model import Filesystem, FilesystemExtra, Hostdev

# Mount attributes that the kernel can set on a mount that exists.
_ATTRIBUTES = {
    *("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "strictatime"),
    "nosymfollow",
}
_PROPAGATIONS = ("private", "slave", "shared")
# Nothing to say: the kernel's defaults, and what virtlxc does by itself.
_SILENT = {"", "rw", "defaults", "bind", "create=dir", "create=file", "suid", "dev", "exec", "auto"}
# What every container has: an entry for it adds nothing.
_BASIC = re.compile(r"/(proc|sys|dev|dev/pts|dev/mqueue|sys/fs/cgroup|dev/\.lxc/(proc|sys))")
_BLOCK = re.compile(r"/dev/(sd|vd|xvd|hd|nvme|mmcblk|loop|dm-|mapper/|md|ram|nbd|sr|disk/)")
_ESCAPES = re.compile(r"\\([0-7]{3})")


@dataclass(slots=True, kw_only=True)
class _Options:
    """What the options of a mount say; ``data`` are those of the file system, by their names."""

    readonly: bool = False
    optional: bool = False
    relative: bool = False
    file: bool = False
    idmap: str | None = None
    propagation: str | None = None
    attributes: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)


def _options(draft: Draft, line: Line, text: str) -> _Options:
    found = _Options()
    for option in text.split(","):
        name, _, value = option.partition("=")
        if option in ("ro", "optional", "relative"):
            setattr(found, {"ro": "readonly"}.get(option, option), True)
        elif name == "idmap" and value == "container":
            found.idmap = "mount"
        elif option.removeprefix("r") in _PROPAGATIONS:
            found.propagation = option.removeprefix("r")
        elif option in _ATTRIBUTES:
            found.attributes.append(option)
        elif option == "rbind":
            draft.note(line, "'rbind': mounts below the source do not appear; list them")
        elif option not in _SILENT:
            found.data[name] = option
        found.file = found.file or option == "create=file"
    return found


def _no_counterpart(draft: Draft, line: Line, options: _Options) -> None:
    for option in options.data.values():
        draft.note(line, f"no counterpart for the mount option '{option}'")


def _extra(draft: Draft, target: str, options: _Options) -> None:
    said = options.attributes or options.optional or options.propagation or options.idmap
    if said:
        before = draft.extras.get(target)
        draft.extras[target] = FilesystemExtra(
            target=target,
            overlay=before.overlay if before else None,
            idmap=options.idmap,
            options=tuple(options.attributes),
            optional=options.optional,
            propagation=options.propagation,
        )


def root(draft: Draft, line: Line) -> None:
    """A folder, a device, an image, or one of LXC's stores in front of a colon."""
    store, colon, rest = line.value.partition(":")
    if not colon or store.startswith("/"):
        store, rest = "", line.value
    made = _store(draft, line, store, rest)
    draft.root = made.source
    draft.filesystems = [fs for fs in draft.filesystems if fs.target != "/"]
    draft.filesystems.insert(0, made)


def _store(draft: Draft, line: Line, store: str, rest: str) -> Filesystem:
    if store == "loop":
        return _image(rest, "loop", "raw")
    if store == "nbd":
        path, _, partition = rest.partition(":")
        if partition:
            draft.note(line, f"partition {partition} of an image cannot be chosen")
        kind = path.rpartition(".")[2]
        return _image(path, "nbd", kind if kind in ("qcow2", "vmdk", "vdi", "vhd") else "raw")
    if store in ("overlay", "overlayfs"):
        lower, _, upper = rest.rpartition(":")
        return _overlay(draft, line, _absolute(line, lower), upper)
    if store == "zfs":
        draft.note(line, f"the dataset {rest} is taken to be mounted at /{rest.lstrip('/')}")
        return Filesystem(source=f"/{rest.lstrip('/')}", target="/")
    if store not in ("", "dir", "btrfs", "lvm", "best"):
        raise line.wrong(f"a root on '{store}' cannot be converted; mount it, and name the folder")
    source = _absolute(line, rest)
    return Filesystem(type="block" if source.startswith("/dev/") else "mount", source=source,
                      target="/")  # fmt: skip


def _overlay(draft: Draft, line: Line, lower: str, upper: str) -> Filesystem:
    """virtlxc keeps the changes in a folder's "upper", and may call the layer nothing else."""
    folder, _, name = upper.rpartition("/")
    if name != "upper" or not folder.startswith("/"):
        draft.note(line, f"the writable layer {upper} is left out: it must be called 'upper'")
        return Filesystem(source=lower, target="/", readonly=True)
    draft.extras["/"] = FilesystemExtra(target="/", overlay=folder)
    return Filesystem(source=lower, target="/")


def _image(path: str, driver: str, form: str) -> Filesystem:
    return Filesystem(type="file", source=path, target="/", driver_type=driver, driver_format=form)


def _absolute(line: Line, path: str) -> str:
    if not path.startswith("/"):
        raise line.wrong(f"'{path}' is no absolute path")
    return path


def root_options(draft: Draft, line: Line) -> None:
    options = _options(draft, line, line.value)
    _no_counterpart(draft, line, options)
    _extra(draft, "/", options)
    if options.readonly:
        draft.readonly_root = True


def entry(draft: Draft, line: Line) -> None:
    _entry(draft, line, line.value)


def fstab(draft: Draft, line: Line) -> None:
    """The lines of the file, each named by its own place."""
    try:
        text = draft.files.text(line.path())
    except OSError as error:
        draft.note(line, f"'{line.value}' is not read: {error.strerror}")
        return
    for number, raw in enumerate(text.split("\n"), 1):
        if raw.strip() and not raw.strip().startswith("#"):
            place = Line(file=line.path(), number=number, key=line.key, value=raw.strip())
            _entry(draft, place, place.value)


def _entry(draft: Draft, line: Line, text: str) -> None:
    words = [_ESCAPES.sub(lambda match: chr(int(match[1], 8)), word) for word in text.split()]
    if len(words) < 3:
        raise line.wrong(f"'{text}' is not like /data data none bind 0 0")
    source, fstype = words[0], words[2]
    target = _inside(draft, words[1])
    options = _options(draft, line, words[3] if len(words) > 3 else "")
    if _BASIC.fullmatch(target) and fstype != "none":
        return
    made = _made(draft, line, source, target, fstype, options)
    if made is not None:
        draft.filesystems.append(made)
        _extra(draft, target, options)


def _inside(draft: Draft, target: str) -> str:
    """Where a target is inside: a path below the root's own path names the root first."""
    for outside in (draft.root, "/usr/lib/lxc/rootfs", "/usr/lib/x86_64-linux-gnu/lxc/rootfs"):
        if outside and target.startswith(outside.rstrip("/") + "/"):
            target = target[len(outside.rstrip("/")) :]
    return "/" + target.strip("/")


def _made(
    draft: Draft, line: Line, source: str, target: str, fstype: str, options: _Options
) -> Filesystem | None:
    if fstype == "tmpfs":
        return _ram(draft, line, target, options)
    if source.startswith("/dev/") and fstype not in ("none", "bind"):
        options.attributes += options.data.values()  # a file system's own are passed on
        return Filesystem(type="block", source=source, target=target, readonly=options.readonly)
    _no_counterpart(draft, line, options)
    if options.relative:
        inside = "/" + source.lstrip("/")
        return Filesystem(type="bind", source=inside, target=target, readonly=options.readonly)
    if fstype not in ("none", "bind", "auto") and not source.startswith("/dev/"):
        draft.note(line, f"a file system of type '{fstype}' cannot be mounted: {source}")
        return None
    source = _absolute(line, source)
    if source == target and source.startswith("/dev/") and options.file:
        kind = "storage" if _BLOCK.match(source) else "misc"
        draft.hostdevs.append(Hostdev(mode="capabilities", type=kind, source=source))
        return None
    return Filesystem(type="mount", source=source, target=target, readonly=options.readonly)


def _ram(draft: Draft, line: Line, target: str, options: _Options) -> Filesystem:
    size = options.data.pop("size", "").partition("=")[2] or None
    options.attributes += options.data.values()
    if size is None or size.endswith("%"):
        draft.note(line, f"a RAM disk needs a size; {target} became 64 MiB")
        size = "64m"
    return Filesystem(
        type="ram", target=target, usage_kib=kib(line, size) or 64, readonly=options.readonly
    )


# What virtlxc does by itself, and what each other word asks for beyond it.
_AUTO = {
    "proc": "", "proc:mixed": "", "sys": "", "sys:mixed": "", "sys:ro": "",
    "cgroup": "", "cgroup:mixed": "", "cgroup:rw": "",
    "cgroup-full": "", "cgroup-full:mixed": "", "cgroup-full:rw": "",
    "proc:rw": "/proc/sys stays read-only, but for the network's",
    "sys:rw": "/sys stays read-only",
    "cgroup:ro": "/sys/fs/cgroup is the container's own, and writable",
    "cgroup-full:ro": "/sys/fs/cgroup is the container's own, and writable",
}  # fmt: skip


def automatic(draft: Draft, line: Line) -> None:
    for word in line.value.split():
        plain = word.removesuffix(":force")
        lost = _AUTO.get(plain, f"no counterpart for '{plain}'")
        if lost:
            draft.note(line, f"{plain}: {lost}")
