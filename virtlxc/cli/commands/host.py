"""The host, as the daemon sees it."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows, text
from virtlxc.cli.table import fields
from virtlxc.cli.words import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# The library whose commands, options and output these are.
LIBVIRT = (9, 0, 0)
ALL = -1
STATS_MAX = 16
# The field of a processor's statistics, and its name in the output.
PROCESSOR_TIMES = (
    ("user", "user:"), ("kernel", "system:"), ("idle", "idle:"), ("iowait", "iowait:"),
    ("intr", "intr:"),
)  # fmt: skip
USAGE = "utilization"


def _capabilities(session: Session, args: Args) -> str:
    xml: str = session.call("CONNECT_GET_CAPABILITIES", failed="failed to get capabilities")[
        "capabilities"
    ]
    return xml


def _domcapabilities(session: Session, args: Args) -> str:
    xml: str = session.call(
        "CONNECT_GET_DOMAIN_CAPABILITIES",
        failed="failed to get emulator capabilities",
        virttype=args.get("virttype"),
        emulatorbin=args.get("emulatorbin"),
        arch=args.get("arch"),
        machine=args.get("machine"),
    )["capabilities"]
    return xml


def _hostname(session: Session, args: Args) -> str:
    name: str = session.call("CONNECT_GET_HOSTNAME", failed="failed to get hostname")["hostname"]
    return name


def _nodeinfo(session: Session, args: Args) -> dict[str, Any]:
    return session.call("NODE_GET_INFO", failed="failed to get node information")


def _show_nodeinfo(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [("CPU model:", data["model"]), ("CPU(s):", data["cpus"])]
    if data["mhz"]:
        pairs.append(("CPU frequency:", f"{data['mhz']} MHz"))
    pairs += [
        ("CPU socket(s):", data["sockets"]),
        ("Core(s) per socket:", data["cores"]),
        ("Thread(s) per core:", data["threads"]),
        ("NUMA cell(s):", data["nodes"]),
        ("Memory size:", f"{data['memory']} KiB"),
    ]
    return fields(pairs, 20)


def _uri(session: Session, args: Args) -> str:
    host = args.get("ssh")
    if host is not None:
        # virt-ssh-helper, the other proxy, does not know the parameter socket.
        return f"lxc+ssh://{host}/system?proxy=netcat&socket={session.paths.socket}"
    return session.uri or session.paths.uri()


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _version(session: Session, args: Args) -> dict[str, Any]:
    from virtlxc import __version__

    data = {
        "virtlxc": __version__,
        "libvirt": ".".join(map(str, LIBVIRT)),
        "type": session.call("CONNECT_GET_TYPE", failed="failed to get hypervisor type")["type"],
        "hypervisor": _dotted(
            session.call("CONNECT_GET_VERSION", failed="failed to get the hypervisor version")[
                "hv_ver"
            ]
        ),
    }
    if "daemon" in args:
        data["daemon"] = _dotted(
            session.call("CONNECT_GET_LIB_VERSION", failed="failed to get the daemon version")[
                "lib_ver"
            ]
        )
    return data


def _show_version(data: dict[str, Any], args: Args, quiet: bool) -> str:
    lines = [
        f"Compiled against library: libvirt {data['libvirt']}",
        f"Using library: virtlxc {data['virtlxc']}",
        f"Using API: {data['type']} {data['libvirt']}",
        f"Running hypervisor: {data['type']} {data['hypervisor']}",
    ]
    if "daemon" in data:
        lines.append(f"Running against daemon: {data['daemon']}")
    return "".join(f"{line}\n" for line in lines)


def _maxvcpus(session: Session, args: Args) -> int:
    from virtlxc.cli.xml import attribute, parse

    kind = args.get("type")
    found = session.supported("CONNECT_GET_DOMAIN_CAPABILITIES", virttype=kind)
    most = attribute(parse(found["capabilities"]), "vcpu/@max") if found else None
    if most is not None:
        return int(most)
    number: int = session.call("CONNECT_GET_MAX_VCPUS", type=kind)["max_vcpus"]
    return number


def _nodecpumap(session: Session, args: Args) -> dict[str, Any]:
    found = session.call(
        "NODE_GET_CPU_MAP", failed="Unable to get cpu map", need_map=1, need_online=1
    )
    bits = found["cpumap"]
    online = [cpu for cpu in range(found["ret"]) if bits[cpu // 8] >> cpu % 8 & 1]
    return {"present": found["ret"], "online": found["online"], "cpus": online}


def _show_nodecpumap(data: dict[str, Any], args: Args, quiet: bool) -> str:
    if "pretty" in args:
        shown = ranges(data["cpus"])
    else:
        shown = "".join("y" if cpu in data["cpus"] else "-" for cpu in range(data["present"]))
    return fields(
        [("CPUs present:", data["present"]), ("CPUs online:", data["online"]), ("CPU map:", shown)]
    )


def _nodecpustats(session: Session, args: Args) -> dict[str, int]:
    given = args.integer("cpu")
    cpu = ALL if given is None else given
    times = _processor_times(session, cpu)
    if "percent" in args and USAGE not in times:
        from time import sleep

        sleep(1)
        later = _processor_times(session, cpu)
        times = {name: later[name] - value for name, value in times.items()}
    return times


def _processor_times(session: Session, cpu: int) -> dict[str, int]:
    found = session.call(
        "NODE_GET_CPU_STATS",
        failed="Unable to get number of cpu stats",
        cpuNum=cpu,
        nparams=STATS_MAX,
    )
    return dict(found["params"])


def _show_nodecpustats(data: dict[str, int], args: Args, quiet: bool) -> str:
    if not data:
        return ""
    known = [(title, data[name]) for name, title in PROCESSOR_TIMES if name in data]
    if "percent" not in args:
        return "".join(f"{title:<15} {value:>20}\n" for title, value in known)
    if USAGE in data:
        return _percents([("usage:", data[USAGE]), ("idle:", 100 - data[USAGE])])
    total = sum(value for _title, value in known) or 1
    used = data.get("user", 0) + data.get("kernel", 0)
    return _percents([(title, value / total * 100) for title, value in [("usage:", used), *known]])


def _percents(pairs: list[tuple[str, float]]) -> str:
    return "".join(f"{title:<15} {value:5.1f}%\n" for title, value in pairs)


def _nodememstats(session: Session, args: Args) -> dict[str, int]:
    given = args.integer("cell")
    found = session.call(
        "NODE_GET_MEMORY_STATS",
        failed="Unable to get number of memory stats",
        cellNum=ALL if given is None else given,
        nparams=STATS_MAX,
    )
    return dict(found["params"])


def _show_nodememstats(data: dict[str, int], args: Args, quiet: bool) -> str:
    return "".join(f"{name:<7}: {value:>20} KiB\n" for name, value in data.items())


def _freecell(session: Session, args: Args) -> dict[str, Any]:
    """Free memory in bytes: of all cells, of one, or of each."""
    if "all" in args:
        xml = session.call(
            "CONNECT_GET_CAPABILITIES", failed="unable to get node capabilities"
        )["capabilities"]
        from virtlxc.cli.xml import parse

        cells = parse(xml).iterfind("host/topology/cells/cell")
        numbers = [int(cell.get("id", "0")) for cell in cells]
        free = {cell: _cell(session, cell) for cell in numbers}
        return {"cells": free, "total": sum(free.values())}
    cell = args.integer("cellno")
    if cell is not None:
        return {"cells": {cell: _cell(session, cell)}, "total": None}
    return {"cells": {}, "total": session.call("NODE_GET_FREE_MEMORY")["freeMem"]}


def _cell(session: Session, cell: int) -> int:
    found = session.call("NODE_GET_CELLS_FREE_MEMORY", startCell=cell, maxcells=1)["cells"]
    if not found:
        raise Failed(f"failed to get free memory for NUMA node number: {cell}")
    free: int = found[0]
    return free


def _show_freecell(data: dict[str, Any], args: Args, quiet: bool) -> str:
    total = data["total"]
    if "all" in args:
        text = "".join(
            f"{cell:>5}: {free // 1024:>10} KiB\n" for cell, free in data["cells"].items()
        )
        return text if quiet else f"{text}{'-' * 20}\n{'Total':>5}: {total // 1024:>10} KiB\n"
    if total is None:
        return "".join(f"{cell}: {free // 1024} KiB\n" for cell, free in data["cells"].items())
    return f"Total: {total // 1024} KiB\n"


def _sysinfo(session: Session, args: Args) -> str:
    xml: str = session.call("CONNECT_GET_SYSINFO", failed="failed to get sysinfo")["sysinfo"]
    return xml


COMMANDS = rows(
    Command(
        "capabilities",
        "what host and daemon can, as XML",
        read=_capabilities,
        show=shown.line,
    ),
    Command(
        "domcapabilities",
        "what domains can have, as XML",
        text("virttype", "the type: lxc"),
        text("emulatorbin", "the path of the emulator"),
        text("arch", "the architecture"),
        text("machine", "the machine"),
        read=_domcapabilities,
        show=shown.line,
    ),
    Command(
        "freecell",
        "free memory, by NUMA cell",
        number("cellno", "of this cell"),
        flag("all", "of each cell"),
        read=_freecell,
        show=_show_freecell,
        excludes=(("all", "cellno"),),
    ),
    Command("hostname", "the host's name", read=_hostname, show=shown.line),
    Command(
        "maxvcpus",
        "the most processors a domain can have",
        text("type", "the type of domain: lxc"),
        read=_maxvcpus,
        show=shown.line,
    ),
    Command(
        "nodecpumap",
        "which processors are online",
        flag("pretty", "as ranges"),
        read=_nodecpumap,
        show=_show_nodecpumap,
    ),
    Command(
        "nodecpustats",
        "what the processors spent their time on",
        number("cpu", "of this one"),
        flag("percent", "of the last second, in per cent"),
        read=_nodecpustats,
        show=_show_nodecpustats,
    ),
    Command("nodeinfo", "processors and memory", read=_nodeinfo, show=_show_nodeinfo),
    Command(
        "nodememstats",
        "what the memory is used for",
        number("cell", "of this NUMA cell"),
        read=_nodememstats,
        show=_show_nodememstats,
    ),
    Command("sysinfo", "the firmware's tables, as XML", read=_sysinfo, show=shown.as_it_is),
    Command(
        "uri",
        "what libvirt's clients need to connect here",
        text("ssh", "from elsewhere, to HOST", named=True),
        read=_uri,
        show=shown.line,
        connects=False,
    ),
    Command(
        "version",
        "versions of all that takes part",
        flag("daemon", "of the daemon too"),
        read=_version,
        show=_show_version,
    ),
)
