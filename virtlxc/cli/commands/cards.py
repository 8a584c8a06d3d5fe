"""Interfaces that come and go, their links, and their traffic."""

from __future__ import annotations

from virtlxc.cli.devices import WHERE, WHERE_EXCLUDES, attach, devices, flags_of
from virtlxc.cli.domains import CONFIG, DOMAIN, EXCLUDES, LIVE, OF
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, alias, flag, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import STRING_OKAY, UINT, shown, values
from virtlxc.markup import tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from xml.etree.ElementTree import Element

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Ref, Session
    from virtlxc.markup import Lines

UINT_MAX = 0xFFFFFFFF
RATE_FIELDS = ("average", "peak", "burst", "floor")
# What virsh can make a <source> for; other types it knows, and refuses like those it does not.
SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev"}
# Elements that an option of the same name fills, and the attribute it fills.
NAMED = (
    ("target", "dev"), ("mac", "address"), ("script", "path"), ("model", "type"),
    ("alias", "name"),
)  # fmt: skip
MODES = ("server", "client")


def rate(written: str) -> dict[str, int]:
    """``average,peak,burst,floor``; 0 for what is not given."""
    parts = written.split(",")
    if len(parts) > len(RATE_FIELDS):
        raise Failed(f"Rate string '{written}' has too many fields")
    found = dict.fromkeys(RATE_FIELDS, 0)
    for name, part in zip(RATE_FIELDS, parts, strict=False):
        if part:
            if not (part.isdecimal() and part.isascii()):
                raise Failed(f"field '{name}' is malformed")
            found[name] = int(part)
    return found


def _attach(session: Session, args: Args) -> None:
    kind, mode = args["type"], args.get("source-mode")
    known = (*SOURCES, "hostdev", "vhostuser", "user", "ethernet", "server", "client", "mcast",
             "udp", "vdpa", "internal", "null", "vds")  # fmt: skip
    if kind not in known:
        raise Failed(f"No support for {kind} in command 'attach-interface'")
    if mode is not None and mode not in MODES:
        raise Failed(f"Invalid source mode: {mode}")
    inbound, outbound = args.get("inbound"), args.get("outbound")
    limits: Lines = []
    if inbound is not None:
        limits += _limit("inbound", inbound, "either inbound average or floor is mandatory")
    if outbound is not None:
        found = rate(outbound)
        limit = _limit("outbound", outbound, "outbound average is mandatory")
        if not found["average"]:
            raise Failed("outbound average is mandatory")
        if found["floor"]:
            raise Failed("outbound floor is unsupported yet")
        limits += limit
    if kind not in SOURCES:
        raise Failed(f"No support for {kind} in command 'attach-interface'")
    inner = tag("source", **{SOURCES[kind]: args["source"]})
    for name, attribute in NAMED:
        if (value := args.get(name)) is not None:
            inner += tag(name, **{attribute: value})
    if limits:
        inner += tag("bandwidth", limits)
    managed = "yes" if "managed" in args else None
    attach(session, args, "interface", inner, type=kind, managed=managed)


def _limit(way: str, written: str, mandatory: str) -> Lines:
    found = rate(written)
    if not found["average"] and not found["floor"]:
        raise Failed(mandatory)
    return tag(way, **{name: value or None for name, value in found.items()})


def _detach(session: Session, args: Args) -> None:
    try:
        _detach_each(session, args)
    except Failed as failed:
        raise Failed(*failed.lines, "Failed to detach interface") from None
    if "print-xml" not in args:
        session.remark("Interface detached successfully\n")


