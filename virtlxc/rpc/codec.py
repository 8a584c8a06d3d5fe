"""XDR (RFC 4506), derived from field tables.

A message is a line of fields, ``"dom: domain, flags: uint"``; a kind is

- a scalar: ``int uint hyper uhyper double``, and ``char uchar ushort bool``, which XDR sends in
  four bytes each,
- ``string`` (str), ``uuid`` (16 bytes), ``opaque<N>`` (bytes, at most N of them),
- ``param``, a typed parameter: (name, virTypedParameterType, value),
- ``chars[N]`` and ``chars<N>``: C text as an array of characters, four bytes each (str),
- a name of :data:`virtlxc.rpc.tables.structs.STRUCTS`: a tuple of its fields' values,
- ``KIND?``: a pointer that may be null (None), ``KIND<N>``: a list of at most N.

Kinds are compiled when they are first used, into pairs of functions: ``pack(out, value)`` appends
to a bytearray, ``unpack(data, at)`` gives the value and the offset after it. This module is on the
start-up path of the command: it must stay light.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from virtlxc.rpc.tables.structs import STRUCTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Pack = Callable[[bytearray, Any], None]
    Unpack = Callable[[bytes, int], tuple[Any, int]]
    Kind = tuple[Pack, Unpack]

STRING_MAX = 4194304
PARAM_NAME_MAX = 79


class DecodeError(Exception):
    """Bytes that are not the message they claim to be; the text says what is wrong with them."""


class EncodeError(Exception):
    """A value that does not fit its field: a mistake of the caller's."""


class Message:
    """One message: the names of its fields, and how they become bytes and come back."""

    __slots__ = ("_pack", "_unpack", "defaults", "names")

    def __init__(self, fields: str) -> None:
        pairs = _split(fields)
        self.names = tuple(name for name, _kind in pairs)
        self.defaults = {name: _DEFAULTS[kind] for name, kind in pairs if kind in _DEFAULTS}
        self.defaults.update((name, None) for name, kind in pairs if kind.endswith("?"))
        self.defaults.update((name, ()) for name, kind in pairs if kind.endswith(">"))
        self._pack, self._unpack = _sequence(tuple(kind for _name, kind in pairs))

    def encode(self, values: tuple[Any, ...]) -> bytes:
        """The bytes of the fields' values, which stand in the order of :attr:`names`.

        Raises EncodeError for values of a wrong type or size, or of a wrong number.
        """
        if len(values) != len(self.names):
            raise EncodeError(f"{len(values)} values for the fields {', '.join(self.names)}")
        out = bytearray()
        try:
            self._pack(out, values)
        except (StructError, TypeError, AttributeError, ValueError, LookupError) as error:
            text = f"{error} (fields {', '.join(self.names)}: {values!r:.200})"
            raise EncodeError(text) from None
        return bytes(out)

    def encode_named(self, values: dict[str, Any]) -> bytes:
        """As :meth:`encode`; numbers that are left out are 0, pointers None, lists empty."""
        full = {**self.defaults, **values}
        try:
            ordered = tuple([full.pop(name) for name in self.names])
        except KeyError as error:
            raise EncodeError(f"the field {error.args[0]!r} is missing") from None
        if full:
            raise EncodeError(f"there is no field {next(iter(full))!r}")
        return self.encode(ordered)

    def decode(self, data: bytes, at: int = 0) -> tuple[Any, ...]:
        """The fields' values. Raises DecodeError; bytes left over at the end are an error too."""
        try:
            values, end = self._unpack(data, at)
        except StructError:
            raise DecodeError("the message is too short") from None
        if end != len(data):
            raise DecodeError(f"there are {len(data) - end} bytes too many")
        found: tuple[Any, ...] = values
        return found


def _split(fields: str) -> list[tuple[str, str]]:
    if not fields:
        return []
    pairs = [field.split(": ") for field in fields.split(", ")]
    return [(name, kind) for name, kind in pairs]


_DEFAULTS: dict[str, Any] = dict.fromkeys(("int", "uint", "hyper", "uhyper", "bool"), 0)

# What one scalar is for struct; char, uchar, ushort and bool travel as whole words.
_SCALARS = {
    "int": "i", "uint": "I", "hyper": "q", "uhyper": "Q", "double": "d",
    "char": "i", "uchar": "I", "ushort": "I", "bool": "i", "uuid": "16s",
}  # fmt: skip

