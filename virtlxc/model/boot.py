"""``<os>``: what the container is, and the first program in it."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Keep, Kept, Repeat, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """``init`` is a path inside the container; ``initenv`` holds (name, value) pairs.

    ``inituser`` and ``initgroup`` are names, or numbers written ``+1000`` or ``1000``, resolved in
    the container's own /etc/passwd. ``arch`` is ``None`` when the document has none.
    """

    type: str = "exe"
    arch: str | None = None
    init: str | None = None
    initargs: tuple[str, ...] = ()
    initenv: tuple[tuple[str, str], ...] = ()
    initdir: str | None = None
    inituser: str | None = None
    initgroup: str | None = None
    cmdline: str | None = None
    kept: tuple[Kept, ...] = ()


INITENV = Table(
    "initenv",
    tuple,
    (
        Value(path="@name", field="name", type=types.NOT_EMPTY),
        Value(path=".", field="value"),
    ),
    make=lambda values: (values["name"], values["value"]),
    take=lambda pair: {"name": pair[0], "value": pair[1]},
)

_MACHINE = "for virtual machines; a container has no firmware and no kernel of its own"

OS = Table(
    "os",
    Os,
    (
        Value(path="type/@arch", field="arch"),
        Keep(path="type/@machine", note=_MACHINE),
        Value(path="type", field="type", type=types.choice("exe"), always=True),
        Value(path="init", field="init", note="compulsory; a path inside the container"),
        Repeat(path="initarg", field="initargs"),
        Repeat(path="initenv", field="initenv", table=INITENV),
        Value(path="initdir", field="initdir", type=types.PATH),
        Value(path="inituser", field="inituser", type=types.NOT_EMPTY),
        Value(path="initgroup", field="initgroup", type=types.NOT_EMPTY),
        Keep(path="loader", note=_MACHINE),
        Keep(path="nvram", note=_MACHINE),
        Keep(path="kernel", note=_MACHINE),
        Keep(path="initrd", note=_MACHINE),
        Value(path="cmdline", field="cmdline", note="the variable LIBVIRT_LXC_CMDLINE of init"),
        Keep(path="boot", note=_MACHINE),
        Keep(path="bootmenu", note=_MACHINE),
        Keep(path="smbios", note=_MACHINE),
        Keep(path="bios", note=_MACHINE),
    ),
)
