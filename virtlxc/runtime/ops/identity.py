"""Who init is when it runs: names, terminal, limits, rights, program."""

from __future__ import annotations

from .context import Context


def hostname(ctx: Context, *, name: str) -> None:
    """Set the node name of this uts namespace."""


def console(ctx: Context, *, path: str = "/dev/console", user: str | None = None) -> None:
    """Init, after pivot: new session, ``path`` as controlling terminal and as 0, 1, 2.

    ``user``: the tty is given to this user (as in ``credentials``).
    """


def rlimit(ctx: Context, *, name: str, soft: int, hard: int) -> None:
    """Set a resource limit: "nofile", "core", ... (-1: unlimited)."""


def keyring(ctx: Context) -> None:
    """Join a new session keyring, so that the host's is not inherited."""


def caps(ctx: Context, *, keep: list[int]) -> None:
    """Reduce bounding, permitted and effective sets to the numbers ``keep``; clear the others."""


def credentials(ctx: Context, *, user: str | None = None, group: str | None = None) -> None:
    """Become a user and group of the guest's own /etc/passwd and /etc/group (after pivot).

    Names, numbers or "+number"; null: root. Supplementary groups come from the guest's /etc/group.
    """


def no_new_privs(ctx: Context) -> None:
    """PR_SET_NO_NEW_PRIVS."""


def chdir(ctx: Context, *, path: str) -> None:
    """Init, after pivot: working directory."""


def execute(
    ctx: Context,
    *,
    argv: list[str],
    env: list[list[str]],
    keep: list[str] | None = None,
) -> None:
    """Execute the guest's program ``argv[0]``; descriptors ``keep`` (keys) are passed from 3 on.

    Signals are at their defaults, and every other descriptor is closed.
    """