_WORD = Struct(">I")
_word = _WORD.pack
_word_at = _WORD.unpack_from
_PADS = (b"", b"\0\0\0", b"\0\0", b"\0")

# Lists of these are long, and are sent again and again: the bytes of each are kept.
_REFERENCES = frozenset(("domain", "network", "storage_pool"))
_PACKED_MAX = 4096

_kinds: dict[str, Kind] = {}


def kind(text: str) -> Kind:
    """The functions of one kind; LookupError for a name that is none."""
    found = _kinds.get(text)
    if found is None:
        found = _kinds[text] = _compile(text)
    return found


def _compile(text: str) -> Kind:
    if text.endswith("?"):
        return _optional(kind(text[:-1]))
    if text.endswith((">", "]")):
        bracket = "<" if text.endswith(">") else "["
        inner, _, limit = text[:-1].rpartition(bracket)
        if inner == "opaque":
            return _opaque(int(limit))
        if inner == "chars":
            return _chars(int(limit), fixed=bracket == "[")
        return _array(kind(inner), int(limit), inner)
    if text == "string":
        return _pack_string, _unpack_string
    if text == "param":
        return _pack_param, _unpack_param
    if text in _SCALARS:
        return _scalar(Struct(">" + _SCALARS[text]), 16 if text == "uuid" else 0)
    return _sequence(tuple(inner for _name, inner in _split(STRUCTS[text])))


def _scalar(form: Struct, length: int) -> Kind:
    def pack(out: bytearray, value: Any) -> None:
        if length and len(value) != length:
            raise ValueError(f"{length} bytes are wanted, not {len(value)}")
        out += form.pack(value)

    def unpack(data: bytes, at: int) -> tuple[Any, int]:
        return form.unpack_from(data, at)[0], at + form.size

    return pack, unpack


