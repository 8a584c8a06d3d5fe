"""Disks that come and go, and what is known of them."""

from __future__ import annotations

from virtlxc.cli.devices import WHERE, WHERE_EXCLUDES, attach, change, devices, flags_of
from virtlxc.cli.domains import ACTIVE, CONFIG, DOMAIN
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, alias, flag, number, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import STRING_OKAY, shown, values
from virtlxc.cli.units import KIB, pretty, scaled
from virtlxc.markup import maybe, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Ref, Session
    from virtlxc.markup import Lines

RESIZE_BYTES = 1
# The attribute that names a source of each type.
SOURCES = {"file": "file", "block": "dev", "network": "name"}
# Attributes of <driver>, and their options.
DRIVER = (
    ("name", "driver"), ("type", "subdriver"), ("iothread", "iothread"), ("cache", "cache"),
    ("io", "io"),
)  # fmt: skip
SIZES = ("capacity", "allocation", "physical")
# Parameters in virsh's order: its short name, "" where it has none, and what it is for people.
TRAFFIC = (
    ("rd_operations", "rd_req", "number of read operations:"),
    ("rd_bytes", "rd_bytes", "number of bytes read:"),
    ("wr_operations", "wr_req", "number of write operations:"),
    ("wr_bytes", "wr_bytes", "number of bytes written:"),
    ("errs", "errs", "error count:"),
)


def _attach(session: Session, args: Args) -> None:
    kind = _source_type(args)
    mode = args.get("mode")
    if (kind == "network") != ("source-protocol" in args):
        raise Failed("--source-protocol option requires --sourcetype network")
    if mode not in (None, "readonly", "shareable"):
        raise Failed(f"No support for {mode} in command 'attach-disk'")
    inner: Lines = []
    driver = {name: args.get(option) for name, option in DRIVER}
    if any(value is not None for value in driver.values()):
        inner += tag("driver", **driver)
    inner += _source(kind, args)
    inner += tag("target", dev=args["target"], bus=args.get("targetbus"))
    if mode:
        inner += tag(mode)
    inner += maybe("serial", args.get("serial"))
    if (name := args.get("alias")) is not None:
        inner += tag("alias", name=name)
    inner += maybe("wwn", args.get("wwn"))
    rawio = "yes" if "rawio" in args else None
    attach(session, args, "disk", inner, type=kind, device=args.get("type"), rawio=rawio)


def _source_type(args: Args) -> str:
    given = args.get("sourcetype")
    if given is not None:
        if given not in SOURCES:
            raise Failed(f"Unknown source type: '{given}'")
        return given
    if "source-protocol" in args:
        return "network"
    if args.get("driver") not in ("file", "tap") and _is_block(args["source"]):
        return "block"
    return "file"


def _is_block(path: str) -> bool:
    import os
    import stat

    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def _source(kind: str, args: Args) -> Lines:
    source = args["source"] or None
    if kind != "network":
        return tag("source", **{SOURCES[kind]: source}) if source else []
    host, _, port = (args.get("source-host-name") or "").partition(":")
    at = {
        "transport": args.get("source-host-transport"),
        "socket": args.get("source-host-socket"),
        "name": host or None,
        "port": port or None,
    }
    inner = tag("host", **at) if any(value is not None for value in at.values()) else None
    return tag("source", inner, protocol=args.get("source-protocol"), name=source)


def _detach(session: Session, args: Args) -> None:
    from virtlxc.cli.xml import attribute, node_text

    ref = domain(session, args)
    wanted = args["target"]
    inactive = flags_of(args) == CONFIG
    disks = devices(session, ref, "disk", inactive=inactive)
    if not disks:
        raise Failed("Failed to get disk information")
    paths = ("target/@dev", "source/@file", "source/@dev", "source/@dir", "source/@name")
    found = [one for one in disks if wanted in [attribute(one, path) for path in paths]]
    if not found:
        raise Failed(f"No disk found whose source path or target is {wanted}")
    xml = node_text(found[0])
    if "print-xml" in args:
        session.say(xml)
        return
    change(session, args, "DETACH", xml, "Failed to detach disk", ref)
    session.remark("Disk detached successfully\n")


def _resize(session: Session, args: Args) -> None:
    path = args["path"]
    size = scaled(args, "size", KIB)
    assert size is not None
    # As virsh: in KiB where that is exact.
    flags = RESIZE_BYTES if size % KIB else 0
    ref = domain(session, args)
    session.call(
        "DOMAIN_BLOCK_RESIZE",
        failed=f"Failed to resize block device '{path}'",
        dom=ref,
        disk=path,
        size=size if flags else size // KIB,
        flags=flags,
    )
    session.remark(f"Block device '{path}' is resized")


