"""A system bus for tests: authenticates, says hello, and answers calls as it was told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    Parser,
    new_error,
    new_method_return,
    new_signal,
)

MANAGER = DBusAddress(
    "/org/freedesktop/systemd1",
    bus_name="org.freedesktop.systemd1",
    interface="org.freedesktop.systemd1.Manager",
)
JOB = "/org/freedesktop/systemd1/job/7"
Answer = Callable[[Message], list[Message]]


def job(message: Message, result: str = "done", other: bool = False) -> list[Message]:
    """systemd's answer to what queues a job, and the signals of its end."""
    body = (7, JOB, "a.scope", result)
    found = [new_method_return(message, "o", (JOB,))]
    if other:
        found.append(new_signal(MANAGER, "JobRemoved", "uoss", (6, JOB + "6", "b", "failed")))
    return [*found, new_signal(MANAGER, "JobRemoved", "uoss", body)]


def refuse(message: Message, name: str, text: str) -> list[Message]:
    return [new_error(message, name, "s", (text,))]


class FakeBus:
    """``answers`` are by member; a member that is not there gets no answer, ever.

    ``connections`` counts; :meth:`drop` closes those that there are.
    """

    def __init__(self, listener: socket.socket, answers: dict[str, Answer]) -> None:
        self.answers: dict[str, Answer] = {
            "Hello": lambda message: [new_method_return(message, "s", (":1.1",))],
            "AddMatch": lambda message: [new_method_return(message)],
            **answers,
        }
        self.connections = 0
        self._listener = listener
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connected)
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            left = _authenticate(sock)
            parser, serial = Parser(), 0
            for message in _messages(sock, parser, left):
                answer = self.answers.get(str(message.header.fields[HeaderFields.member]))
                for one in answer(message) if answer else []:
                    serial += 1
                    sock.sendall(one.serialise(serial))
        except OSError:
            return

    def drop(self) -> None:
        for sock in self._open:
            sock.shutdown(socket.SHUT_RDWR)
        self._open.clear()


def _authenticate(sock: socket.socket) -> bytes:
    """Says yes to whoever asks; gives what came behind BEGIN."""
    data = b""
    answered = 0
    while b"BEGIN\r\n" not in data:
        data += sock.recv(4096)
        while data.count(b"AUTH") > answered:
            answered += 1
            sock.sendall(b"OK 00112233445566778899aabbccddeeff\r\n")
    return data.split(b"BEGIN\r\n", 1)[1]


def _messages(sock: socket.socket, parser: Any, left: bytes) -> Iterator[Message]:
    parser.add_data(left)
    while True:
        while (message := parser.get_next_message()) is not None:
            yield message
        data = sock.recv(65536)
        if not data:
            return
        parser.add_data(data)


@contextmanager
def fake_bus(folder: Path, **answers: Answer) -> Iterator[tuple[FakeBus, str]]:
    """The bus, and its address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "bus"))
        listener.listen()
        bus = FakeBus(listener, dict(answers))
        try:
            yield bus, f"unix:path={folder}/bus"
        finally:
            bus.drop()
