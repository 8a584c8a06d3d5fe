"""The console of a domain on our own terminal.

Several can look at the same console; the daemon replays what was missed. Sizes follow our window
by a call of our own program, which other daemons need not have.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from types import FrameType
from typing import Any

from virtlxc.cli.failures import Failed
from virtlxc.cli.session import Ref, Session
from virtlxc.errors import VirtlxcError
from virtlxc.rpc.link import Stream

SHUTOFF = 5
STDIN, STDOUT = 0, 1
READ_SIZE = 65536
HANDLED = (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


class RawTerminal:
    """Standard input as a raw terminal, with signals that only end the reading."""

    def __enter__(self) -> RawTerminal:
        self._before = termios.tcgetattr(STDIN)
        # Not FLUSH: what was typed already, by a script for example, must not be lost.
        tty.setraw(STDIN, termios.TCSADRAIN)
        self._signals = {number: signal.signal(number, _ignore) for number in HANDLED}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        termios.tcsetattr(STDIN, termios.TCSADRAIN, self._before)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Lets system calls end early instead of the process."""


def size() -> tuple[int, int]:
    """Rows and columns of our window; (0, 0) when it has none."""
    try:
        found = os.get_terminal_size(STDIN)
    except OSError:
        return 0, 0
    return found.lines, found.columns


class SizeWatch:
    """Tells of changes of the window's size by a readable descriptor."""

    def __enter__(self) -> SizeWatch:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: Any = signal.signal(signal.SIGWINCH, self._changed)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.signal(signal.SIGWINCH, self._before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        return self._read

    def _changed(self, _number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):  # one byte that waits is enough
            os.write(self._write, b"w")

    def changed(self) -> tuple[int, int]:
        """Forgets the change, and gives the size after it."""
        os.read(self._read, READ_SIZE)
        return size()


def escape_byte(written: str) -> bytes:
    """The byte of ``^]`` or of a single letter."""
    if written.startswith("^"):
        return bytes([ord(written[1].upper()) ^ 0x40])
    return written.encode()


def attach(session: Session, ref: Ref, device: str | None = None, flags: int = 0) -> None:
    """Connects our terminal with a console until the escape character or the console's end."""
    state = session.call("DOMAIN_GET_STATE", failed="Unable to get domain status", dom=ref)
    if state["state"] == SHUTOFF:
        raise Failed("The domain is not running")
    if not os.isatty(STDIN):
        raise Failed("Cannot run interactive console without a controlling TTY")
    escape = session.options.escape
    session.remark(f"Connected to domain '{ref[0]}'\n")
    session.remark(f"Escape character is {escape}")
    session.remark(f" (Ctrl + {escape[1]})\n" if escape[0] == "^" else "\n")
    session.flush()
    with RawTerminal():
        stream = session.connection.stream(
            "DOMAIN_OPEN_CONSOLE", dom=ref, dev_name=device, flags=flags
        )
        with SizeWatch() as watch:
            console = _Console(session, ref, device, stream, watch)
            console.resize(size())
            console.relay(escape_byte(escape))


class _Console:
    def __init__(
        self, session: Session, ref: Ref, device: str | None, stream: Stream, watch: SizeWatch
    ) -> None:
        self.session = session
        self.ref = ref
        self.device = device
        self.stream = stream
        self.watch = watch
        self.can_resize = True

    def resize(self, rows_columns: tuple[int, int]) -> None:
        rows, columns = rows_columns
        if not self.can_resize or not rows:
            return
        try:
            self.session.connection.call(
                "CONSOLE_RESIZE",
                program="virtlxc",
                dom=self.ref,
                dev_name=self.device,
                rows=rows,
                columns=columns,
            )
        except VirtlxcError:
            self.can_resize = False  # libvirt's daemon, or a console that has just gone

    def relay(self, escape: bytes) -> None:
        poll = select.poll()
        for source in (STDIN, self.stream.fileno(), self.watch.fileno()):
            poll.register(source, select.POLLIN)
        while self.show():
            ready = dict(poll.poll())
            if self.watch.fileno() in ready:
                self.resize(self.watch.changed())
            if STDIN in ready and not self.type(escape):
                self.stream.finish()
                return
            if self.stream.fileno() in ready:
                self.session.connection.pump(0)
        self.stream.finish()

    def show(self) -> bool:
        """Prints what has come; False at the console's end."""
        while (data := self.stream.recv(0)) is not None:
            if not data:
                return False
            write_all(STDOUT, data)
        return True

    def type(self, escape: bytes) -> bool:
        """Sends what was typed; False when that was the escape character."""
        data = os.read(STDIN, READ_SIZE)
        if not data:
            raise Failed("internal error: EOF on stdin")
        before, found, _after = data.partition(escape)
        if before:
            self.stream.send(before)
        return not found


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
