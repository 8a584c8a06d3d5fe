"""An OCI runtime bundle's ``config.json`` -> model (opencontainers/runtime-spec, config.md)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from virtlxc.convert.files import Source
from virtlxc.convert.report import Converted, Note, wrong
from virtlxc.host.cgroup.limits import UNLIMITED_KIB, shares_from_weight
from virtlxc.model import (
    BlkioTune,
    Console,
    Container,
    CpuTune,
    Domain,
    Features,
    Filesystem,
    FilesystemExtra,
    IdMap,
    IdRange,
    MemTune,
    NumaTune,
    Os,
    Rlimit,
    Share,
    Sysctl,
)
from virtlxc.model.container import LIMIT_NAMES
from virtlxc.model.features import CAPABILITIES

CONFIG = "config.json"
MEMORY_KIB = 1 << 20
_KINDS = {"network": "net", "ipc": "ipc", "uts": "uts"}
_ATTRIBUTES = {
    *("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "strictatime"),
    "nosymfollow",
}
_SILENT = {"rw", "bind", "rbind", "defaults", "suid", "dev", "exec", "copyup", "tmpcopyup"}
_BASIC = re.compile(r"/(proc|sys|dev|dev/pts|dev/mqueue|dev/shm|sys/fs/cgroup)/?")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(slots=True)
class _Bundle:
    """The document, where it is from, and what was not said with it."""

    file: str
    folder: str
    config: Mapping[str, Any]
    notes: list[Note] = field(default_factory=list)

    def at(self, path: str, default: Any = None) -> Any:
        """What stands at ``process/user/uid``; ``default`` where anything of it is missing."""
        value: Any = self.config
        for name in path.split("/"):
            if not isinstance(value, Mapping) or value.get(name) is None:
                return default
            value = value[name]
        return value

    def note(self, path: str, text: str, *, protects: bool = False) -> None:
        self.notes.append(Note(file=self.file, key=path, text=text, protects=protects))


def read_oci(text: str, file: str, files: Source) -> Converted:
    """The domain that a bundle describes; ``file`` is its config.json, its folder the bundle.

    Raises VirtlxcError for what is no such document.
    """
    bundle = _Bundle(file, os.path.dirname(os.path.abspath(file)), _document(text, file))
    try:
        domain = _domain(bundle)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise wrong(file, 0, "config", f"a value is not as OCI wants it: {error}") from None
    for path, why in _LOST:
        value = bundle.at(path)
        if value:
            bundle.note(path, f"no counterpart: {why}", protects=path in _PROTECTING)
    return Converted(domain=domain, notes=tuple(bundle.notes))


def _document(text: str, file: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise wrong(file, getattr(error, "lineno", 0), "json", str(error)) from None
    if not isinstance(config, dict) or "ociVersion" not in config:
        raise wrong(file, 0, "ociVersion", "is missing: this is no OCI runtime configuration")
    return config


# What no element says. Values that ask for what is there anyway are sorted out before.
_LOST = (
    ("hooks", "no programs are run around a container's life"),
    ("linux/seccomp", "system calls are not filtered"),
    ("linux/intelRdt", "resource control of caches is not set up"),
    ("linux/timeOffsets", "a container shows the host's time"),
    ("linux/personality", "the architecture says it"),
    ("linux/cgroupsPath", "its groups have fixed places below the partition"),
    ("linux/rootfsPropagation", "mounts of a container never reach the host"),
    ("linux/mountLabel", "labels are not set"),
    ("linux/resources/hugepageLimits", "huge pages are not limited"),
    ("linux/resources/network", "packets get no class"),
    ("linux/resources/rdma", "RDMA is not limited"),
    ("process/noNewPrivileges", "programs may gain rights as usual"),
    ("process/oomScoreAdj", "files of init's in /proc are not written"),
    ("process/apparmorProfile", "labels are not set"),
    ("process/selinuxLabel", "labels are not set"),
    ("process/user/additionalGids", "init has the groups of its user"),
    ("process/user/umask", "init's umask is 022"),
    ("process/scheduler", "init's scheduling class is not set"),
    ("process/ioPriority", "init's I/O class is not set"),
    ("domainname", "there is no NIS domain"),
    ("annotations", "use <metadata>"),
)
_PROTECTING = (
    "linux/seccomp", "process/noNewPrivileges", "process/apparmorProfile", "process/selinuxLabel",
)  # fmt: skip


def _domain(bundle: _Bundle) -> Domain:
    memory = bundle.at("linux/resources/memory/limit")
    limited = isinstance(memory, int) and memory > 0
    extras: list[FilesystemExtra] = []
    filesystems = tuple(_filesystems(bundle, extras))
    private, shares = _namespaces(bundle)
    _devices(bundle)
    return Domain(
        name=bundle.at("hostname") or os.path.basename(bundle.folder),
        memory=memory // 1024 if limited else MEMORY_KIB,
        memtune=MemTune(
            hard_limit=None if limited else UNLIMITED_KIB,
            soft_limit=_kib(bundle, "reservation"),
            swap_hard_limit=_kib(bundle, "swap"),
        ),
        cpuset=bundle.at("linux/resources/cpu/cpus") or None,
        cputune=_cputune(bundle),
        numatune=_numatune(bundle),
        blkiotune=BlkioTune(weight=bundle.at("linux/resources/blockIO/weight")),
        os=_os(bundle),
        idmap=_idmap(bundle),
        features=Features(privnet=private, cap_policy="deny", caps=_capabilities(bundle)),
        filesystems=filesystems,
        consoles=(Console(),),
        shares=shares,
        container=Container(
            pids_limit=_positive(bundle.at("linux/resources/pids/limit")),
            filesystems=tuple(extras),
            rlimits=tuple(_rlimits(bundle)),
            sysctls=tuple(
                Sysctl(name=name, value=value)
                for name, value in bundle.at("linux/sysctl", {}).items()
            ),
        ),
    )


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _kib(bundle: _Bundle, name: str) -> int | None:
    value = _positive(bundle.at(f"linux/resources/memory/{name}"))
    return value // 1024 if value is not None else None


def _os(bundle: _Bundle) -> Os:
    args = bundle.at("process/args", [])
    if not args:
        raise wrong(bundle.file, 0, "process/args", "is missing: a domain needs a first program")
    init = args[0]
    if not init.startswith("/"):
        bundle.note("process/args", f"'{init}' is looked for in PATH; give its path in <init>")
        init = f"/usr/bin/{init}"
    uid, gid = bundle.at("process/user/uid", 0), bundle.at("process/user/gid", 0)
    pairs = (text.partition("=") for text in bundle.at("process/env", []))
    return Os(
        init=init,
        initargs=tuple(args[1:]),
        initenv=tuple((name, value) for name, _, value in pairs),
        initdir=bundle.at("process/cwd"),
        inituser=f"+{uid}" if uid else None,
        initgroup=f"+{gid}" if gid else None,
    )


def _capabilities(bundle: _Bundle) -> tuple[tuple[str, str], ...]:
    wanted = {
        name.lower().removeprefix("cap_") for name in bundle.at("process/capabilities/bounding", [])
    }
    for name in sorted(wanted - set(CAPABILITIES)):
        bundle.note("process/capabilities", f"{name} cannot be kept by name, and is dropped")
    return tuple((name, "on") for name in CAPABILITIES if name in wanted)


def _rlimits(bundle: _Bundle) -> Iterator[Rlimit]:
    for limit in bundle.at("process/rlimits", []):
        name = limit["type"].removeprefix("RLIMIT_").lower()
        soft, hard = (
            "unlimited" if limit[side] >= 2**64 - 1 else str(limit[side])
            for side in ("soft", "hard")
        )
        yield Rlimit(name=LIMIT_NAMES.parse(name), soft=soft, hard=hard)


def _idmap(bundle: _Bundle) -> IdMap | None:
    uids, gids = (
        tuple(
            IdRange(start=item["containerID"], target=item["hostID"], count=item["size"])
            for item in sorted(
                bundle.at(f"linux/{kind}Mappings", []), key=lambda item: item["containerID"]
            )
        )
        for kind in ("uid", "gid")
    )
    return IdMap(uids=uids, gids=gids) if uids or gids else None


def _namespaces(bundle: _Bundle) -> tuple[bool, tuple[Share, ...]]:
    """Whether the network is the container's own, and what is shared."""
    given = {item["type"]: item.get("path") for item in bundle.at("linux/namespaces", [])}
    shares = []
    for kind, path in given.items():
        if not path:
            continue
        share = _share(_KINDS.get(kind, ""), path)
        if share is None:
            bundle.note("linux/namespaces", f"the {kind} namespace at {path} cannot be joined")
        else:
            shares.append(share)
    for kind in ("pid", "mount", "ipc", "uts"):
        if kind not in given:
            bundle.note("linux/namespaces", f"the container has a {kind} namespace of its own")
    return "network" in given and not given["network"], tuple(shares)


