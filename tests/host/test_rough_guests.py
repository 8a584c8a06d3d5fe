"""Guests that misbehave: the host and the others go on, and it is said which limit was met."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.guestlab import Guest, guest

pytestmark = [pytest.mark.host, pytest.mark.guests]

PIDS = "<virtlxc:pids limit='80'/>"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Guest, Guest]]:
    """A Debian that may do little, and a neighbour."""
    instance = Instance()
    try:
        rough = guest(instance, "rough", memory=128, extra=PIDS)
        calm = _box(instance, "calm")
        yield rough.start().up(), calm.start()
    finally:
        instance.close()


def _box(instance: Instance, name: str, init: str = "/sbin/init") -> Guest:
    root = rootfs.make_busybox(instance.root / name)
    return guest(instance, name, memory=64, userns=False, root=root, init=init)


def fine(pair: tuple[Guest, Guest]) -> None:
    """Both answer, and the controller of the rough one was not killed."""
    rough, calm = pair
    assert calm.run("echo", "here").ok() == "here\n"
    assert rough.state() == "running"
    assert rough.run("echo", "here").ok() == "here\n"


def messages(found: Guest) -> str:
    return found.instance.virtlxc("dominfo", found.name).ok()


def test_a_fork_bomb(pair: tuple[Guest, Guest]) -> None:
    rough = pair[0]
    bomb = "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done 2>/dev/null; true"
    rough.run("systemd-run", "--unit=bomb", "sh", "-c", bomb)
    found = wait_for(
        "the limit to be met",
        lambda: re.search(r"its limit of 80 processes was reached \d+ times", messages(rough)),
    )
    assert found
    assert pair[1].run("echo", "here").ok() == "here\n"
    rough.instance.virtlxc("destroy", "rough").ok()
    rough.start().up()
    fine(pair)


def test_who_eats_its_memory_is_killed_and_nobody_else(pair: tuple[Guest, Guest]) -> None:
    rough = pair[0]
    eat = "head -c 400m /dev/zero | tail -c 400m >/dev/null; echo $?"
    assert rough.run("sh", "-c", eat).ok() == "137\n", "by the limit of its own group"
    assert "its memory limit of 128 MiB was reached: a process was killed" in messages(rough)
    fine(pair)
    assert "memory limit" not in messages(pair[1])


def test_a_full_tmpfs_is_its_own_trouble(pair: tuple[Guest, Guest]) -> None:
    rough = pair[0]
    rough.run("sh", "-c", "head -c 400m /dev/zero >/run/full")
    assert rough.run("sh", "-c", "rm -f /run/full; stat -f -c %T /run").ok() == "tmpfs\n"
    fine(pair)


def test_a_flood_on_console_and_journal_is_bounded(pair: tuple[Guest, Guest]) -> None:
    rough = pair[0]
    flood = "timeout 3 sh -c 'yes flooding | tee /dev/console | logger -t flood'; true"
    rough.run("sh", "-c", flood).ok()
    fine(pair)
    log = Path(rough.instance.paths.domain_log("rough"))
    size = sum(file.stat().st_size for file in log.parent.glob("rough.log*"))
    assert size < 7 << 20, "rotated, three files of two MiB at most"


def test_an_init_that_does_not_end(instance: Instance) -> None:
    """The bound, then what runs inside, and the ways out."""
    stuck = _box(instance, "stuck", "/stubborn")
    rootfs.script(
        stuck.root, "/stubborn", "#!/bin/sh\ntrap : TERM HUP\nwhile :; do sleep 1000; done\n"
    )
    stuck.start()
    wait_for("its sleep", lambda: "sleep" in stuck.run("ps").stdout)
    said = instance.virtlxc("shutdown", "stuck", "--wait", "--timeout", "1").failed()
    assert "it still runs after 1 s" in said
    assert re.search(r"inside run stubborn, sleep; look with 'virtlxc logs stuck'", said), said
    stuck.stop()
