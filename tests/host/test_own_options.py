"""Every row of <virtlxc:container>, as its effect is seen from inside the container."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.host.startlab import SHIFT, SHIFTED, Ground
from tests.rootfs import give_to
from virtlxc.model import Container, Domain, Filesystem, FilesystemExtra, Rlimit, Sysctl
from virtlxc.model.compat import entries
from virtlxc.model.container import CONTAINER
from virtlxc.plan import Plan

pytestmark = pytest.mark.host

Said = dict[str, str]
# Acted on by the daemon and not by a start: tests/host/test_services.py and test_autostart*.
_ELSEWHERE = "virtlxc:autostart"
_OWN_FILE = "say owner $(stat -c %u /data/file)"


def _data(ground: Ground, **extra: Any) -> dict[str, Any]:
    """A folder with a file of the host's user 5, at /data."""
    data = ground.folder / "data"
    data.mkdir(exist_ok=True)
    (data / "file").write_text("#!/bin/sh\necho ran\n")
    (data / "file").chmod(0o755)
    os.chown(data / "file", 5, 5)
    return {
        "filesystems": (
            Filesystem(source=str(ground.root), target="/"),
            Filesystem(source=str(data), target="/data"),
        ),
        "container": Container(filesystems=(FilesystemExtra(target="/data", **extra),)),
    }


