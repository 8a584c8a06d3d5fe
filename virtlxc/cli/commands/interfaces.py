"""A domain's network interfaces."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE, DOMAIN, INACTIVE_XML
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, alias, flag, rows, text, word
from virtlxc.cli.lookup import domain
from virtlxc.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from xml.etree.ElementTree import Element

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# Where addresses are known from: libvirt's virDomainInterfaceAddressesSource.
SOURCES = {"lease": 0, "agent": 1, "arp": 2}
PROTOCOLS = {0: "ipv4", 1: "ipv6"}
COUNTERS = tuple(
    f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop")
)


def _interfaces(session: Session, args: Args, flags: int) -> list[Element]:
    from virtlxc.cli.xml import parse

    xml = session.call("DOMAIN_GET_XML_DESC", dom=domain(session, args), flags=flags)["xml"]
    return parse(xml).findall("devices/interface")


def _domiflist(session: Session, args: Args) -> list[dict[str, Any]]:
    from virtlxc.cli.xml import attribute, first

    sources = [f"source/@{name}" for name in ("bridge", "dev", "network", "name", "path")]
    return [
        {
            "interface": attribute(one, "target/@dev"),
            "type": one.get("type"),
            "source": first(one, *sources),
            "model": attribute(one, "model/@type"),
            "mac": attribute(one, "mac/@address"),
        }
        for one in _interfaces(session, args, INACTIVE_XML if "inactive" in args else 0)
    ]


def _show_domiflist(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    header = ("Interface", "Type", "Source", "Model", "MAC")
    cells = [[one[name.lower()] or "-" for name in header] for one in found]
    return table(header, cells, quiet=quiet)


def _domifstat(session: Session, args: Args) -> dict[str, int]:
    ref = domain(session, args)
    device = args["interface"]
    found = session.call(
        "DOMAIN_INTERFACE_STATS",
        failed=f"Failed to get interface stats {args['domain']} {device}",
        dom=ref,
        device=device,
    )
    return {name: found[name] for name in COUNTERS if found[name] >= 0}


def _show_domifstat(data: dict[str, int], args: Args, quiet: bool) -> str:
    device = args["interface"]
    return "".join(f"{device} {name} {value}\n" for name, value in data.items())


def _domifaddr(session: Session, args: Args) -> list[dict[str, Any]]:
    wanted, source = args.get("interface"), args.get("source")
    if source is not None and source not in SOURCES:
        raise Failed(f"Unknown data source '{source}'")
    ref = domain(session, args)
    found = session.call(
        "DOMAIN_INTERFACE_ADDRESSES",
        failed="Failed to query for interfaces addresses",
        dom=ref,
        source=SOURCES[source or "lease"],
    )["ifaces"]
    return [
        {
            "interface": name,
            "mac": mac,
            "addresses": [
                {"protocol": PROTOCOLS.get(kind), "address": address, "prefix": prefix}
                for kind, address, prefix in addresses
            ],
        }
        for name, mac, addresses in found
        if wanted in (None, name)
    ]


def _show_domifaddr(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    lines = []
    if not quiet:
        lines.append(f" {'Name':<10} {'MAC address':<20} {'Protocol':<8}     Address\n")
        lines.append("-" * 79 + "\n")
    for one in found:
        name, mac = one["interface"], one["mac"]
        if not one["addresses"]:
            lines.append(f" {name:<10} {mac or 'N/A':<17}    {'N/A':<12} N/A\n")
        for at, each in enumerate(one["addresses"]):
            first, second = ("-", "-") if at and "full" not in args else (name, mac or "")
            written = f"{each['protocol']:<12} {each['address']}/{each['prefix']}"
            lines.append(f" {first:<10} {second:<17}    {written}\n")
    return "".join(lines)


def _getlink(session: Session, args: Args) -> str:
    from virtlxc.cli.xml import attribute

    wanted = args["interface"]
    mac = mac_of(wanted)
    found = [
        one
        for one in _interfaces(session, args, INACTIVE_XML if "config" in args else 0)
        if attribute(one, "target/@dev") == wanted
        or (mac and attribute(one, "mac/@address") == mac)
    ]
    if not found:
        raise Failed(
            f"Interface (mac: {mac}) not found." if mac else f"Interface (dev: {wanted}) not found."
        )
    if len(found) > 1:
        raise Failed("multiple matching interfaces found")
    return attribute(found[0], "link/@state") or "up"


def mac_of(text: str) -> str:
    """A MAC address in its one form, "" when the text is none."""
    parts = text.split(":")
    try:
        numbers = [int(part, 16) for part in parts]
    except ValueError:
        return ""
    if len(parts) != 6 or not all(0 <= one <= 255 for one in numbers):
        return ""
    return ":".join(f"{one:02x}" for one in numbers)


def _show_getlink(state: str, args: Args, quiet: bool) -> str:
    return f"{args['interface']} {state}"


COMMANDS = rows(
    Command(
        "domif-getlink",
        "whether an interface's link is up",
        DOMAIN,
        word("interface", "its name on the host, or its MAC address"),
        alias("persistent", "config"),
        flag("config", "in the definition, not what runs"),
        read=_getlink,
        show=_show_getlink,
    ),
    Command(
        "domifaddr",
        "the addresses of a running domain's interfaces",
        ACTIVE,
        text("interface", "only of this one"),
        flag("full", "name and MAC address in every line"),
        text("source", "where from: lease, agent, or arp"),
        read=_domifaddr,
        show=_show_domifaddr,
    ),
    Command(
        "domiflist",
        "the interfaces of a domain",
        DOMAIN,
        flag("inactive", "those of the definition, not of what runs"),
        read=_domiflist,
        show=_show_domiflist,
    ),
    Command(
        "domifstat",
        "what went through an interface",
        ACTIVE,
        word("interface", "its name on the host, or its MAC address"),
        read=_domifstat,
        show=_show_domifstat,
    ),
)
