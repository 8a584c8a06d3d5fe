"""What a domain is and does now."""

from __future__ import annotations

from virtlxc.cli.commands import states
from virtlxc.cli.domains import ACTIVE, AFFECT, DOMAIN, EXCLUDES, INACTIVE_XML, LIVE, OF
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rest, rows
from virtlxc.cli.lookup import domain, find_domain, uuid_text
from virtlxc.cli.params import shown, values
from virtlxc.cli.table import fields, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session

#: Reasons after which a person wants to know more.
ENDED_BADLY = ("crashed", "failed")
UINT_MAX = (1 << 32) - 1
NANO = 1_000_000_000
MEMORY_STATS_MAX = 13
# By libvirt's virDomainMemoryStatTags.
MEMORY_STATS = (
    "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "actual", "rss",
    "usable", "last_update", "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail",
)  # fmt: skip
CONTROL_STATES = ("ok", "background job", "occupied", "error")
CONTROL_OK, CONTROL_ERROR = 0, 3
CONTROL_REASONS = ("", "unknown", "monitor failure", "internal (locking) error")


def _dominfo(session: Session, args: Args) -> dict[str, Any]:
    ref = domain(session, args)
    name, uuid, number = ref
    info = session.call("DOMAIN_GET_INFO", dom=ref)
    data: dict[str, Any] = {
        "id": number if number >= 0 else None,
        "name": name,
        "uuid": uuid_text(uuid),
        "os_type": session.call("DOMAIN_GET_OS_TYPE", dom=ref)["type"],
        "state": states.state(info["state"]),
        "cpus": info["nrVirtCpu"],
        "cpu_time_ns": info["cpuTime"],
        "max_memory_kib": info["maxMem"] if info["maxMem"] != UINT_MAX else None,
        "used_memory_kib": info["memory"],
        "persistent": _maybe(session, "DOMAIN_IS_PERSISTENT", "persistent", ref),
        "autostart": _maybe(session, "DOMAIN_GET_AUTOSTART", "autostart", ref),
        "managed_save": _maybe(session, "DOMAIN_HAS_MANAGED_SAVE_IMAGE", "result", ref),
    }
    data.update(_security(session, ref))
    messages = session.supported("DOMAIN_GET_MESSAGES", dom=ref)
    data["messages"] = list(messages["msgs"]) if messages else []
    return data


def _maybe(session: Session, call: str, field: str, ref: Ref) -> bool | None:
    """A yes or no of the daemon's, None where it cannot say."""
    try:
        return bool(session.call(call, dom=ref)[field])
    except Failed:
        return None


def _security(session: Session, ref: Ref) -> dict[str, Any]:
    model = session.supported("NODE_GET_SECURITY_MODEL")
    if model is None or not model["model"]:
        return {}
    label = session.call("DOMAIN_GET_SECURITY_LABEL", dom=ref)
    return {
        "security_model": model["model"],
        "security_doi": model["doi"],
        "security_label": label["label"],
        "security_enforcing": bool(label["enforcing"]),
    }


