"""A program inside a domain, on our terminal or on our descriptors."""

from __future__ import annotations

import os
import select

from virtlxc.cli.failures import Failed
from virtlxc.cli.session import Ref, Session
from virtlxc.cli.terminal import READ_SIZE, STDIN, STDOUT, RawTerminal, SizeWatch, size, write_all
from virtlxc.errors import VirtlxcError

OWN = "virtlxc"
EXITED = 0
SIGNALED = 128  # what shells add to a signal's number


class Execution:
    """One program: started, fed, and waited for."""

    def __init__(self, session: Session, ref: Ref, argv: list[str]) -> None:
        self.session = session
        self.ref = ref
        self.argv = argv

    def run(
        self,
        *,
        env: list[str],
        cwd: str | None,
        user: str | None,
        group: str | None,
        terminal: bool | None,
    ) -> int:
        """The exit status: the program's, 128 and the signal's number when one ended it.

        ``terminal`` None gives it a terminal if our input and output are one.
        """
        if terminal is None:
            terminal = os.isatty(STDIN) and os.isatty(STDOUT)
        rows, columns = size() if terminal else (0, 0)
        self.session.flush()
        try:
            found = self.session.connection.call(
                "EXEC_START",
                program=OWN,
                fds=None if terminal else [0, 1, 2],
                dom=self.ref,
                argv=self.argv,
                env=env,
                cwd=cwd,
                user=user,
                group=group,
                tty=int(terminal),
                rows=rows,
                columns=columns,
            )
        except VirtlxcError as error:
            raise Failed(f"Failed to run '{self.argv[0]}'", error.message) from None
        if terminal:
            self._relay(found["fds"][0])
        return self._status(found["handle"])

    def _status(self, handle: int) -> int:
        ended = self.session.own("EXEC_WAIT", handle=handle)
        status: int = ended["status"]
        return status if ended["how"] == EXITED else SIGNALED + status

    def _relay(self, master: int) -> None:
        """Connects our terminal with the program's until that one closes."""
        if not os.isatty(STDIN):
            _pump(master, with_input=True)
            return
        with RawTerminal(), SizeWatch() as watch:
            _pump(master, with_input=True, watch=watch)


def _pump(master: int, *, with_input: bool, watch: SizeWatch | None = None) -> None:
    poll = select.poll()
    poll.register(master, select.POLLIN)
    if with_input:
        poll.register(STDIN, select.POLLIN)
    if watch is not None:
        poll.register(watch.fileno(), select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if watch is not None and watch.fileno() in ready:
            _resize(master, watch.changed())
        if STDIN in ready:
            data = os.read(STDIN, READ_SIZE)
            if data:
                write_all(master, data)
            else:
                poll.unregister(STDIN)
        if master in ready:
            try:
                data = os.read(master, READ_SIZE)
            except OSError:
                data = b""  # EIO: the last holder of the terminal is gone
            if not data:
                os.close(master)
                return
            write_all(STDOUT, data)


def _resize(master: int, rows_columns: tuple[int, int]) -> None:
    from termios import tcsetwinsize

    if rows_columns[0]:
        tcsetwinsize(master, rows_columns)
