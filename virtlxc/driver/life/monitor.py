"""Watches the controllers of all running domains, in one thread.

A controller tells about boots over its socket; its own end is seen by its pidfd, whatever it dies
of. What follows from either is done in worker threads, one after the other for each domain.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from virtlxc.driver.domain.domain import Process, View
from virtlxc.driver.life import controllers
from virtlxc.driver.processes import open_pidfd, readable
from virtlxc.runtime import protocol

_log = logging.getLogger(__name__)

Notice = dict[str, Any]
GONE: Notice = {"event": "gone"}
_READ = 65536
_GREETING = protocol.frame({"call": "SUBSCRIBE"})


class Watch:
    """One controller: its pidfd, the connection that brings its notices, and their queue."""

    def __init__(self, uuid: str, controller: Process, pidfd: int, sock: socket.socket | None):
        self.uuid = uuid
        self.controller = controller
        self.pidfd = pidfd
        self.sock = sock
        self.frames = protocol.FrameBuffer()
        self.notices: collections.deque[Notice] = collections.deque()
        self.draining = False


def _greet(uuid: str, folder: str) -> socket.socket | None:
    """A connection to a controller that is asked for its notices; None when there is none."""
    try:
        sock = controllers.connect(folder)
    except controllers.ControllerGone as error:
        _log.debug("no notices from the controller of %s: %s", uuid, error)
        return None
    try:
        sock.send(_GREETING)
    except OSError as error:
        _log.debug("no notices from the controller of %s: %s", uuid, error)
        sock.close()
        return None
    return sock


class Monitor:
    """``handle(uuid, controller, notice)`` is called for every notice; GONE is the last."""

    def __init__(self, handle: Callable[[str, Process, Notice], None]) -> None:
        self._handle = handle
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._by_fd: dict[int, Watch] = {}
        self._closing = False
        self._workers = ThreadPoolExecutor(8, thread_name_prefix="ending")
        self._thread = threading.Thread(target=self._loop, name="monitor", daemon=True)
        self._thread.start()

    def watch(
        self, uuid: str, folder: str, controller: Process, notices: socket.socket | None = None
    ) -> None:
        """From now on; a controller that is gone already is noticed like one that goes later.

        ``notices``: a connection that brings them already. Without one, waits for no answer: what
        the controller says to the greeting is read like its notices.
        """
        sock = notices or _greet(uuid, folder)
        if sock is not None:
            sock.setblocking(False)
        pidfd = open_pidfd(controller)
        watch = Watch(uuid, controller, -1 if pidfd is None else pidfd, sock)
        with self._lock:
            if self._closing:
                # The next daemon will find this controller by itself.
                self._drop(watch)
                return
            self._drop(self._watches.get(uuid))
            self._watches[uuid] = watch
            for fd in (watch.pidfd, sock.fileno() if sock else -1):
                if fd >= 0:
                    self._by_fd[fd] = watch
                    self._epoll.register(fd, select.EPOLLIN)
        if pidfd is None:
            self._queue(watch, GONE)

    def forget(self, uuid: str) -> None:
        with self._lock:
            self._drop(self._watches.pop(uuid, None))

    def intent(self, view: View, end: str) -> None:
        """Tells the controller what was asked for; does not wait, so a hung one holds nobody."""
        raw = protocol.frame({"call": "INTENT", "end": end})
        with self._lock:
            watch = self._watches.get(view.uuid)
            if watch is not None and watch.sock is not None:
                with contextlib.suppress(OSError):
                    watch.sock.send(raw)

    def close(self) -> None:
        """Lets go of all controllers; they run on."""
        with self._lock:
            self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._workers.shutdown(wait=True)
        with self._lock:
            for watch in self._watches.values():
                self._drop(watch)
            self._watches.clear()
        self._epoll.close()
        os.close(self._wake)

    # The monitor's own thread

    def _loop(self) -> None:
        while not self._closing:
            for fd, _ in self._epoll.poll():
                if fd == self._wake:
                    continue
                # A descriptor that another thread dropped meanwhile is not in the table any more;
                # one with its number that came later only gets looked at for nothing.
                with self._lock:
                    watch = self._by_fd.get(fd)
                    notices = self._look(watch, fd) if watch else []
                for notice in notices:
                    assert watch is not None
                    self._queue(watch, notice)

    def _look(self, watch: Watch, fd: int) -> list[Notice]:
        """What this descriptor has to say; one that will say nothing more is let go."""
        if fd != watch.pidfd:
            return self._read(watch)
        notices = self._read(watch) if watch.sock is not None else []
        if not readable(fd):
            return notices
        self._unregister(fd)
        return [*notices, GONE]

    def _read(self, watch: Watch) -> list[Notice]:
        sock = watch.sock
        assert sock is not None
        try:
            data = sock.recv(_READ)
            frames = watch.frames.feed(data)
        except BlockingIOError:
            return []
        except (OSError, protocol.ProtocolError):
            data, frames = b"", []
        if not data:
            self._unregister(sock.fileno())
            sock.close()
            watch.sock = None
        found = [json.loads(frame) for frame in frames]
        return [notice for notice in found if isinstance(notice, dict) and "event" in notice]

    def _drop(self, watch: Watch | None) -> None:
        if watch is None:
            return
        if watch.sock is not None:
            self._unregister(watch.sock.fileno())
            watch.sock.close()
            watch.sock = None
        if watch.pidfd >= 0:
            self._unregister(watch.pidfd)
            os.close(watch.pidfd)
            watch.pidfd = -1

    def _unregister(self, fd: int) -> None:
        if self._by_fd.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    # Worker threads

    def _queue(self, watch: Watch, notice: Notice) -> None:
        with self._lock:
            watch.notices.append(notice)
            if watch.draining or self._closing:
                return
            watch.draining = True
        self._workers.submit(self._drain, watch)

    def _drain(self, watch: Watch) -> None:
        while True:
            with self._lock:
                if not watch.notices:
                    watch.draining = False
                    return
                notice = watch.notices.popleft()
            try:
                self._handle(watch.uuid, watch.controller, notice)
            except Exception:
                _log.exception("cannot act on %r of domain %s", notice, watch.uuid)