def _share(kind: str, path: str) -> Share | None:
    netns = re.fullmatch(r"(?:/var)?/run/netns/([^/]+)", path)
    if kind == "net" and netns:
        return Share(kind=kind, type="netns", value=netns[1])
    process = re.fullmatch(r"/proc/([0-9]+)/ns/(net|ipc|uts)", path)
    if process and process[2] == kind:
        return Share(kind=kind, type="pid", value=process[1])
    return None


def _cputune(bundle: _Bundle) -> CpuTune:
    cpu = bundle.at("linux/resources/cpu", {})
    shares = _positive(cpu.get("shares"))
    weight = bundle.at("linux/resources/unified", {}).get("cpu.weight")
    if shares is None and weight is not None:
        shares = shares_from_weight(int(weight))
    for name in ("realtimeRuntime", "realtimePeriod", "burst", "idle"):
        if cpu.get(name):
            bundle.note(f"linux/resources/cpu/{name}", "no counterpart")
    return CpuTune(
        shares=shares, period=_positive(cpu.get("period")), quota=_positive(cpu.get("quota"))
    )


def _numatune(bundle: _Bundle) -> NumaTune:
    nodes = bundle.at("linux/resources/cpu/mems")
    return NumaTune(mode="strict", nodeset=nodes) if nodes else NumaTune()


