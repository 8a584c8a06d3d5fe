"""The daemon's side of the wire: sockets, clients, worker threads.

One event loop reads, writes and answers what needs no waiting; calls that block go to worker
threads, those marked ``high`` to threads of their own, so that a destroy never queues behind
twenty slow starts. Clients who may only read have threads of their own, too.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from virtlxc.rpc import registry, wire
from virtlxc.rpc.admission import ANSWER_SECONDS, Admission
from virtlxc.rpc.dispatch import Job
from virtlxc.rpc.listen import listen_unix, peer_credentials, remove_socket
from virtlxc.rpc.peer import Client

if TYPE_CHECKING:
    from virtlxc.config import Config
    from virtlxc.driver.driver import Driver
    from virtlxc.rpc.registry import Handler

_log = logging.getLogger(__name__)

_READ_SIZE = 65536
_STRANGER_SECONDS = 10.0
_NO_DESCRIPTORS_SECONDS = 1.0
USER_MAX = 100
"""Connections of one user, who is not root, to a read-only socket: nobody keeps others out."""


class _Listener:
    """A listening socket and its clients.

    The limits hold for each socket by itself, so that clients who may only read cannot lock out
    the others. ``inode`` tells whether the name in the file system is still ours.
    """

    def __init__(self, path: str, made: socket.socket, readonly: bool) -> None:
        self.path = path
        self.socket = made
        self.readonly = readonly
        self.inode = os.lstat(path).st_ino if path else 0
        self.clients: set[Client] = set()
        self.strangers: set[Client] = set()
        self.accepting = False
        self._users: Counter[int] = Counter()
        self._refused: set[int] = set()

    def has_room(self, config: Config) -> bool:
        """Strangers wait for each other, but not where anybody may connect: there users count."""
        strangers = len(self.strangers) < config.max_anonymous_clients
        return len(self.clients) < config.max_clients and (strangers or self.readonly)

    def admits(self, uid: int) -> bool:
        """Whether the user may have one more connection; he is counted then. Told once."""
        if not self.readonly or uid in (0, os.geteuid()):
            return True
        if self._users[uid] >= USER_MAX:
            if uid not in self._refused:
                _log.warning("uid %d has %d connections and gets no more", uid, USER_MAX)
            self._refused.add(uid)
            return False
        self._users[uid] += 1
        return True

    def left(self, uid: int) -> None:
        """A connection of the user has ended."""
        if uid in self._users:
            self._users[uid] -= 1
            if not self._users[uid]:
                del self._users[uid]
                self._refused.discard(uid)


class Server:
    """Serves a driver. Made and used on the thread of ``loop``, which must be running."""

    def __init__(
        self,
        driver: Driver,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        admission: Admission | None = None,
    ) -> None:
        registry.load()
        self.driver = driver
        self.loop = loop
        self.config = config
        # What any client sends is read into this, one at a time: a buffer for each read would
        # leave the heap full of holes.
        self.inbox = memoryview(bytearray(_READ_SIZE))
        self._admission = admission or Admission()
        self._clients: dict[Client, _Listener] = {}
        self._listeners: list[_Listener] = []
        self._workers = ThreadPoolExecutor(config.max_workers, "call")
        self._urgent = ThreadPoolExecutor(config.prio_workers, "urgent")
        # Whoever may only read, and that is anybody, keeps none of the others waiting.
        self._readers = ThreadPoolExecutor(max(1, config.max_workers // 4), "reader")
        self._unsubscribe = driver.events.subscribe(self._event_from_any_thread)
        self._stopped = False

    # Sockets

    def listen(self, path: str, *, readonly: bool, gid: int = -1) -> None:
        """Serves at ``path``: 0660 and the group ``gid``, or 0666 when read-only or with polkit.

        Raises VirtlxcError that names the process when another daemon answers there.
        """
        mode = 0o666 if readonly else self._admission.mode
        made = listen_unix(path, mode, gid, self.config.max_queued_clients)
        self._add(_Listener(path, made, readonly))

    def serve(self, made: socket.socket, *, readonly: bool, path: str) -> None:
        """Serves a socket that somebody else made at ``path``, as systemd does."""
        # Its rights are what an earlier daemon with another configuration may have left.
        os.chmod(path, 0o666 if readonly else self._admission.mode)
        made.setblocking(False)
        self._add(_Listener("", made, readonly))

    def _add(self, listener: _Listener) -> None:
        self._listeners.append(listener)
        self._accept_on(listener)

    def _accept_on(self, listener: _Listener) -> None:
        room = listener.has_room(self.config)
        if room and not listener.accepting and not self._stopped:
            listener.accepting = True
            self.loop.add_reader(listener.socket, self._accept, listener)

    def _accept_off(self, listener: _Listener) -> None:
        if listener.accepting:
            listener.accepting = False
            self.loop.remove_reader(listener.socket)

    def _accept(self, listener: _Listener) -> None:
        try:
            connected, _address = listener.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            # Trying again at once would only burn the processor until somebody leaves.
            _log.error("cannot accept a connection: %s", os.strerror(error.errno))
            self._accept_off(listener)
            self.loop.call_later(_NO_DESCRIPTORS_SECONDS, self._accept_on, listener)
            return
        if not listener.admits(peer_credentials(connected)[1]):
            connected.close()
            return
        client = Client(self, connected, listener.readonly)
        self._clients[client] = listener
        listener.clients.add(client)
        if self._admission.knows(client):
            client.admitted = True
            listener.strangers.add(client)
            client.bound = self.loop.call_later(
                _STRANGER_SECONDS, self._drop_stranger, listener, client
            )
        elif self._admission.wait(client):
            client.bound = self.loop.call_later(ANSWER_SECONDS, self._drop_unadmitted, client)
        else:
            _log.warning("uid %d has too many connections waiting for polkit", client.uid)
            client.admitted = True  # so that its end takes nothing from the count
            client.close()
            return
        if not listener.has_room(self.config):
            self._accept_off(listener)

    def _drop_stranger(self, listener: _Listener, client: Client) -> None:
        if client in listener.strangers:
            _log.warning("process %d connected and said nothing: closing", client.pid)
            client.close()

    def _drop_unadmitted(self, client: Client) -> None:
        if not client.admitted and not client.closed:
            client.close()

    def client_admitted(self, client: Client) -> None:
        """polkit has said yes: from now on the client is one as all others."""
        if not client.admitted:
            client.admitted = True
            self._admission.no_longer_waits(client)

    def client_opened(self, client: Client) -> None:
        """The client has said what it wants, and does not count as a stranger any more."""
        listener = self._clients[client]
        listener.strangers.discard(client)
        client.unbind()
        self._accept_on(listener)

    def client_gone(self, client: Client) -> None:
        listener = self._clients.pop(client)
        listener.left(client.uid)
        listener.clients.discard(client)
        listener.strangers.discard(client)
        client.unbind()
        if not client.admitted:
            self._admission.no_longer_waits(client)
        if client.opened and not self._stopped:
            self._workers.submit(self._owner_gone, client)
        self._accept_on(listener)

    def _owner_gone(self, client: Client) -> None:
        try:
            self.driver.domains.owner_gone(client)
        except Exception:
            _log.exception("cannot clean up after process %d", client.pid)

    @property
    def client_count(self) -> int:
        return len(self._clients)

    # Calls

    def dispatch(self, client: Client, head: wire.Header, payload: bytes, fds: list[int]) -> None:
        """Answers a packet: here and now when that needs no waiting, else in a worker thread."""
        job = Job(client, self.driver, head)
        handler = job.prepare(payload, fds)
        if handler is None:
            job.finish()
        elif handler.fast:
            job.perform()
            self._done(job)
        else:
            self._pool(client, handler).submit(self._work, job)

    def _pool(self, client: Client, handler: Handler) -> ThreadPoolExecutor:
        if client.readonly:
            return self._readers
        return self._urgent if "high" in handler.procedure.marks else self._workers

    def _work(self, job: Job) -> None:
        job.perform()
        try:
            self.loop.call_soon_threadsafe(self._done, job)
        except RuntimeError:
            _log.info("a call ended after the server: nobody waits for its reply")

    def _done(self, job: Job) -> None:
        later = job.later
        if later is None:
            job.finish()
        elif not job.client.closed:
            # The program may have ended before anybody looked.
            if job.poll():
                job.finish()
            else:
                job.client.watch(later.fileno, lambda: self._poll(job, later.fileno))

    def _poll(self, job: Job, fileno: int) -> None:
        # The descriptor is closed by what polls it, so it must not be watched any more by then.
        job.client.unwatch(fileno)
        if job.poll():
            job.finish()
        elif not job.client.closed:
            job.client.watch(fileno, lambda: self._poll(job, fileno))

    # Events

    def _event_from_any_thread(self, event: object) -> None:
        try:
            self.loop.call_soon_threadsafe(self._tell, event)
        except RuntimeError:
            _log.debug("an event after the server's end: %r", event)

    def _tell(self, event: object) -> None:
        for client in list(self._clients):
            client.tell(event)

    # The end

    def stop(self) -> None:
        """Closes every socket; calls that run are let run, and their replies dropped."""
        self._stopped = True
        self._unsubscribe()
        for listener in self._listeners:
            self._accept_off(listener)
            remove_socket(listener.path, listener.socket, listener.inode)
        self._listeners.clear()
        for client in list(self._clients):
            client.close()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._urgent.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
