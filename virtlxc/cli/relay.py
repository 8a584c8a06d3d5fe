"""Bytes passed on: between our terminal and a program that gets none, and through ssh to a socket.

A program keeps what it is given, and so does what it leaves behind in the domain: with our terminal
itself it would read what we type long after its end.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading

from virtlxc.cli.failures import Failed
from virtlxc.cli.terminal import READ_SIZE, STDIN, write_all

OUTPUTS = (1, 2)


class Relay:
    """``fds``: what a program gets in place of our 0, 1 and 2; only terminals are replaced."""

    def __init__(self) -> None:
        self.fds = [STDIN, *OUTPUTS]
        self._theirs: list[int] = []
        self._ended, self._end = os.pipe2(os.O_CLOEXEC)
        self._outputs: list[threading.Thread] = []
        for number in self.fds.copy():
            if os.isatty(number):
                self._stand_in(number)

    def _stand_in(self, number: int) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        if number == STDIN:
            self.fds[number] = reader
            work = threading.Thread(target=self._feed, args=(writer,), daemon=True)
        else:
            self.fds[number] = writer
            work = threading.Thread(target=self._show, args=(reader, number), daemon=True)
            self._outputs.append(work)
        self._theirs.append(self.fds[number])
        work.start()

    def started(self) -> None:
        """The program has them: its end of input is ours to make."""
        for fd in self._theirs:
            os.close(fd)
        self._theirs = []

    def ended(self) -> None:
        """Wait for what the program wrote; what it left behind in the domain is not waited for."""
        self.started()
        os.close(self._end)
        for work in self._outputs:
            work.join()

    def _feed(self, writer: int) -> None:
        try:
            while self._ready(STDIN) == STDIN and (data := os.read(STDIN, READ_SIZE)):
                write_all(writer, data)
        except OSError:
            pass  # EPIPE: nobody reads it any more
        finally:
            os.close(writer)

    def _show(self, reader: int, number: int) -> None:
        os.set_blocking(reader, False)
        try:
            # Once the program has ended, what is in the pipe is all.
            while self._ready(reader) is not None and (data := os.read(reader, READ_SIZE)):
                write_all(number, data)
        except OSError:
            pass  # EAGAIN: the end, with something left behind that holds the pipe
        finally:
            os.close(reader)

    def _ready(self, fd: int) -> int | None:
        """``fd`` when it has something to read, None when the program has ended and it has not."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        ready = dict(poll.poll())
        return fd if fd in ready else None


def join(path: str) -> None:
    """Passes our standard input to a socket, and what comes back to our standard output.

    Until the other side ends; the end of our input is passed on as the end of what we send.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        try:
            other.connect(path)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise Failed(f"Failed to connect socket to '{path}': {reason}") from None

        def feed() -> None:
            with contextlib.suppress(OSError):
                while data := os.read(STDIN, READ_SIZE):
                    other.sendall(data)
                other.shutdown(socket.SHUT_WR)

        threading.Thread(target=feed, daemon=True).start()
        with contextlib.suppress(ConnectionResetError):
            while data := other.recv(READ_SIZE):
                write_all(OUTPUTS[0], data)
