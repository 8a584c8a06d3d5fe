"""Every message of every table goes to bytes and back; wrong bytes are refused with a reason."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtlxc.rpc import codec, tables, wire
from virtlxc.rpc.codec import DecodeError, EncodeError, Message
from virtlxc.rpc.tables.structs import STRUCTS

_BOUNDS = {
    "int": (-(2**31), 2**31 - 1),
    "char": (-128, 127),
    "bool": (0, 1),
    "uint": (0, 2**32 - 1),
    "uchar": (0, 255),
    "ushort": (0, 65535),
    "hyper": (-(2**63), 2**63 - 1),
    "uhyper": (0, 2**64 - 1),
}
_INTEGERS = {kind: st.integers(*bounds) for kind, bounds in _BOUNDS.items()}
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_PARAM_TYPES: dict[int, st.SearchStrategy[Any]] = {
    1: _INTEGERS["int"], 2: _INTEGERS["uint"], 3: _INTEGERS["hyper"], 4: _INTEGERS["uhyper"],
    5: st.floats(allow_nan=False), 6: _INTEGERS["bool"], 7: _TEXT,
}  # fmt: skip


def values_of(kind: str) -> st.SearchStrategy[Any]:
    """Values that a field of this kind can have."""
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if kind == "double":
        return st.floats(allow_nan=False)
    if kind == "string" or kind.startswith("chars"):
        return _TEXT
    if kind == "uuid":
        return st.binary(min_size=16, max_size=16)
    if kind == "param":
        return st.sampled_from(sorted(_PARAM_TYPES)).flatmap(
            lambda type: st.tuples(_TEXT, st.just(type), _PARAM_TYPES[type])
        )
    if kind.startswith("opaque"):
        return st.binary(max_size=9)
    if kind.endswith("?"):
        return st.none() | values_of(kind[:-1])
    if kind.endswith(">"):
        return st.lists(values_of(kind.partition("<")[0]), max_size=3)
    return values_of_fields(STRUCTS[kind])


def values_of_fields(fields: str) -> st.SearchStrategy[tuple[Any, ...]]:
    pairs = [field.split(": ") for field in fields.split(", ")] if fields else []
    return st.tuples(*(values_of(kind) for _name, kind in pairs))


def messages() -> list[tuple[str, str]]:
    """(name, fields) of every call, reply and event that has fields."""
    found = []
    for program in tables.PROGRAMS:
        for row in tables.rows(program):
            found += [(f"{row[1]}/args", row[2]), (f"{row[1]}/result", row[3])]
    return [(name, fields) for name, fields in found if fields]


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(one=st.sampled_from(messages()), data=st.data())
def test_messages_come_back(one: tuple[str, str], data: st.DataObject) -> None:
    _comes_back(one[1], data.draw(values_of_fields(one[1])))


def test_every_message_comes_back() -> None:
    """With plain values, because drawing them for nine hundred messages takes minutes."""
    for _name, fields in messages():
        for filled in (False, True):
            _comes_back(fields, _plain_fields(fields, filled))


def _comes_back(fields: str, values: tuple[Any, ...]) -> None:
    message = Message(fields)
    encoded = message.encode(values)
    assert len(encoded) % 4 == 0
    assert message.decode(encoded) == values


def _plain_fields(fields: str, filled: bool) -> tuple[Any, ...]:
    return tuple(_plain(field.split(": ")[1], filled) for field in fields.split(", "))


def _plain(kind: str, filled: bool) -> Any:
    """The largest number or a filled list, pointer or text; or the smallest of each."""
    if kind in _BOUNDS:
        return _BOUNDS[kind][filled]
    if kind == "double":
        return 1.5 if filled else -0.0
    if kind == "string" or kind.startswith("chars"):
        return "naïve" if filled else ""
    if kind == "uuid":
        return b"\xff" * 16 if filled else bytes(16)
    if kind == "param":
        return ("cpu_shares", 4, 1024) if filled else ("note", 7, "")
    if kind.startswith("opaque"):
        return b"12345" if filled else b""
    if kind.endswith("?"):
        return _plain(kind[:-1], filled) if filled else None
    if kind.endswith(">"):
        return [_plain(kind.partition("<")[0], filled)] * 2 if filled else []
    return _plain_fields(STRUCTS[kind], filled)


@settings(max_examples=200)
@given(text=st.sampled_from([fields for _name, fields in messages()]), raw=st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(text: str, raw: bytes) -> None:
    try:
        Message(text).decode(raw)
    except DecodeError as error:
        assert str(error)


def test_a_truncated_message_is_refused_at_every_length() -> None:
    message = Message(
        "dom: domain, params: param<16>, flags: uint, data: opaque<64>, name: string?"
    )
    whole = message.encode(
        (("web1", bytes(16), 7), [("a", 7, "text"), ("b", 4, 1)], 1, b"12345", "x")
    )
    for end in range(len(whole)):
        with pytest.raises(DecodeError):
            message.decode(whole[:end])
    with pytest.raises(DecodeError, match="4 bytes too many"):
        message.decode(whole + bytes(4))


@pytest.mark.parametrize(
    ("fields", "raw", "reason"),
    [
        ("name: string", struct.pack(">I", 4194305), "a string of 4194305 bytes is longer"),
        ("name: string", struct.pack(">I", 8) + b"abcd", "does not fit into the message"),
        ("name: string", struct.pack(">I", 3) + b"a\0b\0", "must not have a NUL"),
        ("names: string<4>", struct.pack(">I", 5) + bytes(64), "a list of 5 string"),
        ("ids: int<9>", struct.pack(">I", 4) + bytes(8), "a list of 4 int does not fit"),
        ("data: opaque<4>", struct.pack(">I", 5) + bytes(8), "a byte field of 5 bytes is longer"),
        ("name: string?", struct.pack(">I", 2), "a pointer is present"),
        ("label: chars<4>", struct.pack(">I", 5) + bytes(64), "a text of 5 characters"),
        ("model: chars[32]", bytes(64), "a text of 32 characters"),
        ("p: param", struct.pack(">I4sI", 1, b"a", 8) + bytes(8), "no typed parameter of type 8"),
        ("p: param", struct.pack(">I80s", 80, b"a" * 80) + bytes(8), "at most 79 characters"),
    ],
)
def test_wrong_bytes_are_refused_with_a_reason(fields: str, raw: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Message(fields).decode(raw)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ("a: int", 2**31),
        ("a: uint", -1),
        ("a: string", None),
        ("a: string", "a\0b"),
        ("a: uuid", b"short"),
        ("a: domain", ("name", b"short", 1)),
        ("a: domain", ("name", bytes(16))),
        ("a: opaque<2>", b"abc"),
        ("a: int<2>", [1, 2, 3]),
        ("a: param", ("name", 9, 1)),
        ("a: chars<4>", "abcd"),
    ],
)
def test_wrong_values_are_refused(fields: str, value: object) -> None:
    with pytest.raises(EncodeError):
        Message(fields).encode((value,))


def test_fields_that_are_left_out() -> None:
    message = Message("name: string?, flags: uint, params: param<4>, dom: domain")
    dom = ("a", bytes(16), 1)
    assert message.decode(message.encode_named({"dom": dom})) == (None, 0, [], dom)
    with pytest.raises(EncodeError, match="'dom' is missing"):
        message.encode_named({})
    with pytest.raises(EncodeError, match="no field 'flag'"):
        message.encode_named({"dom": dom, "flag": 1})


def test_bytes_that_are_no_utf8_survive() -> None:
    message = Message("name: string")
    assert message.encode(message.decode(b"\0\0\0\2\xff\xfe\0\0")) == b"\0\0\0\2\xff\xfe\0\0"


def test_the_tables_agree_with_themselves() -> None:
    for program in tables.PROGRAMS:
        rows = tables.rows(program)
        assert len({row[0] for row in rows}) == len(rows), "two procedures with one number"
        assert len({row[1] for row in rows}) == len(rows), "two procedures with one name"
        for row in rows:
            made = tables.Procedure(program, row)
            assert made.args.names is not None
            assert made.result.names is not None
            marks = {"ro", "high", "quiet", "reads", "writes", "fds", "event"}
            assert made.marks <= marks
            assert tables.procedure(row[1], program).number == row[0], "not found by its name"


def test_the_remote_program_is_whole() -> None:
    """libvirt 9.0.0 has the procedures 1 to 443."""
    assert [row[0] for row in tables.rows(tables.REMOTE)] == list(range(1, 444))


def test_reading_only_is_never_allowed_by_default() -> None:
    for row in tables.rows(tables.REMOTE):
        if "ro" in row[4].split():
            words = set(row[1].split("_"))
            changing = words & {"SET", "CREATE", "DESTROY", "UNDEFINE", "DEFINE", "ATTACH", "OPEN"}
            assert not changing or row[1] == "CONNECT_OPEN", row[1]


def test_kinds_are_known_names() -> None:
    with pytest.raises(LookupError):
        codec.kind("no_such_thing")


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udcff", "x" * 100000, ""])
def test_every_error_can_be_told(text: str) -> None:
    code, domain, message, *_ = wire.ERROR_MESSAGE.decode(wire.error_payload(1, 17, text))
    assert (code, domain) == (1, 17)
    assert len(message) <= 65536
