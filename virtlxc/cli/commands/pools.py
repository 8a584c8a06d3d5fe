"""Storage pools."""

from __future__ import annotations

from virtlxc.cli import named, shown
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import uuid_text
from virtlxc.cli.named import POOL, autostart_word, yes
from virtlxc.cli.table import fields, table
from virtlxc.cli.units import pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import NetworkRef, Session

VALIDATE = 1
FIRST_TYPE = 64
TYPES = (
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog",
    "gluster", "zfs", "vstorage", "iscsi-direct",
)  # fmt: skip
STATES = ("inactive", "building", "running", "degraded", "inaccessible")
# Option, bit of virStoragePoolCreateFlags; then of virStoragePoolBuildFlags.
BUILDS = (("build", 1), ("overwrite", 2), ("no-overwrite", 4))
OVERWRITES = (("no-overwrite", 4), ("overwrite", 8))
OVERWRITE_OPTIONS = (
    flag("no-overwrite", "for kinds of pools that could be overwritten"),
    flag("overwrite", "for kinds of pools that could be overwritten"),
)
BUILD_OPTIONS = (flag("build", "make the folder first"), *OVERWRITE_OPTIONS)
BUILD_EXCLUDES = (("overwrite", "no-overwrite"),)


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    flags = 0
    for kind in (args.get("type") or "").split(",") if "type" in args else ():
        if kind not in TYPES:
            raise Failed(f"Invalid pool type '{kind}'")
        flags |= FIRST_TYPE << TYPES.index(kind)
    refs = named.listed(POOL, session, args, flags)
    if "name" in args or "uuid" in args:
        return [{"name": name, "uuid": uuid_text(uuid)} for name, uuid in refs]
    found = _details if "details" in args else _row
    return [found(session, ref) for ref in refs]


def _row(session: Session, ref: NetworkRef) -> dict[str, Any]:
    return named.row(POOL, session, ref)


def _details(session: Session, ref: NetworkRef) -> dict[str, Any]:
    found = POOL.ask(session, "GET_INFO", ref)
    sizes = {name: found[name] for name in ("capacity", "allocation", "available")}
    return {**_row(session, ref), "state": STATES[found["state"]], **sizes}


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    if "name" in args or "uuid" in args:
        return "".join(_names(one, args) + "\n" for one in found)
    if "details" not in args:
        cells = [
            [
                one["name"],
                "active" if one["active"] else "inactive",
                autostart_word(one["autostart"]),
            ]
            for one in found
        ]
        return table(("Name", "State", "Autostart"), cells, quiet=quiet)
    cells = [
        [
            one["name"],
            one["state"],
            autostart_word(one["autostart"]),
            yes(one["persistent"]),
            *(
                pretty(one[size]) if one["active"] else "-"
                for size in ("capacity", "allocation", "available")
            ),
        ]
        for one in found
    ]
    header = ("Name", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available")
    return table(header, cells, quiet=quiet)


def _names(one: dict[str, Any], args: Args) -> str:
    cells = [one["uuid"]] if "uuid" in args else []
    if "name" in args:
        cells.append(f"{one['name']:<20}")
    return " ".join(cells)


def _info(session: Session, args: Args) -> dict[str, Any]:
    return _details(session, POOL.find(session, args))


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [
        ("Name:", data["name"]),
        ("UUID:", data["uuid"]),
        ("State:", data["state"]),
        ("Persistent:", yes(data["persistent"])),
        ("Autostart:", autostart_word(data["autostart"])),
    ]
    if data["state"] in ("running", "degraded"):
        for name in ("capacity", "allocation", "available"):
            shown = data[name] if "bytes" in args else pretty(data[name])
            pairs.append((f"{name.capitalize()}:", shown))
    return fields(pairs)


def _define(session: Session, args: Args, xml: str, failed: str) -> NetworkRef:
    return named.define(POOL, session, xml, failed, VALIDATE if "validate" in args else 0)


def _create(session: Session, args: Args, xml: str, failed: str) -> NetworkRef:
    ref: NetworkRef = session.call(
        "STORAGE_POOL_CREATE_XML", failed=failed, xml=xml, flags=args.bits(BUILDS)
    )["pool"]
    return ref


def _capabilities(session: Session, args: Args) -> str:
    xml: str = session.call(
        "CONNECT_GET_STORAGE_POOL_CAPABILITIES",
        failed="failed to get storage pool capabilities",
        flags=0,
    )["capabilities"]
    return xml


COMMANDS = rows(
    *named.commands(POOL, stays="; its files stay"),
    Command(
        "pool-build",
        "make a pool's folder",
        POOL.option,
        *OVERWRITE_OPTIONS,
        run=named.plain(POOL, "BUILD", "build", "built", OVERWRITES),
    ),
    Command(
        "pool-capabilities",
        "what kinds of pools and volumes there are",
        read=_capabilities,
        show=shown.line,
    ),
    Command(
        "pool-create",
        "start a pool that has no definition on disk, from an XML file",
        word("file", "the pool's XML", complete="files"),
        *BUILD_OPTIONS,
        run=named.from_file(POOL, "create", _create),
        excludes=BUILD_EXCLUDES,
    ),
    Command(
        "pool-define",
        "define a pool from an XML file, or change its definition",
        word("file", "the pool's XML", complete="files"),
        named.VALIDATE,
        run=named.from_file(POOL, "define", _define),
    ),
    Command(
        "pool-delete",
        "remove a pool's folder, which must be empty",
        POOL.option,
        run=named.plain(POOL, "DELETE", "delete", "deleted", ()),
    ),
    Command(
        "pool-info",
        "what a pool is, and how full",
        POOL.option,
        flag("bytes", "sizes in bytes"),
        read=_info,
        show=_show_info,
    ),
    Command(
        "pool-list",
        "pools, active ones if nothing else is asked for",
        *named.WHICH,
        flag("transient", "those without a definition on disk"),
        flag("persistent", "those with a definition on disk"),
        flag("autostart", "those that start with the daemon"),
        flag("no-autostart", "those that do not start with the daemon"),
        text("type", "those of these types: dir,..."),
        flag("details", "with their sizes"),
        flag("uuid", "print UUIDs only"),
        flag("name", "print names only"),
        read=_list,
        show=_show_list,
        excludes=(("details", "uuid"), ("details", "name")),
    ),
    Command(
        "pool-refresh",
        "look into a pool's folder again",
        POOL.option,
        run=named.plain(POOL, "REFRESH", "refresh", "refreshed", ()),
    ),
    Command(
        "pool-start",
        "start a defined pool",
        POOL.option,
        *BUILD_OPTIONS,
        run=named.plain(POOL, "CREATE", "start", "started", BUILDS),
        excludes=BUILD_EXCLUDES,
    ),
)
