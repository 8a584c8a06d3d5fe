"""Whether the other side is still there. Neither side answers a pong."""

from __future__ import annotations

ROWS = (
    (1, "PING", "", "", "event"),
    (2, "PONG", "", "", "event"),
)
