"""Storage pools made from options, edited, and watched."""

from __future__ import annotations

from virtlxc.cli.commands.pools import (
    BUILD_EXCLUDES,
    BUILD_OPTIONS,
    BUILDS,
    INACTIVE_XML,
    POOL,
)
from virtlxc.cli.commands.states import word as named
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows, text, word
from virtlxc.cli.lookup import find_pool, pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session
    from virtlxc.rpc.client import Event

EVENTS = ("lifecycle", "refresh")
LIFECYCLE = ("Defined", "Undefined", "Started", "Stopped", "Created", "Deleted")
# Options that only kinds of pools have that are no folders.
ELSEWHERE = (
    "source-host", "source-path", "source-dev", "source-name", "source-format", "auth-type",
    "auth-username", "secret-usage", "secret-uuid", "adapter-name", "adapter-wwnn", "adapter-wwpn",
    "adapter-parent", "adapter-parent-wwnn", "adapter-parent-wwpn", "adapter-parent-fabric-wwn",
    "source-protocol-ver", "source-initiator",
)  # fmt: skip


def _escaped(value: str) -> str:
    for letter, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "apos")):
        value = value.replace(letter, f"&{entity};")
    return value


def _document(args: Args) -> str:
    for name in ELSEWHERE:
        if name in args:
            raise Failed(f"--{name} is for pools that are no folder, which there are none of")
    lines = [
        f"<pool type='{_escaped(args['type'])}'>",
        f"  <name>{_escaped(args['name'])}</name>",
    ]
    target = args.get("target")
    if target is not None:
        lines += ["  <target>", f"    <path>{_escaped(target)}</path>", "  </target>"]
    return "\n".join([*lines, "</pool>", ""])


def _define_as(session: Session, args: Args) -> None:
    xml = _document(args)
    if "print-xml" in args:
        session.say(xml)
        return
    name = args["name"]
    session.call(
        "STORAGE_POOL_DEFINE_XML", failed=f"Failed to define pool {name}", xml=xml, flags=0
    )
    session.remark(f"Pool {name} defined\n")


def _create_as(session: Session, args: Args) -> None:
    xml = _document(args)
    if "print-xml" in args:
        session.say(xml)
        return
    name = args["name"]
    session.call(
        "STORAGE_POOL_CREATE_XML",
        failed=f"Failed to create pool {name}",
        xml=xml,
        flags=args.bits(BUILDS),
    )
    session.remark(f"Pool {name} created\n")


def _edit(session: Session, args: Args) -> None:
    from virtlxc.cli.editing import edit_until_taken

    ref = pool(session, args)
    name = ref[0]

    def get() -> str:
        xml: str = session.call("STORAGE_POOL_GET_XML_DESC", pool=ref, flags=INACTIVE_XML)["xml"]
        return xml

    def take(xml: str, _relaxed: bool) -> None:
        nonlocal name
        made = session.call("STORAGE_POOL_DEFINE_XML", failed="Failed.", xml=xml, flags=0)
        name = made["pool"][0]

    changed = "edited" if edit_until_taken(session, get, take) else "not changed"
    session.remark(f"Pool {name} XML configuration {changed}.\n")


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
    ref = find_pool(session, args["pool"]) if "pool" in args else None
    session.call("CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY", eventID=EVENTS.index(wanted), pool=ref)
    watch(session, args, told)


def told(event: Event) -> str | None:
    """The line for one event, None for one that is not about pools."""
    if event.name == "STORAGE_POOL_EVENT_REFRESH":
        return f"event 'refresh' for storage pool {event.fields['pool'][0]}\n"
    if event.name != "STORAGE_POOL_EVENT_LIFECYCLE":
        return None
    what = named(LIFECYCLE, event.fields["event"])
    return f"event 'lifecycle' for storage pool {event.fields['pool'][0]}: {what}\n"


AS_OPTIONS = (
    word("name", "the pool's name"),
    word("type", "the kind of pool: dir"),
    flag("print-xml", "print the XML, and make nothing"),
    *(text(name, "for pools that are no folder") for name in ELSEWHERE[:4]),
    text("target", "the folder", complete="files"),
    *(text(name, "for pools that are no folder") for name in ELSEWHERE[4:]),
)

COMMANDS = rows(
    Command(
        "pool-create-as",
        "start a pool that has no definition on disk",
        *AS_OPTIONS,
        *BUILD_OPTIONS,
        run=_create_as,
        excludes=BUILD_EXCLUDES,
    ),
    Command("pool-define-as", "define a pool", *AS_OPTIONS, run=_define_as),
    Command("pool-edit", "change a pool's definition in an editor", POOL, run=_edit),
    Command(
        "pool-event",
        "what happens to pools",
        text("pool", "only to this one: name or UUID", complete="pools"),
        text("event", "the kind of event to wait for"),
        flag("loop", "go on until the time is over or Ctrl-C"),
        number("timeout", "how long, in seconds"),
        flag("list", "print the kinds there are"),
        flag("timestamp", "print when each came"),
        run=_event,
    ),
)