def _detach_each(session: Session, args: Args) -> None:
    """As virsh: one call for the definition, and one for what runs, each by its own document."""
    ref = domain(session, args)
    persistent = "config" in args or "persistent" in args
    live = "live" in args or (
        "persistent" in args and bool(session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"])
    )
    if persistent:
        _detach_one(session, args, ref, CONFIG, inactive=True)
    if live or not persistent:
        _detach_one(session, args, ref, LIVE if live else 0, inactive=False)


def _detach_one(session: Session, args: Args, ref: Ref, flags: int, *, inactive: bool) -> None:
    from virtlxc.cli.xml import node_text

    xml = node_text(_chosen(session, args, ref, inactive=inactive))
    if "print-xml" in args:
        session.say(xml)
    elif flags or "current" in args:
        session.call("DOMAIN_DETACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=flags)
    else:
        session.call("DOMAIN_DETACH_DEVICE", dom=ref, xml=xml)


def _chosen(session: Session, args: Args, ref: Ref, *, inactive: bool) -> Element:
    from virtlxc.cli.xml import attribute

    kind, mac = args["type"], args.get("mac")
    found = [
        one for one in devices(session, ref, "interface", inactive=inactive)
        if one.get("type") == kind
    ]  # fmt: skip
    if not found:
        raise Failed(f"No interface found whose type is {kind}")
    if mac is None:
        if len(found) > 1:
            raise Failed(
                f"Domain has {len(found)} interfaces. Please specify which one to detach using"
                " --mac"
            )
        return found[0]
    same = [
        one for one in found if (attribute(one, "mac/@address") or "").lower() == mac.lower()
    ]
    if len(same) > 1:
        raise Failed(
            f"Domain has multiple interfaces matching MAC address {mac}. You must use detach-device"
            " and specify the device pci address to remove it."
        )
    if not same:
        raise Failed(f"No interface with MAC address {mac} was found")
    return same[0]


def _setlink(session: Session, args: Args) -> None:
    from xml.etree.ElementTree import SubElement

    from virtlxc.cli.xml import attribute, node_text

    ref = domain(session, args)
    wanted, state = args["interface"], args["state"]
    if state not in ("up", "down"):
        raise Failed(f"invalid link state '{state}'")
    inactive = "config" in args
    flags = CONFIG if inactive else LIVE
    if not session.call("DOMAIN_IS_ACTIVE", dom=ref)["active"]:
        flags = CONFIG
    found = devices(session, ref, "interface", inactive=inactive)
    if not found:
        raise Failed("Failed to extract interface information or no interfaces found")
    for one in found:
        names = (attribute(one, "mac/@address"), attribute(one, "target/@dev"))
        if wanted.lower() in [name.lower() for name in names if name]:
            break
    else:
        raise Failed(f"interface '{wanted}' not found")
    link = one.find("link")
    if link is None:
        link = SubElement(one, "link")
    link.set("state", state)
    xml = node_text(one)
    if "print-xml" in args:
        session.say(xml)
        return
    session.call(
        "DOMAIN_UPDATE_DEVICE_FLAGS",
        failed="Failed to update interface link state",
        dom=ref,
        xml=xml,
        flags=flags,
    )
    session.remark("Device updated successfully\n")


def _tune(session: Session, args: Args) -> dict[str, Any]:
    flags = flags_of(args)
    ref = domain(session, args)
    params: list[Param] = []
    for way in ("inbound", "outbound"):
        written = args.get(way)
        if written is not None:
            params += _rates(way, rate(written))
    device = args["interface"]
    if params:
        session.call(
            "DOMAIN_SET_INTERFACE_PARAMETERS",
            failed="Unable to set interface parameters",
            dom=ref,
            device=device,
            params=params,
            flags=flags,
        )
        return {}
    found = session.call(
        "DOMAIN_GET_INTERFACE_PARAMETERS",
        failed="Unable to get number of interface parameters",
        dom=ref,
        device=device,
        nparams=16,
        flags=flags | STRING_OKAY,
    )
    return values(found["params"])


def _rates(way: str, found: dict[str, int]) -> list[Param]:
    if any(found[name] > UINT_MAX for name in ("average", "peak", "burst")):
        raise Failed(f"{way} rate larger than maximum {UINT_MAX}")
    several = found["peak"] or found["burst"]
    if way == "inbound" and not found["average"] and several and not found["floor"]:
        raise Failed("either inbound average or floor is mandatory")
    if way == "outbound" and not found["average"] and several:
        raise Failed("outbound average is mandatory")
    if way == "outbound" and found["floor"]:
        raise Failed("outbound floor is unsupported yet")
    return [
        (f"{way}.{name}", UINT, value)
        for name, value in found.items()
        if value or name == "average"
    ]


def _show_tune(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(f"{name:<15}: {shown(value)}\n" for name, value in data.items())


INTERFACE = word("interface", "its name on the host, or its MAC address")

COMMANDS = rows(
    Command(
        "attach-interface",
        "give a domain a network interface",
        DOMAIN,
        word("type", "network, bridge or direct"),
        word("source", "the network, the bridge, or the host's interface"),
        text("target", "its name on the host"),
        text("mac", "its MAC address"),
        text("script", "as virsh; scripts are not run"),
        text("model", "as virsh; a container's card has no model"),
        text("alias", "as virsh; the daemon chooses the alias"),
        text("inbound", "what it may receive: AVERAGE,PEAK,BURST in KiB"),
        text("outbound", "what it may send: AVERAGE,PEAK,BURST in KiB"),
        *WHERE,
        flag("print-xml", "only print the XML"),
        flag("managed", "as virsh; for devices of the host"),
        text("source-mode", "as virsh; for vhostuser"),
        run=_attach,
        excludes=WHERE_EXCLUDES,
    ),
    Command(
        "detach-interface",
        "take a network interface from a domain",
        DOMAIN,
        word("type", "network, bridge, ethernet or direct"),
        text("mac", "its MAC address, when there are several"),
        *WHERE,
        flag("print-xml", "only print the XML"),
        run=_detach,
        excludes=WHERE_EXCLUDES,
    ),
    Command(
        "domif-setlink",
        "bring an interface's link up or down",
        DOMAIN,
        INTERFACE,
        word("state", "up or down"),
        alias("persistent", "config"),
        flag("config", "in the definition, not what runs"),
        flag("print-xml", "only print the XML"),
        run=_setlink,
    ),
    Command(
        "domiftune",
        "show or change how much an interface may send and receive",
        DOMAIN,
        INTERFACE,
        text("inbound", "what it may receive: AVERAGE,PEAK,BURST in KiB; 0 is no limit"),
        text("outbound", "what it may send: AVERAGE,PEAK,BURST in KiB; 0 is no limit"),
        *OF,
        read=_tune,
        show=_show_tune,
        excludes=EXCLUDES,
    ),
)
