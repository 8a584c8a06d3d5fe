"""The commands that networks and pools have alike, once, in the words of each kind.

A :class:`Kind` says what things are called; :func:`commands` gives the commands that only differ in
that; the other functions are parts for those that differ in more.
"""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.commands.states import word as named
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, text, word
from virtlxc.cli.lookup import find_named, uuid_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from virtlxc.cli.grammar import Args, Opt, Run
    from virtlxc.cli.session import NetworkRef, Session
    from virtlxc.rpc.link import Event

INACTIVE_XML = 1
INACTIVE, ACTIVE = 1, 2
# Option of a list, bit of libvirt's flags for lists.
FILTERS = (("persistent", 4), ("transient", 8), ("autostart", 16), ("no-autostart", 32))
WHICH = (
    flag("inactive", "those that do not run"),
    flag("all", "those that run and those that do not"),
)
VALIDATE = flag("validate", "check the XML against the schema")


class Kind:
    """What things of one kind are called.

    ``prefix`` begins their commands, ``noun`` stands in sentences and is the option that names
    one; ``call`` begins libvirt's procedures about one, ``calls`` ends that which lists all;
    ``field`` and ``fields`` hold them in its messages. ``events`` are the kinds of events, in
    libvirt's order; ``lifecycle`` the words for the first one's.
    """

    __slots__ = (
        "call", "calls", "events", "field", "fields", "lifecycle", "noun", "prefix", "title",
    )  # fmt: skip

    def __init__(
        self, prefix: str, noun: str, *, title: str, call: str, calls: str, field: str,
        fields: str, events: tuple[str, ...], lifecycle: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.prefix = prefix
        self.noun = noun
        self.title = title
        self.call = call
        self.calls = calls
        self.field = field
        self.fields = fields
        self.events = events
        self.lifecycle = lifecycle

    @property
    def option(self) -> Opt:
        return word(self.noun, "name or UUID", complete=f"{self.noun}s")

    def find(self, session: Session, args: Args) -> NetworkRef:
        """The one that the option names."""
        return find_named(session, self, args[self.noun])

    def ask(self, session: Session, call: str, ref: NetworkRef, /, **more: Any) -> dict[str, Any]:
        """A call about one."""
        fields: dict[str, Any] = {self.field: ref, **more}
        return session.call(f"{self.call}_{call}", **fields)


NETWORK = Kind(
    "net", "network", title="network", call="NETWORK", calls="NETWORKS", field="net",
    fields="nets", events=("lifecycle",),
    lifecycle=("Defined", "Undefined", "Started", "Stopped"),
)  # fmt: skip
POOL = Kind(
    "pool", "pool", title="storage pool", call="STORAGE_POOL", calls="STORAGE_POOLS", field="pool",
    fields="pools", events=("lifecycle", "refresh"),
    lifecycle=("Defined", "Undefined", "Started", "Stopped", "Created", "Deleted"),
)  # fmt: skip


# Lists


def listed(kind: Kind, session: Session, args: Args, flags: int = 0) -> list[NetworkRef]:
    """What the options of a list choose, by name as virsh sorts."""
    flags |= args.bits(FILTERS)
    if "all" in args:
        flags |= ACTIVE | INACTIVE
    else:
        flags |= INACTIVE if "inactive" in args else ACTIVE
    found = session.call(
        f"CONNECT_LIST_ALL_{kind.calls}",
        failed=f"Failed to list {kind.noun}s",
        need_results=1,
        flags=flags,
    )
    return sorted(found[kind.fields], key=lambda ref: ref[0].lower())


def row(kind: Kind, session: Session, ref: NetworkRef) -> dict[str, Any]:
    """What lists and the info say of everything."""
    return {
        "name": ref[0],
        "uuid": uuid_text(ref[1]),
        "active": bool(kind.ask(session, "IS_ACTIVE", ref)["active"]),
        "autostart": _autostarts(kind, session, ref),
        "persistent": bool(kind.ask(session, "IS_PERSISTENT", ref)["persistent"]),
    }


def _autostarts(kind: Kind, session: Session, ref: NetworkRef) -> bool | None:
    """Whether it starts with the daemon, None where that cannot be said."""
    try:
        return bool(kind.ask(session, "GET_AUTOSTART", ref)["autostart"])
    except Failed:
        return None


def autostart_word(value: bool | None) -> str:
    return "no autostart" if value is None else "yes" if value else "no"


def yes(value: bool) -> str:
    return "yes" if value else "no"


# Commands by their form


def plain(
    kind: Kind, call: str, verb: str, done: str, bits: Sequence[tuple[str, int]] | None = None
) -> Run:
    """A command that makes one call about a thing and says that it did.

    ``bits`` are the options that are flags of the call; None: the call has no flags.
    """

    def run(session: Session, args: Args) -> None:
        ref, name = kind.find(session, args), args[kind.noun]
        more: dict[str, Any] = {} if bits is None else {"flags": args.bits(bits)}
        kind.ask(session, call, ref, failed=f"Failed to {verb} {kind.noun} {name}", **more)
        session.remark(f"{kind.noun.capitalize()} {name} {done}\n")

    return run


def from_file(kind: Kind, verb: str, make: Callable[[Session, Args, str, str], NetworkRef]) -> Run:
    """A command that makes a thing of the XML in a file: ``make(session, args, xml, failed)``."""
    from virtlxc.cli.files import read_text

    def run(session: Session, args: Args) -> None:
        path = args["file"]
        failed = f"Failed to {verb} {kind.noun} from {path}"
        ref = make(session, args, read_text(path), failed)
        session.remark(f"{kind.noun.capitalize()} {ref[0]} {verb}d from {path}\n")

    return run


def commands(kind: Kind, *, stays: str = "") -> tuple[Command, ...]:
    """The commands that differ in words only; ``stays`` says what a stop or undefine leaves."""
    noun, one = kind.noun, f"a {kind.noun}"
    return (
        Command(
            f"{kind.prefix}-autostart",
            f"let {one} start with the daemon",
            kind.option,
            flag("disable", "do not let it any more"),
            run=_autostart(kind),
        ),
        Command(
            f"{kind.prefix}-destroy",
            f"stop {one}{stays}",
            kind.option,
            run=plain(kind, "DESTROY", "destroy", "destroyed"),
        ),
        Command(
            f"{kind.prefix}-dumpxml",
            f"{one} as XML",
            kind.option,
            flag("inactive", "the definition, not what runs"),
            *shown.XPATH,
            read=_dumpxml(kind),
            show=shown.xml,
        ),
        Command(
            f"{kind.prefix}-edit",
            f"change {one}'s definition in an editor",
            kind.option,
            run=_edit(kind),
        ),
        event_command(kind, text(noun, "only to this one: name or UUID", complete=f"{noun}s")),
        Command(
            f"{kind.prefix}-name", f"the name of {one}", word(noun, "UUID"),
            read=_name(kind), show=shown.line,
        ),
        Command(
            f"{kind.prefix}-undefine",
            f"remove {one}'s definition{stays}",
            kind.option,
            run=plain(kind, "UNDEFINE", "undefine", "has been undefined"),
        ),
        Command(
            f"{kind.prefix}-uuid", f"the UUID of {one}",
            word(noun, "name", complete=f"{noun}s"), read=_uuid(kind), show=shown.line,
        ),
    )  # fmt: skip


def _autostart(kind: Kind) -> Run:
    def run(session: Session, args: Args) -> None:
        ref, name = kind.find(session, args), args[kind.noun]
        mark = "unmark" if "disable" in args else "mark"
        kind.ask(
            session,
            "SET_AUTOSTART",
            ref,
            failed=f"failed to {mark} {kind.noun} {name} as autostarted",
            autostart=int("disable" not in args),
        )
        session.remark(f"{kind.noun.capitalize()} {name} {mark}ed as autostarted\n")

    return run


def _dumpxml(kind: Kind) -> Callable[[Session, Args], str]:
    def read(session: Session, args: Args) -> str:
        flags = INACTIVE_XML if "inactive" in args else 0
        xml: str = kind.ask(session, "GET_XML_DESC", kind.find(session, args), flags=flags)["xml"]
        return xml

    return read


def _edit(kind: Kind) -> Run:
    def run(session: Session, args: Args) -> None:
        from virtlxc.cli.editing import edit_until_taken

        ref = kind.find(session, args)
        name = ref[0]

        def get() -> str:
            xml: str = kind.ask(session, "GET_XML_DESC", ref, flags=INACTIVE_XML)["xml"]
            return xml

        def take(xml: str, _relaxed: bool) -> None:
            nonlocal name
            name = define(kind, session, xml, "Failed.")[0]

        changed = "edited" if edit_until_taken(session, get, take) else "not changed"
        session.remark(f"{kind.noun.capitalize()} {name} XML configuration {changed}.\n")

    return run


def define(kind: Kind, session: Session, xml: str, failed: str, flags: int = 0) -> NetworkRef:
    """Defines it by the call that virsh uses: networks' first one knew no flags."""
    call = f"{kind.call}_DEFINE_XML"
    ref: NetworkRef
    if kind is NETWORK and not flags:
        ref = session.call(call, failed=failed, xml=xml)[kind.field]
    else:
        call += "_FLAGS" if kind is NETWORK else ""
        ref = session.call(call, failed=failed, xml=xml, flags=flags)[kind.field]
    return ref


def _name(kind: Kind) -> Callable[[Session, Args], str]:
    return lambda session, args: find_named(session, kind, args[kind.noun], by_name=False)[0]


def _uuid(kind: Kind) -> Callable[[Session, Args], str]:
    return lambda session, args: uuid_text(
        find_named(session, kind, args[kind.noun], by_uuid=False)[1]
    )


# Events


def event_command(kind: Kind, about: Opt) -> Command:
    """The command that tells what happens to things; ``about`` is the option for one of them."""
    return Command(
        f"{kind.prefix}-event",
        f"what happens to {kind.noun}s",
        about,
        text("event", "the kind of event to wait for"),
        flag("loop", "go on until the time is over or Ctrl-C"),
        number("timeout", "how long, in seconds"),
        flag("list", "print the kinds there are"),
        flag("timestamp", "print when each came"),
        run=_event(kind),
    )


def _event(kind: Kind) -> Run:
    def run(session: Session, args: Args) -> None:
        if "list" in args:
            session.say("".join(f"{name}\n" for name in kind.events))
            return
        wanted = args.get("event")
        if wanted is None:
            raise Failed("either --list or --event <type> is required")
        if wanted not in kind.events:
            raise Failed(f"unknown event type {wanted}")
        from virtlxc.cli.watching import timeout, watch

        timeout(args)
        about: dict[str, Any] = {
            kind.field: kind.find(session, args) if kind.noun in args else None,
            "eventID": kind.events.index(wanted),
        }
        session.call(f"CONNECT_{kind.call}_EVENT_REGISTER_ANY", **about)
        watch(session, args, lambda event: told(kind, event))

    return run


def told(kind: Kind, event: Event) -> str | None:
    """The line for one event, None for one that is not about this kind of things."""
    for at, name in enumerate(kind.events):
        if event.name == f"{kind.call}_EVENT_{name.upper()}":
            line = f"event '{name}' for {kind.title} {event.fields[kind.field][0]}"
            return line + ("\n" if at else f": {named(kind.lifecycle, event.fields['event'])}\n")
    return None
