"""The device program, run by a small interpreter, decides what the rules say."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from virtlxc.host.cgroup.devices import ANY, MKNOD_ALL, STANDARD, Rule, program

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}


def run(code: bytes, kind: str, major: int, minor: int, access: str) -> int:
    """The subset of BPF that the programs use; anything else, and any jump back, is an error."""
    wanted = sum(_ACCESS[letter] for letter in access)
    context = struct.pack("=III", wanted << 16 | _TYPES[kind], major, minor)
    registers = [0] * 11
    insns = list(struct.iter_unpack("=BBhi", code))
    at = 0
    while True:
        opcode, regs, offset, imm = insns[at]
        dst, src = regs & 0xF, regs >> 4
        at += 1
        match opcode:
            case 0x61:
                assert src == 1
                registers[dst] = struct.unpack_from("=I", context, offset)[0]
            case 0x57:
                registers[dst] &= imm & 0xFFFFFFFFFFFFFFFF
            case 0x77:
                registers[dst] >>= imm
            case 0xBF:
                registers[dst] = registers[src]
            case 0xB7:
                registers[dst] = imm
            case 0x55 | 0x5D:
                assert offset >= 0
                other = imm if opcode == 0x55 else registers[src]
                if registers[dst] != other:
                    at += offset
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(f"opcode {opcode:#x}")


def reachable(code: bytes) -> set[int]:
    """The instructions that some run can reach: the verifier refuses a program with others."""
    insns = list(struct.iter_unpack("=BBhi", code))
    seen: set[int] = set()
    todo = [0]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        opcode, _, offset, _ = insns[at]
        if opcode == 0x95:
            continue
        todo.append(at + 1)
        if opcode in (0x55, 0x5D):
            todo.append(at + 1 + offset)
    return seen


def allows(rules: list[Rule], kind: str, major: int, minor: int, access: str) -> bool:
    """What the program must decide, in words: one rule allows all of ``access``."""
    return any(
        rule.kind in ("a", kind)
        and rule.major in (ANY, major)
        and rule.minor in (ANY, minor)
        and set(access) <= set(rule.access)
        for rule in rules
    )


numbers = st.one_of(st.just(ANY), st.integers(0, 300), st.integers(0, 0xFFFFF))
accesses = st.sets(st.sampled_from("rwm"), min_size=1).map(lambda found: "".join(sorted(found)))
rules = st.lists(
    st.builds(Rule, kind=st.sampled_from("abc"), major=numbers, minor=numbers, access=accesses),
    max_size=12,
)


@given(rules, st.data())
def test_the_program_equals_the_rules(made: list[Rule], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from("bc"))
    near = [rule for rule in made if ANY not in (rule.major, rule.minor)]
    plain = st.tuples(st.integers(0, 300), st.integers(0, 300))
    known = st.sampled_from([(rule.major, rule.minor) for rule in near]) if near else plain
    major, minor = data.draw(st.one_of(plain, known))
    access = data.draw(accesses)
    decided = run(program(made), kind, major, minor, access)
    assert decided == allows(made, kind, major, minor, access)


@given(rules)
def test_every_instruction_can_be_reached(made: list[Rule]) -> None:
    code = program(made)
    assert reachable(code) == set(range(len(code) // 8))


def test_the_standard_set() -> None:
    code = program(STANDARD)
    for minor in (3, 5, 7, 8, 9):
        assert run(code, "c", 1, minor, "rwm")
    assert run(code, "c", 136, 4095, "rw")
    assert run(code, "c", 5, 2, "rw")
    assert not run(code, "c", 1, 1, "r"), "mem"
    assert not run(code, "c", 10, 237, "rw"), "loop-control"
    assert not run(code, "b", 8, 0, "r"), "a disk"
    assert not run(code, "b", 1, 3, "r"), "a block device with null's numbers"


def test_mknod_does_not_open() -> None:
    code = program((*STANDARD, MKNOD_ALL))
    assert run(code, "b", 8, 0, "m")
    assert not run(code, "b", 8, 0, "rm")


def test_no_rule_refuses_everything() -> None:
    assert not run(program(()), "c", 1, 3, "r")


def test_a_rule_in_words() -> None:
    assert str(Rule("c", 136, ANY)) == "c 136:* rwm"