def nesting(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    give_to(ground.root, SHIFT)
    more = 'mkdir /mnt; say proc "$(mount -t proc proc /mnt 2>&1 && ls -d /mnt/1)"'
    made = ground.domain(container=Container(nesting=True), idmap=SHIFTED, more=more)
    return made, lambda said: said["proc"] == "/mnt/1" and "/proc/keys" not in said["mounts"]


def no_nesting(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    made, _ = nesting(ground)
    return replace(made, container=Container()), lambda said: "/proc/keys" in said["mounts"]


def pids(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    """Nothing but what the shell itself does may follow: every fork would fail."""
    more = """
(i=0; while [ $i -lt 60 ]; do sleep 50 & i=$((i + 1)); done) 2>/tmp/refused
read first < /tmp/refused; say refused "$first"
"""
    made = ground.domain(container=Container(pids_limit=30), more=more)
    return made, lambda said: "fork" in said["refused"]


def view_none(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    made = ground.domain(container=Container(cgroup_view="none"))
    return made, lambda said: said["view"] == "" and "cgroup" not in said["mounts"]


def cpu(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    """Half a processor: what needs 20 hundredths of a second takes twice that."""
    more = """
now() { tr -d . < /proc/uptime | cut -d' ' -f1; }
used() { cut -d' ' -f14,15 /proc/$$/stat | tr ' ' '+'; }
start=$(now); begun=$(( $(used) ))
while [ $(( $(used) - begun )) -lt 20 ]; do :; done
say took $(( $(now) - start ))
"""
    made = ground.domain(container=Container(cpu_limit="0.5"), more=more)
    return made, lambda said: int(said["took"]) >= 35


def options(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    made = ground.domain(more='say ran "$( /data/file 2>&1)"', **_data(ground, options=("noexec",)))
    return made, lambda said: "Permission denied" in said["ran"]


def idmap_mount(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    give_to(ground.root, SHIFT)
    made = ground.domain(idmap=SHIFTED, more=_OWN_FILE, **_data(ground, idmap="mount"))
    return made, lambda said: said["owner"] == "5"


def idmap_none(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    give_to(ground.root, SHIFT)
    made = ground.domain(idmap=SHIFTED, more=_OWN_FILE, **_data(ground, idmap="none"))
    return made, lambda said: said["owner"] == "65534"


def optional(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    more = 'say there "$(ls -d /data 2>&1)"'
    made = ground.domain(more=more, **_data(ground, optional=True))
    missing = Filesystem(source=str(ground.folder / "missing"), target="/data")
    made = replace(made, filesystems=(made.filesystems[0], missing))
    return made, lambda said: "No such file" in said["there"]


def propagation(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    more = "say shared \"$(grep -c ' /data .*shared:' /proc/self/mountinfo)\""
    made = ground.domain(more=more, **_data(ground, propagation="shared"))
    return made, lambda said: said["shared"] == "1"


def overlay(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    more = 'say written "$(echo new > /data/file && cat /data/file)"'
    made = ground.domain(more=more, **_data(ground, overlay="ram"))

    def check(said: Said) -> bool:
        return said["written"] == "new" and "ran" in (ground.folder / "data/file").read_text()

    return made, check


def rlimit(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    limits = Container(rlimits=(Rlimit(name="nofile", soft="55", hard="66"),))
    made = ground.domain(container=limits, more="say soft $(ulimit -n); say hard $(ulimit -H -n)")
    return made, lambda said: (said["soft"], said["hard"]) == ("55", "66")


def sysctl(ground: Ground) -> tuple[Domain, Callable[[Said], bool]]:
    made = ground.domain(
        container=Container(sysctls=(Sysctl(name="net.ipv4.ip_default_ttl", value="77"),)),
        more="say ttl $(cat /proc/sys/net/ipv4/ip_default_ttl)",
    )
    return made, lambda said: said["ttl"] == "77"


# The rows of the table that each shows.
ROWS: dict[str, tuple[Callable[[Ground], tuple[Domain, Callable[[Said], bool]]], ...]] = {
    "@nesting": (nesting, no_nesting),
    "virtlxc:pids/@limit": (pids,),
    "virtlxc:cgroup/@view": (view_none,),
    "virtlxc:cpu/@limit": (cpu,),
    "virtlxc:filesystem": (options,),
    "virtlxc:filesystem/@target": (options,),
    "virtlxc:filesystem/@idmap": (idmap_mount, idmap_none),
    "virtlxc:filesystem/@options": (options,),
    "virtlxc:filesystem/@optional": (optional,),
    "virtlxc:filesystem/@propagation": (propagation,),
    "virtlxc:filesystem/@overlay": (overlay,),
    "virtlxc:rlimit": (rlimit,),
    "virtlxc:rlimit/@name": (rlimit,),
    "virtlxc:rlimit/@soft": (rlimit,),
    "virtlxc:rlimit/@hard": (rlimit,),
    "virtlxc:sysctl": (sysctl,),
    "virtlxc:sysctl/@name": (sysctl,),
    "virtlxc:sysctl/@value": (sysctl,),
}
CASES = tuple(dict.fromkeys(case for cases in ROWS.values() for case in cases))
# Nothing inside tells of memory that is protected outside: looked at in the kernel.
PROTECTED = ("virtlxc:memory/virtlxc:low", "virtlxc:memory/virtlxc:min")


def test_every_row_is_shown() -> None:
    rows = {row.path for row in entries(CONTAINER, "") if not row.path.startswith(_ELSEWHERE)}
    assert rows == {*ROWS, *PROTECTED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_has_its_effect(
    ground: Ground, case: Callable[[Ground], tuple[Domain, Callable[[Said], bool]]]
) -> None:
    domain, check = case(ground)
    said, _ = ground.run(domain)
    assert check(said), "\n".join(f"{name}: {text}" for name, text in said.items())


@pytest.mark.kernel
def test_memory_is_protected_or_refused(ground: Ground) -> None:
    domain = ground.domain(container=Container(memory_low=2048, memory_min=1024))
    if ground.facts.cgroup.version_of().get("memory") != 2:
        with pytest.raises(Exception, match="protected memory needs the memory controller on cgr"):
            ground.plan(domain)
        return

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        folder = Path(plan.payload.mount + ground.real(plan.payload.path, pids["controller"]))
        assert (folder / "memory.low").read_text().strip() == str(2 << 20)
        assert (folder / "memory.min").read_text().strip() == str(1 << 20)

    ground.run(domain, meanwhile=meanwhile)
