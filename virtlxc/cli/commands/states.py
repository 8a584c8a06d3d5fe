"""Words for the numbers of libvirt's virDomainState and its reasons, in their order."""

from __future__ import annotations

STATES = (
    "no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended",
)  # fmt: skip

REASONS = (
    ("unknown",),
    ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused",
     "migration canceled", "save canceled", "event wakeup", "crashed", "post-copy",
     "post-copy failed"),
    ("unknown",),
    ("unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog",
     "from snapshot", "shutting down", "creating snapshot", "crashed", "starting up", "post-copy",
     "post-copy failed"),
    ("unknown", "user"),
    ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed",
     "from snapshot", "daemon"),
    ("unknown", "panicked"),
    ("unknown",),
)  # fmt: skip


def word(words: tuple[str, ...], number: int, other: str = "unknown") -> str:
    """The word for a number, ``other`` for one that newer daemons may know."""
    return words[number] if 0 <= number < len(words) else other


def state(number: int) -> str:
    return word(STATES, number, "no state")


def reason(state_number: int, number: int) -> str:
    known = REASONS[state_number] if 0 <= state_number < len(REASONS) else ()
    return word(known, number)
