"""From a packet to the handler and back to a packet: checks, errors, the audit line."""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

from virtlxc.driver.batches import Outcome
from virtlxc.driver.named import NamedRef
from virtlxc.driver.network.ports import PortRef
from virtlxc.driver.ref import Ref
from virtlxc.driver.storage.state import VolumeRef
from virtlxc.errors import Code, From, KernelRefused, VirtlxcError
from virtlxc.rpc import registry, wire
from virtlxc.rpc.codec import DecodeError
from virtlxc.rpc.registry import Call, Handler, Later
from virtlxc.rpc.tables import PROGRAMS

if TYPE_CHECKING:
    from virtlxc.driver.driver import Driver
    from virtlxc.rpc.peer import Client

_log = logging.getLogger(__name__)
_audit = logging.getLogger("virtlxc.audit")

_VERSIONS = dict(PROGRAMS.values())
_READING = frozenset({"ro", "quiet"})
_REPLY_TYPES = (wire.CALL, wire.CALL_WITH_FDS)


class Job:
    """One call from its packet to its reply.

    ``prepare`` and ``finish`` run on the event loop; ``perform`` where the handler wants to run.
    """

    def __init__(self, client: Client, driver: Driver, head: wire.Header) -> None:
        self.client = client
        self.head = head
        self._driver = driver
        self._call: Call | None = None
        self._handler: Handler | None = None
        self._values: tuple[Any, ...] = ()
        self._result: tuple[Any, ...] = ()
        self._reply = b""
        self._error: Exception | None = None
        self.stream: socket.socket | None = None
        self.later: Later | None = None

    def prepare(self, payload: bytes, fds: list[int]) -> Handler | None:
        """Finds and checks everything before the handler; None when the reply is an error."""
        try:
            handler = self._handler = self._find()
            self._call = Call(self.client, self._driver, handler.procedure, fds)
            try:
                values = handler.procedure.args.decode(payload)
            except DecodeError as error:
                raise VirtlxcError(
                    f"Unable to decode message payload: {error}", Code.RPC, From.RPC
                ) from None
            self._values = tuple([_as_ref(value) for value in values])
            registry.check_flags(handler, values)
        except Exception as error:
            _close_all(fds)
            self._fail(error)
            return None
        return handler

    def perform(self) -> None:
        """Runs the handler and keeps its reply, or the error in its place."""
        handler, call = self._handler, self._call
        assert handler is not None
        assert call is not None
        try:
            self._accept(handler.function(call, *self._values))
        except Exception as error:
            self._fail(error)
        finally:
            _close_all(call.fds)
        if self.later is None:
            self._write_audit()

    def poll(self) -> bool:
        """Asks the postponed handler again; True when there is a reply now."""
        assert self.later is not None
        try:
            result = self.later.poll()
            if result is None:
                return False
            self._accept(result)
        except Exception as error:
            self._fail(error)
        self.later = None
        self._write_audit()
        return True

    def finish(self) -> None:
        """Sends the reply, and opens the stream if there is one."""
        fds = self._call.out_fds if self._call is not None else None
        self.client.reply(self._reply, fds)
        if self.stream is not None:
            assert self._handler is not None
            upload = "writes" in self._handler.procedure.marks
            self.client.open_stream(self.head, self.stream, upload)

    # The parts

    def _find(self) -> Handler:
        head = self.head
        if _VERSIONS.get(head.program) != head.version:
            raise VirtlxcError(
                f"Cannot find program {head.program} version {head.version}", Code.RPC, From.RPC
            )
        if head.type not in _REPLY_TYPES:
            raise VirtlxcError(f"Unexpected message type {head.type}", Code.RPC, From.RPC)
        if head.status != wire.OK:
            raise VirtlxcError(f"Unexpected message status {head.status}", Code.RPC, From.RPC)
        handler = registry.find(head.program, head.proc, readonly=self.client.readonly)
        if not (self.client.admitted or handler.procedure.name.startswith("AUTH_")):
            raise VirtlxcError("authentication required", Code.RPC, From.RPC)
        if handler.needs_open and not self.client.opened:
            raise VirtlxcError("internal error: connection not open", Code.INTERNAL_ERROR, From.RPC)
        marks = handler.procedure.marks
        if self.client.readonly and "ro" not in marks:
            raise registry.forbidden(handler.procedure.name)
        if head.type == wire.CALL_WITH_FDS and "fds" not in marks:
            raise VirtlxcError(f"{handler.procedure.name} takes no descriptors", Code.RPC, From.RPC)
        return handler

    def _accept(self, result: Any) -> None:
        assert self._handler is not None
        assert self._call is not None
        row = self._handler.procedure
        if isinstance(result, Later):
            self.later = result
            return
        if isinstance(result, socket.socket):
            self.stream = result
            result = None
        names = row.result.names
        if not names:
            values: tuple[Any, ...] = ()
        elif len(names) == 1:
            values = (result,)
        else:
            values = result
        self._result = values
        payload = row.result.encode(values)
        fds = self._call.out_fds
        type = wire.REPLY
        if fds is not None:
            type = wire.REPLY_WITH_FDS
            payload = wire.with_fd_count(len(fds), payload)
        self._reply = self.head.packet(type, wire.OK, payload)

    def _fail(self, error: Exception) -> None:
        if self._call is not None and self._call.out_fds is not None:
            _close_all(self._call.out_fds)
            self._call.out_fds = None
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        payload = error_payload(error, self._name())
        self._reply = self.head.packet(wire.REPLY, wire.ERROR, payload)
        self._error = error

    def _name(self) -> str:
        if self._handler is not None:
            return self._handler.procedure.name
        return f"procedure {self.head.proc}"

    def _write_audit(self) -> None:
        assert self._handler is not None
        changes = self._handler.needs_open and not self._handler.procedure.marks & _READING
        if not changes and not self._driver.config.log_calls:
            return
        lists = [value for value in self._result if isinstance(value, list)]
        for outcome in [one for found in lists for one in found if isinstance(one, Outcome)]:
            self._audit_line(outcome.name, outcome.error)
        # What is made by the call has its name in the reply only.
        values = (*self._values, *self._result)
        error = "" if self._error is None else str(self._error)
        self._audit_line(_subject(values), error)

    def _audit_line(self, name: str, error: str) -> None:
        _audit.info(
            "uid=%d pid=%d call=%s domain=%s result=%s",
            self.client.uid, self.client.pid, self._name(), name or "-", error or "ok",
        )  # fmt: skip


