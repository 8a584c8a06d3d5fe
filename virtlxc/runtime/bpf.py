"""The bpf(2) calls beside loading a device program. Source: linux/bpf.h, ``union bpf_attr``."""

from __future__ import annotations

import ctypes
import os
import struct

from . import syscalls

_MAP_CREATE = 0
_PROG_LOAD = 5
_PROG_ATTACH = 8
_PROG_GET_FD_BY_ID = 13
_PROG_QUERY = 16
_ARRAY = 2
_SCHED_CLS = 3
_F_REPLACE = 4


def attach_to_group(group: int, program: int, kind: int) -> None:
    """Attach a program to an open cgroup2, in the place of the only one of its kind, if any.

    The kernel changes them at once: no access is ever judged by none, or by both.
    """
    flags, replaced = syscalls.BPF_F_ALLOW_MULTI, 0
    old = _attached(group, kind)
    if len(old) == 1:
        replaced = _program(old[0])
        flags |= _F_REPLACE
    try:
        attr = bytearray(struct.pack("=5I", group, program, kind, flags, replaced))
        syscalls.bpf(_PROG_ATTACH, attr, "device program")
    finally:
        if replaced:
            os.close(replaced)


def _attached(group: int, kind: int) -> list[int]:
    """The ids of the programs of one kind that this cgroup itself has."""
    room = (ctypes.c_uint32 * 64)()
    attr = bytearray(struct.pack("=4IQI4x", group, kind, 0, 0, ctypes.addressof(room), len(room)))
    # An older kernel wants no more of the union than it knows, a newer one no less.
    syscalls.bpf(_PROG_QUERY, attr, "device program")
    (count,) = struct.unpack_from("=I", attr, 24)
    return list(room[:count])


def _program(number: int) -> int:
    return syscalls.bpf(_PROG_GET_FD_BY_ID, bytearray(struct.pack("=3I", number, 0, 0)), "program")


def array_of_one(size: int) -> int:
    """A map with one value of ``size`` bytes, all zero."""
    return syscalls.bpf(_MAP_CREATE, bytearray(struct.pack("=5I", _ARRAY, 4, size, 1, 0)), "map")


def load_classifier(insns: bytes) -> int:
    """A program for packets (BPF_PROG_TYPE_SCHED_CLS)."""
    code = ctypes.create_string_buffer(insns, len(insns))
    license_text = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack(
        "=2I2Q2IQ2I",
        *(_SCHED_CLS, len(insns) // 8, ctypes.addressof(code), ctypes.addressof(license_text)),
        *(0, 0, 0, 0, 0),
    )
    return syscalls.bpf(_PROG_LOAD, bytearray(attr), "packet program")
