"""The host's memory pages, and its sleep."""

from __future__ import annotations

from virtlxc.cli import params
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows, word
from virtlxc.cli.units import scaled_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

UINT_MAX, ULLONG_MAX = (1 << 32) - 1, (1 << 64) - 1
PARAMS_MAX = 64
SET = 1
WHOLE_HOST = -1
TARGETS = ("mem", "disk", "hybrid")
TUNABLES = ("shm-pages-to-scan", "shm-sleep-millisecs", "shm-merge-across-nodes")


def _host(session: Session) -> Any:
    """The part of the capabilities about the host."""
    from virtlxc.cli.xml import parse

    failed = "unable to get node capabilities"
    xml = session.call("CONNECT_GET_CAPABILITIES", failed=failed)["capabilities"]
    return parse(xml).find("host")


def _cells(host: Any) -> list[int]:
    return [int(cell.get("id", "0")) for cell in host.iterfind("topology/cells/cell")]


def _freepages(session: Session, args: Args) -> list[dict[str, Any]]:
    size = scaled_kib(args, "pagesize")
    if "all" in args:
        host = _host(session)
        sizes = [size] if size is not None else sorted(
            {int(one.get("size")) for one in host.iterfind("cpu/pages")}
        )  # fmt: skip
        return [_free(session, cell, sizes) for cell in _cells(host)]
    if "cellno" not in args:
        raise Failed("missing cellno argument")
    cell = args.integer("cellno")
    assert cell is not None
    if cell < WHOLE_HOST:
        raise Failed("cell number must be non-negative integer or -1")
    if size is None:
        raise Failed("missing pagesize argument")
    return [_free(session, cell, [size])]


def _free(session: Session, cell: int, sizes: list[int]) -> dict[str, Any]:
    counts = session.call("NODE_GET_FREE_PAGES", pages=sizes, startCell=cell, cellCount=1)["counts"]
    pages = [{"size": size, "free": free} for size, free in zip(sizes, counts, strict=False)]
    return {"cell": cell, "pages": pages}


def _show_freepages(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    parts = []
    for one in found:
        lines = "".join(f"{page['size']}KiB: {page['free']}\n" for page in one["pages"])
        parts.append(f"Node {one['cell']}:\n{lines}\n" if "all" in args else lines)
    return "".join(parts)


def _allocpages(session: Session, args: Args) -> None:
    cell = args.integer("cellno")
    size = scaled_kib(args, "pagesize")
    count = args.integer("pagecount", least=0, most=ULLONG_MAX)
    cells = _cells(_host(session)) if "all" in args else [WHOLE_HOST if cell is None else cell]
    for one in cells:
        session.call(
            "NODE_ALLOC_PAGES",
            pageSizes=[size],
            pageCounts=[count],
            startCell=one,
            cellCount=1,
            flags=0 if "add" in args else SET,
        )


def _memory_tune(session: Session, args: Args) -> None:
    values: list[params.Param] = [
        (name.replace("-", "_"), params.UINT, args.integer(name, least=0, most=UINT_MAX))
        for name in TUNABLES
        if name in args
    ]
    if values:
        failed = "Unable to change memory parameters"
        session.call("NODE_SET_MEMORY_PARAMETERS", failed=failed, params=values, flags=0)
        return
    failed = "Unable to get number of memory parameters"
    if not session.call("NODE_GET_MEMORY_PARAMETERS", failed=failed, nparams=0)["nparams"]:
        return
    found = session.call(
        "NODE_GET_MEMORY_PARAMETERS",
        failed="Unable to get memory parameters",
        nparams=PARAMS_MAX,
    )["params"]
    lines = [f"\t{name:<15} {params.shown(value)}\n" for name, _kind, value in found]
    session.say("".join(["Shared memory:\n", *lines]))


def _suspend(session: Session, args: Args) -> None:
    target = args["target"]
    duration = args.integer("duration", least=-(1 << 63), most=(1 << 63) - 1)
    assert duration is not None
    if target not in TARGETS:
        raise Failed("Invalid target")
    if duration < 0:
        raise Failed("Invalid duration")
    session.call(
        "NODE_SUSPEND_FOR_DURATION",
        failed="The host was not suspended",
        target=TARGETS.index(target),
        duration=duration,
    )


COMMANDS = rows(
    Command(
        "allocpages",
        "set how many huge pages of a size there are",
        number("pagesize", "of what size, in KiB or with a unit", required=True),
        number("pagecount", "how many", required=True),
        number("cellno", "in this NUMA cell"),
        flag("add", "so many more than there are"),
        flag("all", "in every NUMA cell"),
        run=_allocpages,
        excludes=(("all", "cellno"),),
    ),
    Command(
        "freepages",
        "how many pages of a size are free",
        number("cellno", "in this NUMA cell, or -1 for the whole host"),
        number("pagesize", "of what size, in KiB or with a unit"),
        flag("all", "in every NUMA cell, of every size if none is given"),
        read=_freepages,
        show=_show_freepages,
        excludes=(("all", "cellno"),),
    ),
    Command(
        "node-memory-tune",
        "how the host merges equal pages, or set that",
        number("shm-pages-to-scan", "how many pages are looked at in one go"),
        number("shm-sleep-millisecs", "how long it sleeps in between"),
        number("shm-merge-across-nodes", "1: pages of different NUMA cells are merged, too"),
        run=_memory_tune,
    ),
    Command(
        "nodesuspend",
        "let the host sleep; only other daemons can",
        word("target", "mem, disk or hybrid"),
        number("duration", "for how many seconds", required=True),
        run=_suspend,
    ),
)
