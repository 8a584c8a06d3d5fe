"""Virtual networks."""

from __future__ import annotations

from virtlxc.cli import named
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text, word
from virtlxc.cli.lookup import uuid_text
from virtlxc.cli.named import NETWORK, autostart_word, yes
from virtlxc.cli.table import fields, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import NetworkRef, Session

VALIDATE = 1
PROTOCOLS = {0: "ipv4", 1: "ipv6"}


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    if sum(name in args for name in ("table", "name", "uuid")) > 1:
        raise Failed("Only one argument from --table, --name and --uuid may be specified.")
    refs = named.listed(NETWORK, session, args)
    if "name" in args or "uuid" in args:
        return [{"name": name, "uuid": uuid_text(uuid)} for name, uuid in refs]
    return [named.row(NETWORK, session, ref) for ref in refs]


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    for column in ("uuid", "name"):
        if column in args:
            return "".join(f"{one[column]}\n" for one in found)
    cells = [
        [
            one["name"],
            "active" if one["active"] else "inactive",
            autostart_word(one["autostart"]),
            yes(one["persistent"]),
        ]
        for one in found
    ]
    return table(("Name", "State", "Autostart", "Persistent"), cells, quiet=quiet)


def _info(session: Session, args: Args) -> dict[str, Any]:
    ref = NETWORK.find(session, args)
    data = named.row(NETWORK, session, ref)
    try:
        data["bridge"] = NETWORK.ask(session, "GET_BRIDGE_NAME", ref)["name"]
    except Failed:
        data["bridge"] = None
    return data


def _show_info(data: dict[str, Any], args: Args, quiet: bool) -> str:
    pairs: list[tuple[str, object]] = [
        ("Name:", data["name"]),
        ("UUID:", data["uuid"]),
        ("Active:", yes(data["active"])),
        ("Persistent:", yes(data["persistent"])),
        ("Autostart:", autostart_word(data["autostart"])),
    ]
    if data["bridge"] is not None:
        pairs.append(("Bridge:", data["bridge"]))
    return fields(pairs)


def _define(session: Session, args: Args, xml: str, failed: str) -> NetworkRef:
    return named.define(NETWORK, session, xml, failed, VALIDATE if "validate" in args else 0)


def _create(session: Session, args: Args, xml: str, failed: str) -> NetworkRef:
    """The newer call only if --validate needs it, as virsh."""
    if "validate" in args:
        made = session.call("NETWORK_CREATE_XML_FLAGS", failed=failed, xml=xml, flags=VALIDATE)
    else:
        made = session.call("NETWORK_CREATE_XML", failed=failed, xml=xml)
    ref: NetworkRef = made["net"]
    return ref


def _start(session: Session, args: Args) -> None:
    ref = NETWORK.find(session, args)
    name = args["network"]
    failed = f"Failed to start network {name}"
    warnings: list[str] = []
    if session.readonly:
        # Refused in any case, and then in libvirt's words.
        session.call("NETWORK_CREATE", failed=failed, net=ref)
    try:
        warnings = session.own("NETWORK_START", failed=failed, net=ref)["warnings"]
    except Failed as error:
        if not error.lacks_call:
            raise
        session.call("NETWORK_CREATE", failed=failed, net=ref)
    session.remark(f"Network {name} started\n")
    session.warn(*warnings)


def _leases(session: Session, args: Args) -> list[dict[str, Any]]:
    mac = args.get("mac")
    ref = NETWORK.find(session, args)
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


COMMANDS = rows(
    *named.commands(NETWORK),
    Command(
        "net-create",
        "start a network that has no definition on disk, from an XML file",
        word("file", "the network's XML", complete="files"),
        named.VALIDATE,
        run=named.from_file(NETWORK, "create", _create),
    ),
    Command(
        "net-define",
        "define a network from an XML file, or change its definition",
        word("file", "the network's XML", complete="files"),
        named.VALIDATE,
        run=named.from_file(NETWORK, "define", _define),
    ),
    Command(
        "net-dhcp-leases",
        "the addresses that a network gave out",
        NETWORK.option,
        text("mac", "only those of this MAC address"),
        read=_leases,
        show=_show_leases,
    ),
    Command(
        "net-info",
        "what a network is",
        NETWORK.option,
        read=_info,
        show=_show_info,
    ),
    Command(
        "net-list",
        "networks, running ones if nothing else is asked for",
        *named.WHICH,
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
    Command(
        "net-start",
        "start a defined network",
        word("network", "name or UUID", complete="inactive-networks"),
        run=_start,
    ),
)