def _info(session: Session, args: Args) -> dict[str, Any]:
    from virtlxc.cli.xml import attribute

    ref = domain(session, args)
    if "all" not in args:
        device = args.get("device")
        if device is None:
            raise Failed("command 'domblkinfo' requires <device> option")
        return _block_info(session, ref, device)
    found: dict[str, Any] = {}
    for one in devices(session, ref, "disk", inactive=False):
        target = attribute(one, "target/@dev") or ""
        known = one.find("source") is not None
        found[target] = _block_info(session, ref, target) if known else dict.fromkeys(SIZES, 0)
    return {"disks": found}


def _block_info(session: Session, ref: Ref, device: str) -> dict[str, int]:
    found = session.call("DOMAIN_GET_BLOCK_INFO", dom=ref, path=device)
    return {name: found[name] for name in SIZES}


def _sizes(found: dict[str, int], human: bool) -> list[str]:
    if not any(found.values()):
        return ["-"] * len(SIZES)
    return [pretty(found[name], 3) if human else str(found[name]) for name in SIZES]


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    human = "human" in args
    if "all" in args:
        from virtlxc.cli.table import table

        cells = [[target, *_sizes(found, human)] for target, found in data["disks"].items()]
        return table(("Target", "Capacity", "Allocation", "Physical"), cells, quiet=quiet)
    names = ("Capacity:", "Allocation:", "Physical:")
    pairs = zip(names, _sizes(data, human), strict=True)
    return "".join(f"{name:<15} {size}\n" for name, size in pairs)


def _stat(session: Session, args: Args) -> dict[str, Any]:
    ref = domain(session, args)
    device = args.get("device") or ""
    found = session.call(
        "DOMAIN_BLOCK_STATS_FLAGS", dom=ref, path=device, nparams=16, flags=STRING_OKAY
    )
    return values(found["params"])


def _show_stat(data: dict[str, Any], args: Args, quiet: bool) -> str:
    device = args.get("device") or ""
    if "human" in args:
        lines = [f"Device: {device}\n"]
        lines += [
            f" {told:<31} {shown(data[name])}\n" for name, _, told in TRAFFIC if name in data
        ]
        return "".join(lines)
    known = [(short, data[name]) for name, short, _ in TRAFFIC if name in data]
    others = [pair for pair in data.items() if pair[0] not in [row[0] for row in TRAFFIC]]
    return "".join(f"{device} {name} {shown(value)}\n" for name, value in (*known, *others))


COMMANDS = rows(
    Command(
        "attach-disk",
        "give a domain a disk",
        DOMAIN,
        word("source", "the host's block device, or an image file", empty_ok=True),
        word("target", "its name below /dev, such as vda"),
        text("targetbus", "as virsh; a container sees a device node"),
        text("driver", "loop, for an image"),
        text("subdriver", "the image's format, such as raw"),
        text("iothread", "as virsh; for virtual machines"),
        text("cache", "as virsh; for nbd"),
        text("io", "as virsh; for virtual machines"),
        text("type", "disk, or as virsh"),
        alias("shareable", "mode=shareable"),
        text("mode", "readonly, or shareable"),
        text("sourcetype", "block or file, when it is not to be looked at"),
        text("serial", "as virsh; for virtual machines"),
        text("wwn", "as virsh; for virtual machines"),
        text("alias", "as virsh; the daemon chooses the alias"),
        flag("rawio", "as virsh; for virtual machines"),
        text("address", "as virsh; for virtual machines"),
        flag("multifunction", "as virsh; for virtual machines"),
        flag("print-xml", "only print the XML"),
        text("source-protocol", "as virsh; for disks on a network"),
        text("source-host-name", "as virsh; for disks on a network"),
        text("source-host-transport", "as virsh; for disks on a network"),
        text("source-host-socket", "as virsh; for disks on a network"),
        *WHERE,
        run=_attach,
        excludes=(*WHERE_EXCLUDES, ("source-host-name", "source-host-socket")),
        needs=(
            ("source-host-name", "source-protocol"),
            ("source-host-transport", "source-protocol"),
            ("source-host-socket", "source-protocol"),
            ("source-host-socket", "source-host-transport"),
        ),
    ),
    Command(
        "blockresize",
        "make a disk's image larger or smaller while the domain runs",
        DOMAIN,
        word("path", "the disk's name below /dev, or its image"),
        number("size", "the size, in KiB if there is no unit", required=True),
        run=_resize,
    ),
    Command(
        "detach-disk",
        "take a disk from a domain",
        DOMAIN,
        word("target", "its name below /dev, or its source"),
        *WHERE,
        flag("print-xml", "only print the XML"),
        run=_detach,
        excludes=WHERE_EXCLUDES,
    ),
    Command(
        "domblkinfo",
        "the sizes of a domain's disks",
        DOMAIN,
        text("device", "its name below /dev, or its source"),
        flag("human", "with units"),
        flag("all", "of every disk"),
        read=_info,
        show=_show_info,
        excludes=(("all", "device"),),
    ),
    Command(
        "domblkstat",
        "what a domain read from its disks, and wrote",
        ACTIVE,
        text("device", "its name below /dev; all of them if it is not given", empty_ok=True),
        flag("human", "in words"),
        read=_stat,
        show=_show_stat,
    ),
)
