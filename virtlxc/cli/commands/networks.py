"""Virtual networks."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import find_network, network, uuid_text
from virtlxc.cli.table import fields, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import NetworkRef, Session

NETWORK = word("network", "name or UUID", complete="networks")
VALIDATE = 1
INACTIVE_XML = 1
INACTIVE, ACTIVE = 1, 2
NO_SUPPORT, RPC = 3, 39
# Option, bit of libvirt's virConnectListAllNetworksFlags.
FILTERS = (("persistent", 4), ("transient", 8), ("autostart", 16), ("no-autostart", 32))
PROTOCOLS = {0: "ipv4", 1: "ipv6"}


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    if sum(name in args for name in ("table", "name", "uuid")) > 1:
        raise Failed("Only one argument from --table, --name and --uuid may be specified.")
    flags = args.bits(FILTERS)
    if "all" in args:
        flags |= ACTIVE | INACTIVE
    else:
        flags |= INACTIVE if "inactive" in args else ACTIVE
    found = session.call(
        "CONNECT_LIST_ALL_NETWORKS", failed="Failed to list networks", need_results=1, flags=flags
    )
    refs = sorted(found["nets"], key=_name_of)
    if "name" in args or "uuid" in args:
        return [{"name": name, "uuid": uuid_text(uuid)} for name, uuid in refs]
    return [_row(session, ref) for ref in refs]


def _name_of(ref: NetworkRef) -> str:
    return ref[0].lower()


def _row(session: Session, ref: NetworkRef) -> dict[str, Any]:
    return {
        "name": ref[0],
        "uuid": uuid_text(ref[1]),
        "active": bool(session.call("NETWORK_IS_ACTIVE", net=ref)["active"]),
        "autostart": _autostarts(session, ref),
        "persistent": bool(session.call("NETWORK_IS_PERSISTENT", net=ref)["persistent"]),
    }


def _autostarts(session: Session, ref: NetworkRef) -> bool | None:
    """Whether it starts with the daemon, None where that cannot be said."""
    try:
        return bool(session.call("NETWORK_GET_AUTOSTART", net=ref)["autostart"])
    except Failed:
        return None


def _autostart_word(value: bool | None) -> str:
    return "no autostart" if value is None else "yes" if value else "no"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    for column in ("uuid", "name"):
        if column in args:
            return "".join(f"{one[column]}\n" for one in found)
    cells = [
        [
            one["name"],
            "active" if one["active"] else "inactive",
            _autostart_word(one["autostart"]),
            _yes(one["persistent"]),
        ]
        for one in found
    ]
    return table(("Name", "State", "Autostart", "Persistent"), cells, quiet=quiet)


def _info(session: Session, args: Args) -> dict[str, Any]:
    ref = network(session, args)
    data = _row(session, ref)
    try:
        data["bridge"] = session.call("NETWORK_GET_BRIDGE_NAME", net=ref)["name"]
    except Failed:
        data["bridge"] = None
    return data


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [
        ("Name:", data["name"]),
        ("UUID:", data["uuid"]),
        ("Active:", _yes(data["active"])),
        ("Persistent:", _yes(data["persistent"])),
        ("Autostart:", _autostart_word(data["autostart"])),
    ]
    if data["bridge"] is not None:
        pairs.append(("Bridge:", data["bridge"]))
    return fields(pairs)


def _define(session: Session, args: Args) -> None:
    path = args["file"]
    ref = _with_xml(session, args, "NETWORK_DEFINE_XML", f"Failed to define network from {path}")
    session.remark(f"Network {ref[0]} defined from {path}\n")


def _with_xml(session: Session, args: Args, call: str, failed: str) -> NetworkRef:
    """Makes the call with the file's XML; the newer one only if --validate needs it."""
    xml = read_text(args["file"])
    ref: NetworkRef
    if "validate" in args:
        ref = session.call(f"{call}_FLAGS", failed=failed, xml=xml, flags=VALIDATE)["net"]
    else:
        ref = session.call(call, failed=failed, xml=xml)["net"]
    return ref


def _create(session: Session, args: Args) -> None:
    path = args["file"]
    ref = _with_xml(session, args, "NETWORK_CREATE_XML", f"Failed to create network from {path}")
    session.remark(f"Network {ref[0]} created from {path}\n")


def _start(session: Session, args: Args) -> None:
    ref = network(session, args)
    name = args["network"]
    failed = f"Failed to start network {name}"
    warnings: list[str] = []
    if session.readonly:
        # Refused in any case, and then in libvirt's words.
        session.call("NETWORK_CREATE", failed=failed, net=ref)
    try:
        warnings = session.own("NETWORK_START", failed=failed, net=ref)["warnings"]
    except Failed as error:
        if error.code not in (NO_SUPPORT, RPC):
            raise
        session.call("NETWORK_CREATE", failed=failed, net=ref)
    session.remark(f"Network {name} started\n")
    session.warn(*warnings)


def _plain(call: str, verb: str, done: str) -> Run:
    """A command that makes one call for a network and says that it did."""

    def run(session: Session, args: Args) -> None:
        ref = network(session, args)
        name = args["network"]
        session.call(call, failed=f"Failed to {verb} network {name}", net=ref)
        session.remark(f"Network {name} {done}\n")

    return run


