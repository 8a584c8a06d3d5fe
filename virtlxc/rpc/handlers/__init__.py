"""What answers each procedure, one file a subject: decode, one call of the driver's, encode."""

from __future__ import annotations

from importlib import import_module

_SUBJECTS = (
    "auth", "connect", "lifecycle", "describe", "tuning", "processors", "devices", "guest",
    "statistics", "console", "events", "network", "node", "native", "absent", "own",
    "batches", "storage", "nodedevs",
)  # fmt: skip


def load() -> None:
    """Registers every handler."""
    for subject in _SUBJECTS:
        import_module(f"{__name__}.{subject}")
