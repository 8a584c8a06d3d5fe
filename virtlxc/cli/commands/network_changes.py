"""Changes of parts of a virtual network."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.domains import AFFECT, EXCLUDES, IN
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, number, rows, word
from virtlxc.cli.lookup import uuid_bytes, uuid_text
from virtlxc.cli.named import NETWORK
from virtlxc.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# By libvirt's virNetworkUpdateCommand and virNetworkUpdateSection.
COMMANDS_OF_UPDATE = ("none", "modify", "delete", "add-last", "add-first")
SECTIONS = (
    "none", "bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward",
    "forward-interface", "forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv",
)  # fmt: skip


def _update(session: Session, args: Args) -> None:
    ref = NETWORK.find(session, args)
    given, place = args["command"], args["section"]
    command = "add-last" if given == "add" else given
    if command not in COMMANDS_OF_UPDATE[1:]:
        raise Failed(f"unrecognized command name '{given}'")
    if place not in SECTIONS[1:]:
        raise Failed(f"unrecognized section name '{place}'")
    parent = args.integer("parent-index")
    xml = args["xml"]
    session.call(
        "NETWORK_UPDATE",
        failed=f"Failed to update network {ref[0]}",
        net=ref,
        command=COMMANDS_OF_UPDATE.index(command),
        section=SECTIONS.index(place),
        parentIndex=-1 if parent is None else parent,
        xml=xml if xml.startswith("<") else read_text(xml),
        flags=args.bits(AFFECT),
    )
    session.remark(f"Updated network {ref[0]} {_changed(session, args, ref)}")


def _changed(session: Session, args: Args, ref: tuple[str, bytes]) -> str:
    if "config" in args:
        return "persistent config and live state" if "live" in args else "persistent config"
    if "live" in args or session.call("NETWORK_IS_ACTIVE", net=ref)["active"]:
        return "live state"
    return "persistent config"


# Ports of a network: one for each card of a running domain that is plugged into it.


def _port_list(session: Session, args: Args) -> list[str]:
    if "table" in args and "uuid" in args:
        raise Failed("Only one argument from --table and --uuid may be specified.")
    ref = NETWORK.find(session, args)
    found = session.call(
        "NETWORK_LIST_ALL_PORTS", failed="Failed to list network ports", network=ref,
        need_results=1,
    )["ports"]  # fmt: skip
    return [uuid_text(uuid) for _net, uuid in found]


def _show_ports(found: list[str], args: Args, quiet: bool) -> str:
    if "uuid" in args:
        return "".join(f"{uuid}\n" for uuid in found)
    return table(("UUID",), [[uuid] for uuid in found], quiet=quiet)


def _port_xml(session: Session, args: Args) -> str:
    ref = NETWORK.find(session, args)
    text = args["port"]
    failed = f"failed to get network port '{text}'"
    uuid = uuid_bytes(text)
    if uuid is None:
        raise Failed(failed, "a port is known by its UUID (virtlxc net-port-list)")
    port = session.call("NETWORK_PORT_LOOKUP_BY_UUID", failed=failed, network=ref, uuid=uuid)
    xml: str = session.call("NETWORK_PORT_GET_XML_DESC", port=port["port"])["xml"]
    return xml


COMMANDS = rows(
    Command(
        "net-port-dumpxml",
        "a port of a network in XML",
        NETWORK.option,
        word("port", "the port, by UUID"),
        *shown.XPATH,
        read=_port_xml,
        show=shown.xml,
    ),
    Command(
        "net-port-list",
        "the ports of a network: one for each card that is plugged into it",
        NETWORK.option,
        flag("uuid", "print UUIDs only"),
        flag("table", "print a table; the default"),
        read=_port_list,
        show=_show_ports,
    ),
    Command(
        "net-update",
        "change a part of a network",
        NETWORK.option,
        word("command", "add, add-last, add-first, delete or modify"),
        word("section", "which part: ip-dhcp-host, ..."),
        word("xml", "the part's XML, or a file with it", complete="files"),
        number("parent-index", "in which of several parents"),
        *IN,
        run=_update,
        excludes=EXCLUDES,
    ),
)
