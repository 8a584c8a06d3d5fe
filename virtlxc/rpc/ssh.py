"""A connection to a daemon on another host: ssh there, and a program that joins its ends.

libvirt's URI and its parameters: ``lxc+ssh://[USER@]HOST[:PORT]/system?socket=PATH&...``. Without
``socket`` it is the socket of the other host's own virtlxc.
"""

from __future__ import annotations

import _socket
import os

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.client import SSH_SCHEME, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

REMOTE_SOCKET = "/run/virtlxc/virtlxc-sock"
PARAMETERS = (
    "command", "keyfile", "known_hosts", "mode", "netcat", "no_tty", "no_verify", "proxy", "socket",
)  # fmt: skip
# libvirt's values of ``proxy``; "native" is the helper of who listens there, here our own.
PROXIES = ("auto", "netcat", "native")
# Shell, for the other host. Some nc wait for the server after the end of their input, unless told.
NETCAT = (
    "if {nc} -q 2>&1 | grep -q 'requires an argument'; then exec {nc} -q0 -U {path}; fi; "
    "exec {nc} -U {path}"
)
NATIVE = "exec virtlxc socket-relay {path}"
AUTO = "if command -v virtlxc >/dev/null 2>&1; then " + NATIVE + "; fi; " + NETCAT
COMMANDS = {"auto": AUTO, "netcat": NETCAT, "native": NATIVE}


class Target:
    """What a URI says: the words of ssh's command line, and where it leads."""

    __slots__ = ("argv", "host", "path")

    def __init__(self, uri: str, readonly: bool = False) -> None:
        place, _, query = uri.removeprefix(SSH_SCHEME).partition("?")
        authority, slash, path = place.partition("/")
        if slash + path not in ("", "/", "/system"):
            _refuse(uri, f"its path is '/{path}', not '/system'")
        given = _parameters(uri, query)
        user, _, place = authority.rpartition("@")
        self.host, port = _host_and_port(place)
        if not self.host or self.host.startswith("-"):
            _refuse(uri, "it names no host")
        self.path = given.get("socket") or REMOTE_SOCKET
        if readonly and not self.path.endswith("-ro"):
            self.path += "-ro"
        proxy = given.get("proxy", "netcat" if "netcat" in given else "auto")
        if proxy not in PROXIES:
            _refuse(uri, f"its proxy is '{proxy}', not one of {', '.join(PROXIES)}")
        script = COMMANDS[proxy].format(
            nc=_quoted(given.get("netcat", "nc")), path=_quoted(self.path)
        )
        self.argv = [given.get("command", "ssh"), *_options(given, unquote(user), port)]
        self.argv += ["--", self.host, f"sh -c {_quoted(script)}"]


class Tunnel:
    """A running ssh, and the socket that leads through it."""

    def __init__(self, uri: str, readonly: bool) -> None:
        target = Target(uri, readonly)
        self.name = f"{target.host}:{target.path}"
        self._program = target.argv[0]
        self._status: int | None = None
        self.socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        for end in (self.socket, theirs):
            os.set_inheritable(end.fileno(), False)
        fd = theirs.fileno()
        moves = [(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, fd, 1)]
        try:
            self._pid = os.posix_spawnp(target.argv[0], target.argv, os.environ, file_actions=moves)
        except OSError as error:
            self.socket.close()
            raise VirtlxcError(
                f"cannot run '{self._program}': {os.strerror(error.errno or 0)} (it is what leads "
                f"to {target.host}: install openssh-client)",
                Code.NO_CONNECT,
                From.RPC,
            ) from None
        finally:
            theirs.close()

    def failure(self) -> VirtlxcError:
        """Why there is no connection, as far as ssh tells; its own words are on stderr."""
        self.end()
        status = self._status or 0
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return VirtlxcError(
            f"cannot reach the daemon at {self.name}: {self._program} ended with {how} "
            "(its own message stands above; does the daemon run there?)",
            Code.NO_CONNECT,
            From.RPC,
        )

    def end(self) -> None:
        """Waits for ssh, whose input has ended; may be called again."""
        if self._status is None:
            self.socket.close()
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _parameters(uri: str, query: str) -> dict[str, str]:
    found = {}
    for word in query.split("&") if query else ():
        name, _, value = word.partition("=")
        if name not in PARAMETERS:
            _refuse(uri, f"it has the parameter '{name}' (known: {', '.join(PARAMETERS)})")
        found[name] = unquote(value)
    return found


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):  # an IPv6 address
        host, _, port = place[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = place.partition(":")
    return unquote(host), port


def _options(given: dict[str, str], user: str, port: str) -> list[str]:
    options = ["-T", "-e", "none"]
    if user:
        options += ["-l", user]
    if port:
        options += ["-p", port]
    if given.get("keyfile"):
        options += ["-i", given["keyfile"]]
    if given.get("known_hosts"):
        options += ["-o", f"UserKnownHostsFile={given['known_hosts']}"]
    if given.get("no_tty") == "1":
        options += ["-o", "BatchMode=yes"]
    if given.get("no_verify") == "1":
        options += ["-o", "StrictHostKeyChecking=no"]
    return options


def _quoted(word: str) -> str:
    """As one word of a POSIX shell's."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _refuse(uri: str, why: str) -> NoReturn:
    raise VirtlxcError(f"cannot connect to '{uri}': {why}", Code.INVALID_ARG, From.RPC)
