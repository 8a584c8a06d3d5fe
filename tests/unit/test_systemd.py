"""Names of scopes, and what systemd is asked."""

from __future__ import annotations

import pytest

from virtlxc.host import systemd


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lxc-12-web1", r"lxc\x2d12\x2dweb1"),
        ("a_b.c:d", "a_b.c:d"),
        (".a", r"\x2ea"),
        ("ä", r"\xc3\xa4"),
    ],
)
def test_escapes(name: str, text: str) -> None:
    assert systemd.escape(name) == text


def test_names_are_libvirt_s() -> None:
    assert systemd.scope_name("web1", "4711") == r"machine-lxc\x2d4711\x2dweb1.scope"
    assert systemd.slice_name(None) == "machine.slice"
    assert systemd.slice_name("/machine/big-ones") == r"machine-big\x2dones.slice"


def test_the_path_has_a_placeholder_as_it_is() -> None:
    path = systemd.scope_path("web1", "\0controller\0", instance="ab12")
    assert path == "/machine.slice/machine-lxc\\x2dab12\\x2d\0controller\0\\x2dweb1.scope"
    nested = systemd.scope_path("web1", "7", partition="/machine/prod")
    assert nested == (
        r"/machine.slice/machine-prod.slice/machine-lxc\x2d7\x2dweb1.scope"
    )
    real = systemd.scope_path("web1", "\0controller\0").replace("\0controller\0", "4711")
    assert real.endswith("/" + systemd.scope_name("web1", "4711"))


def test_the_request_can_be_sent() -> None:
    message = systemd.request("a.scope", "machine.slice", 7, "Container web1")
    assert message.body[2][2] == ("PIDs", ("au", [7]))
    assert b"StartTransientUnit" in message.serialise(1)
