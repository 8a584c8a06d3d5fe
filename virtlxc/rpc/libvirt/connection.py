"""The connection itself: from a call's name and fields to the library, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.client import Event, RemoteError
from virtlxc.rpc.libvirt import special
from virtlxc.rpc.libvirt.calls import CALLS
from virtlxc.rpc.libvirt.events import REGISTER, Events
from virtlxc.rpc.libvirt.streams import Stream
from virtlxc.rpc.libvirt.values import dictionary, flags, reply
from virtlxc.rpc.tables import OWN, REMOTE, Procedure, procedure

PREFIX = "libvirt+"
"""Before a URI: that libvirt's library is meant, also where virtlxc could connect by itself."""

_READ_ONLY = 1
_CONNECTION, _STREAM = "conn", "stream"


class Connection:
    """One connection; ``uri`` is one of libvirt's. Raises VirtlxcError when there is none."""

    def __init__(self, uri: str, readonly: bool = False) -> None:
        self.path = uri.removeprefix(PREFIX)
        self.readonly = readonly
        self._library = _library(self.path)
        self._events = Events(self._library)
        # Before the connection is made, or it could not tell of events.
        self._try(self._library.virEventRegisterDefaultImpl)
        self._library.registerErrorHandler(_keep_quiet, None)
        asking = _asking(self._library)
        self._conn: Any = self._try(
            self._library.openAuth, self.path, asking, _READ_ONLY if readonly else 0
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # The interface that commands use

    def call(
        self,
        name: str,
        /,
        *,
        program: str = REMOTE,
        fds: Sequence[int] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Makes a call; the reply's fields by name. Raises RemoteError with libvirt's code."""
        row = procedure(name, program)
        full = {**row.args.defaults, **fields, "fds": list(fds or ())}
        kinds = _kinds(row.row[3])
        if program == REMOTE and name in REGISTER:
            values: tuple[Any, ...] = (self._register(name, full),)
        else:
            function = (special.OWN if program == OWN else special.SPECIAL).get(name)
            if function is not None:
                found = self._try(function, self._conn, full, lambda key: self._thing(key, full))
                values = found if len(kinds) > 1 else (found,)
            else:
                values = self._from_table(row, full, kinds)
        return dict(zip(row.result.names, values, strict=True))

    def stream(self, name: str, /, *, program: str = REMOTE, **fields: Any) -> Stream:
        """Makes a call that opens a stream."""
        row = procedure(name, program)
        inner = self._try(self._conn.newStream, 0)
        self._from_table(row, {**row.args.defaults, **fields, _STREAM: inner}, ())
        return Stream(inner, self._mistake, "reads" in row.marks)

    def next_event(self, timeout: float | None = None) -> Event | None:
        return self._events.next(timeout)

    def pump(self, timeout: float | None) -> bool:
        """Nothing waits to be taken: the library has threads of its own for that."""
        return False

    def close(self) -> None:
        if self._conn is not None:
            conn, self._conn = self._conn, None
            self._try(conn.close)

    def abandon(self) -> None:
        self._conn = None

    # How

    def _from_table(
        self, row: Procedure, fields: dict[str, Any], kinds: Sequence[tuple[str, str]]
    ) -> tuple[Any, ...]:
        line = CALLS.get(row.name) if row.program == procedure("CONNECT_OPEN").program else None
        if line is None:
            raise special.not_there(row.name)
        subject, _, rest = line.partition(".")
        method, _, words = rest.rstrip(")").partition("(")
        names = words.split(", ") if words else []
        kind_of = dict(_kinds(row.row[2]))
        arguments = [self._argument(name, kind_of.get(name, ""), fields) for name in names]
        found = self._try(getattr(self._thing(subject, fields), method), *arguments)
        if kinds and kinds[0][1] == "domain" and isinstance(found, int):
            found = self._thing("dom", fields)  # an object that only changed
        return self._try(reply, kinds, found)  # type: ignore[no-any-return]

    def _argument(self, name: str, kind: str, fields: dict[str, Any]) -> Any:
        value = fields[name]
        if kind.startswith("param<"):
            return dictionary(value)
        if kind.startswith("opaque<"):
            return flags(value)
        return self._thing(name, fields) if kind == "storage_vol" else value

    def _thing(self, name: str, fields: dict[str, Any]) -> Any:
        """The library's object that a field refers to."""
        conn = self._conn
        if name == _CONNECTION:
            return conn
        if name == "device":
            return self._try(conn.nodeDeviceLookupByName, fields["name"])
        value = fields[name]
        if name == "port":
            network = self._try(conn.networkLookupByUUID, value[0][1])
            return self._try(network.portLookupByUUID, value[1])
        lookups: dict[str, tuple[Callable[..., Any], Any]] = {
            "dom": (conn.lookupByUUID, 1),
            "net": (conn.networkLookupByUUID, 1),
            "network": (conn.networkLookupByUUID, 1),
            "pool": (conn.storagePoolLookupByUUID, 1),
            "vol": (conn.storageVolLookupByKey, 2),
            "clonevol": (conn.storageVolLookupByKey, 2),
            "iface": (conn.interfaceLookupByName, 0),
        }
        lookup, at = lookups[name]
        return self._try(lookup, value[at])

    def _register(self, name: str, fields: dict[str, Any]) -> int:
        about = REGISTER[name][1]
        thing = self._thing(about, fields) if fields.get(about) is not None else None
        number: int = self._try(
            self._events.register, self._conn, name, fields["eventID"], thing
        )
        return number

    def _try(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._library.libvirtError as error:
            raise self._mistake(error) from None

    def _mistake(self, error: Exception) -> VirtlxcError:
        if not isinstance(error, self._library.libvirtError):
            return VirtlxcError(str(error), Code.INTERNAL_ERROR, From.REMOTE)
        asked: Any = error
        return RemoteError(
            asked.get_error_message() or str(error),
            asked.get_error_code() or Code.INTERNAL_ERROR,
            asked.get_error_domain() or From.NONE,
        )


def _kinds(fields: str) -> list[tuple[str, str]]:
    pairs = [field.split(": ") for field in fields.split(", ")] if fields else []
    return [(name, kind) for name, kind in pairs]


# Where distributions put python3-libvirt, which an environment of our own does not look into.
SYSTEM_FOLDERS = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib64/python3.{sys.version_info.minor}/site-packages",
    f"/usr/lib/python3.{sys.version_info.minor}/site-packages",
)


def _import() -> ModuleType:
    """The library: ours, or the distribution's, if it is one for this Python."""
    try:
        return import_module("libvirt")
    except ImportError as error:
        folder = next((one for one in SYSTEM_FOLDERS if os.path.isfile(f"{one}/libvirt.py")), None)
        if error.name != "libvirt" or folder is None:
            raise
        sys.path.append(folder)
        try:
            return import_module("libvirt")
        finally:
            sys.path.remove(folder)  # nothing else of the distribution's is meant


def _library(uri: str) -> ModuleType:
    try:
        return _import()
    except ImportError as error:
        if error.name not in ("libvirt", "libvirtmod", "cygvirtmod"):
            raise
        raise VirtlxcError(
            f"cannot connect to '{uri}': that takes libvirt's Python library, which "
            f"{sys.executable} has not (pip install 'virtlxc[libvirt]', or the package "
            "python3-libvirt)",
            Code.NO_CONNECT,
            From.NONE,
        ) from None


def _keep_quiet(_context: object, _error: object) -> None:
    """Errors are raised; the library would print them too."""


def _asking(library: Any) -> list[Any]:
    """For who must give a name or a password: asked on the terminal."""

    def ask(wanted: list[list[Any]], _data: object) -> int:
        from getpass import getpass

        if not os.isatty(0):
            return -1
        for one in wanted:
            secret = one[0] in (library.VIR_CRED_PASSPHRASE, library.VIR_CRED_NOECHOPROMPT)
            one[4] = getpass(f"{one[1]}: ") if secret else input(f"{one[1]}: ")
        return 0

    kinds = [
        library.VIR_CRED_AUTHNAME, library.VIR_CRED_PASSPHRASE,
        library.VIR_CRED_ECHOPROMPT, library.VIR_CRED_NOECHOPROMPT,
    ]  # fmt: skip
    return [kinds, ask, None]
