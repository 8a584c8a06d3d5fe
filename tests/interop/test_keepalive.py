"""Each side notices that the other one is there no more, though its socket is open."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.harness import Instance, wait_for
from tests.interop.conftest import tell_of_calls
from tests.interop.library import Library

pytestmark = pytest.mark.interop

LIMITS = "keepalive_interval = 1\nkeepalive_count = 2\n"


@pytest.fixture
def instance() -> Iterator[Instance]:
    """Its daemon asks after a second, and twice."""
    made = Instance(start=False)
    tell_of_calls(made, LIMITS)
    made.start_daemon()
    yield made
    made.close()


def test_a_client_that_hangs_is_given_up_and_one_that_only_waits_is_not(instance: Instance) -> None:
    waiting, hanging = Library(instance), Library(instance)
    assert waiting("connection.getHostname()") == hanging("connection.getHostname()")
    folder = f"/proc/{instance.daemon_pid}/fd"
    both = len(os.listdir(folder))
    os.kill(hanging.pid, signal.SIGSTOP)
    try:
        wait_for("one connection less", lambda: len(os.listdir(folder)) == both - 1)
    finally:
        os.kill(hanging.pid, signal.SIGCONT)
    assert "it does not answer keepalive messages" in instance.daemon_messages()
    assert waiting("connection.getHostname()")
    wait_for("what the other one sees", lambda: hanging("connection.isAlive()") == 0)
    hanging.close()
    waiting.close()


def test_a_daemon_that_hangs_is_told_to_its_client(instance: Instance) -> None:
    client = Library(instance)
    client("connection.setKeepAlive(1, 2)")
    client("closed = []")
    client("connection.registerCloseCallback(lambda _c, reason, _o: closed.append(reason), None)")
    os.kill(instance.daemon_pid, signal.SIGSTOP)
    started = time.monotonic()
    try:
        wait_for("the close callback", lambda: client("closed"))
    finally:
        os.kill(instance.daemon_pid, signal.SIGCONT)
    assert time.monotonic() - started >= 1
    assert client("closed") == [client("libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE")]
    client.close()