def _devices(bundle: _Bundle) -> None:
    for device in bundle.at("linux/devices", []):
        bundle.note("linux/devices", f"hand out {device['path']} with <hostdev>")
    for rule in bundle.at("linux/resources/devices", []):
        if rule.get("allow") and rule.get("access") != "m":
            bundle.note("linux/resources/devices", f"not allowed: {json.dumps(rule)}")
    for name in bundle.at("linux/resources/unified", {}):
        if name != "cpu.weight":
            bundle.note("linux/resources/unified", f"{name} is not written")


def _filesystems(bundle: _Bundle, extras: list[FilesystemExtra]) -> Iterator[Filesystem]:
    path = bundle.at("root/path")
    if path is None:
        raise wrong(bundle.file, 0, "root/path", "is missing")
    yield Filesystem(
        source=os.path.normpath(os.path.join(bundle.folder, path)),
        target="/",
        readonly=bool(bundle.at("root/readonly", False)),
    )
    for mount in bundle.at("mounts", []):
        target = mount["destination"]
        options = mount.get("options") or []
        kind = "bind" if {"bind", "rbind"} & {*options} else mount.get("type", "none")
        make = _MAKERS.get(kind)
        if _BASIC.fullmatch(target) and kind != "bind":
            continue
        if make is None:
            bundle.note("mounts", f"{target}: a file system of type '{kind}' cannot be mounted")
            continue
        yield make(bundle, mount, options)
        extra = _extra(bundle, target, options)
        if extra is not None:
            extras.append(extra)


def _bind(bundle: _Bundle, mount: Mapping[str, Any], options: list[str]) -> Filesystem:
    source = os.path.normpath(os.path.join(bundle.folder, mount["source"]))
    return Filesystem(source=source, target=mount["destination"], readonly="ro" in options)


def _ram(bundle: _Bundle, mount: Mapping[str, Any], options: list[str]) -> Filesystem:
    target = mount["destination"]
    sizes = (re.fullmatch(r"size=([0-9]+)([kmg]?)", option.lower()) for option in options)
    size = next((int(found[1]) * _UNITS[found[2]] // 1024 for found in sizes if found), None)
    if size is None:
        bundle.note("mounts", f"a RAM disk needs a size; {target} became 64 MiB")
    return Filesystem(
        type="ram", target=target, usage_kib=size or 64 << 10, readonly="ro" in options
    )


_MAKERS: Mapping[str, Callable[[_Bundle, Mapping[str, Any], list[str]], Filesystem]] = {
    "bind": _bind,
    "tmpfs": _ram,
}


def _extra(bundle: _Bundle, target: str, options: list[str]) -> FilesystemExtra | None:
    plain = tuple(option for option in options if option in _ATTRIBUTES)
    propagation = None
    for option in options:
        if option.removeprefix("r") in ("private", "slave", "shared"):
            propagation = option.removeprefix("r")
        elif option not in _ATTRIBUTES | _SILENT | {"ro"} and not option.startswith("size="):
            bundle.note("mounts", f"{target}: no counterpart for the option '{option}'")
    if "rbind" in options:
        bundle.note("mounts", f"{target}: mounts below the source do not appear; list them")
    if not plain and propagation is None:
        return None
    return FilesystemExtra(target=target, options=plain, propagation=propagation)
