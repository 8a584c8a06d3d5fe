"""The host's network interfaces."""

from __future__ import annotations

from virtlxc.cli import named, shown
from virtlxc.cli.commands.interfaces import mac_of
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, word
from virtlxc.cli.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import Session

    Iface = tuple[str, str]

INTERFACE = word("interface", "name or MAC address", complete="host-interfaces")
INACTIVE, ACTIVE = 1, 2
XML_INACTIVE = 1
VALIDATE = 1


def find(session: Session, given: str, *, by_name: bool = True, by_mac: bool = True) -> Iface:
    """The interface with that MAC address, or else of that name."""
    failed = f"failed to get interface '{given}'"
    mac = mac_of(given)
    if not (by_mac if mac else by_name):
        raise Failed(failed)
    if mac:
        found = session.call("INTERFACE_LOOKUP_BY_MAC_STRING", failed=failed, mac=given)
    else:
        found = session.call("INTERFACE_LOOKUP_BY_NAME", failed=failed, name=given)
    ref: Iface = found["iface"]
    return ref


def _list(session: Session, args: Args) -> list[dict[str, Any]]:
    flags = INACTIVE if "inactive" in args else ACTIVE
    if "all" in args:
        flags = INACTIVE | ACTIVE
    found = session.call(
        "CONNECT_LIST_ALL_INTERFACES",
        failed="Failed to list interfaces",
        need_results=1,
        flags=flags,
    )["ifaces"]
    return [
        {
            "name": ref[0],
            "active": bool(session.call("INTERFACE_IS_ACTIVE", iface=ref)["active"]),
            "mac": ref[1],
        }
        for ref in sorted(found, key=lambda ref: ref[0].lower())
    ]


def _show_list(found: list[dict[str, Any]], args: Args, quiet: bool) -> str:
    cells = [
        [one["name"], "active" if one["active"] else "inactive", one["mac"]] for one in found
    ]
    return table(("Name", "State", "MAC Address"), cells, quiet=quiet)


def _dumpxml(session: Session, args: Args) -> str:
    ref = find(session, args["interface"])
    flags = XML_INACTIVE if "inactive" in args else 0
    xml: str = session.call("INTERFACE_GET_XML_DESC", iface=ref, flags=flags)["xml"]
    return xml


def _name(session: Session, args: Args) -> str:
    return find(session, args["interface"], by_name=False)[0]


def _mac(session: Session, args: Args) -> str:
    return find(session, args["interface"], by_mac=False)[1]


# What changes interfaces: another daemon may be able to, ours says that it is not.


def _change(call: str, verb: str, done: str, *, flags: bool) -> Run:
    def run(session: Session, args: Args) -> None:
        given = args["interface"]
        ref = find(session, given)
        more: dict[str, Any] = {"flags": 0} if flags else {}
        session.call(call, failed=f"Failed to {verb} interface {given}", iface=ref, **more)
        session.remark(f"Interface {given} {done}\n")

    return run


def _define(session: Session, args: Args) -> None:
    path = args["file"]
    flags = VALIDATE if "validate" in args else 0
    ref = session.call(
        "INTERFACE_DEFINE_XML",
        failed=f"Failed to define interface from {path}",
        xml=read_text(path),
        flags=flags,
    )["iface"]
    session.remark(f"Interface {ref[0]} defined from {path}\n")


def _transaction(call: str, verb: str, done: str) -> Run:
    def run(session: Session, args: Args) -> None:
        session.call(call, failed=f"Failed to {verb} network config change transaction", flags=0)
        session.remark(f"Network config change transaction {done}\n")

    return run


def _edit(session: Session, args: Args) -> None:
    from virtlxc.cli.editing import edit_until_taken

    ref = find(session, args["interface"])
    name = ref[0]

    def get() -> str:
        found = session.call("INTERFACE_GET_XML_DESC", iface=ref, flags=XML_INACTIVE)
        xml: str = found["xml"]
        return xml

    def take(xml: str, _relaxed: bool) -> None:
        nonlocal name
        name = session.call("INTERFACE_DEFINE_XML", failed="Failed.", xml=xml, flags=0)["iface"][0]

    changed = "edited" if edit_until_taken(session, get, take) else "not changed"
    session.remark(f"Interface {name} XML configuration {changed}.\n")


COMMANDS = rows(
    Command(
        "iface-list",
        "the host's network interfaces, those that are up if nothing else is asked for",
        flag("inactive", "those that are not up"),
        flag("all", "those that are up and those that are not"),
        read=_list,
        show=_show_list,
        excludes=(("all", "inactive"),),
    ),
    Command(
        "iface-dumpxml",
        "an interface as XML",
        INTERFACE,
        flag("inactive", "the definition; here it is what is there"),
        *shown.XPATH,
        read=_dumpxml,
        show=shown.xml,
    ),
    Command(
        "iface-name",
        "the name of an interface",
        word("interface", "MAC address"),
        read=_name,
        show=shown.line,
    ),
    Command(
        "iface-mac",
        "the MAC address of an interface",
        word("interface", "name", complete="host-interfaces"),
        read=_mac,
        show=shown.line,
    ),
    Command(
        "iface-define",
        "define an interface from an XML file; only other daemons can",
        word("file", "the interface's XML", complete="files"),
        named.VALIDATE,
        run=_define,
    ),
    Command(
        "iface-undefine",
        "remove an interface's definition; only other daemons can",
        INTERFACE,
        run=_change("INTERFACE_UNDEFINE", "undefine", "undefined", flags=False),
    ),
    Command(
        "iface-start",
        "bring an interface up; only other daemons can",
        INTERFACE,
        run=_change("INTERFACE_CREATE", "start", "started", flags=True),
    ),
    Command(
        "iface-destroy",
        "bring an interface down; only other daemons can",
        INTERFACE,
        run=_change("INTERFACE_DESTROY", "destroy", "destroyed", flags=True),
    ),
    Command(
        "iface-edit",
        "change an interface's definition in an editor; only other daemons can",
        INTERFACE,
        run=_edit,
    ),
    Command(
        "iface-begin",
        "remember how the interfaces are; only other daemons can",
        run=_transaction("INTERFACE_CHANGE_BEGIN", "begin", "started"),
    ),
    Command(
        "iface-commit",
        "forget what iface-begin remembers; only other daemons can",
        run=_transaction("INTERFACE_CHANGE_COMMIT", "commit", "committed"),
    ),
    Command(
        "iface-rollback",
        "go back to what iface-begin remembers; only other daemons can",
        run=_transaction("INTERFACE_CHANGE_ROLLBACK", "rollback", "rolled back"),
    ),
)
