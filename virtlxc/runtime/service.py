"""The controller's one poll loop: consoles, viewers, the protocol socket, the end of init.

There is no timer while nothing happens. Source of the protocol: the table ``CALLS``, whose rows are
frozen: fields may be added, never changed.
"""

from __future__ import annotations

import binascii
import os
import select
import time

from . import protocol
from .console import Console, Log, Messages, Viewer
from .lean import Socket, accept, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .controller import Controller

FEATURES = (
    *("console", "resize", "intent", "kill", "subscribe", "amend"),
    # What a boot may have: virtlxc.plan.changes.
    *("owner", "lock-inside", "screen-tree", "link-vlan", "ovs-port"),
)
_MAX_CLIENTS = 64
#: An amended boot half may be long; nobody but root can connect.
_MAX_REQUEST = 1 << 20
#: With it each new daemon begins, and mostly ends: taking it apart would be paid for by memory.
_SUBSCRIBE = protocol.frame({"call": "SUBSCRIBE"})
_HANGUP = select.POLLHUP | select.POLLERR | select.POLLNVAL
INTENTS = ("destroy", "shutdown", "reboot")


class CallError(Exception):
    """A call that cannot be served: {"error": {"code", "text"}}."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Client:
    """A connection to the protocol socket."""

    __slots__ = ("buffer", "sock", "subscribed", "viewer")

    def __init__(self, sock: Socket) -> None:
        self.sock = sock
        self.buffer: protocol.FrameBuffer | None = None
        self.subscribed = False
        self.viewer: Viewer | None = None


class Service:
    """Serves one controller until ``init`` ends or ``stop`` is set."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.consoles: list[Console] = []
        # Made before there is need of it: this is done in the spawner, for all controllers.
        self._first = Console(Log())
        self._poll = select.poll()
        self._clients: dict[int, Client] = {}
        self._masters: dict[int, Console | Messages] = {}
        self._listener: Socket | None = None
        self._watched: dict[int, Callable[[], None]] = {}
        self._paused = False

    # --- what is polled -------------------------------------------------------------------------

    def listen(self, listener: Socket) -> None:
        self._listener = listener
        self._poll.register(listener, select.POLLIN)

    def watch(self, fd: int, callback: Callable[[], None], events: int = select.POLLIN) -> None:
        """Call back when ``fd`` (a pidfd, a pipe) is readable, or for other events."""
        self._watched[fd] = callback
        self._poll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def connect_consoles(
        self, masters: list[int], slaves: list[int], log: tuple[str, int, int] | None = None
    ) -> None:
        """Give the consoles the ptys of a boot; the first one logs to (path, size, files)."""
        for number in range(len(masters)):
            if number == len(self.consoles):
                self.consoles.append(self._new_console(log))
            console = self.consoles[number]
            console.connect(masters[number], slaves[number])
            self._masters[console.master] = console
            self._poll.register(console.master, console.events())

    def _new_console(self, log: tuple[str, int, int] | None) -> Console:
        if self.consoles:
            return Console()
        if log is None:
            self._first.log = None
        elif self._first.log is not None:
            path, limit, files = log
            self._first.log.open(path, limit, files)
        return self._first

    def hear(self, messages: int) -> None:
        """Log what arrives on a datagram socket until the boot is over, like a console's words."""
        hearing = Messages(messages, self.consoles[0].log)
        self._masters[messages] = hearing
        self._poll.register(messages, hearing.events())

    def disconnect_consoles(self) -> None:
        """Take the last words of a boot that is over, and close its masters."""
        now = time.monotonic()
        for master, console in list(self._masters.items()):
            while console.read(now):
                self._pump(console)
            self._ignore(master)
            del self._masters[master]
            console.disconnect()

    def _ignore(self, fd: int) -> None:
        """Poll a descriptor no more; one that is paused is not polled already."""
        try:
            self._poll.unregister(fd)
        except KeyError:
            return

    # --- the loop -------------------------------------------------------------------------------

    def turn(self, deadline: float | None = None) -> None:
        """Wait for something to happen (at most until ``deadline``) and act on it."""
        wait = self._timeout(deadline) if self._paused or deadline is not None else None
        for fd, event in self._poll.poll(wait):
            if fd in self._masters:
                self._console_event(self._masters[fd], event)
            elif fd in self._clients:
                self._client_event(self._clients[fd], event)
            elif fd in self._watched:
                self._watched[fd]()
            else:
                self._accept()
        if self._paused:
            self._resume(time.monotonic())

    def _resume(self, now: float) -> None:
        """Look again at the consoles whose pause is over."""
        self._paused = False
        for console in self._masters.values():
            if console.resume is not None and console.resume <= now:
                console.resume = None
                self._take(console)
            if console.resume is not None:
                self._paused = True

    def _timeout(self, deadline: float | None) -> float | None:
        ends = [console.resume for console in self._masters.values() if console.resume is not None]
        if deadline is not None:
            ends.append(deadline)
        return max(0.0, min(ends) - time.monotonic()) * 1000 + 1 if ends else None

    def _console_event(self, console: Console | Messages, event: int) -> None:
        if event & select.POLLOUT:
            console.flush()
        if event & (select.POLLIN | _HANGUP):
            self._take(console)
        else:
            self._rearm(console)

    def _take(self, console: Console | Messages) -> None:
        if console.read(time.monotonic()) and console.viewers:
            self._pump(console)
        if console.resume is not None:
            self._paused = True
        self._rearm(console)

    def _pump(self, console: Console | Messages) -> None:
        for viewer in list(console.viewers):
            if viewer.pump():
                self._arm_viewer(viewer)
            else:
                self._drop(viewer.sock.fileno())

    def _rearm(self, console: Console | Messages) -> None:
        events = console.events()
        if events:
            self._poll.register(console.master, events)
        else:
            # Not even a hang-up may wake us while the console is paused.
            self._ignore(console.master)
        for viewer in console.viewers:
            self._arm_viewer(viewer)

    def _arm_viewer(self, viewer: Viewer) -> None:
        events = 0 if viewer.console.typed else select.POLLIN
        self._poll.register(viewer.sock, events | (select.POLLOUT if viewer.behind() else 0))

    # --- clients --------------------------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            self.admit(accept(self._listener))
        except OSError:
            return

    def admit(self, sock: Socket, subscribed: bool = False) -> None:
        """Serve one more connection, or close it when there are too many."""
        if len(self._clients) >= _MAX_CLIENTS:
            sock.close()
            return
        sock.setblocking(False)
        client = self._clients[sock.fileno()] = Client(sock)
        client.subscribed = subscribed
        self._poll.register(sock, select.POLLIN)

    def close(self) -> None:
        for fd in list(self._clients):
            self._drop(fd)
        for console in self.consoles:
            console.close()

    def _drop(self, fd: int) -> None:
        client = self._clients.pop(fd)
        self._poll.unregister(fd)
        if client.viewer is not None:
            client.viewer.console.viewers.remove(client.viewer)
        client.sock.close()

    def _client_event(self, client: Client, event: int) -> None:
        fd = client.sock.fileno()
        viewer = client.viewer
        if viewer is not None and event & select.POLLOUT and not viewer.pump():
            self._drop(fd)
            return
        if event & (select.POLLIN | _HANGUP):
            try:
                data = client.sock.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(fd)
            elif viewer is not None:
                viewer.console.type(data)
                self._rearm(viewer.console)
            else:
                self._requests(client, data)
        elif viewer is not None:
            self._arm_viewer(viewer)

    def _requests(self, client: Client, data: bytes) -> None:
        try:
            if data == _SUBSCRIBE and client.buffer is None:
                self.subscribe(client, {})
                return
            if client.buffer is None:
                client.buffer = protocol.FrameBuffer(_MAX_REQUEST)
            for text in client.buffer.feed(data):
                self._serve(client, text)
                if client.viewer is not None:
                    return
        except (protocol.ProtocolError, ValueError, OSError):
            if client.sock.fileno() in self._clients:
                self._drop(client.sock.fileno())

    def _serve(self, client: Client, text: bytes) -> None:
        request = parse(text)
        try:
            if not isinstance(request, dict):
                raise CallError("INVALID", "a request is an object")
            serve = CALLS.get(str(request.get("call")))
            if serve is None:
                raise CallError("UNSUPPORTED", f"unknown call {request.get('call')!r}")
            serve(self, client, request)
        except CallError as error:
            protocol.send(client.sock, {"error": {"code": error.code, "text": error.text}})

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event to every subscriber; one that does not read is dropped."""
        for fd, client in list(self._clients.items()):
            if client.subscribed:
                try:
                    protocol.send(client.sock, event)
                except OSError:
                    self._drop(fd)

    # --- calls ----------------------------------------------------------------------------------

    def hello(self, client: Client, request: dict[str, Any]) -> None:
        fds = (os.pidfd_open(os.getpid()),) if request.get("pidfd") else ()
        try:
            protocol.send_raw(client.sock, self.controller.identity(), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def status(self, client: Client, request: dict[str, Any]) -> None:
        protocol.send_raw(client.sock, self.controller.status())

    def subscribe(self, client: Client, request: dict[str, Any]) -> None:
        client.subscribed = True
        protocol.send_raw(client.sock, self.controller.identity())

    def console(self, client: Client, request: dict[str, Any]) -> None:
        console = self._console(request)
        protocol.send(client.sock, {"ok": {}})
        viewer = client.viewer = Viewer(console, client.sock)
        client.subscribed = False
        console.viewers.append(viewer)
        viewer.pump()
        self._arm_viewer(viewer)

    def resize(self, client: Client, request: dict[str, Any]) -> None:
        try:
            rows, cols = int(request["rows"]), int(request["cols"])
            self._console(request).resize(rows & 0xFFFF, cols & 0xFFFF)
        except (KeyError, TypeError, ValueError) as error:
            raise CallError("INVALID", f"rows and cols are numbers: {error!r}") from None
        except OSError as error:
            raise CallError("FAILED", str(error)) from None
        protocol.send(client.sock, {"ok": {}})

    def intent(self, client: Client, request: dict[str, Any]) -> None:
        end = request.get("end")
        if end is not None and end not in INTENTS:
            raise CallError("INVALID", f"unknown intent {end!r}")
        if end == "shutdown" and self.controller.intent == "reboot":
            self.controller.overruled = True
        elif end == "reboot":
            self.controller.overruled = False
        self.controller.intent = end
        protocol.send(client.sock, {"ok": {}})
        if request.get("kill") and end == "destroy":
            self.controller.kill()

    def amend(self, client: Client, request: dict[str, Any]) -> None:
        """``boot``: the steps of the next boots, as base64 of zlib-packed JSON."""
        try:
            boot = binascii.a2b_base64(request["boot"])
        except (KeyError, TypeError, ValueError) as error:
            raise CallError("INVALID", f"boot is base64: {error!r}") from None
        self.controller.start.packed_boot = boot
        protocol.send_raw(client.sock, self.controller.status())

    def _console(self, request: dict[str, Any]) -> Console:
        number = request.get("tty", 0)
        if not isinstance(number, int) or not 0 <= number < len(self.consoles):
            raise CallError("INVALID", f"there is no console {number!r}")
        return self.consoles[number]


#: The frozen protocol: call -> method. Fields: HELLO{proto, pidfd}; SUBSCRIBE (answered like HELLO,
#: by older controllers like STATUS; events follow); CONSOLE{tty} (a raw stream from then on);
#: RESIZE{tty, rows, cols}; INTENT{end: destroy|shutdown|reboot|null, kill}; AMEND{boot} (what the
#: next boots perform).
CALLS = {
    "HELLO": Service.hello,
    "STATUS": Service.status,
    "SUBSCRIBE": Service.subscribe,
    "CONSOLE": Service.console,
    "RESIZE": Service.resize,
    "INTENT": Service.intent,
    "AMEND": Service.amend,
}
