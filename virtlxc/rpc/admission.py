"""Who may use the read-write socket where polkit is asked, so that its rights let everybody in.

Root and the socket's group come in as ever. Others have not shown anything yet: a few connections
of each user are let wait, apart from everybody else's, so that no user can keep others out.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from virtlxc.rpc.listen import peer_groups

if TYPE_CHECKING:
    from virtlxc.rpc.peer import Client

WAITING_MAX = 5
"""Connections of one user that have not been admitted yet."""

ANSWER_SECONDS = 300.0
"""How long somebody may take to type a password."""


class Admission:
    """``gid`` is the socket's group, -1 for none; it ``asks`` polkit, or nobody else comes in."""

    def __init__(self, gid: int = -1, *, asks: bool = False) -> None:
        self.asks = asks
        self._gid = gid
        self._waiting: Counter[int] = Counter()

    @property
    def mode(self) -> int:
        """The rights of the read-write socket."""
        return 0o666 if self.asks else 0o660

    def knows(self, client: Client) -> bool:
        """Whether the client need not be asked for."""
        if not self.asks or client.readonly or client.uid in (0, os.geteuid()):
            return True
        groups = (client.gid, *peer_groups(client.socket))
        return self._gid >= 0 and self._gid in groups

    def wait(self, client: Client) -> bool:
        """Lets the client wait; False when others of its user wait already, enough of them."""
        if self._waiting[client.uid] >= WAITING_MAX:
            return False
        self._waiting[client.uid] += 1
        return True

    def no_longer_waits(self, client: Client) -> None:
        self._waiting[client.uid] -= 1
        if not self._waiting[client.uid]:
            del self._waiting[client.uid]
