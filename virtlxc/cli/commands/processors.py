"""A domain's processors, and what it did with them."""

from __future__ import annotations

from virtlxc.cli.domains import (
    ACTIVE,
    AFFECT,
    CONFIG,
    DOMAIN,
    INACTIVE_XML,
    LIVE,
    OF_CONFIG,
    OF_CURRENT,
    OF_LIVE,
)
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import STRING_OKAY, shown, values
from virtlxc.errors import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session

TOTAL = -1
AT_ONCE = 128
NANO = 1_000_000_000
TIMES = ("cpu_time", "vcpu_time", "user_time", "system_time")
MAXIMUM, GUEST = 4, 8
COUNTS = (
    ("maximum", "config", CONFIG | MAXIMUM),
    ("maximum", "live", LIVE | MAXIMUM),
    ("current", "config", CONFIG),
    ("current", "live", LIVE),
)


def _cpu_stats(session: Session, args: Args) -> dict[str, Any]:
    """``cpus`` by number, ``total``, and ``note``: whether fewer than asked for exist."""
    ref = domain(session, args)
    start, count = args.integer("start"), args.integer("count")
    if start is not None and start < 0:
        raise Failed("Invalid value for start CPU")
    if count is not None and count < 0:
        raise Failed("Invalid value for number of CPUs to show")
    each = start is not None or count is not None
    total = "total" in args or not each
    data: dict[str, Any] = {"cpus": {}, "total": None, "note": ""}
    if each or "total" not in args:
        _each(session, ref, data, start or 0, count)
    if total:
        found = _stats(session, ref, TOTAL, 1, _size(session, ref, TOTAL))
        data["total"] = values(found)
    return data


def _each(session: Session, ref: Ref, data: dict[str, Any], start: int, count: int | None) -> None:
    most = _ask(session, ref, nparams=0, start_cpu=0, ncpus=0)["nparams"]
    if start >= most:
        raise Failed(f"Start CPU {start} is out of range (min: 0, max: {most - 1})")
    if count is None or count > most:
        if count is not None:
            data["note"] = f"Only {most} CPUs available to show\n"
        count = most - start
    size = _size(session, ref, 0)
    if not size:
        data["note"] += "No per-CPU stats available"
    while size and count:
        several = min(count, AT_ONCE)
        found = _stats(session, ref, start, several, size)
        for at in range(several):
            mine = found[at * size : (at + 1) * size]
            if mine:
                data["cpus"][start + at] = values(mine)
        start, count = start + several, count - several


def _size(session: Session, ref: Ref, start: int) -> int:
    """How many statistics one processor has."""
    size: int = _ask(session, ref, nparams=0, start_cpu=start, ncpus=1)["nparams"]
    return size


def _stats(session: Session, ref: Ref, start: int, count: int, size: int) -> list[Any]:
    params: list[Any] = _ask(session, ref, nparams=size, start_cpu=start, ncpus=count)["params"]
    return params


def _ask(session: Session, ref: Ref, **fields: Any) -> dict[str, Any]:
    failed = f"Failed to retrieve CPU statistics for domain '{ref[0]}'"
    return session.call(
        "DOMAIN_GET_CPU_STATS", failed=failed, dom=ref, flags=STRING_OKAY, **fields
    )


def _show_cpu_stats(data: dict[str, Any], args: Args, quiet: bool) -> str:
    text = data["note"]
    for number_, mine in data["cpus"].items():
        text += f"CPU{number_}:\n" + "".join(_field(*pair) for pair in mine.items())
    if data["total"]:
        text += "Total:\n" + "".join(_field(*pair) for pair in data["total"].items())
    return str(text)


def _field(name: str, value: Any) -> str:
    if name in TIMES and isinstance(value, int):
        return f"\t{name:<12} {value // NANO:>9}.{value % NANO:09} seconds\n"
    return f"\t{name:<12} {shown(value)}\n"


def _vcpucount(session: Session, args: Args) -> dict[str, Any] | int:
    current = "current" in args and ("maximum" in args or "active" in args)
    for one, other in (("live", "config"), ("current", "live"), ("current", "config"),
                       ("active", "maximum"), ("guest", "config")):  # fmt: skip
        if one in args and other in args and (one != "current" or current):
            raise Failed(f"Options --{one} and --{other} are mutually exclusive")
    ref = domain(session, args)
    options = (*AFFECT, ("maximum", MAXIMUM), ("guest", GUEST))
    if any(name in args for name in ("current", "active", *dict(options))):
        return _count(session, ref, args.bits(options))
    is_active = bool(session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"])
    is_persistent = bool(session.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"])
    return {
        f"{what} {where}": _count(session, ref, flags)
        for what, where, flags in COUNTS
        if (is_active if flags & LIVE else is_persistent)
    }


def _count(session: Session, ref: Ref, flags: int) -> int:
    """One count, by what the daemon has for it."""
    try:
        number_: int = session.call("DOMAIN_GET_VCPUS_FLAGS", dom=ref, flags=flags)["num"]
        return number_
    except Failed as failed:
        if failed.code not in (Code.NO_SUPPORT, Code.INVALID_ARG):
            raise
    if flags & GUEST:
        raise Failed("Failed to retrieve vCPU count from the guest")
    if flags & LIVE or (not flags & CONFIG and ref[2] >= 0):
        if flags & MAXIMUM:
            return int(session.call("DOMAIN_GET_MAX_VCPUS", dom=ref)["num"])
        return int(session.call("DOMAIN_GET_INFO", dom=ref)["nrVirtCpu"])
    from virtlxc.cli.xml import parse

    xml = session.call("DOMAIN_GET_XML_DESC", dom=ref, flags=INACTIVE_XML)["xml"]
    vcpu = parse(xml).find("vcpu")
    which = "maximum" if flags & MAXIMUM else "current"
    text = None
    if vcpu is not None:
        text = vcpu.text if flags & MAXIMUM else vcpu.get("current")
    if text is None:
        raise Failed(f"Failed to retrieve {which} vcpu count")
    return int(text)


def _show_vcpucount(data: dict[str, int] | int, args: Args, quiet: bool) -> str:
    if isinstance(data, int):
        return f"{data}\n"
    lines = []
    for name, count in data.items():
        what, where = name.split()
        if count > 0:
            lines.append(f"{what:<12} {where:<12} {count:>3}\n")
    return "".join(lines)


COMMANDS = rows(
    Command(
        "cpu-stats",
        "the processor time a domain used",
        ACTIVE,
        flag("total", "of all processors together"),
        number("start", "from this processor on"),
        number("count", "of so many processors"),
        read=_cpu_stats,
        show=_show_cpu_stats,
    ),
    Command(
        "vcpucount",
        "how many processors a domain has",
        DOMAIN,
        flag("maximum", "the most it can have"),
        flag("active", "those it uses"),
        OF_LIVE,
        OF_CONFIG,
        OF_CURRENT,
        flag("guest", "as its agent says"),
        read=_vcpucount,
        show=_show_vcpucount,
    ),
)
