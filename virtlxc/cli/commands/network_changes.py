"""Changes of virtual networks, ours and others'."""

from __future__ import annotations

from virtlxc.cli.commands.states import word as named
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, number, rows, text, word
from virtlxc.cli.lookup import find_network, network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session
    from virtlxc.rpc.client import Event

NETWORK = word("network", "name or UUID", complete="networks")
INACTIVE_XML = 1
AFFECT = (("live", 1), ("config", 2))
# By libvirt's virNetworkUpdateCommand and virNetworkUpdateSection.
COMMANDS_OF_UPDATE = ("none", "modify", "delete", "add-last", "add-first")
SECTIONS = (
    "none", "bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward",
    "forward-interface", "forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv",
)  # fmt: skip
EVENTS = ("lifecycle",)
LIFECYCLE = ("Defined", "Undefined", "Started", "Stopped")


def _edit(session: Session, args: Args) -> None:
    from virtlxc.cli.editing import edit_until_taken

    ref = network(session, args)
    name = ref[0]

    def get() -> str:
        xml: str = session.call("NETWORK_GET_XML_DESC", net=ref, flags=INACTIVE_XML)["xml"]
        return xml

    def take(xml: str, _relaxed: bool) -> None:
        nonlocal name
        name = session.call("NETWORK_DEFINE_XML", failed="Failed.", xml=xml)["net"][0]

    if edit_until_taken(session, get, take):
        session.remark(f"Network {name} XML configuration edited.\n")
    else:
        session.remark(f"Network {name} XML configuration not changed.\n")


def _update(session: Session, args: Args) -> None:
    ref = network(session, args)
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


def _event(session: Session, args: Args) -> None:
    if "list" in args:
        session.say("".join(f"{name}\n" for name in EVENTS))
        return
    wanted = args.get("event")
    if wanted is None:
        raise Failed("either --list or --event <type> is required")
    if wanted not in EVENTS:
        raise Failed(f"unknown event type {wanted}")
    from virtlxc.cli.watching import timeout, watch

    timeout(args)
    ref = find_network(session, args["network"]) if "network" in args else None
    session.call("CONNECT_NETWORK_EVENT_REGISTER_ANY", eventID=EVENTS.index(wanted), net=ref)
    watch(session, args, told)


def told(event: Event) -> str | None:
    """The line for one event, None for one that is not about networks."""
    if event.name != "NETWORK_EVENT_LIFECYCLE":
        return None
    what = named(LIFECYCLE, event.fields["event"])
    return f"event 'lifecycle' for network {event.fields['net'][0]}: {what}\n"


COMMANDS = rows(
    Command("net-edit", "change a network's definition in an editor", NETWORK, run=_edit),
    Command(
        "net-event",
        "what happens to networks",
        text("network", "only to this one: name or UUID", complete="networks"),
        text("event", "the kind of event to wait for"),
        flag("loop", "go on until the time is over or Ctrl-C"),
        number("timeout", "how long, in seconds"),
        flag("list", "print the kinds there are"),
        flag("timestamp", "print when each came"),
        run=_event,
    ),
    Command(
        "net-update",
        "change a part of a network",
        NETWORK,
        word("command", "add, add-last, add-first, delete or modify"),
        word("section", "which part: ip-dhcp-host, ..."),
        word("xml", "the part's XML, or a file with it", complete="files"),
        number("parent-index", "in which of several parents"),
        flag("config", "in the definition"),
        flag("live", "in what runs"),
        flag("current", "in what is now"),
        run=_update,
        excludes=(("current", "live"), ("current", "config")),
    ),
)
