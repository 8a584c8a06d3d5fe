"""Calls whose arguments or results have another shape in libvirt's library than on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.libvirt.values import bits, params, reference

# By virDomainMemoryStatTags.
_MEMORY_STATS = (
    "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "actual", "rss",
    "usable", "last_update", "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail",
)  # fmt: skip
_KIB = 1024
_ALL = -1
_STRING_OKAY = 4

Function = Callable[..., Any]
SPECIAL: dict[str, Function] = {}
OWN: dict[str, Function] = {}


def _stands_for(name: str, table: dict[str, Function] = SPECIAL) -> Callable[[Function], Function]:
    """``function(conn, fields, thing)``; ``thing`` gives the object that a field refers to."""

    def register(function: Function) -> Function:
        table[name] = function
        return function

    return register


Fields = dict[str, Any]
Thing = Callable[[str], Any]


@_stands_for("NODE_GET_INFO")
def _node_info(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    model, mebibytes, *others = conn.getInfo()
    try:
        memory = conn.getMemoryStats(_ALL)["total"]  # to the KiB
    except Exception:  # a driver that has none, as the test driver
        memory = mebibytes * _KIB
    return (model, memory, *others)


@_stands_for("NODE_GET_CPU_MAP")
def _cpu_map(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    count, on, online = conn.getCPUMap(fields["flags"])
    return (bits(on), online, count)


@_stands_for("NODE_GET_CPU_STATS")
def _cpu_stats(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = conn.getCPUStats(fields["cpuNum"], fields["flags"])
    # The library has short names for what the wire calls otherwise in one case only.
    listed = [("intr" if name == "interrupt" else name, value) for name, value in found.items()]
    return (listed, len(listed))


@_stands_for("NODE_GET_MEMORY_STATS")
def _node_memory_stats(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = conn.getMemoryStats(fields["cellNum"], fields["flags"])
    return (list(found.items()), len(found))


@_stands_for("NODE_GET_FREE_PAGES")
def _free_pages(conn: Any, fields: Fields, thing: Thing) -> list[int]:
    sizes = fields["pages"]
    found = conn.getFreePages(sizes, fields["startCell"], fields["cellCount"], fields["flags"])
    return [cell[size] for cell in found.values() for size in sizes]


@_stands_for("NODE_ALLOC_PAGES")
def _alloc_pages(conn: Any, fields: Fields, thing: Thing) -> int:
    wanted = dict(zip(fields["pageSizes"], fields["pageCounts"], strict=True))
    changed: int = conn.allocPages(
        wanted, fields["startCell"], fields["cellCount"], fields["flags"]
    )
    return changed


@_stands_for("CONNECT_LIST_ALL_NWFILTER_BINDINGS")
def _bindings(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = conn.listAllNWFilterBindings(fields["flags"])
    rows = [(one.portDev(), one.filterName()) for one in found]
    return (rows, len(rows))


@_stands_for("DOMAIN_GET_DISK_ERRORS")
def _disk_errors(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = thing("dom").diskErrors(fields["flags"])
    return (list(found.items()), len(found))


@_stands_for("CONNECT_GET_ALL_DOMAIN_STATS")
def _all_domain_stats(conn: Any, fields: Fields, thing: Thing) -> list[Any]:
    if fields["doms"]:
        some = [conn.lookupByUUID(ref[1]) for ref in fields["doms"]]
        found = conn.domainListGetStats(some, fields["stats"], fields["flags"])
    else:
        found = conn.getAllDomainStats(fields["stats"], fields["flags"])
    return [(reference(dom), params(stats)) for dom, stats in found]


@_stands_for("DOMAIN_MEMORY_STATS")
def _memory_stats(conn: Any, fields: Fields, thing: Thing) -> list[tuple[int, int]]:
    found = thing("dom").memoryStats()
    return [(_MEMORY_STATS.index(name), one) for name, one in found.items()]


@_stands_for("DOMAIN_INTERFACE_ADDRESSES")
def _interface_addresses(conn: Any, fields: Fields, thing: Thing) -> list[Any]:
    found = thing("dom").interfaceAddresses(fields["source"], fields["flags"])
    return [
        (
            name,
            one.get("hwaddr"),
            [(each["type"], each["addr"], each["prefix"]) for each in one.get("addrs") or ()],
        )
        for name, one in found.items()
    ]


@_stands_for("DOMAIN_GET_VCPUS")
def _vcpus(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    info, maps = thing("dom").vcpus()
    return ([tuple(one) for one in info], b"".join(bits(one) for one in maps))


@_stands_for("DOMAIN_GET_VCPU_PIN_INFO")
def _vcpu_pin_info(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    maps = thing("dom").vcpuPinInfo(fields["flags"])
    return (b"".join(bits(one) for one in maps), len(maps))


@_stands_for("DOMAIN_GET_FSINFO")
def _fsinfo(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = thing("dom").fsInfo(fields["flags"])
    rows = [(point, name, kind, list(aliases or ())) for point, name, kind, aliases in found]
    return (rows, len(rows))


@_stands_for("DOMAIN_GET_TIME")
def _time(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = thing("dom").getTime(fields["flags"])
    return (found["seconds"], found["nseconds"])


@_stands_for("DOMAIN_SET_TIME")
def _set_time(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    moment = {"seconds": fields["seconds"], "nseconds": fields["nseconds"]}
    thing("dom").setTime(moment, fields["flags"])
    return ()


@_stands_for("DOMAIN_GET_JOB_STATS")
def _job_stats(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    found = dict(thing("dom").jobStats(fields["flags"]))
    return (found.pop("type", 0), params(found))


@_stands_for("DOMAIN_GET_EMULATOR_PIN_INFO")
def _emulator_pin_info(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    return (bits(thing("dom").emulatorPinInfo(fields["flags"])), 1)


@_stands_for("DOMAIN_GET_CPU_STATS")
def _domain_cpu_stats(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    """In three steps, as the wire has it: how many, how much of each, and all."""
    total = fields["start_cpu"] == _ALL
    found = thing("dom").getCPUStats(total, 0)
    each = len(found[0]) if found else 0
    if not fields["nparams"]:
        return ([], each if fields["ncpus"] else len(found))
    begin = 0 if total else fields["start_cpu"]
    some = found[begin : begin + fields["ncpus"]]
    return ([param for one in some for param in params(one)], each)


@_stands_for("NETWORK_GET_DHCP_LEASES")
def _leases(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    names = ("iface", "expirytime", "type", "mac", "iaid", "ipaddr", "prefix", "hostname",
             "clientid")  # fmt: skip
    found = thing("net").DHCPLeases(fields["mac"], fields["flags"])
    return ([tuple(one.get(name) for name in names) for one in found], len(found))


@_stands_for("DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS")
def _scheduler(conn: Any, fields: Fields, thing: Thing) -> list[Any]:
    # The library adds a flag that some drivers do not know, when it may not.
    affects = fields["flags"] & ~_STRING_OKAY
    dom = thing("dom")
    return params(dom.schedulerParametersFlags(affects) if affects else dom.schedulerParameters())


# Our own program's calls that a libvirt can stand in for.


@_stands_for("DEFINE", OWN)
def _define(conn: Any, fields: Fields, thing: Thing) -> tuple[Any, ...]:
    return (reference(conn.defineXMLFlags(fields["xml"], fields["flags"])), [])


@_stands_for("NETWORK_START", OWN)
def _network_start(conn: Any, fields: Fields, thing: Thing) -> list[str]:
    thing("net").create()
    return []


@_stands_for("SHUTDOWN", OWN)
def _shutdown(conn: Any, fields: Fields, thing: Thing) -> str:
    thing("dom").shutdownFlags(fields["flags"])
    return "libvirt asked it"


@_stands_for("REBOOT", OWN)
def _reboot(conn: Any, fields: Fields, thing: Thing) -> str:
    thing("dom").reboot(fields["flags"])
    return "libvirt asked it"


def not_there(name: str) -> VirtlxcError:
    """For what neither the library nor a table of ours has."""
    return VirtlxcError(
        f"this function is not supported by the connection driver: {name} (it is virtlxc's own, "
        "and this connection is one of libvirt's)",
        Code.NO_SUPPORT,
        From.REMOTE,
    )
