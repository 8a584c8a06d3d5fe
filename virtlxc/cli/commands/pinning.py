"""How many processors a domain shows, and which processors and memory nodes it may use."""

from __future__ import annotations

from virtlxc.cli.domains import AFFECT, CONFIG, DOMAIN, EXCLUDES, LIVE, OF
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows, text
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import INT, STRING, STRING_OKAY, shown, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Ref, Session

MAXIMUM, GUEST, HOTPLUGGABLE = 4, 8, 16
UINT_MAX = 0xFFFFFFFF
NANO = 1_000_000_000
STATES = ("offline", "running", "blocked")
NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")
NUMA_MODE = "numa_mode"
CPUS_MAX = 1024


def host_cpus(session: Session) -> int:
    found: int = session.call("NODE_GET_CPU_MAP", need_map=0, need_online=0)["ret"]
    return found


def cpu_map(written: str, most: int) -> bytes:
    """The map of a list such as ``0-3,^2``; ``r`` is all of them."""
    if written.startswith("r"):
        chosen = set(range(most))
    else:
        chosen = _numbers(written)
        if max(chosen) >= most:
            raise Failed(f"CPU {max(chosen)} in cpulist '{written}' exceed the maxcpu {most}")
    found = bytearray(max(chosen) // 8 + 1)
    for cpu in chosen:
        found[cpu // 8] |= 1 << cpu % 8
    return bytes(found)


def _numbers(written: str) -> set[int]:
    chosen: set[int] = set()
    try:
        for part in written.split(","):
            first, _, last = part.strip().removeprefix("^").partition("-")
            one = set(range(int(first), int(last or first) + 1))
            if not one or max(one) >= CPUS_MAX:
                raise ValueError
            chosen = chosen - one if part.strip().startswith("^") else chosen | one
    except ValueError:
        reason = f"invalid argument: Failed to parse bitmap '{written}'"
        raise Failed(f"Invalid cpulist '{written}'", reason) from None
    if not chosen:
        raise Failed(f"Invalid cpulist '{written}'")
    return chosen


def cpu_list(bits: bytes) -> str:
    """``0-3,7`` of a map."""
    from virtlxc.cli.words import ranges

    return ranges([at for at in range(len(bits) * 8) if bits[at // 8] >> at % 8 & 1])


def _emulatorpin(session: Session, args: Args) -> dict[str, str]:
    given = any(name in args for name in ("current", "live", "config"))
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    written = args.get("cpulist")
    most = host_cpus(session)
    if written is None:
        found = session.call(
            "DOMAIN_GET_EMULATOR_PIN_INFO", dom=ref, maplen=(most + 7) // 8, flags=flags
        )
        return {"emulator": cpu_list(found["cpumaps"])}
    chosen = cpu_map(written, most)
    session.call("DOMAIN_PIN_EMULATOR", dom=ref, cpumap=chosen, flags=flags if given else LIVE)
    return {}


def _show_emulatorpin(data: dict[str, str], args: Args, quiet: bool) -> str:
    if not data:
        return ""
    line = f"{data['emulator']}\n"
    if quiet:
        return line
    return "emulator: CPU Affinity\n----------------------------------\n       *: " + line


def _vcpupin(session: Session, args: Args) -> dict[str, str]:
    flags = args.bits(AFFECT)
    written = args.get("cpulist")
    if written is None and flags == LIVE | CONFIG:
        raise Failed("Options --live and --config are mutually exclusive")
    vcpu = args.integer("vcpu", least=0, most=UINT_MAX)
    if written is not None and vcpu is None:
        raise Failed("vcpupin: Missing vCPU number in pin mode.")
    most = host_cpus(session)
    ref = domain(session, args)
    if written is None:
        return _pinned(session, ref, vcpu, most, flags)
    chosen = cpu_map(written, most)
    if flags or "current" in args:
        session.call("DOMAIN_PIN_VCPU_FLAGS", dom=ref, vcpu=vcpu, cpumap=chosen, flags=flags)
    else:
        session.call("DOMAIN_PIN_VCPU", dom=ref, vcpu=vcpu, cpumap=chosen)
    return {}


def _pinned(session: Session, ref: Ref, vcpu: int | None, most: int, flags: int) -> dict[str, str]:
    active = bool(session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"])
    if flags & LIVE and not active:
        raise Failed("cannot get vcpupin for offline domain")
    if flags & CONFIG and not session.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"]:
        raise Failed("cannot get vcpupin for transient domain")
    count = session.call("DOMAIN_GET_VCPUS_FLAGS", dom=ref, flags=flags | MAXIMUM)["num"]
    if vcpu is not None and vcpu >= count:
        where = "live" if flags & LIVE or (not flags & CONFIG and active) else "persistent"
        raise Failed(f"vcpu {vcpu} is out of range of {where} cpu count {count}")
    size = (most + 7) // 8
    found = session.call(
        "DOMAIN_GET_VCPU_PIN_INFO", dom=ref, ncpumaps=count, maplen=size, flags=flags
    )
    maps = found["cpumaps"]
    return {
        str(at): cpu_list(maps[at * size : (at + 1) * size])
        for at in range(found["num"])
        if vcpu in (None, at)
    }


def _show_vcpupin(data: dict[str, str], args: Args, quiet: bool) -> str:
    if "cpulist" in args:
        return ""
    from virtlxc.cli.table import table

    return table(("VCPU", "CPU Affinity"), [list(row) for row in data.items()], quiet=quiet)


def _vcpuinfo(session: Session, args: Args) -> dict[str, Any]:
    ref = domain(session, args)
    most = host_cpus(session)
    size = (most + 7) // 8
    info = session.call("DOMAIN_GET_INFO", dom=ref)
    count = info["nrVirtCpu"]
    rows_: list[dict[str, Any]] = []
    if session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"]:
        found = session.call("DOMAIN_GET_VCPUS", dom=ref, maxinfo=count, maplen=size)
        maps = found["cpumaps"]
        for number_, state, used, cpu in found["info"]:
            rows_.append({"vcpu": number_, "cpu": cpu, "state": STATES[state], "time": used})
    else:
        found = session.call(
            "DOMAIN_GET_VCPU_PIN_INFO", dom=ref, ncpumaps=count, maplen=size, flags=CONFIG
        )
        maps = found["cpumaps"]
        rows_ = [{"vcpu": at, "cpu": None} for at in range(found["num"])]
    for at, row in enumerate(rows_):
        row["affinity"] = cpu_list(maps[at * size : (at + 1) * size])
    return {"host": most, "vcpus": rows_}


def _show_vcpuinfo(data: dict[str, Any], args: Args, quiet: bool) -> str:
    parts = []
    for row in data["vcpus"]:
        pairs: list[tuple[str, object]] = [("VCPU:", row["vcpu"])]
        if row["cpu"] is None:
            pairs += [("CPU:", "N/A"), ("State:", "N/A"), ("CPU time", "N/A")]
        else:
            pairs += [("CPU:", row["cpu"]), ("State:", row["state"])]
            if row["time"]:
                pairs.append(("CPU time:", f"{row['time'] / NANO:.1f}s"))
        pairs.append(("CPU Affinity:", _affinity(row["affinity"], data["host"], args)))
        parts.append("".join(f"{name:<15} {value}\n" for name, value in pairs))
    return "\n".join(parts)


def _affinity(written: str, most: int, args: Args) -> str:
    if "pretty" in args:
        return f"{written} (out of {most})"
    chosen = _numbers(written) if written else set()
    return "".join("y" if cpu in chosen else "-" for cpu in range(most))


def _setvcpus(session: Session, args: Args) -> None:
    options = (*AFFECT, ("guest", GUEST), ("maximum", MAXIMUM), ("hotpluggable", HOTPLUGGABLE))
    flags = args.bits(options)
    ref = domain(session, args)
    count = args.integer("count", least=0, most=UINT_MAX)
    if not count:
        raise Failed("Can't set 0 processors for a VM")
    if flags or "current" in args:
        session.call("DOMAIN_SET_VCPUS_FLAGS", dom=ref, nvcpus=count, flags=flags)
    else:
        session.call("DOMAIN_SET_VCPUS", dom=ref, nvcpus=count)


def _numatune(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    params: list[Param] = []
    nodeset, mode = args.get("nodeset"), args.get("mode")
    if nodeset is not None:
        params.append(("numa_nodeset", STRING, nodeset))
    if mode is not None:
        params.append((NUMA_MODE, INT, _mode(mode)))
    if params:
        session.call(
            "DOMAIN_SET_NUMA_PARAMETERS",
            failed="Unable to change numa parameters",
            dom=ref,
            params=params,
            flags=flags,
        )
        return {}
    found = session.call(
        "DOMAIN_GET_NUMA_PARAMETERS",
        failed="Unable to get number of memory parameters",
        dom=ref,
        nparams=16,
        flags=flags | STRING_OKAY,
    )
    data = values(found["params"])
    data[NUMA_MODE] = NUMA_MODES[data[NUMA_MODE]]
    return data


def _mode(written: str) -> int:
    if written in NUMA_MODES:
        return NUMA_MODES.index(written)
    try:
        return int(written)
    except ValueError:
        raise Failed(f"Invalid mode: {written}") from None


def _show_numatune(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(f"{name:<15}: {shown(value)}\n" for name, value in data.items())


CPULIST = text("cpulist", "the host's processors, such as 0-3,^2; r for all", empty_ok=True)

COMMANDS = rows(
    Command(
        "emulatorpin",
        "show or change the host's processors that a domain runs on",
        DOMAIN,
        CPULIST,
        *OF,
        read=_emulatorpin,
        show=_show_emulatorpin,
        excludes=EXCLUDES,
    ),
    Command(
        "numatune",
        "show or change the memory nodes that a domain may use",
        DOMAIN,
        text("mode", "strict, preferred, interleave or restrictive"),
        text("nodeset", "the host's nodes, such as 0-1"),
        *OF,
        read=_numatune,
        show=_show_numatune,
        excludes=EXCLUDES,
    ),
    Command(
        "setvcpus",
        "change how many processors a domain shows",
        DOMAIN,
        number("count", "how many", required=True),
        flag("maximum", "the most it can have, from the next start on"),
        *OF,
        flag("guest", "as virsh; a container has no agent"),
        flag("hotpluggable", "as virsh; they always are"),
        run=_setvcpus,
        excludes=(*EXCLUDES, ("guest", "config")),
        needs=(("maximum", "config"),),
    ),
    Command(
        "vcpuinfo",
        "the processors of a domain, one by one",
        DOMAIN,
        flag("pretty", "with a list of the host's processors"),
        read=_vcpuinfo,
        show=_show_vcpuinfo,
    ),
    Command(
        "vcpupin",
        "show or change the host's processors that a domain's only one runs on",
        DOMAIN,
        number("vcpu", "which of the domain's"),
        CPULIST,
        *OF,
        read=_vcpupin,
        show=_show_vcpupin,
        excludes=EXCLUDES,
    ),
)
