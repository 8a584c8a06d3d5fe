"""Who init is when it runs: names, terminal, limits, rights, program."""

from __future__ import annotations

import errno
import fcntl
import os
import resource

from .. import syscalls
from ..disk import read_text
from ..lean import Socket, signal
from .context import Context, StepError
from .trees import lookup
from .users import find_groups, find_user

_TIOCSCTTY = 0x540E
#: The number of the kernel's last capability; read once, before any /proc is a guest's.
_LAST_CAPABILITY = int(read_text("/proc/sys/kernel/cap_last_cap"))
_UMASK = 0o022
#: Ignored by the interpreter, the spawner or the controller; exec itself resets what is handled.
_IGNORED_SIGNALS = tuple(
    int(getattr(signal, name))
    for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGHUP", "SIGTTOU", "SIGCHLD")
)


def hostname(ctx: Context, *, name: str) -> None:
    """Set the node name of this uts namespace."""
    syscalls.sethostname(name)


def console(
    ctx: Context,
    *,
    path: str = "/dev/console",
    user: str | None = None,
    controlling: bool = True,
) -> None:
    """Init, after pivot: new session, ``path`` as controlling terminal and as 0, 1, 2.

    ``user``: the tty is given to this user (as in ``credentials``). ``controlling`` is false for
    an init that leaves its session's terminal to what it starts.
    """
    os.setsid()
    tty = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if controlling:
        fcntl.ioctl(tty, _TIOCSCTTY, 0)
    if user is not None:
        os.fchown(tty, find_user(ctx.key("root"), user).uid, -1)
    for number in range(3):
        os.dup2(tty, number)
    if tty > 2:
        os.close(tty)


def rlimit(ctx: Context, *, name: str, soft: int | None = None, hard: int | None = None) -> None:
    """Set a resource limit: "nofile", "core", ... (-1: unlimited, null: as it is)."""
    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    if number is None:
        raise StepError(0, name, f"unknown resource limit '{name}'")
    old_soft, old_hard = resource.getrlimit(number)
    new_hard = old_hard if hard is None else hard
    new_soft = old_soft if soft is None else soft
    try:
        resource.setrlimit(number, (new_soft, new_hard))
    except ValueError:  # what the module makes of EINVAL and EPERM
        raise _refused_limit(name, new_soft, new_hard, old_hard) from None


def _refused_limit(name: str, soft: int, hard: int, old_hard: int) -> StepError:
    if hard >= 0 and not 0 <= soft <= hard:
        text = f"a soft limit of {soft} is above the hard one, {hard}"
        return StepError(errno.EINVAL, name, text.replace(" -1 ", " 'unlimited' "))
    text = (
        f"a hard limit of {hard} is above this host's, which is {old_hard} (ask for less, or give"
        f" the daemon more: Limit{name.upper()}= of virtlxc.service, ulimit before it is started)"
    )
    return StepError(errno.EPERM, name, text.replace(" -1 ", " 'unlimited' "))


def keyring(ctx: Context) -> None:
    """Join a new session keyring, so that the host's is not inherited."""
    syscalls.join_new_session_keyring()


def caps(ctx: Context, *, keep: list[int]) -> None:
    """Reduce the capability bounding set to the numbers ``keep``; no other set outlives exec.

    Permitted and effective follow at ``exec``: for uid 0 they become the bounding set, for
    any other user empty. So this may stand before ``credentials``, which needs rights that it may
    drop.
    """
    reduce_bounding(keep)


def reduce_bounding(keep: list[int]) -> None:
    """Drop all capabilities but ``keep`` from the bounding set; clear ambient and inheritable."""
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(_LAST_CAPABILITY + 1):
        if number not in keep:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
    syscalls.set_capabilities(syscalls.permitted_capabilities())


def credentials(ctx: Context, *, user: str | None = None, group: str | None = None) -> None:
    """Become a user and group of the guest's own /etc/passwd and /etc/group (after pivot).

    Names, numbers or "+number"; null: root. Supplementary groups come from the guest's /etc/group.
    """
    root = ctx.key("root")
    person = find_user(root, user or "0")
    gid, groups = find_groups(root, person, group)
    become(person.uid, gid, groups)


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Take on ids for good. Capabilities stay as they are until exec, so that steps may follow."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
    os.setresuid(uid, uid, uid)
    syscalls.set_capabilities(syscalls.permitted_capabilities())


def no_new_privs(ctx: Context) -> None:
    """PR_SET_NO_NEW_PRIVS."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def chdir(ctx: Context, *, path: str) -> None:
    """Init, after pivot: working directory."""
    enter_folder(ctx.key("root"), path)


def enter_folder(root: int, path: str) -> None:
    """Make ``path`` in the guest's tree the working directory.

    Not by chdir: a link of the guest's to /proc/self/fd/N would lead through a descriptor of ours.
    """
    try:
        fd = lookup(root, path, flags=os.O_PATH | os.O_DIRECTORY)
        try:
            os.fchdir(fd)
        finally:
            os.close(fd)
    except OSError as error:
        error.filename = path
        raise


def execute(
    ctx: Context,
    *,
    argv: list[str],
    env: list[list[str]],
    keep: list[str] | None = None,
) -> None:
    """Execute the guest's program ``argv[0]``; descriptors ``keep`` (keys) are passed from 3 on.

    Signals are at their defaults, and every other descriptor is closed.
    """
    first = 3 + len(keep or ())
    if ctx.executed is not None:
        ctx.executed()
    if keep:
        _renumber(ctx, [ctx.key(key) for key in keep], first)
    try:
        run(argv[0], argv, env, first)
    except OSError as error:
        why = _REFUSALS.get(error.errno or 0)
        if why is None or not os.path.exists(argv[0]):
            raise
        raise StepError(error.errno or 0, argv[0], f"{argv[0]}: {why}") from None


#: The kernel's words for these would mislead: the file is there.
_REFUSALS = {
    errno.ENOENT: "its interpreter, named in its first line or ELF header, is not in the container",
    errno.ENOEXEC: "it is no program for this machine, and does not begin with #!",
}


def _renumber(ctx: Context, fds: list[int], first: int) -> None:
    """Bring descriptors to the numbers from 3 on; what is there now moves to ``first`` or above."""
    if ctx.channel is not None:
        # A refusal of the execution is still told through it.
        above = fcntl.fcntl(ctx.channel.detach(), fcntl.F_DUPFD_CLOEXEC, first)
        ctx.channel = Socket(fileno=above)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first) for fd in fds]
    for number, fd in enumerate(high, 3):
        os.dup2(fd, number)


def run(path: str, argv: list[str], env: list[list[str]], first: int) -> None:
    """Execute a program as if started afresh: signals at defaults, descriptors from ``first`` shut.

    They are shut by the execution itself, so that a failure can still be told.
    """
    for number in _IGNORED_SIGNALS:
        syscalls.set_signal(number, ignored=False)
    os.umask(_UMASK)
    syscalls.close_range(first)
    environment: dict[str, str] = {}
    for name, value in env:
        environment[name] = value
    os.execve(path, argv, environment)
