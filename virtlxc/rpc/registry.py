"""Which function answers which procedure.

A handler is ``function(call, *fields)``; its parameters are named like the row's fields (a test
compares them). It returns the reply's only field, or a tuple when the row has several. Streams
return the socket to relay; :class:`Later` stands for a reply that nobody can give yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.tables import PROGRAMS, REMOTE, Procedure, procedure, rows

if TYPE_CHECKING:
    from virtlxc.driver.driver import Driver

Function = TypeVar("Function", bound=Callable[..., Any])


class Peer(Protocol):
    """What handlers see of a client."""

    readonly: bool
    opened: bool
    uid: int
    pid: int
    admitted: bool
    kept: dict[int, Any]

    def is_there(self) -> bool:
        """Whether the process that connected still runs, so that ``pid`` means no other."""

    def admit(self) -> None:
        """The peer has shown that it may be here; on the event loop."""

    def open(self, readonly: bool) -> None:
        """The connection is open from now on; it can become read-only, never the reverse."""

    def keep(self, number: int, thing: Any) -> None:
        """Closes ``thing`` when the client goes, at the latest. May be called by any thread."""

    def drop(self, number: int) -> None:
        """Closes a thing that was kept."""

    def register_event(self, group: str, event: int, about: object, legacy: bool = False) -> int:
        """Wants an event from now on; the number of the callback."""

    def deregister_event(self, number: int) -> None:
        """Ends a registration; VirtlxcError when there is none of that number."""

    def deregister_legacy(self, group: str, event: int) -> None:
        """Ends a registration of the old kind, which has no number."""

    def start_keepalive(self) -> None:
        """Begins to ask whether the other side is still there."""

    def close_soon(self) -> None:
        """Closes once the replies are out."""


class Call:
    """One call on its way: who makes it, and the descriptors that travel with it.

    ``fds`` came with the call and are closed when it has been answered. ``out_fds`` go back with
    the reply, and are closed then too.
    """

    __slots__ = ("driver", "fds", "out_fds", "peer", "procedure")

    def __init__(self, peer: Peer, driver: Driver, procedure: Procedure, fds: list[int]) -> None:
        self.peer = peer
        self.driver = driver
        self.procedure = procedure
        self.fds = fds
        self.out_fds: list[int] | None = None


class Later:
    """A reply that comes when ``poll`` gives it: asked whenever ``fileno`` becomes readable."""

    def __init__(self, fileno: int, poll: Callable[[], Any]) -> None:
        self.fileno = fileno
        self.poll = poll


class Handler:
    """A procedure and what answers it."""

    __slots__ = ("fast", "flags", "flags_at", "function", "needs_open", "procedure")

    def __init__(
        self, procedure: Procedure, function: Callable[..., Any], fast: bool, flags: int | None,
        needs_open: bool,
    ) -> None:  # fmt: skip
        self.procedure = procedure
        self.function = function
        self.fast = fast
        self.flags = flags
        self.needs_open = needs_open
        names = procedure.args.names
        self.flags_at = names.index("flags") if flags is not None else -1


_handlers: dict[tuple[int, int], Handler] = {}


def handles(
    name: str,
    *,
    program: str = REMOTE,
    fast: bool = False,
    flags: int | None = None,
    needs_open: bool = True,
) -> Callable[[Function], Function]:
    """Makes a function the answer to a procedure.

    ``fast``: runs on the event loop, so it must not block; others run in a worker thread.
    ``flags``: the bits that the field ``flags`` may have; None when the driver checks them.
    ``needs_open``: whether the connection must have been opened first.
    """

    def register(function: Function) -> Function:
        row = procedure(name, program)
        key = (row.program, row.number)
        assert key not in _handlers, f"{name} has two handlers"
        _handlers[key] = Handler(row, function, fast, flags, needs_open)
        return function

    return register


def load() -> None:
    """Imports every handler. Known procedures without one are answered with NO_SUPPORT."""
    from virtlxc.rpc import handlers

    handlers.load()
    for program, (number, _version) in PROGRAMS.items():
        for row in rows(program):
            _rows.setdefault((number, row[0]), (program, row[1]))


_rows: dict[tuple[int, int], tuple[str, str]] = {}


def find(program: int, number: int, *, readonly: bool = False) -> Handler:
    """The handler of a procedure. Raises VirtlxcError in the words that libvirt's clients read.

    What a ``readonly`` client may not do is refused for that reason, whether we could or not.
    """
    found = _handlers.get((program, number))
    if found is not None:
        return found
    known = _rows.get((program, number))
    if known is None or "event" in procedure(known[1], known[0]).marks:
        raise VirtlxcError(f"unknown procedure: {number}", Code.RPC, From.RPC)
    if readonly and "ro" not in procedure(known[1], known[0]).marks:
        raise forbidden(known[1])
    raise not_supported(known[1])


def forbidden(name: str) -> VirtlxcError:
    return VirtlxcError(
        f"operation forbidden: read only access prevents {api_name(name)}",
        Code.OPERATION_DENIED,
        From.RPC,
    )


def all_handlers() -> list[Handler]:
    return list(_handlers.values())


def not_supported(name: str) -> VirtlxcError:
    return VirtlxcError(
        f"this function is not supported by the connection driver: {api_name(name)}",
        Code.NO_SUPPORT,
        From.LXC,
    )


# Words of procedure names that libvirt's API does not simply capitalise.
_WORDS = {
    "XML": "XML", "CPU": "CPU", "CPUS": "CPUs", "UUID": "UUID", "ID": "ID", "OS": "OS",
    "URI": "URI", "MAC": "MAC", "FSINFO": "FSInfo", "FSTRIM": "FSTrim", "FSFREEZE": "FSFreeze",
    "FSTHAW": "FSThaw", "PM": "PM", "DHCP": "DHCP", "NWFILTER": "NWFilter", "SEV": "SEV",
    "NWFILTERS": "NWFilters", "IOTHREAD": "IOThread", "SSH": "SSH", "FD": "FD", "NMI": "NMI",
    "SCSI": "SCSI", "WWN": "WWN",
}  # fmt: skip


def api_name(name: str, prefix: str = "vir") -> str:
    """The function of libvirt's API for a procedure: virDomainGetInfo for DOMAIN_GET_INFO."""
    return prefix + "".join(_WORDS.get(word, word.capitalize()) for word in name.split("_"))


def check_flags(handler: Handler, values: tuple[Any, ...]) -> None:
    """Refuses bits that the handler did not name."""
    if handler.flags is None:
        return
    unknown = values[handler.flags_at] & ~handler.flags
    if unknown:
        function = api_name(handler.procedure.name, "lxc")
        raise VirtlxcError(
            f"invalid argument: unsupported flags (0x{unknown:x}) in function {function}",
            Code.INVALID_ARG,
            From.LXC,
        )
