"""Readers: cgroup files, rlimits, sysctls."""

from __future__ import annotations

import re

from virtlxc.convert.lxc.draft import Draft, kib, number
from virtlxc.convert.lxc.lines import Line
from virtlxc.host.cgroup.devices import STANDARD
from virtlxc.host.cgroup.limits import shares_from_weight
from virtlxc.model import Rlimit, Sysctl
from virtlxc.model.container import LIMIT, LIMIT_NAMES
from virtlxc.model.cpu import CPUSET

# Beside what every container may use: the console that is bound over /dev/console.
_ALLOWED = {(rule.kind, rule.major, rule.minor) for rule in STANDARD} | {("c", 5, 1)}


def memory(draft: Draft, line: Line) -> None:
    draft.memory = kib(line)


def soft_limit(draft: Draft, line: Line) -> None:
    draft.memtune["soft_limit"] = kib(line)


def swap_total(draft: Draft, line: Line) -> None:
    draft.memtune["swap_hard_limit"] = kib(line)


def swap_alone(draft: Draft, line: Line) -> None:
    size = kib(line)
    draft.swap = (line, size) if size is not None else None


def memory_low(draft: Draft, line: Line) -> None:
    draft.container["memory_low"] = kib(line)


def memory_min(draft: Draft, line: Line) -> None:
    draft.container["memory_min"] = kib(line)


def pids(draft: Draft, line: Line) -> None:
    limit = None if line.value == "max" else number(line, least=1)
    draft.container["pids_limit"] = limit


def cpu_shares(draft: Draft, line: Line) -> None:
    draft.cputune["shares"] = number(line, least=2, most=262144)


def cpu_weight(draft: Draft, line: Line) -> None:
    draft.cputune["shares"] = shares_from_weight(number(line, least=1, most=10000))


def cpu_period(draft: Draft, line: Line) -> None:
    draft.cputune["period"] = number(line, least=1000, most=1_000_000)


def cpu_quota(draft: Draft, line: Line) -> None:
    quota = number(line, least=-1)
    draft.cputune["quota"] = quota if quota >= 0 else None


def cpu_max(draft: Draft, line: Line) -> None:
    """QUOTA [PERIOD] in microseconds; without a period the kernel's own."""
    quota, _, period = line.value.partition(" ")
    draft.cputune["quota"] = None if quota == "max" else number(line, quota, least=1000)
    if period.strip():
        draft.cputune["period"] = number(line, period.strip(), least=1000, most=1_000_000)


def _set(line: Line) -> str:
    try:
        return str(CPUSET.parse(line.value))
    except ValueError:
        raise line.wrong(f"'{line.value}' is not like 0-3,7") from None


def cpus(draft: Draft, line: Line) -> None:
    draft.cpuset = _set(line)


def mems(draft: Draft, line: Line) -> None:
    draft.nodeset = _set(line)


def io_weight(draft: Draft, line: Line) -> None:
    value = number(line, line.value.removeprefix("default").strip(), least=1, most=10000)
    if value > 1000:
        draft.note(line, f"the weight is {value}; it became 1000, the most that XML can say")
    draft.weight = min(max(value, 10), 1000)


def io_max(draft: Draft, line: Line) -> None:
    """MAJOR:MINOR rbps=N wbps=N riops=N wiops=N"""
    device, *limits = line.value.split()
    for limit in limits:
        key, _, value = limit.partition("=")
        if key not in _IO_MAX:
            raise line.wrong(f"'{limit}' is none of {', '.join(_IO_MAX)}")
        if value != "max":
            _device(draft, line, device)[_IO_MAX[key]] = number(line, value)


def device_limit(draft: Draft, line: Line) -> None:
    """MAJOR:MINOR VALUE, of cgroup v1's blkio files."""
    words = line.value.split()
    if len(words) != 2:
        raise line.wrong(f"'{line.value}' is not like 8:0 1048576")
    _device(draft, line, words[0])[_BLKIO[line.key.rpartition(".")[2]]] = number(line, words[1])


_IO_MAX = {
    "rbps": "read_bytes_sec",
    "wbps": "write_bytes_sec",
    "riops": "read_iops_sec",
    "wiops": "write_iops_sec",
}
_BLKIO = {
    "read_bps_device": "read_bytes_sec",
    "write_bps_device": "write_bytes_sec",
    "read_iops_device": "read_iops_sec",
    "write_iops_device": "write_iops_sec",
    "device_weight": "weight",
    "weight_device": "weight",
}


def _device(draft: Draft, line: Line, numbers: str) -> dict[str, int]:
    if not re.fullmatch(r"[0-9]+:[0-9]+", numbers, re.ASCII):
        raise line.wrong(f"'{numbers}' is not like 8:0")
    return draft.devices.setdefault(f"/dev/block/{numbers}", {})


def allow_device(draft: Draft, line: Line) -> None:
    match = re.fullmatch(r"([abc])(?:\s+([0-9]+|\*):([0-9]+|\*)\s+([rwm]+))?", line.value, re.ASCII)
    if not match:
        raise line.wrong(f"'{line.value}' is not like c 10:200 rwm")
    kind, major, minor, access = match.groups()
    if access == "m" and major == minor == "*":
        draft.mknod = True  # what a node can be made for cannot be opened for that
        return
    numbers = tuple(-1 if part in ("*", None) else int(part) for part in (major, minor))
    if (kind, *numbers) in _ALLOWED:
        return
    what = "every device" if kind == "a" or major in ("*", None) else f"the device {line.value}"
    draft.note(line, f"{what} stays forbidden: hand out single ones with <hostdev>")


def deny_device(draft: Draft, line: Line) -> None:
    """Everything is forbidden from the start."""
    if not line.value.startswith("a"):
        draft.note(line, "the devices that every container has cannot be taken away")


def rlimit(draft: Draft, line: Line) -> None:
    """SOFT[:HARD]; one value is both."""
    name = line.name
    try:
        LIMIT_NAMES.parse(name)
    except ValueError:
        raise line.wrong(f"there is no limit '{name}'") from None
    soft, colon, hard = (part.strip() for part in line.value.partition(":"))
    values = [value.replace("infinity", "unlimited") for value in (soft, hard if colon else soft)]
    for value in values:
        try:
            LIMIT.parse(value)
        except ValueError:
            raise line.wrong(f"'{value}' is not {LIMIT.allowed}") from None
    draft.rlimits[name] = Rlimit(name=name, soft=values[0], hard=values[1])


def sysctl(draft: Draft, line: Line) -> None:
    draft.sysctls[line.name] = Sysctl(name=line.name, value=line.value)
