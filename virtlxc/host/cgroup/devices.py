"""Device rules as a BPF program of type ``BPF_PROG_TYPE_CGROUP_DEVICE``.

The kernel runs it at each open and mknod of a device by a process of the group, with a context
of three 32-bit words: access and type, major, minor (``struct bpf_cgroup_dev_ctx`` in
``linux/bpf.h``). It returns 1 to allow, 0 to refuse. Programs of nested groups must all allow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

ANY = -1

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL_ACCESS = 7


class Rule(NamedTuple):
    """What is allowed: ``kind`` is ``b``, ``c`` or ``a`` (both), numbers or :data:`ANY`.

    ``slot``: the minor number is known only when the program is loaded; see :func:`slots`.
    """

    kind: str
    major: int
    minor: int
    access: str = "rwm"
    slot: str = ""

    def __str__(self) -> str:
        minor = f"({self.slot})" if self.slot else "*" if self.minor == ANY else str(self.minor)
        major = "*" if self.major == ANY else str(self.major)
        return f"{self.kind} {major}:{minor} {self.access}"


# What every container may use: libvirt's set. 136 is the major of pseudo terminals' slaves.
STANDARD = (
    Rule("c", 1, 3),  # null
    Rule("c", 1, 5),  # zero
    Rule("c", 1, 7),  # full
    Rule("c", 1, 8),  # random
    Rule("c", 1, 9),  # urandom
    Rule("c", 5, 0),  # tty
    Rule("c", 5, 2),  # ptmx
    Rule("c", 136, ANY),
)

# <capabilities><mknod state='on'/>: any node may be made, which does not mean opened.
MKNOD_ALL = Rule("a", ANY, ANY, "m")

# Opcodes, linux/bpf_common.h and linux/bpf.h: class | source or size | operation.
_LOAD_WORD = 0x61  # LDX | W | MEM
_AND_CONST = 0x57  # ALU64 | AND | K
_SHIFT_RIGHT_CONST = 0x77  # ALU64 | RSH | K
_MOVE = 0xBF  # ALU64 | MOV | X
_MOVE_CONST = 0xB7  # ALU64 | MOV | K
_JUMP_UNEQUAL_CONST = 0x55  # JMP | JNE | K
_JUMP_UNEQUAL = 0x5D  # JMP | JNE | X
_EXIT = 0x95

_JUMPS = frozenset({_JUMP_UNEQUAL_CONST, _JUMP_UNEQUAL})

_RESULT, _CONTEXT, _TYPE, _WANTED, _MAJOR, _MINOR, _SCRATCH = range(7)


class _Insn(NamedTuple):
    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0
    slot: str = ""

    def encode(self) -> bytes:
        return struct.pack("=BBhi", self.opcode, self.src << 4 | self.dst, self.offset, self.imm)


_PROLOGUE = (
    _Insn(_LOAD_WORD, _TYPE, _CONTEXT, 0),
    _Insn(_MOVE, _WANTED, _TYPE),
    _Insn(_AND_CONST, _TYPE, imm=0xFFFF),
    _Insn(_SHIFT_RIGHT_CONST, _WANTED, imm=16),
    _Insn(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
    _Insn(_LOAD_WORD, _MINOR, _CONTEXT, 8),
)

_ALLOW = (_Insn(_MOVE_CONST, _RESULT, imm=1), _Insn(_EXIT))
_REFUSE = (_Insn(_MOVE_CONST, _RESULT, imm=0), _Insn(_EXIT))


def program(rules: Iterable[Rule]) -> bytes:
    """The instructions that allow what any of ``rules`` allows, and nothing else."""
    return b"".join(insn.encode() for insn in _compile(rules))


def slots(rules: Iterable[Rule]) -> list[tuple[int, str]]:
    """(number of the instruction, slot) for each constant that is not known yet."""
    return [(at, insn.slot) for at, insn in enumerate(_compile(rules)) if insn.slot]


def _compile(rules: Iterable[Rule]) -> list[_Insn]:
    body = [*_PROLOGUE]
    for rule in dict.fromkeys(rules):
        tests = _tests(rule)
        body += _allow_if(tests)
        if not tests:  # the verifier refuses a program with instructions that nothing reaches
            break
    else:
        body += _REFUSE
    return body


def _tests(rule: Rule) -> list[_Insn]:
    """Jumps that leave when the request is not the rule's; none when it allows everything."""
    tests: list[_Insn] = []
    if rule.kind != "a":
        tests.append(_Insn(_JUMP_UNEQUAL_CONST, _TYPE, imm=_TYPES[rule.kind]))
    allowed = sum(_ACCESS[letter] for letter in set(rule.access))
    if allowed != _ALL_ACCESS:
        tests += [
            _Insn(_MOVE, _SCRATCH, _WANTED),
            _Insn(_AND_CONST, _SCRATCH, imm=allowed),
            _Insn(_JUMP_UNEQUAL, _SCRATCH, _WANTED),
        ]
    if rule.major != ANY:
        tests.append(_Insn(_JUMP_UNEQUAL_CONST, _MAJOR, imm=rule.major))
    if rule.minor != ANY:
        tests.append(_Insn(_JUMP_UNEQUAL_CONST, _MINOR, imm=rule.minor, slot=rule.slot))
    return tests


def _allow_if(tests: list[_Insn]) -> list[_Insn]:
    """Allow if all tests pass, else go on behind the block."""
    block = [*tests, *_ALLOW]
    return [
        insn._replace(offset=len(block) - index - 1) if insn.opcode in _JUMPS else insn
        for index, insn in enumerate(block)
    ]
