"""libvirt-python and Sys::Virt drive a domain through all that they can ask."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.virsh import DOMAIN, Virsh

pytestmark = pytest.mark.interop

CLIENTS = Path(__file__).parent / "clients"
NETWORK = """<network><name>lab</name><bridge name='labbr0'/>
<ip address='10.88.7.1' netmask='255.255.255.0'/></network>"""


@pytest.fixture(scope="module")
def xml(shared_instance: Instance) -> str:
    root = shared_instance.busybox()
    return DOMAIN.format(name="shop", root=root, init="/sbin/init")


@pytest.fixture(scope="module")
def seen(shared_instance: Instance, xml: str) -> dict[str, Any]:
    """What the client of libvirt-python saw."""
    environment = peers.virsh().environment()
    words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PYTHONPATH")]
    out = shared_instance.run(
        "env", *words, "/usr/bin/python3", str(CLIENTS / "life.py"),
        Virsh(shared_instance).uri, xml, NETWORK,
    ).ok()  # fmt: skip
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ("type", "LXC"),
        ("version", 9000000),
        ("alive", [1, 1]),
        ("nodes", 8),
        ("cpus", os.cpu_count()),
        ("memory", True),
        ("cpu", ["idle", "iowait", "kernel", "user"]),
        ("capabilities", True),
        ("defined", ["shop"]),
        ("autostart", 1),
        ("metadata", '<k:a xmlns:k="urn:x">1</k:a>'),
        ("state", [1, 1]),
        ("id is a process", True),
        ("by id", "shop"),
        ("by uuid", "shop"),
        ("active", [1, 1, 0]),
        ("info", [1, 65536]),
        ("cpu stats", ["cpu_time", "system_time", "user_time"]),
        ("memory stats", 65536),
        ("hard limit", 49152),
        ("shares", 2048),
        ("bulk", ["shop"]),
        ("namespaces", ["user", "ipc", "uts", "net", "pid", "mnt"]),
        ("console", True),
        ("paused", 3),
        ("destroyed", [5, 2]),
        ("network", ["lab", 0, 1, "labbr0"]),
        ("networks", ["default", "lab"]),
    ],
)
def test_what_libvirt_python_sees(seen: dict[str, Any], fact: str, expected: object) -> None:
    assert seen[fact] == expected


def test_the_errors_that_libvirt_python_raises(seen: dict[str, Any]) -> None:
    codes = {name: error[0] for name, error in seen["refused"].items()}
    assert codes == {"no domain": 42, "no support": 3, "bad xml": 27, "no network": 43}


def test_the_events_that_libvirt_python_hears(seen: dict[str, Any]) -> None:
    assert seen["events"] == [
        ["lifecycle", "shop", 0, 0],
        ["metadata", "shop", 2, "urn:x"],
        ["lifecycle", "shop", 2, 0],
        ["lifecycle", "shop", 3, 0],
        ["lifecycle", "shop", 4, 0],
        ["lifecycle", "shop", 5, 1],
        ["lifecycle", "shop", 1, 0],
    ]


def test_what_sys_virt_sees(shared_instance: Instance, xml: str, seen: dict[str, Any]) -> None:
    environment = peers.virsh().environment()
    words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PERL5LIB")]
    file = shared_instance.write("shop.xml", xml)
    out = shared_instance.run(
        "env", *words, "perl", str(CLIENTS / "life.pl"), Virsh(shared_instance).uri, file
    ).ok()
    assert out.splitlines() == [
        "type LXC",
        "version 9000000",
        "defined shop",
        "running shop",
        "state 1",
        "memory 65536",
        "reason 1",
        "again 55 17",
        "paused 3",
        "gone 42",
        "networks 1",
    ]