def _autostart(session: Session, args: Args) -> None:
    ref = network(session, args)
    name = args["network"]
    mark = "unmark" if "disable" in args else "mark"
    session.call(
        "NETWORK_SET_AUTOSTART",
        failed=f"failed to {mark} network {name} as autostarted",
        net=ref,
        autostart=int("disable" not in args),
    )
    session.remark(f"Network {name} {mark}ed as autostarted\n")


def _dumpxml(session: Session, args: Args) -> str:
    ref = network(session, args)
    xml: str = session.call(
        "NETWORK_GET_XML_DESC", net=ref, flags=INACTIVE_XML if "inactive" in args else 0
    )["xml"]
    return xml


def _show_xml(xml: str, args: Args, quiet: bool) -> str:
    path = args.get("xpath")
    if path is None:
        return xml
    from virtlxc.cli.xml import select

    return select(xml, path, wrap="wrap" in args)


def _leases(session: Session, args: Args) -> list[dict[str, Any]]:
    mac = args.get("mac")
    ref = network(session, args)
    found = session.call(
        "NETWORK_GET_DHCP_LEASES",
        failed=f"Failed to get leases info for {args['network']}",
        net=ref,
        mac=mac,
        need_results=1,
    )["leases"]
    names = (
        "interface", "expiry", "type", "mac", "iaid", "address", "prefix", "hostname", "client",
    )  # fmt: skip
    leases = [dict(zip(names, lease, strict=True)) for lease in found]
    for lease in leases:
        lease["protocol"] = PROTOCOLS.get(lease.pop("type"))
    return sorted(leases, key=_lease_order)


def _lease_order(lease: dict[str, Any]) -> tuple[str, str]:
    return lease["mac"] or "", lease["iaid"] or ""


def _show_leases(leases: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    from time import localtime, strftime

    header = (
        "Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID",
    )  # fmt: skip
    cells = [
        [
            strftime("%Y-%m-%d %H:%M:%S", localtime(lease["expiry"])),
            lease["mac"] or "-",
            lease["protocol"] or "-",
            f"{lease['address']}/{lease['prefix']}",
            lease["hostname"] or "-",
            lease["client"] or "-",
        ]
        for lease in leases
    ]
    return table(header, cells, quiet=quiet)


def _name(session: Session, args: Args) -> str:
    return find_network(session, args["network"], by_name=False)[0]


def _uuid(session: Session, args: Args) -> str:
    return uuid_text(find_network(session, args["network"], by_uuid=False)[1])


def _line(value: str, args: Args, quiet: bool) -> str:
    return f"{value}\n"


COMMANDS = rows(
    Command(
        "net-autostart",
        "let a network start with the daemon",
        NETWORK,
        flag("disable", "do not let it any more"),
        run=_autostart,
    ),
    Command(
        "net-create",
        "start a network that has no definition on disk, from an XML file",
        word("file", "the network's XML", complete="files"),
        flag("validate", "check the XML against the schema"),
        run=_create,
    ),
    Command(
        "net-define",
        "define a network from an XML file, or change its definition",
        word("file", "the network's XML", complete="files"),
        flag("validate", "check the XML against the schema"),
        run=_define,
    ),
    Command(
        "net-destroy",
        "stop a network",
        NETWORK,
        run=_plain("NETWORK_DESTROY", "destroy", "destroyed"),
    ),
    Command(
        "net-dhcp-leases",
        "the addresses that a network gave out",
        NETWORK,
        text("mac", "only those of this MAC address"),
        read=_leases,
        show=_show_leases,
    ),
    Command(
        "net-dumpxml",
        "a network as XML",
        NETWORK,
        flag("inactive", "the definition, not what runs"),
        text("xpath", "only what this XPath expression selects", named=True),
        flag("wrap", "put what --xpath selects into one root element"),
        read=_dumpxml,
        show=_show_xml,
    ),
    Command(
        "net-info",
        "what a network is",
        NETWORK,
        read=_info,
        show=_show_info,
    ),
    Command(
        "net-list",
        "networks, running ones if nothing else is asked for",
        flag("inactive", "those that do not run"),
        flag("all", "those that run and those that do not"),
        flag("persistent", "those with a definition on disk"),
        flag("transient", "those without a definition on disk"),
        flag("autostart", "those that start with the daemon"),
        flag("no-autostart", "those that do not start with the daemon"),
        flag("uuid", "print UUIDs only"),
        flag("name", "print names only"),
        flag("table", "print a table; the default"),
        read=_list,
        show=_show_list,
    ),
    Command("net-name", "the name of a network", word("network", "UUID"), read=_name, show=_line),
    Command(
        "net-start",
        "start a defined network",
        word("network", "name or UUID", complete="inactive-networks"),
        run=_start,
    ),
    Command(
        "net-undefine",
        "remove a network's definition",
        NETWORK,
        run=_plain("NETWORK_UNDEFINE", "undefine", "has been undefined"),
    ),
    Command(
        "net-uuid",
        "the UUID of a network",
        word("network", "name", complete="networks"),
        read=_uuid,
        show=_line,
    ),
)
