"""Lines of /proc/*/mountinfo: whoever may mount chooses the name of the place."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc import mountinfo
from virtlxc.host import lxcfs
from virtlxc.mountinfo import Mount

LINE = b"35 23 0:26 %s %s rw,nosuid shared:4 master:1 - fuse.x %s rw,user_id=1000\n"


def escaped(name: bytes) -> bytes:
    """As the kernel writes it: seq_path() in fs/proc_namespace.c."""
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\" else bytes([byte]) for byte in name)


names = st.binary(min_size=1, max_size=12).map(lambda name: b"/" + name.replace(b"\0", b"0"))


@given(st.lists(st.tuples(names, names)))
def test_any_name_comes_back(given: list[tuple[bytes, bytes]]) -> None:
    table = b"".join(
        LINE % (b"/", escaped(point), escaped(source)) for point, source in given
    )
    found = mountinfo.parse(table)
    assert [(os.fsencode(one.point), os.fsencode(one.source)) for one in found] == given
    assert {one.fstype for one in found} <= {"fuse.x"}


def test_a_line() -> None:
    table = rb"36 35 98:0 /mnt1 /a\040b rw,noatime - ext3 /dev/root rw,errors=continue"
    assert mountinfo.parse(table) == [
        Mount("98:0", "/mnt1", "/a b", "ext3", "/dev/root", ("rw", "errors=continue"))
    ]


def test_lxcfs_of_somebody_else_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def mounted(*owners: int) -> list[Mount]:
        return [
            Mount("0:5", "/", f"/of/{uid}", "fuse.lxcfs", "lxcfs", ("rw", f"user_id={uid}"))
            for uid in owners
        ]

    monkeypatch.setattr(os, "listdir", lambda path: ["meminfo"])
    monkeypatch.setattr(mountinfo, "read", lambda: mounted(1000, 0))
    assert lxcfs.files() == ("/of/0/proc/meminfo",)
    monkeypatch.setattr(mountinfo, "read", lambda: mounted(1000))
    assert lxcfs.files() == ()
