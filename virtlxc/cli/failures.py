"""What ends a command early: the lines that go to stderr, each after ``error: ``, and a status."""

from __future__ import annotations

from virtlxc.errors import Code


class Failed(Exception):
    """A command did not do its work; ``lines`` say what, then why.

    ``code`` is libvirt's number of the daemon's error, 0 when the daemon has no part in it;
    ``status`` is the command's exit status.
    """

    def __init__(self, *lines: str, code: int = 0, status: int = 1) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.code = code
        self.status = status

    @property
    def lacks_call(self) -> bool:
        """Whether the daemon has no such call, as libvirt's has none of ours."""
        return self.code in (Code.NO_SUPPORT, Code.RPC)


class UsageError(Failed):
    """The command line itself is wrong: nothing of it was carried out."""


class Exit(Exception):
    """Leave with this status, for commands that pass on the status of something else."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
