"""What happens to domains, told as it happens."""

from __future__ import annotations

from virtlxc.cli.commands.states import word as named
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows, text
from virtlxc.cli.lookup import find_domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session
    from virtlxc.rpc.link import Event

# By libvirt's virDomainEventID: the name, and the message that tells it.
EVENTS = (
    ("lifecycle", "DOMAIN_EVENT_CALLBACK_LIFECYCLE"),
    ("reboot", "DOMAIN_EVENT_CALLBACK_REBOOT"),
    ("rtc-change", "DOMAIN_EVENT_CALLBACK_RTC_CHANGE"),
    ("watchdog", "DOMAIN_EVENT_CALLBACK_WATCHDOG"),
    ("io-error", "DOMAIN_EVENT_CALLBACK_IO_ERROR"),
    ("graphics", "DOMAIN_EVENT_CALLBACK_GRAPHICS"),
    ("io-error-reason", "DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON"),
    ("control-error", "DOMAIN_EVENT_CALLBACK_CONTROL_ERROR"),
    ("block-job", "DOMAIN_EVENT_CALLBACK_BLOCK_JOB"),
    ("disk-change", "DOMAIN_EVENT_CALLBACK_DISK_CHANGE"),
    ("tray-change", "DOMAIN_EVENT_CALLBACK_TRAY_CHANGE"),
    ("pm-wakeup", "DOMAIN_EVENT_CALLBACK_PMWAKEUP"),
    ("pm-suspend", "DOMAIN_EVENT_CALLBACK_PMSUSPEND"),
    ("balloon-change", "DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE"),
    ("pm-suspend-disk", "DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK"),
    ("device-removed", "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED"),
    ("block-job-2", "DOMAIN_EVENT_BLOCK_JOB_2"),
    ("tunable", "DOMAIN_EVENT_CALLBACK_TUNABLE"),
    ("agent-lifecycle", "DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE"),
    ("device-added", "DOMAIN_EVENT_CALLBACK_DEVICE_ADDED"),
    ("migration-iteration", "DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION"),
    ("job-completed", "DOMAIN_EVENT_CALLBACK_JOB_COMPLETED"),
    ("device-removal-failed", "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED"),
    ("metadata-change", "DOMAIN_EVENT_CALLBACK_METADATA_CHANGE"),
    ("block-threshold", "DOMAIN_EVENT_BLOCK_THRESHOLD"),
    ("memory-failure", "DOMAIN_EVENT_MEMORY_FAILURE"),
    ("memory-device-size-change", "DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE"),
)

# By virDomainEventType: the name, and its details.
LIFECYCLE = (
    ("Defined", ("Added", "Updated", "Renamed", "Snapshot")),
    ("Undefined", ("Removed", "Renamed")),
    ("Started", ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup")),
    ("Suspended", ("Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot",
                   "API error", "Post-copy", "Post-copy Error")),
    ("Resumed", ("Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error")),
    ("Stopped", ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot")),
    ("Shutdown", ("Finished", "Finished after guest request", "Finished after host request")),
    ("PMSuspended", ("Memory", "Disk")),
    ("Crashed", ("Panicked", "Crashloaded")),
)  # fmt: skip

METADATA = ("description", "title", "element")


def _event(session: Session, args: Args) -> None:
    if "list" in args:
        session.say("".join(f"{name}\n" for name, _message in EVENTS))
        return
    wanted = args.get("event")
    if wanted is None and "all" not in args:
        raise Failed("one of --list, --all, or --event <type> is required")
    chosen = [at for at, (name, _message) in enumerate(EVENTS) if wanted in (None, name)]
    if not chosen:
        raise Failed(f"unknown event type {wanted}")
    from virtlxc.cli.watching import timeout, watch

    timeout(args)
    ref = find_domain(session, args["domain"]) if "domain" in args else None
    for at in chosen:
        try:
            session.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=at, dom=ref)
        except Failed:
            if at == chosen[0]:
                raise
    watch(session, args, told)


def told(event: Event) -> str | None:
    """The line for one event, None for one that is not about domains."""
    names = {message: name for name, message in EVENTS}
    name = names.get(event.name)
    if name is None:
        return None
    fields = event.fields
    line = f"event '{name}' for domain '{fields['dom'][0]}'"
    if name == "lifecycle":
        title, details = _lifecycle(fields["event"])
        line += f": {title} {named(details, fields['detail'])}"
    elif name == "metadata-change":
        uri = fields["nsuri"] or "<null>"
        line += f": type {named(METADATA, fields['type'])}, uri {uri}"
    elif name == "tunable":
        params = "".join(f"\t{field}: {value}\n" for field, _kind, value in fields["params"])
        return f"{line}:\n{params}"
    elif "devAlias" in fields:
        line += f": {fields['devAlias']}"
    return line + "\n"


def _lifecycle(number: int) -> tuple[str, tuple[str, ...]]:
    return LIFECYCLE[number] if 0 <= number < len(LIFECYCLE) else ("unknown", ())


COMMANDS = rows(
    Command(
        "event",
        "what happens to domains",
        text("domain", "only to this one: name, id or UUID", complete="domains"),
        text("event", "the kind of event to wait for"),
        flag("all", "wait for every kind"),
        flag("loop", "go on until the time is over or Ctrl-C"),
        number("timeout", "how long, in seconds"),
        flag("list", "print the kinds there are"),
        flag("timestamp", "print when each came"),
        run=_event,
        excludes=(("all", "event"), ("list", "all"), ("list", "event")),
    ),
)