def _subject(values: tuple[Any, ...]) -> str:
    """The name of what a call is about: a domain, network or pool, or POOL/VOLUME."""
    volumes = [value for value in values if isinstance(value, VolumeRef)]
    if volumes:
        return f"{volumes[-1].pool}/{volumes[-1].name}"  # the one that is made stands last
    refs = [value for value in values if isinstance(value, Ref | NamedRef)]
    return refs[0].name if refs else ""


# What the host or the daemon has run out of: nobody's mistake.
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def error_payload(error: Exception, name: str) -> bytes:
    """An error as the client gets it; one of ours goes to the log, with its trace."""
    if isinstance(error, VirtlxcError):
        return wire.error_payload(error.code, error.domain, error.message, error.errno)
    if isinstance(error, KernelRefused):
        return wire.error_payload(Code.SYSTEM_ERROR, From.LXC, str(error))
    if isinstance(error, OSError) and error.errno in _SHORT:
        _log.error("%s: %s", name, error)
        text = f"{os.strerror(error.errno)} (the daemon's limits, or the host's, are reached)"
        return wire.error_payload(Code.SYSTEM_ERROR, From.LXC, text)
    _log.error("a mistake of virtlxc's in %s", name, exc_info=error)
    return wire.error_payload(
        Code.INTERNAL_ERROR,
        From.LXC,
        f"internal error: virtlxc made a mistake in {name}; its log has the trace "
        "(journalctl -u virtlxc, or the daemon's stderr)",
    )


def _as_ref(value: Any) -> Any:
    """A reference in the form that the driver takes; everything else as it is."""
    if type(value) is not tuple or len(value) not in (2, 3):
        return value
    if isinstance(value[1], bytes):
        if isinstance(value[0], tuple):
            return PortRef(NamedRef(*value[0]), value[1])
        return Ref(*value) if len(value) == 3 else NamedRef(*value)
    if len(value) == 3 and all(isinstance(part, str) for part in value):
        return VolumeRef(*value)
    return value


def _close_all(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())
