"""A command on a terminal of its own, driven like a person would: wait for a text, then type."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

from tests.harness import PATIENCE
from tests.namespaces import Namespaces

READ_SIZE = 65536


class Terminal:
    """One command; ``seen`` is all that it printed so far."""

    def __init__(
        self,
        spaces: Namespaces,
        argv: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (24, 80),
    ) -> None:
        self.master, slave = os.openpty()
        termios.tcsetwinsize(self.master, size)
        self.seen = b""
        # setsid --ctty makes the terminal the controlling one, which window sizes need.
        self.process: subprocess.Popen[bytes] = spaces.popen(
            ["setsid", "--ctty", "--wait", *argv], env=env, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.master, (rows, columns))

    def expect(self, text: str, timeout: float = 60) -> None:
        """Wait until this was printed since the last expect(); AssertionError shows what was."""
        end = time.monotonic() + timeout * PATIENCE
        new = b""
        while text.encode() not in new:
            left = end - time.monotonic()
            came = left > 0 and self._readable(left)
            assert came, f"no {text!r} in {new!r} (before: {self.seen!r})"
            data = self._read()
            assert data, f"it ended before {text!r}: {new!r} (before: {self.seen!r})"
            new += data
        self.seen += new

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        local_modes: int = termios.tcgetattr(self.master)[3]
        return bool(local_modes & termios.ECHO)

    def end(self, timeout: float = 60) -> int:
        """Wait for the end; the exit status."""
        end = time.monotonic() + timeout * PATIENCE
        while self._readable(max(0.0, end - time.monotonic())):
            data = self._read()
            if not data:
                break
            self.seen += data
        try:
            return self.process.wait(max(0.1, end - time.monotonic()))
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def text(self) -> str:
        return self.seen.decode("utf-8", "replace")

    def _readable(self, timeout: float) -> bool:
        return bool(select.select([self.master], [], [], timeout)[0])

    def _read(self) -> bytes:
        try:
            return os.read(self.master, READ_SIZE)
        except OSError:
            return b""  # EIO: the other side is closed
