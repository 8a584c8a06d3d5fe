"""Small answers of the driver: consoles, durations, addresses, requests to init."""

from __future__ import annotations

import re
import struct
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from virtlxc.config import Config, load_config
from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures import info
from virtlxc.driver.inside import addresses, consoles
from virtlxc.driver.life import inits
from virtlxc.driver.ref import Address
from virtlxc.errors import VirtlxcError
from virtlxc.model import Console, Domain

UUID = "00000000-0000-0000-0000-00000000000a"


def view(count: int) -> View:
    domain = Domain(name="w", uuid=UUID, memory=1024, consoles=(Console(),) * count)
    return View(name="w", uuid=UUID, config=domain)


@pytest.mark.parametrize(
    ("device", "number"),
    [(None, 0), ("", 0), ("console1", 1), ("1", 1), ("tty1", 0), ("/dev/tty2", 1)],
)
def test_a_console_by_its_names(device: str | None, number: int) -> None:
    assert consoles.number(view(2), device) == number


@pytest.mark.parametrize("device", ["console2", "tty3", "tty0", "serial0", "console-1"])
def test_a_console_that_is_not_there(device: str) -> None:
    with pytest.raises(VirtlxcError, match=r"it has console0 \.\. console1"):
        consoles.number(view(2), device)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (303, "5 min 3 s"), (7500, "2 h 5 min"), (3600, "1 h"),
     (266400, "3 d 2 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert info.duration(seconds) == text


ROUTE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	017AA8C0	0003	0	0	0	00000000	0	0	0
eth0	007AA8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth1	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
"""
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.1.2.3
        /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.168.122.0
        /24 link UNICAST
     |-- 192.168.122.7
        /32 host LOCAL
     |-- 192.168.122.255
        /32 link BROADCAST
Local:
     |-- 192.168.122.7
        /32 host LOCAL
"""


def test_ipv4_addresses_find_their_interface_by_route(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    assert addresses._ipv4(str(tmp_path)) == [
        ("eth1", Address(0, "10.1.2.3", 8)),
        ("lo", Address(0, "127.0.0.1", 8)),
        ("eth0", Address(0, "192.168.122.7", 24)),
    ]


def test_ipv6_addresses(tmp_path: Path) -> None:
    line = "fe80000000000000505400fffe123456 02 40 20 80     eth0\n"
    (tmp_path / "if_inet6").write_text(line)
    assert addresses._ipv6(str(tmp_path)) == [("eth0", Address(1, "fe80::5054:ff:fe12:3456", 64))]
    assert addresses._ipv6("/nowhere") == []


def test_the_request_to_initctl_is_sysvinit_s() -> None:
    request = inits._request(inits.REBOOT)
    assert len(request) == 384
    assert struct.unpack_from("=iiii", request) == (0x03091969, 1, ord("6"), 0)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("x =", "not valid TOML"),
        ("sockets = 1", "there is no setting 'sockets'"),
        ("require_idmap = 1", "must be true or false, not 1"),
        ("max_workers = true", "must be a whole number"),
        ("max_workers = 0", "must be positive"),
        ("ignore = 'seclabel'", "must be a list of strings"),
    ],
)
def test_a_bad_configuration_is_named(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "virtlxc.toml"
    path.write_text(text)
    with pytest.raises(VirtlxcError, match=cause) as caught:
        load_config(str(path))
    assert str(path) in caught.value.message


def test_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "virtlxc.toml"
    assert load_config(str(path)) == Config()
    path.write_text("require_idmap = true\nignore = ['seclabel']\n")
    assert load_config(str(path)) == Config(require_idmap=True, ignore=("seclabel",))


def test_every_setting_is_documented_with_its_default() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", page.read_text(), re.MULTILINE))
    assert {name: tomllib.loads(f"x = {text}")["x"] for name, text in rows.items()} == {
        field.name: list(field.default) if field.default == () else field.default
        for field in fields(Config)
    }
