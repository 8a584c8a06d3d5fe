"""A program inside a domain, on our terminal or on our descriptors."""

from __future__ import annotations

import errno
import os
import select

from virtlxc.cli.failures import Failed
from virtlxc.cli.relay import Relay
from virtlxc.cli.session import Ref, Session
from virtlxc.cli.terminal import READ_SIZE, STDIN, STDOUT, RawTerminal, SizeWatch, size, write_all
from virtlxc.errors import VirtlxcError

OWN = "virtlxc"
EXITED = 0
SIGNALED = 128  # what shells add to a signal's number
# Shells' statuses of a program that could not be executed.
NOT_EXECUTABLE, NOT_FOUND = 126, 127
STATUSES = {errno.ENOENT: NOT_FOUND, errno.ENOTDIR: NOT_FOUND}


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
        relay = None if terminal else Relay()
        try:
            found = self.session.connection.call(
                "EXEC_START",
                program=OWN,
                fds=relay.fds if relay is not None else None,
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
            if relay is not None:
                relay.ended()
            status = STATUSES.get(error.errno, NOT_EXECUTABLE) if error.errno > 0 else 1
            raise Failed(
                f"Failed to run '{self.argv[0]}'", error.message, status=status
            ) from None
        if relay is None:
            self._relay(found["fds"][0])
            return self._status(found["handle"])
        relay.started()
        try:
            return self._status(found["handle"])
        finally:
            relay.ended()

    def _status(self, handle: int) -> int:
        ended = self.session.own("EXEC_WAIT", handle=handle)
        status: int = ended["status"]
        return status if ended["how"] == EXITED else SIGNALED + status

    def _relay(self, master: int) -> None:
        """Connects our input and output with the program's terminal until that closes."""
        try:
            if not os.isatty(STDIN):
                _Pump(master).run()
                return
            with RawTerminal(), SizeWatch() as watch:
                _Pump(master, watch).run()
        finally:
            os.close(master)


class _Pump:
    """Carries bytes both ways, and never waits for one way while the other could go on.

    A program that reads slowly would else block us, who would not read what it writes, which would
    block it.
    """

    def __init__(self, master: int, watch: SizeWatch | None = None) -> None:
        self.master = master
        self.watch = watch
        self.pending = b""
        self.ended = False
        self.input_ended = False
        os.set_blocking(master, False)
        self.poll = select.poll()
        self.poll.register(STDIN, select.POLLIN)
        if watch is not None:
            self.poll.register(watch.fileno(), select.POLLIN)

    def run(self) -> None:
        while not self.ended:
            wanted = select.POLLIN | (select.POLLOUT if self.pending else 0)
            self.poll.register(self.master, wanted)
            ready = dict(self.poll.poll())
            if self.watch is not None and self.watch.fileno() in ready:
                _resize(self.master, self.watch.changed())
            if STDIN in ready:
                self._type()
            events = ready.get(self.master, 0)
            if events & select.POLLOUT:
                self._feed()
            if events & ~select.POLLOUT:
                self._show()

    def _type(self) -> None:
        """Takes what was typed; nothing more until the program has taken that."""
        data = os.read(STDIN, READ_SIZE)
        self.poll.unregister(STDIN)
        self.input_ended = not data
        # The end of a pipe is the end of the program's input: what Ctrl-D is on a terminal.
        self.pending = data or b"\x04"

    def _feed(self) -> None:
        try:
            self.pending = self.pending[os.write(self.master, self.pending) :]
        except OSError:
            self.pending = b""  # EIO: nobody is left to read it
        if not self.pending and not self.input_ended:
            self.poll.register(STDIN, select.POLLIN)

    def _show(self) -> None:
        try:
            data = os.read(self.master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last holder of the terminal is gone
        if data:
            write_all(STDOUT, data)
        else:
            self.ended = True


def _resize(master: int, rows_columns: tuple[int, int]) -> None:
    from termios import tcsetwinsize

    if rows_columns[0]:
        tcsetwinsize(master, rows_columns)
