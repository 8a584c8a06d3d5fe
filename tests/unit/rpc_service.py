"""A server with a fake driver, on a thread of its own, for tests that talk to it over sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.unit.fake_driver import FakeDriver
from virtlxc.config import Config
from virtlxc.rpc import wire
from virtlxc.rpc.client import Connection
from virtlxc.rpc.server import Server
from virtlxc.rpc.tables import REMOTE, procedure


class Service:
    """A running server; ``driver`` is what stands behind it."""

    def __init__(self, root: str, config: Config) -> None:
        self.driver = FakeDriver(root, config)
        self.path = self.driver.paths.socket
        self.path_ro = self.driver.paths.socket_ro
        self.loop = asyncio.new_event_loop()
        self.mistakes: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.mistakes.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name="server", daemon=True)
        self._thread.start()
        self.server: Server = self.on_loop(self._start)

    def _start(self) -> Server:
        server = Server(self.driver, self.loop, self.driver.config)  # type: ignore[arg-type]
        server.listen(self.path, readonly=False)
        server.listen(self.path_ro, readonly=True)
        return server

    def on_loop(self, function: Callable[[], Any]) -> Any:
        """What ``function`` gives when the server's own thread calls it."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

    def stop(self) -> None:
        self.on_loop(self.server.stop)  # Stopping twice is allowed.
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()

    def connect(self, readonly: bool = False) -> Connection:
        return Connection(self.path, readonly)

    def raw(self) -> Raw:
        return Raw(self.path)


@contextmanager
def running(root: str, **settings: Any) -> Iterator[Service]:
    """A service; ``settings`` are those of the configuration that are not as usual."""
    service = Service(root, Config(**settings))
    try:
        yield service
    finally:
        service.stop()
    assert service.mistakes == [], "the event loop caught exceptions"


def wait_until(true: Callable[[], object], timeout: float = 60.0) -> None:
    """Asks until it is true; AssertionError at the bound."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Raw:
    """A client that can say anything."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.serial = 0

    def open(self) -> Raw:
        assert self.call("CONNECT_OPEN", name=None, flags=0)[0].status == wire.OK
        return self

    def packet(self, name: str, /, *, program: str = REMOTE, **fields: Any) -> bytes:
        row = procedure(name, program)
        self.serial += 1
        payload = row.args.encode_named(fields)
        return wire.packet(
            row.program, row.version, row.number, wire.CALL, self.serial, wire.OK, payload
        )

    def call(self, name: str, /, **fields: Any) -> tuple[wire.Header, bytes]:
        self.socket.sendall(self.packet(name, **fields))
        return self.receive()

    def exchange(self, packet: bytes) -> tuple[wire.Header, bytes]:
        self.socket.sendall(packet)
        return self.receive()

    def receive(self) -> tuple[wire.Header, bytes]:
        """The next packet. Raises ConnectionError at the end of the connection."""
        size = wire.packet_size(self._read(wire.LENGTH_SIZE))
        rest = self._read(size - wire.LENGTH_SIZE)
        head, payload = wire.header(rest, 0), rest[wire.HEADER_SIZE :]
        if head.type == wire.REPLY_WITH_FDS:
            # One byte each; the kernel drops descriptors that nobody asks for.
            self._read(wire.fd_count(payload, 0))
        return head, payload

    def values(self, name: str, /, **fields: Any) -> tuple[Any, ...]:
        """The reply's fields."""
        head, payload = self.call(name, **fields)
        assert head.status == wire.OK, wire.ERROR_MESSAGE.decode(payload)
        return procedure(name).result.decode(payload)

    def error(self, packet: bytes) -> tuple[int, int, str]:
        """(code, domain, message) of the error that ``packet`` is answered with."""
        head, payload = self.exchange(packet)
        assert head.status == wire.ERROR, (head.type, head.status, payload)
        fields = wire.ERROR_MESSAGE.decode(payload)
        return fields[0], fields[1], fields[2]

    def is_closed(self) -> bool:
        """Whether the server closes the connection (waits for it)."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        return data

    def close(self) -> None:
        self.socket.close()


def main(root: str) -> None:
    """A server in a process of its own, with the domain web1; ends with its standard input."""
    logging.basicConfig(level=logging.ERROR)
    with running(root) as service:
        domains = service.driver.domains
        domains.add("web1", 5)
        domains.shutdown = domains.reboot  # type: ignore[method-assign]
        domains.owner_gone = lambda owner: None  # type: ignore[method-assign]
        print(service.path, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
