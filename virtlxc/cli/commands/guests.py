"""What a guest's agent would tell, and what a domain is busy with."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE, DOMAIN
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import shown, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

TYPES = (
    ("user", 1), ("os", 2), ("timezone", 4), ("hostname", 8), ("filesystem", 16), ("disk", 32),
    ("interface", 64),
)  # fmt: skip
SYNC = 1
COMPLETED, KEEP_COMPLETED = 1, 2
JOBS = ("None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled")


def _fsinfo(session: Session, args: Args) -> list[dict[str, Any]]:
    ref = domain(session, args)
    failed = "Unable to get filesystem information"
    found = session.call("DOMAIN_GET_FSINFO", failed=failed, dom=ref)["info"]
    return [
        {"mountpoint": point, "name": name, "type": kind, "targets": list(aliases)}
        for point, name, kind, aliases in found
    ]


def _show_fsinfo(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    if not found:
        return "" if quiet else "No filesystems are mounted in the domain"
    from virtlxc.cli.table import table

    cells = [
        [one["mountpoint"], one["name"], one["type"], ",".join(one["targets"])] for one in found
    ]
    return table(("Mountpoint", "Name", "Type", "Target"), cells, quiet=quiet)


def _guestinfo(session: Session, args: Args) -> dict[str, Any]:
    types = args.bits(TYPES)
    ref = domain(session, args)
    return values(session.call("DOMAIN_GET_GUEST_INFO", dom=ref, types=types)["params"])


def _show_guestinfo(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(f"{name:<20}: {shown(value)}\n" for name, value in data.items())


def _time(session: Session, args: Args) -> dict[str, int]:
    ref = domain(session, args)
    seconds = args.integer("time", least=-(1 << 63), most=(1 << 63) - 1)
    if seconds is not None or "now" in args or "sync" in args:
        if "now" in args:
            import time

            seconds = int(time.time())
        flags = SYNC if "sync" in args else 0
        session.call("DOMAIN_SET_TIME", dom=ref, seconds=seconds or 0, nseconds=0, flags=flags)
        return {}
    return {"seconds": session.call("DOMAIN_GET_TIME", dom=ref)["seconds"]}


def _show_time(data: dict[str, int], args: Args, quiet: bool) -> str:
    if not data:
        return ""
    if "pretty" in args:
        import time

        return "Time: " + time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(data["seconds"]))
    return f"Time: {data['seconds']}"


def _jobinfo(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits((("completed", COMPLETED), ("keep-completed", KEEP_COMPLETED)))
    ref = domain(session, args)
    found = session.call("DOMAIN_GET_JOB_STATS", dom=ref, flags=flags)
    kind = found["type"]
    if not 0 <= kind < len(JOBS):
        raise Failed(f"unknown type of job {kind}")
    return {"type": kind, "params": values(found["params"])}


def _show_jobinfo(data: dict[str, Any], args: Args, quiet: bool) -> str:
    if "rawstats" in args:
        text = f"Job type: {data['type']}\n\n"
        return text + "".join(f"{name}: {shown(one)}\n" for name, one in data["params"].items())
    return f"{'Job type:':<17} {JOBS[data['type']]:<12}\n"


COMMANDS = rows(
    Command(
        "domfsinfo",
        "the file systems that are mounted in a running domain",
        ACTIVE,
        read=_fsinfo,
        show=_show_fsinfo,
    ),
    Command(
        "domjobinfo",
        "what a domain is busy with",
        DOMAIN,
        flag("completed", "what it did last"),
        flag("keep-completed", "and do not forget it"),
        flag("anystats", "whatever is known"),
        flag("rawstats", "as the daemon says it"),
        read=_jobinfo,
        show=_show_jobinfo,
        needs=(("keep-completed", "completed"),),
    ),
    Command(
        "domtime",
        "the clock of a running domain",
        ACTIVE,
        flag("now", "as virsh; a container's clock is the host's"),
        flag("pretty", "as a date"),
        flag("sync", "as virsh; a container's clock is the host's"),
        number("time", "as virsh; a container's clock is the host's"),
        read=_time,
        show=_show_time,
        excludes=(("time", "now"), ("time", "sync"), ("now", "sync")),
    ),
    Command(
        "guestinfo",
        "what is known of the guest: its system, file systems, interfaces",
        ACTIVE,
        flag("user", "as virsh; a container has no agent that tells"),
        flag("os", "its system"),
        flag("timezone", "its time zone"),
        flag("hostname", "its name"),
        flag("filesystem", "its file systems"),
        flag("disk", "as virsh; a container has no agent that tells"),
        flag("interface", "its interfaces, with their addresses"),
        read=_guestinfo,
        show=_show_guestinfo,
    ),
)
