"""Storage volumes: what there is."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import find_volume, uuid_text
from virtlxc.cli.named import POOL
from virtlxc.cli.table import fields, table
from virtlxc.cli.units import pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

VOL = word("vol", "name, key or path")
IN_POOL = text("pool", "its pool: name or UUID", complete="pools")
TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
PHYSICAL = 1


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    ref = POOL.find(session, args)
    vols = session.call(
        "STORAGE_POOL_LIST_ALL_VOLUMES",
        failed="Failed to list volumes",
        pool=ref,
        need_results=1,
        flags=0,
    )["vols"]
    found = []
    for vol in sorted(vols, key=lambda one: one[1].lower()):
        row = {"name": vol[1], "path": session.call("STORAGE_VOL_GET_PATH", vol=vol)["name"]}
        if "details" in args:
            row |= _sizes(session.call("STORAGE_VOL_GET_INFO", vol=vol))
        found.append(row)
    return found


def _sizes(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": TYPES[info["type"]],
        "capacity": info["capacity"],
        "allocation": info["allocation"],
    }


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    if "details" not in args:
        cells = [[one["name"], one["path"]] for one in found]
        return table(("Name", "Path"), cells, quiet=quiet)
    cells = [
        [
            one["name"],
            one["path"],
            one["type"],
            pretty(one["capacity"]),
            pretty(one["allocation"]),
        ]
        for one in found
    ]
    return table(("Name", "Path", "Type", "Capacity", "Allocation"), cells, quiet=quiet)


def _info(session: Session, args: Args) -> dict[str, Any]:
    vol = find_volume(session, args["vol"], args.get("pool"))
    if "physical" in args:
        info = session.call("STORAGE_VOL_GET_INFO_FLAGS", vol=vol, flags=PHYSICAL)
    else:
        info = session.call("STORAGE_VOL_GET_INFO", vol=vol)
    return {"name": vol[1], **_sizes(info)}


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    last = "Physical:" if "physical" in args else "Allocation:"

    def size(value: int) -> str:
        return f"{value} bytes" if "bytes" in args else pretty(value)

    return fields(
        [
            ("Name:", data["name"]),
            ("Type:", data["type"]),
            ("Capacity:", size(data["capacity"])),
            (last, size(data["allocation"])),
        ]
    )


def _dumpxml(session: Session, args: Args) -> str:
    vol = find_volume(session, args["vol"], args.get("pool"))
    xml: str = session.call("STORAGE_VOL_GET_XML_DESC", vol=vol, flags=0)["xml"]
    return xml


def _key(session: Session, args: Args) -> str:
    return find_volume(session, args["vol"], args.get("pool"))[2]


def _path(session: Session, args: Args) -> str:
    vol = find_volume(session, args["vol"], args.get("pool"))
    path: str = session.call("STORAGE_VOL_GET_PATH", vol=vol)["name"]
    return path


def _name(session: Session, args: Args) -> str:
    return find_volume(session, args["vol"], None, by_name=False)[1]


def _pool(session: Session, args: Args) -> str:
    vol = find_volume(session, args["vol"], None, by_name=False)
    name, uuid = session.call("STORAGE_POOL_LOOKUP_BY_VOLUME", vol=vol)["pool"]
    return uuid_text(uuid) if "uuid" in args else str(name)


COMMANDS = rows(
    Command(
        "vol-dumpxml",
        "a volume as XML",
        VOL,
        IN_POOL,
        *shown.XPATH,
        read=_dumpxml,
        show=shown.xml,
    ),
    Command(
        "vol-info",
        "what a volume is, and how large",
        VOL,
        IN_POOL,
        flag("bytes", "sizes in bytes"),
        flag("physical", "the size of the file instead of what it takes on the disk"),
        read=_info,
        show=_show_info,
    ),
    Command("vol-key", "the key of a volume", VOL, IN_POOL, read=_key, show=shown.line),
    Command(
        "vol-list",
        "the volumes of a pool",
        POOL.option,
        flag("details", "with their sizes"),
        read=_list,
        show=_show_list,
    ),
    Command(
        "vol-name",
        "the name of a volume",
        word("vol", "key or path"),
        read=_name,
        show=shown.line,
    ),
    Command("vol-path", "the path of a volume", VOL, IN_POOL, read=_path, show=shown.line),
    Command(
        "vol-pool",
        "the pool of a volume",
        word("vol", "key or path"),
        flag("uuid", "its UUID instead of its name"),
        read=_pool,
        show=shown.line,
    ),
)
