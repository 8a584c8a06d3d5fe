"""Listening sockets in the file system, made so that nobody ever meets one with wrong rights."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct

from virtlxc.errors import Code, From, VirtlxcError

_SO_PEERGROUPS, _SO_PEERPIDFD = 59, 77  # asm-generic/socket.h
_GROUPS_MAX = 256  # the most that Python's getsockopt has room for


def listen_unix(path: str, mode: int, gid: int = -1, backlog: int = 1000) -> socket.socket:
    """A listening socket at ``path`` with these rights and this group.

    It is made under another name, given its rights, and then renamed into place, which also
    replaces a socket that a dead daemon left. Raises VirtlxcError (RESOURCE_BUSY) that names the
    process when somebody answers there already, (SYSTEM_ERROR) for everything else.
    """
    folder, name = os.path.split(os.path.abspath(path))
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    directory = -1
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        directory = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        _refuse_other_daemon(path, f"/proc/self/fd/{directory}/{name}")
        made.setblocking(False)
        fresh = f".{name[:40]}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=directory)
        # The folder's descriptor stands for its path, which may be longer than an address can be.
        before = os.umask(0o777)
        try:
            made.bind(f"/proc/self/fd/{directory}/{fresh}")
        finally:
            os.umask(before)
        if gid >= 0:
            os.chown(fresh, -1, gid, dir_fd=directory)
        os.chmod(fresh, mode, dir_fd=directory)
        made.listen(backlog)
        os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        made.close()
        raise VirtlxcError(
            f"cannot listen at {path}: {error.strerror or error}", Code.SYSTEM_ERROR, From.RPC
        ) from error
    except BaseException:
        made.close()
        raise
    finally:
        if directory >= 0:
            os.close(directory)
    return made


def remove_socket(path: str, made: socket.socket, inode: int) -> None:
    """Removes the socket's name, if it is still ours."""
    made.close()
    with contextlib.suppress(OSError):
        if os.lstat(path).st_ino == inode:
            os.unlink(path)


def _refuse_other_daemon(path: str, address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                return
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise _taken(path, "another daemon") from None
        raise _taken(path, _describe(peer_credentials(probe)[0]))


def _taken(path: str, holder: str) -> VirtlxcError:
    return VirtlxcError(
        f"cannot listen at {path}: {holder} answers there (stop it, or use another --root)",
        Code.RESOURCE_BUSY,
        From.RPC,
    )


def _describe(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4096).rstrip(b"\0").split(b"\0")
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({os.fsdecode(b' '.join(words))[:200]})"


def peer_groups(connected: socket.socket) -> tuple[int, ...]:
    """The supplementary groups of the process at the other end; none when there are too many."""
    try:
        raw = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _GROUPS_MAX)
    except OSError:
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)


def peer_is_there(connected: socket.socket) -> bool:
    """Whether the process that connected still runs, and its pid means no other.

    A kernel before 6.5 cannot tell: True.
    """
    try:
        pidfd = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        return error.errno == errno.ENOPROTOOPT
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return not poll.poll(0)
    finally:
        os.close(pidfd)


def peer_credentials(connected: socket.socket) -> tuple[int, int, int]:
    """(pid, uid, gid) of the process at the other end, as they were when it connected."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", raw)
    return pid, uid, gid
