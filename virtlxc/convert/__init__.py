"""Other programs' configurations -> model, and the model -> configurations of the LXC tools.

Pure, but for files.py, which alone reads. What a format can say and the model cannot is never
dropped in silence: it comes back as a :class:`Note` with file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from virtlxc.convert.files import Disk, Nothing, Source
from virtlxc.convert.lxc.read import read_lxc
from virtlxc.convert.lxc.write import write_lxc
from virtlxc.convert.oci import read_oci
from virtlxc.convert.report import Converted, Note, Written, wrong
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import Domain, format_domain, parse_domain

__all__ = [
    "READERS",
    "WRITERS",
    "Converted",
    "Disk",
    "Note",
    "Nothing",
    "Source",
    "Written",
    "read_native",
    "write_native",
]

Kind = TypeVar("Kind")
Reader = Callable[[str, str, Source], Converted]

READERS: Mapping[str, Reader] = {"lxc-tools": read_lxc, "oci": read_oci}
WRITERS: Mapping[str, Callable[[Domain], Written]] = {"lxc-tools": write_lxc}


def read_native(form: str, text: str, *, file: str = "", files: Source | None = None) -> Converted:
    """The domain in a configuration, and what of it has no counterpart.

    ``file`` names it in notes and errors, ``files`` reads what it includes; None: nothing is read,
    and each include is named in a note. Raises VirtlxcError (INVALID_ARG) for a format that is not
    in READERS, and for what the format's own program would refuse.
    """
    found = _known(READERS, form)(text, file, files or Nothing())
    try:
        # A value of a wrong kind, or one that XML cannot hold, would only be found by its reader.
        domain = parse_domain(format_domain(found.domain))
    except (TypeError, ValueError, AttributeError, VirtlxcError) as error:
        raise wrong(file, 0, "a value", f"cannot stand in the domain's XML: {error}") from None
    return replace(found, domain=domain)


def write_native(form: str, domain: Domain) -> Written:
    """A configuration that says the same as the domain, and what it cannot say.

    Raises VirtlxcError (INVALID_ARG) for a format that is not in WRITERS.
    """
    return _known(WRITERS, form)(domain)


def _known(table: Mapping[str, Kind], form: str) -> Kind:
    if form not in table:
        raise VirtlxcError(
            f"invalid argument: unsupported config type {form}",
            Code.INVALID_ARG,
        )
    return table[form]
