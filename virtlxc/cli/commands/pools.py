"""Storage pools."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import find_pool, pool, uuid_text
from virtlxc.cli.table import fields, table
from virtlxc.cli.units import pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import NetworkRef, Session

POOL = word("pool", "name or UUID", complete="pools")
VALIDATE = 1
INACTIVE_XML = 1
INACTIVE, ACTIVE = 1, 2
FIRST_TYPE = 64
TYPES = (
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog",
    "gluster", "zfs", "vstorage", "iscsi-direct",
)  # fmt: skip
STATES = ("inactive", "building", "running", "degraded", "inaccessible")
# Option, bit of libvirt's virConnectListAllStoragePoolsFlags.
FILTERS = (("persistent", 4), ("transient", 8), ("autostart", 16), ("no-autostart", 32))
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
    flags = args.bits(FILTERS)
    if "all" in args:
        flags |= ACTIVE | INACTIVE
    else:
        flags |= INACTIVE if "inactive" in args else ACTIVE
    for kind in (args.get("type") or "").split(",") if "type" in args else ():
        if kind not in TYPES:
            raise Failed(f"Invalid pool type '{kind}'")
        flags |= FIRST_TYPE << TYPES.index(kind)
    found = session.call(
        "CONNECT_LIST_ALL_STORAGE_POOLS", failed="Failed to list pools", need_results=1, flags=flags
    )
    refs = sorted(found["pools"], key=_name_of)
    if "name" in args or "uuid" in args:
        return [{"name": name, "uuid": uuid_text(uuid)} for name, uuid in refs]
    return [_row(session, ref, details="details" in args) for ref in refs]


def _name_of(ref: NetworkRef) -> str:
    return ref[0].lower()


def _row(session: Session, ref: NetworkRef, *, details: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": ref[0],
        "uuid": uuid_text(ref[1]),
        "active": bool(session.call("STORAGE_POOL_IS_ACTIVE", pool=ref)["active"]),
        "autostart": _autostarts(session, ref),
        "persistent": bool(session.call("STORAGE_POOL_IS_PERSISTENT", pool=ref)["persistent"]),
    }
    if details:
        found = session.call("STORAGE_POOL_GET_INFO", pool=ref)
        row["state"] = STATES[found["state"]]
        row |= {name: found[name] for name in ("capacity", "allocation", "available")}
    return row


def _autostarts(session: Session, ref: NetworkRef) -> bool | None:
    """Whether it starts with the daemon, None where that cannot be said."""
    try:
        return bool(session.call("STORAGE_POOL_GET_AUTOSTART", pool=ref)["autostart"])
    except Failed:
        return None


def _autostart_word(value: bool | None) -> str:
    return "no autostart" if value is None else "yes" if value else "no"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    if "name" in args or "uuid" in args:
        return "".join(_names(one, args) + "\n" for one in found)
    if "details" not in args:
        cells = [
            [
                one["name"],
                "active" if one["active"] else "inactive",
                _autostart_word(one["autostart"]),
            ]
            for one in found
        ]
        return table(("Name", "State", "Autostart"), cells, quiet=quiet)
    cells = [
        [
            one["name"],
            one["state"],
            _autostart_word(one["autostart"]),
            _yes(one["persistent"]),
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
    return _row(session, pool(session, args), details=True)


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [
        ("Name:", data["name"]),
        ("UUID:", data["uuid"]),
        ("State:", data["state"]),
        ("Persistent:", _yes(data["persistent"])),
        ("Autostart:", _autostart_word(data["autostart"])),
    ]
    if data["state"] in ("running", "degraded"):
        for name in ("capacity", "allocation", "available"):
            shown = data[name] if "bytes" in args else pretty(data[name])
            pairs.append((f"{name.capitalize()}:", shown))
    return fields(pairs)


def _define(session: Session, args: Args) -> None:
    path = args["file"]
    xml = read_text(path)
    ref = session.call(
        "STORAGE_POOL_DEFINE_XML",
        failed=f"Failed to define pool from {path}",
        xml=xml,
        flags=VALIDATE if "validate" in args else 0,
    )["pool"]
    session.remark(f"Pool {ref[0]} defined from {path}\n")


def _create(session: Session, args: Args) -> None:
    path = args["file"]
    xml = read_text(path)
    ref = session.call(
        "STORAGE_POOL_CREATE_XML",
        failed=f"Failed to create pool from {path}",
        xml=xml,
        flags=args.bits(BUILDS),
    )["pool"]
    session.remark(f"Pool {ref[0]} created from {path}\n")


def _plain(call: str, verb: str, done: str, bits: tuple[tuple[str, int], ...] | None = None) -> Run:
    """A command that makes one call for a pool and says that it did."""

    def run(session: Session, args: Args) -> None:
        ref = pool(session, args)
        more: dict[str, Any] = {} if bits is None else {"flags": args.bits(bits)}
        session.call(call, failed=f"Failed to {verb} pool {ref[0]}", pool=ref, **more)
        session.remark(f"Pool {ref[0]} {done}\n")

    return run


def _autostart(session: Session, args: Args) -> None:
    ref = pool(session, args)
    mark = "unmark" if "disable" in args else "mark"
    session.call(
        "STORAGE_POOL_SET_AUTOSTART",
        failed=f"failed to {mark} pool {ref[0]} as autostarted",
        pool=ref,
        autostart=int("disable" not in args),
    )
    session.remark(f"Pool {ref[0]} {mark}ed as autostarted\n")


def _dumpxml(session: Session, args: Args) -> str:
    ref = pool(session, args)
    xml: str = session.call(
        "STORAGE_POOL_GET_XML_DESC", pool=ref, flags=INACTIVE_XML if "inactive" in args else 0
    )["xml"]
    return xml


def show_xml(xml: str, args: Args, quiet: bool) -> str:
    path = args.get("xpath")
    if path is None:
        return xml
    from virtlxc.cli.xml import select

    return select(xml, path, wrap="wrap" in args)


def _capabilities(session: Session, args: Args) -> str:
    xml: str = session.call(
        "CONNECT_GET_STORAGE_POOL_CAPABILITIES",
        failed="failed to get storage pool capabilities",
        flags=0,
    )["capabilities"]
    return xml


def _name(session: Session, args: Args) -> str:
    return find_pool(session, args["pool"], by_name=False)[0]


def _uuid(session: Session, args: Args) -> str:
    return uuid_text(find_pool(session, args["pool"], by_uuid=False)[1])


def _line(value: str, args: Args, quiet: bool) -> str:
    return f"{value}\n"


COMMANDS = rows(
    Command(
        "pool-autostart",
        "let a pool start with the daemon",
        POOL,
        flag("disable", "do not let it any more"),
        run=_autostart,
    ),
    Command(
        "pool-build",
        "make a pool's folder",
        POOL,
        *OVERWRITE_OPTIONS,
        run=_plain("STORAGE_POOL_BUILD", "build", "built", OVERWRITES),
    ),
    Command(
        "pool-capabilities",
        "what kinds of pools and volumes there are",
        read=_capabilities,
        show=_line,
    ),
    Command(
        "pool-create",
        "start a pool that has no definition on disk, from an XML file",
        word("file", "the pool's XML", complete="files"),
        *BUILD_OPTIONS,
        run=_create,
        excludes=BUILD_EXCLUDES,
    ),
    Command(
        "pool-define",
        "define a pool from an XML file, or change its definition",
        word("file", "the pool's XML", complete="files"),
        flag("validate", "check the XML against the schema"),
        run=_define,
    ),
    Command(
        "pool-delete",
        "remove a pool's folder, which must be empty",
        POOL,
        run=_plain("STORAGE_POOL_DELETE", "delete", "deleted", ()),
    ),
    Command(
        "pool-destroy",
        "stop a pool; its files stay",
        POOL,
        run=_plain("STORAGE_POOL_DESTROY", "destroy", "destroyed"),
    ),
    Command(
        "pool-dumpxml",
        "a pool as XML",
        POOL,
        flag("inactive", "the definition, not what is active"),
        text("xpath", "only what this XPath expression selects", named=True),
        flag("wrap", "put what --xpath selects into one root element"),
        read=_dumpxml,
        show=show_xml,
    ),
    Command(
        "pool-info",
        "what a pool is, and how full",
        POOL,
        flag("bytes", "sizes in bytes"),
        read=_info,
        show=_show_info,
    ),
    Command(
        "pool-list",
        "pools, active ones if nothing else is asked for",
        flag("inactive", "those that are not active"),
        flag("all", "those that are active and those that are not"),
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
    Command("pool-name", "the name of a pool", word("pool", "UUID"), read=_name, show=_line),
    Command(
        "pool-refresh",
        "look into a pool's folder again",
        POOL,
        run=_plain("STORAGE_POOL_REFRESH", "refresh", "refreshed", ()),
    ),
    Command(
        "pool-start",
        "start a defined pool",
        POOL,
        *BUILD_OPTIONS,
        run=_plain("STORAGE_POOL_CREATE", "start", "started", BUILDS),
        excludes=BUILD_EXCLUDES,
    ),
    Command(
        "pool-undefine",
        "remove a pool's definition; its files stay",
        POOL,
        run=_plain("STORAGE_POOL_UNDEFINE", "undefine", "has been undefined"),
    ),
    Command("pool-uuid", "the UUID of a pool", word("pool", "name"), read=_uuid, show=_line),
)