def _show_dominfo(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [
        ("Id:", "-" if data["id"] is None else data["id"]),
        ("Name:", data["name"]),
        ("UUID:", data["uuid"]),
        ("OS Type:", data["os_type"]),
        ("State:", data["state"]),
        ("CPU(s):", data["cpus"]),
    ]
    if data["cpu_time_ns"]:
        pairs.append(("CPU time:", f"{data['cpu_time_ns'] / NANO:.1f}s"))
    most = data["max_memory_kib"]
    pairs += [
        ("Max memory:", "no limit" if most is None else f"{most} KiB"),
        ("Used memory:", f"{data['used_memory_kib']} KiB"),
        ("Persistent:", _word(data["persistent"], "yes", "no")),
    ]
    if data["autostart"] is not None:
        pairs.append(("Autostart:", _word(data["autostart"], "enable", "disable")))
    pairs.append(("Managed save:", _word(data["managed_save"], "yes", "no")))
    if "security_model" in data:
        pairs += [
            ("Security model:", data["security_model"]),
            ("Security DOI:", data["security_doi"]),
        ]
        if data["security_label"]:
            mode = "enforcing" if data["security_enforcing"] else "permissive"
            pairs.append(("Security label:", f"{data['security_label']} ({mode})"))
    pairs += [("" if at else "Messages:", text) for at, text in enumerate(data["messages"])]
    return fields(pairs)


def _word(value: bool | None, yes: str, no: str) -> str:
    return "unknown" if value is None else yes if value else no


def _domstate(session: Session, args: Args) -> dict[str, Any]:
    ref = domain(session, args)
    found = session.call("DOMAIN_GET_STATE", dom=ref)
    data = {
        "state": states.state(found["state"]),
        "reason": states.reason(found["state"], found["reason"]),
    }
    ended = data["reason"] in ENDED_BADLY
    if "reason" in args and (ended or session.options.output != "text"):
        data["text"] = _ending(session, ref)
    return data


def _ending(session: Session, ref: Ref) -> str:
    """How it ended, in words; nothing from libvirt's daemon, which has no such call."""
    try:
        return str(session.own("STATUS", dom=ref)["text"])
    except Failed:
        return ""


def _show_domstate(data: dict[str, Any], args: Args, quiet: bool) -> str:
    more = f" ({data['reason']})" if "reason" in args else ""
    ending = f"{data['text']}\n" if data.get("text") and data["reason"] in ENDED_BADLY else ""
    return f"{data['state']}{more}\n{ending}"


def _dommemstat(session: Session, args: Args) -> dict[str, int]:
    ref = domain(session, args)
    period = args.integer("period")
    if period is not None:
        _set_period(session, args, ref, period)
        return {}
    found = session.call(
        "DOMAIN_MEMORY_STATS",
        failed=f"Failed to get memory statistics for domain {args['domain']}",
        dom=ref,
        maxStats=MEMORY_STATS_MAX,
    )["stats"]
    return {MEMORY_STATS[tag]: value for tag, value in found if tag < len(MEMORY_STATS)}


def _set_period(session: Session, args: Args, ref: Ref, period: int) -> None:
    if period < 0:
        raise Failed(f"Invalid collection period value '{period}'")
    flags = args.bits(AFFECT)
    if not flags and "current" not in args and ref[2] >= 0:
        flags = LIVE
    session.call(
        "DOMAIN_SET_MEMORY_STATS_PERIOD",
        failed="Unable to change balloon collection period.",
        dom=ref,
        period=period,
        flags=flags,
    )


def _show_numbers(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(f"{name} {value}\n" for name, value in data.items())


def _domcontrol(session: Session, args: Args) -> dict[str, Any]:
    found = session.call("DOMAIN_GET_CONTROL_INFO", dom=domain(session, args))
    return {
        "state": found["state"], "details": found["details"], "milliseconds": found["stateTime"],
    }  # fmt: skip


def _show_domcontrol(data: dict[str, Any], args: Args, quiet: bool) -> str:
    text = states.word(CONTROL_STATES, data["state"])
    if data["state"] not in (CONTROL_OK, CONTROL_ERROR):
        text += f" ({data['milliseconds'] / 1000:0.3f}s)"
    elif data["state"] == CONTROL_ERROR and data["details"] > 0:
        text += f": {states.word(CONTROL_REASONS, data['details'])}"
    return f"{text}\n"


def _domblklist(session: Session, args: Args) -> list[dict[str, Any]]:
    from virtlxc.cli.xml import attribute, first, parse

    flags = INACTIVE_XML if "inactive" in args else 0
    xml = session.call("DOMAIN_GET_XML_DESC", dom=domain(session, args), flags=flags)["xml"]
    sources = [f"source/@{name}" for name in ("file", "dev", "dir", "name", "volume", "path")]
    return [
        {
            "type": disk.get("type"),
            "device": disk.get("device"),
            "target": attribute(disk, "target/@dev"),
            "source": first(disk, *sources),
        }
        for disk in parse(xml).findall("devices/disk")
    ]


def _show_domblklist(disks: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    columns = ["type", "device"] if "details" in args else []
    columns += ["target", "source"]
    cells = [[disk[name] or "-" for name in columns] for disk in disks]
    return table([name.capitalize() for name in columns], cells, quiet=quiet)


# What domstats can be asked for, by bit from 1 on: libvirt's virDomainStatsTypes.
STATISTICS = (
    ("state", "state"), ("cpu-total", "use of processors"), ("balloon", "memory"),
    ("vcpu", "virtual processors"), ("interface", "network interfaces"), ("block", "disks"),
    ("perf", "performance counters"), ("iothread", "I/O threads"),
    ("memory", "memory bandwidth"), ("dirtyrate", "dirty pages"), ("vm", "the hypervisor's own"),
)  # fmt: skip
# Option, bit of libvirt's virConnectGetAllDomainStatsFlags, help.
STATISTICS_FLAGS = (
    ("list-active", 1, "only domains that run"),
    ("list-inactive", 2, "only domains that do not run"),
    ("list-persistent", 4, "only domains with a definition on disk"),
    ("list-transient", 8, "only domains without a definition on disk"),
    ("list-running", 16, "only running domains"),
    ("list-paused", 32, "only paused domains"),
    ("list-shutoff", 64, "only domains that are shut off"),
    ("list-other", 128, "only domains in other states"),
    ("raw", 0, "as they come; the default"),
    ("enforce", 1 << 31, "fail when something asked for is not known"),
    ("backing", 1 << 30, "with what lies below disks"),
    ("nowait", 1 << 29, "only what is known without waiting"),
)


def _domstats(session: Session, args: Args) -> list[dict[str, Any]]:
    flags = args.bits([(name, bit) for name, bit, _help in STATISTICS_FLAGS])
    kinds = args.bits([(name, 1 << at) for at, (name, _help) in enumerate(STATISTICS)])
    refs = [find_domain(session, given) for given in args.rest]
    found = session.call("CONNECT_GET_ALL_DOMAIN_STATS", doms=refs, stats=kinds, flags=flags)
    return [
        {"domain": ref[0], "statistics": values(found_values)}
        for ref, found_values in found["retStats"]
    ]


def _show_domstats(records: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    return "\n".join(
        f"Domain: '{record['domain']}'\n"
        + "".join(f"  {name}={shown(value)}\n" for name, value in record["statistics"].items())
        for record in records
    )


COMMANDS = rows(
    Command(
        "domblklist",
        "the disks of a domain",
        DOMAIN,
        flag("inactive", "those of the definition, not of what runs"),
        flag("details", "with types and devices"),
        read=_domblklist,
        show=_show_domblklist,
    ),
    Command(
        "domcontrol",
        "whether a domain can be controlled now",
        ACTIVE,
        read=_domcontrol,
        show=_show_domcontrol,
    ),
    Command("dominfo", "what a domain is", DOMAIN, read=_dominfo, show=_show_dominfo),
    Command(
        "dommemstat",
        "what a running domain's memory is used for",
        ACTIVE,
        number("period", "seconds between two collections", named=True),
        *OF,
        read=_dommemstat,
        show=_show_numbers,
        excludes=EXCLUDES,
    ),
    Command(
        "domstate",
        "the state of a domain",
        DOMAIN,
        flag("reason", "and why"),
        read=_domstate,
        show=_show_domstate,
    ),
    Command(
        "domstats",
        "statistics of domains",
        *(flag(name, text) for name, text in STATISTICS),
        *(flag(name, text) for name, _bit, text in STATISTICS_FLAGS),
        rest("domain", "names, ids or UUIDs; all if none is given", complete="domains"),
        read=_domstats,
        show=_show_domstats,
    ),
)
