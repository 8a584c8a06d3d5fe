"""One run of the command: where it is connected to, and how it speaks.

On the start-up path of the command: it must stay light.
"""

from __future__ import annotations

import os
import sys

from virtlxc.cli.failures import Failed
from virtlxc.errors import Code, VirtlxcError, visible
from virtlxc.paths import ROOT_VARIABLE, Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from virtlxc.cli.options import Options
    from virtlxc.rpc.link import Link, Stream

# What the daemon calls things by: name, UUID and, for a domain, its id (-1 when it does not run).
Ref = tuple[str, bytes, int]
NetworkRef = tuple[str, bytes]

CONNECT_FAILED = "failed to connect to the hypervisor"
# What connect(2) says when nobody listens.
ENOENT, ECONNREFUSED = 2, 111
# What a message may have beside printable characters: errors about XML show a part of it.
_LAYOUT = "\n\t"
# What virtlxc connects to by itself; libvirt's library does the rest.
NATIVE_SCHEMES = ("lxc", "lxc+unix", "lxc+ssh")
WELL_SPELT = ("/", "lxc:///", "lxc+unix:///", "lxc+ssh://")


class Session:
    """What commands work with. ``interactive`` is the shell's; commands of a batch share one."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.paths = Paths(options.root)
        self.uri = options.uri
        self.readonly = options.readonly
        self.quiet = options.quiet
        self.interactive = False
        self._connection: Link | None = None

    # Speaking

    def say(self, text: str) -> None:
        """Prints what was asked for."""
        sys.stdout.write(text)

    def say_bytes(self, data: bytes) -> None:
        """Prints at once, as it is, what need not be text."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def remark(self, text: str) -> None:
        """Prints what --quiet leaves out."""
        if not self.quiet:
            sys.stdout.write(text)

    def flush(self) -> None:
        """Shows what was printed before something else writes to the same place."""
        sys.stdout.flush()

    def complain(self, *lines: str) -> None:
        sys.stdout.flush()
        for line in lines:
            sys.stderr.write(f"error: {visible(line, _LAYOUT)}\n")
        sys.stderr.flush()

    def warn(self, *lines: str) -> None:
        sys.stdout.flush()
        for line in lines:
            sys.stderr.write(f"warning: {visible(line, _LAYOUT)}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Says on stderr what was done beside what was asked."""
        sys.stdout.flush()
        sys.stderr.write(f"{visible(text, _LAYOUT)}\n")
        sys.stderr.flush()

    # Asking the daemon

    @property
    def connection(self) -> Link:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def call(
        self, name: str, /, *, failed: str = "", program: str = "remote", **fields: Any
    ) -> dict[str, Any]:
        """A call to the daemon; ``failed`` is the line that stands before the daemon's reason."""
        try:
            return self.connection.call(name, program=program, **fields)
        except VirtlxcError as error:
            raise _failed(failed, error) from error

    def stream(self, name: str, /, *, failed: str = "", **fields: Any) -> Stream:
        """A call that opens a stream."""
        try:
            return self.connection.stream(name, **fields)
        except VirtlxcError as error:
            raise _failed(failed, error) from error

    def end_stream(self, stream: Stream, failed: str) -> None:
        """Waits until the other side has all; ``failed`` stands before its reason if not."""
        try:
            stream.finish()
            stream.recv(0)
        except VirtlxcError as error:
            raise _failed(failed, error) from error

    def own(self, name: str, /, *, failed: str = "", **fields: Any) -> dict[str, Any]:
        """A call of our own program, which libvirt's daemons do not have."""
        return self.call(name, failed=failed, program="virtlxc", **fields)

    def supported(self, name: str, /, **fields: Any) -> dict[str, Any] | None:
        """As :meth:`call`, but None where the daemon has no such call."""
        try:
            return self.connection.call(name, **fields)
        except VirtlxcError as error:
            if error.code == Code.NO_SUPPORT:
                return None
            raise _failed("", error) from error

    def reconnect(self, uri: str = "", *, readonly: bool = False) -> None:
        """Leaves the daemon, and reaches the one at ``uri`` (the same one when empty)."""
        self.close()
        if uri:
            self.uri = uri
            self.readonly = readonly
        else:
            self.readonly = self.readonly or readonly
        self._connection = self._connect()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def lost(self) -> None:
        """Forgets a connection that broke, so that the next command makes a new one."""
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None

    @property
    def address(self) -> str:
        """What to connect to: the URI that was given, else this instance's socket."""
        if self.uri in ("", "lxc:///", "lxc:///system"):
            return self.paths.socket_ro if self.readonly else self.paths.socket
        return self.uri

    def _connect(self) -> Link:
        try:
            return self._open()
        except VirtlxcError as error:
            if wrong := self._not_an_instance(error):
                raise Failed(CONNECT_FAILED, wrong, code=error.code) from error
            if not self._may_start_daemon(error):
                raise _failed(CONNECT_FAILED, error) from error
        from virtlxc.cli.starting import start_daemon

        start_daemon(self)
        try:
            return self._open()
        except VirtlxcError as error:
            raise _failed(CONNECT_FAILED, error) from error

    def _open(self) -> Link:
        if self.uri and not self.uri.startswith(WELL_SPELT):
            from virtlxc.cli.addresses import refusal

            if wrong := refusal(self.uri):
                raise VirtlxcError(wrong, Code.NO_CONNECT)
        scheme, uri, _rest = self.address.partition("://")
        if uri and scheme not in NATIVE_SCHEMES:
            from virtlxc.rpc import libvirt

            return libvirt.Connection(self.address, self.readonly)
        from virtlxc.rpc.client import Connection

        return Connection(self.address, self.readonly)

    def _not_an_instance(self, error: VirtlxcError) -> str:
        """What is wrong when --root leads where no daemon ever was; '' when it does not.

        A daemon makes all its folders, so a command must not start one where a word is misspelt.
        """
        cause = error.__cause__
        root = self.paths.root
        missing = not self.uri and isinstance(cause, OSError) and cause.errno == ENOENT
        if root == "/" or not missing or any(map(os.path.isdir, self.paths.lasting)):
            return ""
        return (
            f"there is no instance of virtlxc below '{root}' (look how --root or {ROOT_VARIABLE} is"
            f" spelt; a new one is made by: virtlxc --root {root} daemon)"
        )

    def _may_start_daemon(self, error: VirtlxcError) -> bool:
        cause = error.__cause__
        return (
            not self.uri
            and os.geteuid() == 0
            and isinstance(cause, OSError)
            and cause.errno in (ENOENT, ECONNREFUSED)
        )


def _failed(line: str, error: VirtlxcError) -> Failed:
    lines: Sequence[str] = (line, error.message) if line else (error.message,)
    return Failed(*lines, code=error.code)
