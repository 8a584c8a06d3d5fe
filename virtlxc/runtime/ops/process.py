"""Processes: socket, journal, title, forks and namespaces (controller and stage)."""

from __future__ import annotations

import _socket
import os

from .. import syscalls
from ..disk import put
from ..journal import undo_records, write_journal
from ..lean import Socket, packet_pair, signal
from ..protocol import resolve, start_time
from .context import Context, StepError

_PERSONALITIES = {"linux": 0x0000, "linux32": 0x0008}


def listen(ctx: Context, *, path: str, mode: int = 0o600) -> None:
    """Controller: listen on its protocol socket. Undo: unlink {path}."""
    listener = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    folder, _, name = path.rpartition("/")
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A socket's path may have 107 bytes only, and the folder's may be longer.
        listener.bind(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
    os.chmod(path, mode)
    listener.listen(16)
    listener.setblocking(False)
    ctx.listener = listener


def log_socket(ctx: Context, *, key: str, path: str, uid: int = 0, gid: int = 0) -> None:
    """Controller: a datagram socket at ``path`` below ``key``, for messages to the domain's log.

    Folders on the way exist, and nobody inside has been there. The kernel closes it with the
    controller, and takes the file with the mount.
    """
    messages = Socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    place = f"/proc/self/fd/{ctx.key(key)}/{path}"
    messages.bind(place)
    os.chown(place, uid, gid)
    messages.setblocking(False)
    ctx.messages = messages


def journal(ctx: Context, *, path: str) -> None:
    """Controller: write the undo of every step of the plan, placeholders resolved, in one write.

    Must precede every step of the controller that has an undo. Undo: null (the journal removes
    itself when all is undone).
    """
    kill = resolve(ctx.plan.get("kill"), ctx.pids)
    pid = ctx.pids["controller"]
    controller = {"pid": pid, "starttime": start_time(pid)}
    write_journal(path, undo_records(ctx.plan, ctx.pids), kill, controller)
    if ctx.journalled is not None:
        ctx.journalled()


def await_scope(ctx: Context) -> None:
    """Controller: wait for the daemon's word that systemd has put us into our scope.

    Whatever is in our cgroup must come behind it, and what can be made without comes before it.
    """
    assert ctx.scoped is not None
    ctx.scoped()


def title(ctx: Context, *, text: str) -> None:
    """Controller: words of /proc/PID/cmdline (split at spaces) and comm; shown once init runs."""
    ctx.title = text.split(" ")


def fork_stage(
    ctx: Context,
    *,
    namespaces: list[str] | None = None,
    cgroup: dict[str, str] | None = None,
    owner: int = 0,
) -> None:
    """Controller: fork the stage of this boot.

    In one clone it gets its own ``namespaces`` (user, pid, mnt, uts, ipc, net; user owns the
    others) and is born in ``cgroup`` {mount, path}, of cgroup2. With "pid" it is the first process
    of its pid namespace already, and ``fork-init`` only makes it init. ``owner``: the uid that the
    user namespace belongs to, see ``_act_as``.
    """
    flags = 0
    for kind in namespaces or ():
        flags |= _namespace(kind)
    ours, theirs = packet_pair()
    into = None
    if cgroup is not None:
        path = cgroup["mount"] + cgroup["path"]
        into = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # The controller, for whom this process acts, is to be the parent.
    pid = _clone(flags | syscalls.CLONE_PARENT, into, owner)
    if pid == 0:
        ours.close()
        if into is not None:
            os.close(into)
        if ctx.report is not None:
            ctx.report.close()
        ctx.channel = theirs
        ctx.is_init = bool(flags & syscalls.CLONE_NEWPID)
        _become_child(ctx, "stage")
    theirs.close()
    if into is not None:
        os.close(into)
    ctx.channel = ours
    ctx.pids["stage"] = pid


def _clone(flags: int, into: int | None, owner: int) -> int:
    """Clone, with a user namespace that is ``owner``'s; afterwards we are who we were."""
    if not owner:
        return syscalls.clone(flags, into)
    pid = -1
    _act_as(owner)
    try:
        pid = syscalls.clone(flags, into)
    finally:
        if pid != 0:
            os.setresuid(-1, 0, -1)
            die_with_parent()
    return pid


def _act_as(owner: int) -> None:
    """Take on an effective uid, and keep every right.

    A user namespace belongs to the effective uid of who makes it, and the kernel counts what its
    processes have (inotify instances, namespaces, ...) for that one as well: for root, that would
    be all containers together (user_namespaces(7); create_user_ns and inc_ucount in the kernel).
    The real uid stays root's, else RLIMIT_NPROC of the maker would bind the whole namespace.
    """
    rights = syscalls.permitted_capabilities()
    os.setresuid(-1, owner, -1)
    syscalls.set_capabilities(rights)


def fork_init(ctx: Context) -> None:
    """Stage: fork init into the new pid namespace and exit, or become it; last of the stage."""
    ctx.forked_last = True
    if ctx.is_init:
        _report_init(ctx, 0)
        _become_child(ctx, "init")
    ctx.stage_fd = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid == 0:
        _become_child(ctx, "init")
    _report_init(ctx, pid)
    os._exit(0)


def _report_init(ctx: Context, pid: int) -> None:
    """The stage's last segment is done; 0: it is init itself from now on."""
    assert ctx.channel is not None
    ctx.channel.send(b'{"phase":%d,"init":%d}' % (ctx.phase, pid))


def _become_child(ctx: Context, side: str) -> None:
    assert ctx.enter is not None
    ctx.enter(ctx, side)


def die_with_parent() -> None:
    """Have this process killed when its parent ends.

    Taking on other ids clears it. The parent must be single-threaded: the signal follows the thread
    that forked.
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def id_map(ctx: Context, *, pid: str, uid: list[list[int]], gid: list[list[int]]) -> None:
    """Controller: write the id maps of ``pid`` ("\\0stage\\0"); rows [inside, outside, count]."""
    folder = f"/proc/{pid}"
    for file, rows in (("uid_map", uid), ("gid_map", gid)):
        put(f"{folder}/{file}", "".join(f"{a} {b} {c}\n" for a, b, c in rows))


def open_ns(ctx: Context, *, key: str, path: str) -> None:
    """Any: open a namespace, e.g. "/proc/\\0stage\\0/ns/net" or "/run/netns/x", under ``key``."""
    ctx.put(key, os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def join_ns(ctx: Context, *, key: str, type: str) -> None:
    """Stage: setns to the namespace ``key``, which must be of ``type`` (net, ipc, uts)."""
    syscalls.setns(ctx.key(key), _namespace(type))


def _namespace(kind: str) -> int:
    if kind not in syscalls.NAMESPACES:
        raise StepError(0, kind, f"unknown kind of namespace '{kind}'")
    return syscalls.NAMESPACES[kind]


def unshare(ctx: Context, *, flags: list[str], owner: int = 0) -> None:
    """Stage: unshare any of user, mnt, uts, ipc, net, cgroup, pid (in one call).

    ``owner``: the uid that a user namespace belongs to; effective until ``become-root``.
    """
    mask = 0
    for kind in flags:
        mask |= _namespace(kind)
    if owner:
        _act_as(owner)
    syscalls.unshare(mask)
    if mask & syscalls.CLONE_NEWUSER:
        die_with_parent()


def become_root(ctx: Context) -> None:
    """Stage: uid, gid 0 and no groups in the user namespace just mapped."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    die_with_parent()


def personality(ctx: Context, *, domain: str) -> None:
    """Stage or init: "linux32" or "linux"."""
    if domain not in _PERSONALITIES:
        raise StepError(0, domain, f"unknown personality '{domain}'")
    syscalls.personality(_PERSONALITIES[domain])
