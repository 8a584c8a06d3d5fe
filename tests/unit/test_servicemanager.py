"""What the daemon hears from a service manager, and tells it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

import pytest

from virtlxc import servicemanager
from virtlxc.daemon import ForJournal


def test_nobody_is_told_nothing() -> None:
    manager = servicemanager.take({})
    manager.notify("READY=1")
    assert manager.sockets == []
    asyncio.run(manager.keep_alive())


def test_the_variables_are_for_one_process() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "NOTIFY_SOCKET": "/x", "PATH": "/bin"}
    manager = servicemanager.take(environment)
    assert environment == {"PATH": "/bin"}
    assert manager.sockets == []


@pytest.mark.parametrize("pid", ["", str(os.getpid())])
def test_the_watchdog_is_fed_in_time(tmp_path: Path, pid: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(10)
        manager = servicemanager.take(
            {
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "100000",
                "WATCHDOG_PID": pid,
            }
        )
        manager.notify("READY=1\nSTATUS=Serving")
        assert ear.recv(100) == b"READY=1\nSTATUS=Serving"

        async def feed() -> list[bytes]:
            task = asyncio.create_task(manager.keep_alive())
            heard = [await asyncio.to_thread(ear.recv, 100) for _ in range(2)]
            task.cancel()
            return heard

        assert asyncio.run(feed()) == [b"WATCHDOG=1"] * 2


def test_another_process_s_watchdog_is_not_ours() -> None:
    manager = servicemanager.take({"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    assert manager.watchdog == 0.0


def test_levels_are_for_journald_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        ours = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert servicemanager.reads_levels(ours, file.fileno())
        assert not servicemanager.reads_levels({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not servicemanager.reads_levels({}, file.fileno())


def test_every_line_of_a_message_has_its_level() -> None:
    formatter = ForJournal("%(levelname)s: %(message)s")
    record = logging.makeLogRecord(
        {"levelno": logging.WARNING, "levelname": "WARNING", "msg": "one\ntwo"}
    )
    assert formatter.format(record) == "<4>WARNING: one\\ntwo"
    try:
        raise ValueError("bad")
    except ValueError:
        record = logging.makeLogRecord(
            {"levelno": logging.ERROR, "levelname": "ERROR", "msg": "x", "exc_info": sys.exc_info()}
        )
    lines = formatter.format(record).splitlines()
    assert lines[0] == "<3>ERROR: x" and lines[-1] == "<3>ValueError: bad"
    assert all(line.startswith("<3>") for line in lines)
