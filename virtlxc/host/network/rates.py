"""Limits of a guest's traffic as data: a queue's rate, and a program that judges packets.

Pure. What a guest receives waits in a queue at the host's end of its link. What it sends has left
the guest already: a packet program (``BPF_PROG_TYPE_SCHED_CLS``) lets it pass or drops it, as the
generic cell rate algorithm decides. Its only state is the moment up to which all that has passed is
paid for; a packet moves it by its size over the rate, an idle time lets it fall back by at most the
burst's, and what comes while it lies ahead of the clock is dropped.

Sources: libvirt's ``<bandwidth>``; linux/bpf.h; ITU-T I.371, annex A.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from virtlxc.model import Bandwidth
from virtlxc.model.bandwidth import Rate

_KIB = 1024
# Where no burst is given: this much of a second, and never less than one packet of the largest.
_BURST_SECONDS = 0.1
_LARGEST = 65536

# A constant has 31 bits: a terabyte a second, which nothing reaches.
_MOST = 0x7FFFFFFF

_PASS = -1  # TC_ACT_UNSPEC: the next program, if there is one
_DROP = 2  # TC_ACT_SHOT


class _Bucket(NamedTuple):
    """``rate`` in bytes a second, ``burst`` in bytes."""

    rate: int
    burst: int


def inbound(bandwidth: Bandwidth | None) -> dict[str, int] | None:
    """{average, peak, burst} of what the guest receives, in bytes; None for no limit."""
    rate = bandwidth.inbound if bandwidth else None
    if rate is None or not rate.average:
        return None
    average = rate.average * _KIB
    peak = max((rate.peak or rate.average) * _KIB, average)
    return {"average": average, "peak": peak, "burst": _burst(rate)}


def outbound(bandwidth: Bandwidth | None) -> dict[str, Any] | None:
    """The program for what the guest sends, {insns (hex), slots, size}; None for no limit.

    ``slots`` are the instructions that the descriptor of a map of ``size`` bytes goes into.
    """
    rate = bandwidth.outbound if bandwidth else None
    if rate is None or not rate.average:
        return None
    buckets = [_Bucket(rate.average * _KIB, _burst(rate))]
    if rate.peak and rate.peak > rate.average:
        buckets.append(_Bucket(rate.peak * _KIB, _LARGEST))
    code = _program(buckets)
    insns = b"".join(insn.encode() for insn in code)
    slots = [at for at, insn in enumerate(code) if insn.map]
    return {"insns": insns.hex(), "slots": slots, "size": 8 * len(buckets)}


def _burst(rate: Rate) -> int:
    if rate.burst:
        return rate.burst * _KIB
    return max(int((rate.average or 0) * _KIB * _BURST_SECONDS), _LARGEST)


class _Insn(NamedTuple):
    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0
    map: bool = False

    def encode(self) -> bytes:
        return struct.pack("=BBhi", self.opcode, self.src << 4 | self.dst, self.offset, self.imm)


# Opcodes, linux/bpf_common.h and linux/bpf.h.
_MOVE = 0xBF
_MOVE_CONST = 0xB7
_ADD_CONST = 0x07
_SUBTRACT = 0x1F
_MULTIPLY_CONST = 0x27
_DIVIDE_CONST = 0x37
_NEGATE = 0x87
_LOAD_WORD = 0x61
_LOAD_LONG = 0x79
_LOAD_CONST_LONG = 0x18
_STORE_WORD_CONST = 0x62
_ATOMIC_LONG = 0xDB
_JUMP = 0x05
_JUMP_UNEQUAL_CONST = 0x55
_JUMP_GREATER_SIGNED = 0x6D
_JUMP_GREATER_EQUAL_SIGNED = 0x7D
_CALL = 0x85
_EXIT = 0x95
_FETCH_ADD = 0x01
_COMPARE_EXCHANGE = 0xF1
_MAP_LOOKUP, _CLOCK = 1, 5
_MAP_FD = 1  # in the register field of a long constant: it is a map's descriptor

_RESULT, _ONE, _TWO, _THREE = range(4)
_SIZE, _STATE, _NOW, _COST, _FRAME = 6, 7, 8, 9, 10


def _program(buckets: list[_Bucket]) -> list[_Insn]:
    """A packet passes when every bucket lets it pass."""
    code = [
        _Insn(_LOAD_WORD, _SIZE, _ONE, 0),  # __sk_buff.len
        _Insn(_STORE_WORD_CONST, _FRAME, offset=-4, imm=0),
        _Insn(_MOVE, _TWO, _FRAME),
        _Insn(_ADD_CONST, _TWO, imm=-4),
        _Insn(_LOAD_CONST_LONG, _ONE, _MAP_FD, map=True),
        _Insn(0),
        _Insn(_CALL, imm=_MAP_LOOKUP),
        _Insn(_JUMP_UNEQUAL_CONST, _RESULT, offset=len(_verdict(_DROP)), imm=0),
        *_verdict(_DROP),
        _Insn(_MOVE, _STATE, _RESULT),
        _Insn(_CALL, imm=_CLOCK),
        _Insn(_MOVE, _NOW, _RESULT),
    ]
    for number, bucket in enumerate(buckets):
        code += _judge(bucket, 8 * number)
    return [*code, *_verdict(_PASS)]


def _verdict(action: int) -> list[_Insn]:
    return [_Insn(_MOVE_CONST, _RESULT, imm=action), _Insn(_EXIT)]


def _judge(bucket: _Bucket, at: int) -> list[_Insn]:
    """Drop what comes too early for one bucket, whose state is at ``at``; else go on behind."""
    low, high = _long(bucket.burst * 1_000_000_000 // bucket.rate)
    refuse = [
        _Insn(_NEGATE, _COST),
        _Insn(_ATOMIC_LONG, _STATE, _COST, at, _FETCH_ADD),
        *_verdict(_DROP),
    ]
    fall_back = [
        _Insn(_MOVE, _RESULT, _ONE),
        _Insn(_ATOMIC_LONG, _STATE, _TWO, at, _COMPARE_EXCHANGE),
    ]
    return [
        # Nanoseconds of a packet: size * 10^9 / (KiB a second * 1024), both sides by 512.
        _Insn(_MOVE, _COST, _SIZE),
        _Insn(_MULTIPLY_CONST, _COST, imm=1_953_125),
        _Insn(_DIVIDE_CONST, _COST, imm=min(bucket.rate // 512, _MOST)),
        _Insn(_LOAD_LONG, _ONE, _STATE, at),
        _Insn(_MOVE, _TWO, _NOW),
        _Insn(_LOAD_CONST_LONG, _THREE, imm=low),
        _Insn(0, imm=high),
        _Insn(_SUBTRACT, _TWO, _THREE),
        _Insn(_JUMP_GREATER_EQUAL_SIGNED, _ONE, _TWO, len(fall_back)),
        *fall_back,
        _Insn(_MOVE, _ONE, _COST),
        _Insn(_ATOMIC_LONG, _STATE, _ONE, at, _FETCH_ADD),
        _Insn(_JUMP_GREATER_SIGNED, _ONE, _NOW, 1),
        _Insn(_JUMP, offset=len(refuse)),
        *refuse,
    ]


def _long(value: int) -> tuple[int, int]:
    """A constant of 64 bits as the two halves that instructions hold."""
    low, high = struct.unpack("=ii", struct.pack("=Q", value))
    return low, high
