"""``virtlxc daemon``: puts the driver behind the wire, and lives until it is told to end.

Ending it ends no container. One instance has one daemon, by a lock that the kernel lets go when
the process dies, whatever it dies of.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import grp
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator

from virtlxc import mountinfo, servicemanager
from virtlxc.config import Config, load_config
from virtlxc.daemonize import group_name
from virtlxc.driver.driver import Driver
from virtlxc.errors import Code, VirtlxcError, visible
from virtlxc.host import polkit, probe
from virtlxc.paths import Paths
from virtlxc.rpc.admission import Admission
from virtlxc.rpc.server import Server
from virtlxc.runtime.disk import put
from virtlxc.runtime.syscalls import set_process_title
from virtlxc.servicemanager import ServiceManager

_log = logging.getLogger("virtlxc")

# Where libvirt's clients look for the socket of its LXC driver (URI lxc:///system).
LIBVIRT_SOCKET = "/run/libvirt/virtlxcd-sock"
# Where those look that come by ssh and find no virt-ssh-helper: they cannot see what is there.
LIBVIRT_LEGACY_SOCKET = "/run/libvirt/libvirt-sock"


def main(paths: Paths) -> int:
    """The whole life of a daemon; gives the exit status. Raises VirtlxcError when it cannot."""
    handler = logging.StreamHandler(sys.stderr)
    levels = servicemanager.reads_levels(os.environ, sys.stderr.fileno())
    handler.setFormatter((ForJournal if levels else OneLine)("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    _check_root()
    manager = servicemanager.take(os.environ)
    os.umask(0o022)
    os.chdir("/")
    _raise_limits()
    config = load_config(paths.config)
    with _only_one(paths):
        with contextlib.suppress(OSError):
            set_process_title(["virtlxc", "daemon", *_root_option(paths)])
        driver = Driver(paths, config)
        driver.start()
        try:
            asyncio.run(_serve(driver, paths, config, manager))
        finally:
            driver.stop()
            _leave_group(paths)
    return 0


def stop_guests(paths: Paths, seconds: float) -> list[str]:
    """Ends every domain in the place of a daemon that does not run; see Driver.stop_guests."""
    _check_root()
    config = load_config(paths.config)
    with _only_one(paths):
        driver = Driver(paths, config)
        driver.start(boot=False)
        try:
            return driver.stop_guests(seconds)
        finally:
            driver.stop()


class OneLine(logging.Formatter):
    """A message is one line without control characters, whatever names it quotes.

    Only traces have more.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)


class ForJournal(OneLine):
    """The same with the level that journald takes from the beginning of each line."""

    _LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        level = next((number for least, number in self._LEVELS if record.levelno >= least), 7)
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines())


async def _serve(
    driver: Driver, paths: Paths, config: Config, manager: ServiceManager
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    server = Server(driver, loop, config, _admission(config))
    try:
        _listen(server, paths, config, manager.sockets)
        manager.notify("READY=1\nSTATUS=Serving " + paths.socket)
        _log.info("serving %s", paths.socket)
        alive = asyncio.create_task(manager.keep_alive())
        await ended.wait()
        alive.cancel()
        manager.notify("STOPPING=1")
    finally:
        server.stop()


def _listen(server: Server, paths: Paths, config: Config, inherited: list[socket.socket]) -> None:
    """Our own sockets, but for those that systemd made already; libvirt's if configured."""
    given = {sock.getsockname(): sock for sock in inherited}
    gid = _group(config.socket_group)
    for path, readonly in ((paths.socket, False), (paths.socket_ro, True)):
        if path in given:
            server.serve(given.pop(path), readonly=readonly, path=path)
        else:
            server.listen(path, readonly=readonly, gid=gid)
    for sock in given.values():
        _log.warning("systemd passed a socket that is none of ours: %s", sock.getsockname())
        sock.close()
    if config.libvirt_socket:
        _listen_for_libvirt(server, "" if paths.root == "/" else paths.root, gid)


def _listen_for_libvirt(server: Server, base: str, gid: int) -> None:
    os.makedirs(os.path.dirname(base + LIBVIRT_SOCKET), 0o755, exist_ok=True)
    server.listen(base + LIBVIRT_SOCKET, readonly=False, gid=gid)
    server.listen(base + LIBVIRT_SOCKET + "-ro", readonly=True, gid=gid)
    try:
        server.listen(base + LIBVIRT_LEGACY_SOCKET, readonly=False, gid=gid)
        server.listen(base + LIBVIRT_LEGACY_SOCKET + "-ro", readonly=True, gid=gid)
    except VirtlxcError as error:
        if error.code != Code.RESOURCE_BUSY:
            raise
        # virtproxyd passes lxc:/// on to the socket above; libvirtd serves other drivers there.
        _log.info("%s", error.message)


def _admission(config: Config) -> Admission:
    """Whether polkit is asked about who is neither root nor in the group."""
    asks = config.auth_unix_rw == "polkit"
    if config.auth_unix_rw == "auto":
        try:
            polkit.check_available()
            asks = True
        except polkit.Unavailable as error:
            _log.info("polkit is not asked: %s", error)
    return Admission(_group(config.socket_group), asks=asks)


def _group(name: str) -> int:
    """The group's id; -1, root's alone, when there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if name != Config().socket_group:  # a host need not have the one that nobody asked for
            _log.warning("there is no group '%s' (socket_group): only root may do things", name)
        return -1


def _check_root() -> None:
    if os.geteuid() != 0:
        raise VirtlxcError(
            "cannot run the daemon: it needs root (use sudo)", Code.OPERATION_DENIED
        )
    if not probe.may_mount():
        raise VirtlxcError(
            "cannot run the daemon: it may not mount, as root of a namespace without mounts of its "
            "own (run it as root of the host, or of a container in a user namespace that has "
            "<virtlxc:container nesting='yes'>)",
            Code.OPERATION_UNSUPPORTED,
        )


def _root_option(paths: Paths) -> list[str]:
    return [] if paths.root == "/" else ["--root", paths.root]


def _raise_limits() -> None:
    """Two descriptors a container: the usual soft limit of 1024 would end at 500."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def _only_one(paths: Paths) -> Iterator[None]:
    """Holds the instance's lock; raises RESOURCE_BUSY that names the process that has it."""
    try:
        os.makedirs(paths.run, 0o755, exist_ok=True)
        # Who may open it may lock it, and keep us out.
        fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)
    except OSError as error:
        raise VirtlxcError(
            f"cannot run the daemon: open {paths.lock}: {error.strerror}", Code.SYSTEM_ERROR
        ) from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode().strip() or "?"
            raise VirtlxcError(
                f"cannot run the daemon: process {holder} is the daemon of {paths.root} already"
                " (use it, stop it, or give another --root)",
                Code.RESOURCE_BUSY,
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _leave_group(paths: Paths) -> None:
    """Removes the group that :mod:`virtlxc.daemonize` made for us, unless others are in it."""
    for mount in mountinfo.read():
        if mount.fstype != "cgroup2":
            continue
        group = f"{mount.point}/{group_name(paths.instance)}"
        with contextlib.suppress(OSError):
            if os.path.isdir(group):
                put(f"{mount.point}/cgroup.procs", str(os.getpid()))
                os.rmdir(group)
