"""Limits of a domain as files of control groups and what is written to them.

Pure: a :class:`Limits` and the facts of the host become a list of :class:`Write`. Sizes in
``Limits`` are KiB and microseconds, as in libvirt's XML; the files want bytes. Sources:
libvirt's ``<memtune>``, ``<cputune>``, ``<blkiotune>``; the kernel's cgroup-v2.rst and
cgroup-v1/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from virtlxc.errors import Code, From, VirtlxcError

# libvirt's VIR_DOMAIN_MEMORY_PARAM_UNLIMITED: from here on a size in KiB means "no limit".
UNLIMITED_KIB = (1 << 53) - 1

# For ``pids``: as many as there may be on the host.
NO_LIMIT = -1

DEFAULT_SHARES = 1024
DEFAULT_PERIOD_US = 100_000
SHARES_RANGE = (2, 262144)
WEIGHT_RANGE = (1, 10000)


@dataclass(frozen=True, slots=True, kw_only=True)
class IoDevice:
    """Limits of the traffic with one block device, a second each; 0 lifts a limit.

    ``device`` are its numbers; ``key`` names an open device that has them, when they are not known
    yet. ``weigher`` is what shares the device by weight: 'bfq' or 'iocost'.
    """

    device: tuple[int, int] = (0, 0)
    key: str = ""
    weight: int | None = None
    weigher: str = "bfq"
    read_bytes: int | None = None
    write_bytes: int | None = None
    read_iops: int | None = None
    write_iops: int | None = None

    @property
    def throttled(self) -> bool:
        return any(getattr(self, field) is not None for field, _, _ in THROTTLES)


# The field, its name in cgroup v2's io.max, and its file on v1.
THROTTLES = (
    ("read_bytes", "rbps", "blkio.throttle.read_bps_device"),
    ("write_bytes", "wbps", "blkio.throttle.write_bps_device"),
    ("read_iops", "riops", "blkio.throttle.read_iops_device"),
    ("write_iops", "wiops", "blkio.throttle.write_iops_device"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is limited; None where nothing was said.

    ``swap`` is memory and swap together, as in libvirt and on cgroup v1. ``quota`` below 0 means
    no limit. ``cpus`` and ``mems`` are lists like ``0-3,7``. ``io_weight`` is written as it is:
    100 is the kernel's own on v2, 500 or 100 on v1.
    """

    memory: int | None = None
    memory_soft: int | None = None
    memory_low: int | None = None
    memory_min: int | None = None
    swap: int | None = None
    shares: int | None = None
    period: int | None = None
    quota: int | None = None
    cpus: str | None = None
    mems: str | None = None
    pids: int | None = None
    io_weight: int | None = None
    io_devices: tuple[IoDevice, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One value for one file of the payload's group, in the hierarchy of ``controller``.

    ``key``: the numbers of this open device come before the value.
    """

    controller: str
    file: str
    value: str
    key: str = ""


def weight_from_shares(shares: int) -> int:
    """cgroup v2's ``cpu.weight`` for v1's ``cpu.shares``.

    The three fixed points of both scales stay fixed: 2 is 1, the normal 1024 is the normal 100,
    262144 is 10000. Between them the exponent is a parabola in log2, as the OCI runtimes agreed;
    the older straight line made 39 of 1024, less than any neighbour without a limit.
    """
    low, high = SHARES_RANGE
    log = math.log2(min(max(shares, low), high))
    exponent = (log * log + 125 * log) / 612 - 7 / 34
    # The margin keeps the fixed points from being rounded up by the last bit of the float.
    return min(max(math.ceil(10**exponent - 1e-9), WEIGHT_RANGE[0]), WEIGHT_RANGE[1])


def shares_from_weight(weight: int) -> int:
    """Some ``cpu.shares`` that :func:`weight_from_shares` turns into ``weight``; 1024 for 100."""
    if weight == weight_from_shares(DEFAULT_SHARES):
        return DEFAULT_SHARES
    low, high = SHARES_RANGE
    while low < high:
        middle = (low + high) // 2
        if weight_from_shares(middle) < weight:
            low = middle + 1
        else:
            high = middle
    return low


def writes(
    limits: Limits, version_of: Mapping[str, int], *, io_weight_files: tuple[str, ...] = ()
) -> tuple[Write, ...]:
    """What a fresh group is told, in an order that it accepts.

    ``version_of`` says for each controller that is there whether it is bound to v1 or v2;
    ``io_weight_files`` are those that this kernel has for the weight of block I/O: which of them
    counts is decided disk by disk.

    Raises VirtlxcError CONFIG_UNSUPPORTED for a limit that the host cannot keep.
    """
    found: list[Write] = []
    for controller, what, rows in _TABLE:
        wanted = any(getattr(limits, field) is not None for field in what)
        if not wanted:
            continue
        name = _bound(controller, version_of)
        if name is None:
            if controller == "memory" and _unlimited(limits, what):
                continue
            raise VirtlxcError(
                f"the host has no {controller} controller for {' and '.join(_names(limits, what))}",
                Code.CONFIG_UNSUPPORTED,
                From.CGROUP,
            )
        for file, value in rows[version_of[name] - 1](limits, io_weight_files):
            found.append(Write(controller=name, file=file, value=value))
        if controller == "io":
            found += _of_devices(limits, name, version_of[name])
    return tuple(found)


def unkept(limits: Limits, version_of: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """The fields that a controller is wanted for which the host lacks, a tuple a controller."""
    return tuple(
        tuple(field for field in fields if getattr(limits, field) is not None)
        for controller, fields, _ in _TABLE
        if any(getattr(limits, field) is not None for field in fields)
        and _bound(controller, version_of) is None
        and not (controller == "memory" and _unlimited(limits, fields))
    )


def _unlimited(limits: Limits, fields: tuple[str, ...]) -> bool:
    """Whether every size is "no limit": that holds without a controller, too."""
    return all((getattr(limits, field) or UNLIMITED_KIB) >= UNLIMITED_KIB for field in fields)


def _names(limits: Limits, fields: tuple[str, ...]) -> list[str]:
    return [ELEMENT[field] for field in fields if getattr(limits, field) is not None]


def _bound(controller: str, version_of: Mapping[str, int]) -> str | None:
    """The name the controller is bound under: v1 calls v2's io blkio."""
    for name in (controller, "blkio" if controller == "io" else controller):
        if name in version_of:
            return name
    return None


def bytes_of(kib: int) -> str:
    """A size for a file of cgroup v2; v1 takes -1 instead of ``max``."""
    return "max" if kib >= UNLIMITED_KIB else str(kib * 1024)


def _v1_bytes(kib: int) -> str:
    return "-1" if kib >= UNLIMITED_KIB else str(kib * 1024)


Rows = Callable[[Limits, tuple[str, ...]], list[tuple[str, str]]]


def _memory_v1(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    if limits.memory is not None:
        rows.append(("memory.limit_in_bytes", _v1_bytes(limits.memory)))
    if limits.memory_soft is not None:
        rows.append(("memory.soft_limit_in_bytes", _v1_bytes(limits.memory_soft)))
    if limits.swap is not None:
        # The kernel refuses a total below the memory's share: it comes behind it.
        rows.append(("memory.memsw.limit_in_bytes", _v1_bytes(limits.swap)))
    if limits.memory_low is not None or limits.memory_min is not None:
        raise VirtlxcError(
            "protected memory needs the memory controller on cgroup v2",
            Code.CONFIG_UNSUPPORTED,
            From.CGROUP,
        )
    return rows


def _memory_v2(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    for kib, file in (
        (limits.memory_min, "memory.min"),
        (limits.memory_low, "memory.low"),
        (limits.memory, "memory.max"),
        (limits.memory_soft, "memory.high"),
    ):
        if kib is not None:
            rows.append((file, bytes_of(kib)))
    if limits.swap is not None:
        rows.append(("memory.swap.max", swap_only(limits.swap, limits.memory)))
    return rows


def swap_only(total_kib: int, memory_kib: int | None) -> str:
    """v2's ``memory.swap.max``, swap alone, from libvirt's total of memory and swap."""
    if total_kib >= UNLIMITED_KIB or memory_kib is None:
        return bytes_of(total_kib)
    return bytes_of(max(total_kib - memory_kib, 0))


def _cpu_v1(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    if limits.shares is not None:
        rows.append(("cpu.shares", str(limits.shares)))
    if limits.period is not None:
        rows.append(("cpu.cfs_period_us", str(limits.period)))
    if limits.quota is not None:
        rows.append(("cpu.cfs_quota_us", str(max(limits.quota, -1))))
    return rows


def _cpu_v2(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    if limits.shares is not None:
        rows.append(("cpu.weight", str(weight_from_shares(limits.shares))))
    if limits.quota is not None or limits.period is not None:
        rows.append(("cpu.max", cpu_max(limits.quota, limits.period)))
    return rows


def cpu_max(quota_us: int | None, period_us: int | None) -> str:
    """v2's ``cpu.max``: ``QUOTA PERIOD`` in microseconds, ``max`` for no quota."""
    quota = "max" if quota_us is None or quota_us < 0 else str(quota_us)
    return f"{quota} {period_us or DEFAULT_PERIOD_US}"


def _cpuset(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    if limits.cpus is not None:
        rows.append(("cpuset.cpus", limits.cpus))
    if limits.mems is not None:
        rows.append(("cpuset.mems", limits.mems))
    return rows


def _pids(limits: Limits, _: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("pids.max", "max" if limits.pids == NO_LIMIT else str(limits.pids))]


def _io(limits: Limits, weight_files: tuple[str, ...]) -> list[tuple[str, str]]:
    if limits.io_weight is None:
        return []
    if not weight_files:
        raise VirtlxcError(
            "this kernel cannot weigh block I/O (<blkiotune><weight>; it needs the BFQ scheduler "
            "or io.cost)",
            Code.CONFIG_UNSUPPORTED,
            From.CGROUP,
        )
    return [(file, str(limits.io_weight)) for file in weight_files]


def _of_devices(limits: Limits, controller: str, version: int) -> Iterator[Write]:
    for item in limits.io_devices or ():
        for file, value in _of_device(item, version):
            numbers = "" if item.key else f"{item.device[0]}:{item.device[1]} "
            yield Write(controller=controller, file=file, value=numbers + value, key=item.key)


def unweighed(path: str, device: tuple[int, int]) -> tuple[str, str]:
    """Why a weight for this disk would have no effect, and what to do about it."""
    return (
        f"nothing shares '{path}' by weight: its scheduler is not BFQ, and io.cost is off",
        f"echo bfq > /sys/dev/block/{device[0]}:{device[1]}/queue/scheduler",
    )


def _device_weight_file(weigher: str, version: int) -> str:
    if version == 1:
        return "blkio.bfq.weight_device"
    return "io.weight" if weigher == "iocost" else "io.bfq.weight"


def _of_device(item: IoDevice, version: int) -> Iterator[tuple[str, str]]:
    if item.weight is not None:
        yield _device_weight_file(item.weigher, version), str(item.weight or "default")
    given = [
        (name, file, getattr(item, field))
        for field, name, file in THROTTLES
        if getattr(item, field) is not None
    ]
    if version == 2 and given:
        yield "io.max", " ".join(f"{name}={value or 'max'}" for name, _, value in given)
    elif version == 1:
        yield from ((file, str(value)) for _, file, value in given)


# controller, the fields of Limits that need it, and what is written on v1 and on v2.
_TABLE: tuple[tuple[str, tuple[str, ...], tuple[Rows, Rows]], ...] = (
    (
        "memory",
        ("memory", "memory_soft", "memory_low", "memory_min", "swap"),
        (_memory_v1, _memory_v2),
    ),
    ("cpu", ("shares", "period", "quota"), (_cpu_v1, _cpu_v2)),
    ("cpuset", ("cpus", "mems"), (_cpuset, _cpuset)),
    ("pids", ("pids",), (_pids, _pids)),
    ("io", ("io_weight", "io_devices"), (_io, _io)),
)

# The elements behind the fields, for messages.
ELEMENT: Mapping[str, str] = {
    "memory": "<memory>",
    "memory_soft": "<memtune><soft_limit>",
    "memory_low": "<virtlxc:memory low>",
    "memory_min": "<virtlxc:memory min>",
    "swap": "<memtune><swap_hard_limit>",
    "shares": "<cputune><shares>",
    "period": "<cputune><period>",
    "quota": "<cputune><quota>",
    "cpus": "<vcpu cpuset>",
    "mems": "<numatune><memory nodeset>",
    "pids": "<virtlxc:pids limit>",
    "io_weight": "<blkiotune><weight>",
    "io_devices": "<blkiotune><device> or <disk><iotune>",
}


def live_order(
    wanted: tuple[Write, ...], current: Callable[[Write], int | None]
) -> tuple[Write, ...]:
    """The order in which a running group accepts new values.

    On v1 memory must never exceed memory and swap: to raise both, the total goes first; to lower
    both, memory does. ``current`` reads a limit in bytes, None for unlimited.
    """
    total = next((row for row in wanted if row.file == "memory.memsw.limit_in_bytes"), None)
    if total is None:
        return wanted
    now = current(total)
    new = None if total.value == "-1" else int(total.value)
    raised = now is not None and (new is None or new > now)
    rest = tuple(row for row in wanted if row is not total)
    return (total, *rest) if raised else (*rest, total)
