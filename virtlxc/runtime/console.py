"""A console: what the guest writes goes to a ring, viewers and a bounded log; a guest cannot flood.

The ring holds the last 64 KiB. A viewer is an offset in the stream: who reads slowly loses the
oldest bytes, and blocks nobody. A token bucket limits how fast the guest's output is taken at all
(the guest waits for its terminal then), a second one what is logged.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .lean import Socket

RING = 65536
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = 4096
#: A terminal hands out less than it was asked for even if there is more; so little means its end.
_SCRAP = 1024
#: Bytes a second, and how many at once: a boot's output is never delayed, a flood is. Nearly all of
#: what a flood costs is the guest's own writing, 1.3 % of a core at this rate.
_OUTPUT_RATE, _OUTPUT_BURST = 256 * 1024, 1024 * 1024
_LOG_RATE, _LOG_BURST = 32 * 1024, 1024 * 1024
#: A throttled console is looked at again after this long, in seconds.
_PAUSE = 0.1

_TIOCGPTPEER = 0x5441
_TIOCSWINSZ = 0x5414


class Bucket:
    """Tokens that refill at ``rate`` a second up to ``burst``; ``now`` is a monotonic time."""

    __slots__ = ("_level", "_then", "burst", "rate")

    def __init__(self, rate: int, burst: int, now: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self._level = float(burst)
        self._then = now

    def level(self, now: float) -> int:
        if now > self._then:
            self._level = min(self.burst, self._level + (now - self._then) * self.rate)
            self._then = now
        return int(self._level)

    def take(self, amount: int) -> None:
        self._level -= amount


class Ring:
    """The last RING bytes of a stream; positions count from its beginning."""

    __slots__ = ("_data", "end", "size")

    def __init__(self, size: int = RING) -> None:
        self.size = size
        self.end = 0
        self._data = bytearray()

    @property
    def start(self) -> int:
        """The position of the oldest byte that is still there."""
        return max(0, self.end - self.size)

    def push(self, data: bytes) -> None:
        if len(data) > self.size:
            self.end += len(data) - self.size
            data = data[-self.size :]
            # What was there is gone entirely; keep byte n of the stream at n modulo size.
            self._data.extend(bytes(self.size - len(self._data)))
        at = self.end % self.size
        first = min(len(data), self.size - at)
        self._data[at : at + first] = data[:first]
        if first < len(data):
            self._data[: len(data) - first] = data[first:]
        self.end += len(data)

    def read(self, position: int, limit: int) -> tuple[bytes, int]:
        """Bytes from ``position`` (or the oldest, if that is gone), and where they begin."""
        position = min(max(position, self.start), self.end)
        at = position % self.size
        length = min(limit, self.end - position, self.size - at)
        return bytes(self._data[at : at + length]), position


class Log:
    """A log file that is rotated at ``limit`` bytes, ``files`` of them; failures are silent.

    A full disk must not stop a guest, so what cannot be written is lost.
    """

    def __init__(self, path: str = "", limit: int = 0, files: int = 0) -> None:
        self._bucket = Bucket(_LOG_RATE, _LOG_BURST, time.monotonic())
        self._skipped = 0
        self._ended = True
        self._fd = -1
        self._size = 0
        if path:
            self.open(path, limit, files)

    def open(self, path: str, limit: int, files: int) -> None:
        self.path = path
        self.limit = limit
        self.files = files if files > 1 else 1
        self._open()

    def _open(self) -> None:
        try:
            self._fd = os.open(self.path, _LOG_FLAGS, 0o600)
            self._size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self._fd = -1

    def write(self, data: bytes, now: float) -> None:
        if self._bucket.level(now) < len(data):
            self._skipped += len(data)
            return
        if self._skipped:
            data = b"\n[virtlxc: %d bytes not logged]\n" % self._skipped + data
            self._skipped = 0
        self._bucket.take(len(data))
        if self._size + len(data) > self.limit:
            self._rotate()
        if self._fd < 0:
            return
        self._ended = data.endswith(b"\n")
        try:
            self._size += os.write(self._fd, data)
        except OSError:
            return

    def line(self, text: bytes, now: float) -> None:
        """A message of its own, on a line of its own: a console's last one may lack its end."""
        self.write(text if self._ended else b"\n" + text, now)

    def _rotate(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            for number in range(self.files - 1, 0, -1):
                older = f"{self.path}.{number}"
                newer = f"{self.path}.{number - 1}" if number > 1 else self.path
                try:
                    os.rename(newer, older)
                except FileNotFoundError:
                    continue
            if self.files == 1:
                os.unlink(self.path)
        except OSError:
            return
        self._open()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class Viewer:
    """One connection that reads a console and types into it."""

    __slots__ = ("console", "position", "sock")

    def __init__(self, console: Console, sock: Socket) -> None:
        self.console = console
        self.sock = sock
        self.position = console.ring.start

    def pump(self) -> bool:
        """Send what it has not seen, as far as it takes it; False when the viewer is gone."""
        ring = self.console.ring
        while self.position < ring.end:
            data, begin = ring.read(self.position, 16384)
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self.position = begin + sent
        return True

    def behind(self) -> bool:
        return self.position < self.console.ring.end


class Console:
    """The master of one pty, with its ring, its viewers, and (the first console) the log."""

    def __init__(self, log: Log | None = None) -> None:
        self.ring = Ring()
        self.log = log
        self.viewers: list[Viewer] = []
        self.master = -1
        self._slave = -1
        self.typed = b""
        self.resume: float | None = None
        self._bucket = Bucket(_OUTPUT_RATE, _OUTPUT_BURST, time.monotonic())

    def connect(self, master: int, slave: int = -1) -> None:
        """Take a new master (of a new boot); the ring goes on. ``slave``: see _hold."""
        if self.master >= 0:
            self.disconnect()
        self.master = master
        self.typed = b""
        self.resume = None
        self._slave = slave
        if slave < 0:
            self._hold()

    def disconnect(self) -> None:
        for fd in (self.master, self._slave):
            if fd >= 0:
                os.close(fd)
        self.master = self._slave = -1

    def close(self) -> None:
        self.disconnect()
        if self.log is not None:
            self.log.close()

    def _hold(self) -> None:
        """Keep the slave open: else the master hangs up whenever the guest has it closed."""
        if self._slave >= 0:
            os.close(self._slave)
        self._slave = open_slave(self.master)

    def resize(self, rows: int, cols: int) -> None:
        fcntl.ioctl(self.master, _TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def events(self) -> int:
        """What to poll the master for."""
        wanted = select.POLLIN if self.resume is None else 0
        return wanted | (select.POLLOUT if self.typed else 0)

    def read(self, now: float) -> bool:
        """Take what the guest wrote, as much as its bucket allows; False when there was nothing."""
        got = False
        while self._bucket.level(now) > 0:
            try:
                data = os.read(self.master, _READ)
            except BlockingIOError:
                return got
            except OSError as error:
                if error.errno == errno.EIO:
                    # A getty hung the line up (vhangup), our hold on it as well.
                    self._hold()
                    self.resume = now + _PAUSE
                return got
            self._bucket.take(len(data))
            self.ring.push(data)
            if self.log is not None:
                self.log.write(data, now)
            got = True
            if len(data) < _SCRAP:
                # All that there was, as a rule: the poll tells of the rest, if there is any.
                return True
        self.resume = now + _PAUSE
        return got

    def type(self, data: bytes) -> None:
        """Hand input to the guest; what it does not take now is kept until it does."""
        self.typed += data
        self.flush()

    def flush(self) -> None:
        try:
            self.typed = self.typed[os.write(self.master, self.typed) :]
        except BlockingIOError:
            return
        except OSError:
            self.typed = b""


def open_slave(master: int) -> int:
    """The other end of a pty, close-on-exec; -1 where there is none to be had."""
    try:
        return fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return -1


class Messages:
    """The guest's messages, one a datagram in the words of syslog; to the service, a console.

    Nobody views it, and nothing is typed into it. As with a console, who sends too much waits.
    """

    typed = b""

    def __init__(self, sock: int, log: Log | None) -> None:
        self.master = sock
        self.viewers: list[Viewer] = []
        self.resume: float | None = None
        self._log = log
        self._bucket = Bucket(_OUTPUT_RATE, _OUTPUT_BURST, time.monotonic())

    def events(self) -> int:
        return select.POLLIN if self.resume is None else 0

    def read(self, now: float) -> bool:
        """Log what has come, as much as the bucket allows; False: there is nothing to view."""
        while self._bucket.level(now) > 0:
            try:
                data = os.read(self.master, _READ)
            except OSError:
                return False
            self._bucket.take(len(data) + 1)
            if self._log is not None:
                self._log.line(message(data) + b"\n", now)
        self.resume = now + _PAUSE
        return False

    def flush(self) -> None:
        """Nothing is typed here."""

    def disconnect(self) -> None:
        os.close(self.master)


def message(datagram: bytes) -> bytes:
    """One message without its priority, the number in angle brackets of RFC 3164, on one line."""
    if datagram[:1] == b"<":
        number, end, rest = datagram[1:6].partition(b">")
        if end and number.isdigit():
            datagram = rest + datagram[6:]
    return datagram.strip(b"\n\0").replace(b"\n", b" ")