def _sequence(kinds: tuple[str, ...]) -> Kind:
    """Fields one after the other; runs of scalars become one struct, which is much faster."""
    parts: list[tuple[int, int, Struct | None, Kind | None]] = []
    at = 0
    while at < len(kinds):
        end = at
        while end < len(kinds) and kinds[end] in _SCALARS:
            end += 1
        if end > at:
            form = Struct(">" + "".join(_SCALARS[kind] for kind in kinds[at:end]))
            parts.append((at, end, form, None))
        else:
            end = at + 1
            parts.append((at, end, None, kind(kinds[at])))
        at = end
    uuids = tuple(index for index, one in enumerate(kinds) if one == "uuid")

    def pack(out: bytearray, values: Any) -> None:
        if len(values) != len(kinds):
            raise ValueError(f"{len(kinds)} values are wanted, not {len(values)}")
        for index in uuids:
            if len(values[index]) != 16:
                raise ValueError("a UUID has 16 bytes")
        for start, end, form, inner in parts:
            if form is not None:
                out += form.pack(*values[start:end])
            elif inner is not None:
                inner[0](out, values[start])

    def unpack(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        found: list[Any] = []
        for _start, _end, form, inner in parts:
            if form is not None:
                found += form.unpack_from(data, at)
                at += form.size
            elif inner is not None:
                value, at = inner[1](data, at)
                found.append(value)
        return tuple(found), at

    return pack, unpack


def _optional(inner: Kind) -> Kind:
    pack_inner, unpack_inner = inner

    def pack(out: bytearray, value: Any) -> None:
        if value is None:
            out += b"\0\0\0\0"
        else:
            out += b"\0\0\0\1"
            pack_inner(out, value)

    def unpack(data: bytes, at: int) -> tuple[Any, int]:
        (present,) = _word_at(data, at)
        if present == 0:
            return None, at + 4
        if present != 1:
            raise DecodeError(f"a pointer is present (1) or not (0), never {present}")
        return unpack_inner(data, at + 4)

    return pack, unpack


def _array(inner: Kind, limit: int, name: str) -> Kind:
    pack_inner, unpack_inner = inner
    packed: dict[Any, bytes] = {}

    def pack(out: bytearray, values: Any) -> None:
        if len(values) > limit:
            raise ValueError(f"{len(values)} of {name} are more than the {limit} allowed")
        out += _word(len(values))
        if name not in _REFERENCES:
            for value in values:
                pack_inner(out, value)
            return
        for value in values:
            raw = packed.get(value)
            if raw is None:
                made = bytearray()
                pack_inner(made, value)
                if len(packed) > _PACKED_MAX:
                    packed.clear()
                raw = packed[value] = bytes(made)
            out += raw

    def unpack(data: bytes, at: int) -> tuple[list[Any], int]:
        (count,) = _word_at(data, at)
        # Four bytes is the least that an element can take: a count beyond that is refused before
        # any memory is spent on it.
        if count > limit or count * 4 > len(data) - at:
            raise DecodeError(f"a list of {count} {name} does not fit (limit {limit})")
        at += 4
        found = []
        for _ in range(count):
            value, at = unpack_inner(data, at)
            found.append(value)
        return found, at

    return pack, unpack


def _bytes_at(data: bytes, at: int, limit: int, what: str) -> tuple[bytes, int]:
    (size,) = _word_at(data, at)
    if size > limit:
        raise DecodeError(f"{what} of {size} bytes is longer than the {limit} allowed")
    start = at + 4
    end = start + size
    padded = end + (-size & 3)
    if padded > len(data):
        raise DecodeError(f"{what} of {size} bytes does not fit into the message")
    return data[start:end], padded


def _pack_string(out: bytearray, value: Any) -> None:
    raw = value.encode("utf-8", "surrogateescape")
    size = len(raw)
    if size > STRING_MAX:
        raise ValueError(f"a string of {size} bytes is longer than the {STRING_MAX} allowed")
    if b"\0" in raw:
        raise ValueError("a string must not have a NUL in it")
    out += _word(size)
    out += raw
    out += _PADS[size & 3]


def _unpack_string(data: bytes, at: int) -> tuple[str, int]:
    raw, at = _bytes_at(data, at, STRING_MAX, "a string")
    if b"\0" in raw:
        raise DecodeError("a string must not have a NUL in it")
    return raw.decode("utf-8", "surrogateescape"), at


def _opaque(limit: int) -> Kind:
    def pack(out: bytearray, value: Any) -> None:
        size = len(value)
        if size > limit:
            raise ValueError(f"{size} bytes are more than the {limit} allowed")
        out += _word(size)
        out += value
        out += _PADS[size & 3]

    def unpack(data: bytes, at: int) -> tuple[bytes, int]:
        return _bytes_at(data, at, limit, "a byte field")

    return pack, unpack


def _chars(limit: int, *, fixed: bool) -> Kind:
    def pack(out: bytearray, value: Any) -> None:
        raw = value.encode("utf-8", "surrogateescape") + b"\0"
        if len(raw) > limit or b"\0" in raw[:-1]:
            raise ValueError(f"a text of {len(raw) - 1} bytes does not fit into {limit}")
        if fixed:
            raw = raw.ljust(limit, b"\0")
        else:
            out += _word(len(raw))
        # XDR's char is a signed whole word.
        for byte in raw:
            out += _word((byte if byte < 128 else byte - 256) & 0xFFFFFFFF)

    def unpack(data: bytes, at: int) -> tuple[str, int]:
        count = limit
        if not fixed:
            (count,) = _word_at(data, at)
            at += 4
        if count > limit or count * 4 > len(data) - at:
            raise DecodeError(f"a text of {count} characters does not fit (limit {limit})")
        raw = data[at + 3 : at + 4 * count : 4]
        return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape"), at + 4 * count

    return pack, unpack


# How a typed parameter's value travels, by virTypedParameterType.
_PARAM_KINDS = {
    1: "int", 2: "uint", 3: "hyper", 4: "uhyper", 5: "double", 6: "bool", 7: "string",
}  # fmt: skip


def _pack_param(out: bytearray, value: Any) -> None:
    name, type, plain = value
    _pack_string(out, name)
    out += _word(type)
    kind(_PARAM_KINDS[type])[0](out, plain)


def _unpack_param(data: bytes, at: int) -> tuple[tuple[str, int, Any], int]:
    name, at = _unpack_string(data, at)
    if len(name) > PARAM_NAME_MAX:
        raise DecodeError(f"a typed parameter's name has at most {PARAM_NAME_MAX} characters")
    (type,) = _word_at(data, at)
    inner = _PARAM_KINDS.get(type)
    if inner is None:
        raise DecodeError(f"there is no typed parameter of type {type}")
    value, at = kind(inner)[1](data, at + 4)
    return (name, type, value), at
