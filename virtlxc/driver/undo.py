"""Taking back what dead controllers left, and the daemon's own steps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from virtlxc.runtime.ops import OPS
from virtlxc.runtime.ops.context import Context, StepError

_log = logging.getLogger(__name__)


def perform(step: Mapping[str, Any]) -> None:
    """One step of the daemon's side; raises StepError or OSError."""
    OPS[step["op"]](Context("daemon"), **step["args"])


def undo(entries: Iterable[Mapping[str, Any]], name: str) -> None:
    """Performs undo operations in this order; one that fails is logged and does not stop the rest.

    Every operation is idempotent and checks that what it removes is what was made.
    """
    for entry in entries:
        try:
            OPS[entry["op"]](Context("daemon"), **entry["args"])
        except (StepError, OSError, KeyError, TypeError) as error:
            _log.warning("domain '%s': cannot undo %s %s: %s", name, *_shown(entry), error)


def _shown(entry: Mapping[str, Any]) -> tuple[object, object]:
    return entry.get("op"), entry.get("args")
