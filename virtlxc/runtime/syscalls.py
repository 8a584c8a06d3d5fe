"""System calls that Python does not have: one wrapper each, prototypes declared once.

Every wrapper raises OSError with errno and, where there is one, the path. This module imports
nothing of virtlxc and is used by single-threaded processes and, read-only calls, by the daemon.

Sources: the man pages of the calls (man7.org, section 2), linux/mount.h, linux/openat2.h,
linux/prctl.h, linux/ptrace.h, linux/bpf.h; numbers from asm-generic/unistd.h and arch/x86's
syscall_64.tbl.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_uint32, c_uint64, c_void_p

from .disk import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PARENT = 0x00008000
CLONE_INTO_CGROUP = 0x200000000

#: kind of namespace (as in a plan) -> clone flag; /proc/PID/ns has the same names.
NAMESPACES = {
    "user": CLONE_NEWUSER,
    "mnt": CLONE_NEWNS,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "net": CLONE_NEWNET,
    "cgroup": CLONE_NEWCGROUP,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
}

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_UNBINDABLE = 0x20000
MNT_DETACH = 2

PROPAGATION = {
    "private": MS_PRIVATE,
    "slave": MS_SLAVE,
    "shared": MS_SHARED,
    "unbindable": MS_UNBINDABLE,
}

MOUNT_ATTR_IDMAP = 0x100000
_ATIME = 0x70

#: name in a plan -> (bits to set, bits to clear first: the atime modes are a field, not flags)
MOUNT_ATTRS = {
    "ro": (0x01, 0),
    "nosuid": (0x02, 0),
    "nodev": (0x04, 0),
    "noexec": (0x08, 0),
    "relatime": (0x00, _ATIME),
    "noatime": (0x10, _ATIME),
    "strictatime": (0x20, _ATIME),
    "nodiratime": (0x80, 0),
    "nosymfollow": (0x200000, 0),
}

OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
_FS_CLOEXEC = 1

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_MM = 35
PR_SET_MM_MAP = 14
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

PTRACE_CONT = 7
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_LISTEN = 0x4208
PTRACE_O_TRACEEXEC = 0x10
PTRACE_O_EXITKILL = 0x100000

CLOSE_RANGE_CLOEXEC = 4
KEYCTL_JOIN_SESSION_KEYRING = 1
BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2

_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "bpf": 321, "keyctl": 250},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "bpf": 280, "keyctl": 219},
}
#: New calls have one number on all architectures.
_COMMON = {
    "clone3": 435,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
    "quotactl_fd": 443,
}

_libc = ctypes.CDLL(None, use_errno=True)
#: For the one call after which two processes go on: the interpreter's lock is kept throughout.
_locked_libc = ctypes.PyDLL(None, use_errno=True)


def _number(name: str) -> int:
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise ImportError(f"system call numbers of {machine} are not known")
    return _COMMON.get(name) or _NUMBERS[machine][name]


def _call(
    name: str, *argtypes: Any, raw: bool = False, library: ctypes.CDLL = _libc
) -> Callable[..., int]:
    """A libc function, or with ``raw`` a system call by number (a prototype of its own each)."""
    function = library["syscall" if raw else name]
    function.restype = c_long if raw else c_int
    function.argtypes = (c_long, *argtypes) if raw else argtypes
    return function


_mount = _call("mount", c_char_p, c_char_p, c_char_p, c_long, c_void_p)
_umount2 = _call("umount2", c_char_p, c_int)
_unshare = _call("unshare", c_int)
_setns = _call("setns", c_int, c_int)
_prctl = _call("prctl", c_int, c_long, c_long, c_long, c_long)
#: What a controller calls for itself takes ints as they are: to make objects of declared types of
#: them touches ten pages more, which a controller has as long as its domain.
_own_prctl = _libc["prctl"]
_signal = _call("signal", c_int, c_void_p)
_personality = _call("personality", c_long)
_ptrace = _call("ptrace", c_long, c_int, c_long, c_long)
_sethostname = _call("sethostname", c_char_p, c_size_t)
_signalfd = _call("signalfd", c_int, c_void_p, c_int)
_syncfs = _call("syncfs", c_int)
#: What only the GNU C library has.
_malloc_trim: Callable[[int], int] = getattr(_libc, "malloc_trim", lambda pad: 0)
_pivot_root = _call("pivot_root", c_char_p, c_char_p, raw=True)
_open_tree = _call("open_tree", c_int, c_char_p, c_uint, raw=True)
_move_mount = _call("move_mount", c_int, c_char_p, c_int, c_char_p, c_uint, raw=True)
_fsopen = _call("fsopen", c_char_p, c_uint, raw=True)
_fsconfig = _call("fsconfig", c_int, c_uint, c_char_p, c_char_p, c_int, raw=True)
_fsmount = _call("fsmount", c_int, c_uint, c_uint, raw=True)
_close_range = _call("close_range", c_uint, c_uint, c_uint, raw=True)
_openat2 = _call("openat2", c_int, c_char_p, c_void_p, c_size_t, raw=True)
_mount_setattr = _call("mount_setattr", c_int, c_char_p, c_uint, c_void_p, c_size_t, raw=True)
_capget = _call("capget", c_void_p, c_void_p, raw=True)
_capset = _call("capset", c_void_p, c_void_p, raw=True)
_bpf = _call("bpf", c_int, c_void_p, c_uint, raw=True)
_quotactl_fd = _call("quotactl_fd", c_uint, c_uint, c_uint, c_void_p, raw=True)
_keyctl = _call("keyctl", c_int, c_char_p, raw=True)

(
    _NR_PIVOT_ROOT, _NR_OPEN_TREE, _NR_MOVE_MOUNT, _NR_FSOPEN, _NR_FSCONFIG, _NR_FSMOUNT,
    _NR_CLOSE_RANGE, _NR_OPENAT2, _NR_MOUNT_SETATTR, _NR_CAPSET, _NR_BPF, _NR_KEYCTL, _NR_CAPGET,
) = map(
    _number,
    (
        "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
        "close_range", "openat2", "mount_setattr", "capset", "bpf", "keyctl", "capget",
    ),
)  # fmt: skip


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", c_uint64), ("mode", c_uint64), ("resolve", c_uint64))


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", c_uint64),
        ("attr_clr", c_uint64),
        ("propagation", c_uint64),
        ("userns_fd", c_uint64),
    )


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", c_uint32), ("pid", c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", c_uint32), ("permitted", c_uint32), ("inheritable", c_uint32))


class _BpfLoad(ctypes.Structure):
    _fields_ = (
        ("prog_type", c_uint32),
        ("insn_cnt", c_uint32),
        ("insns", c_uint64),
        ("license", c_uint64),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_uint64),
        ("kern_version", c_uint32),
        ("prog_flags", c_uint32),
    )


class _BpfAttach(ctypes.Structure):
    _fields_ = (
        ("target_fd", c_uint32),
        ("attach_bpf_fd", c_uint32),
        ("attach_type", c_uint32),
        ("attach_flags", c_uint32),
    )


#: The one call that two processes return from, with its arguments made beforehand: each object
#: that the child lets go of on its way out is a page of its own for as long as it lives.
#: struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
#: set_tid, set_tid_size, cgroup
_clone_buffer = bytearray(11 * 8)
_clone_words = memoryview(_clone_buffer).cast("Q")
_clone_pid = c_int()
_clone3 = _locked_libc["syscall"]
_clone3.restype = c_long
_CLONE3 = (
    c_long(_number("clone3")),
    (ctypes.c_char * len(_clone_buffer)).from_buffer(_clone_buffer),
    c_size_t(len(_clone_buffer)),
)


def _checked(result: int, what: str = "") -> int:
    """The one error helper: a negative result becomes OSError with errno and the object's name."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or None)
    return result


def mount(source: str, target: str, fstype: str, flags: int, data: str = "") -> None:
    _checked(
        _mount(source.encode(), os.fsencode(target), fstype.encode(), flags, data.encode()), target
    )


def umount2(target: str, flags: int) -> None:
    _checked(_umount2(os.fsencode(target), flags), target)


def pivot_root(new: str, old: str) -> None:
    _checked(_pivot_root(_NR_PIVOT_ROOT, os.fsencode(new), os.fsencode(old)), new)


def syncfs(fd: int) -> None:
    """Waits until all of the file system that ``fd`` is on has been written."""
    _checked(_syncfs(fd))


def clone(flags: int, cgroup_fd: int | None = None, pid: int | None = None) -> int:
    """Fork with flags for new namespaces, and into a cgroup2; returns 0 in the child, else its pid.

    A process that is moved into a cgroup later waits some 10 ms for the kernel's readers; one born
    there does not. ``pid``: the pid it shall have (EEXIST when that is taken). The process must be
    single-threaded: Python's own handlers after a fork are not run.
    """
    words = _clone_words
    words[0] = flags if cgroup_fd is None else flags | CLONE_INTO_CGROUP
    # SIGCHLD; a sibling (CLONE_PARENT) takes its signal after its parent.
    words[4] = 0 if flags & CLONE_PARENT else 17
    words[8] = words[9] = 0
    words[10] = cgroup_fd or 0
    if pid is not None:
        _clone_pid.value = pid
        words[8] = ctypes.addressof(_clone_pid)
        words[9] = 1
    child: int = _clone3(*_CLONE3)
    return child if child >= 0 else _checked(child, "clone")


def unshare(flags: int) -> None:
    _checked(_unshare(flags))


def setns(fd: int, flags: int) -> None:
    _checked(_setns(fd, flags))


def open_tree(dirfd: int, path: str, flags: int) -> int:
    """An O_PATH descriptor, of a detached clone with OPEN_TREE_CLONE; always close-on-exec."""
    return _checked(_open_tree(_NR_OPEN_TREE, dirfd, os.fsencode(path), flags | os.O_CLOEXEC), path)


def move_mount(fd: int, target_fd: int, target: str = "") -> None:
    """Attach the detached mount ``fd`` at ``target``, or where ``target_fd`` itself stands."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if target else MOVE_MOUNT_T_EMPTY_PATH)
    _checked(_move_mount(_NR_MOVE_MOUNT, fd, b"", target_fd, os.fsencode(target), flags), target)


def mount_setattr(
    fd: int,
    set_bits: int = 0,
    clear_bits: int = 0,
    propagation: int = 0,
    userns_fd: int | None = None,
    recursive: bool = False,
) -> None:
    """Change a mount given by a descriptor; ``userns_fd`` makes it an idmapped one."""
    attr = _MountAttr(set_bits, clear_bits, propagation, userns_fd or 0)
    if userns_fd is not None:
        attr.attr_set |= MOUNT_ATTR_IDMAP
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _checked(_mount_setattr(_NR_MOUNT_SETATTR, fd, b"", flags, byref(attr), ctypes.sizeof(attr)))


def new_mount(fstype: str, options: list[list[str]], attr_bits: int) -> int:
    """fsopen, fsconfig, fsmount: the descriptor of a new, detached file system.

    ``options``: [name, value] or [name]. OSError names the file system, and the option if one is
    refused.
    """
    fs = _checked(_fsopen(_NR_FSOPEN, fstype.encode(), _FS_CLOEXEC), fstype)
    try:
        for name, *value in options:
            command = FSCONFIG_SET_STRING if value else FSCONFIG_SET_FLAG
            text = value[0].encode() if value else None
            _checked(
                _fsconfig(_NR_FSCONFIG, fs, command, name.encode(), text, 0), f"{fstype}: {name}"
            )
        _checked(_fsconfig(_NR_FSCONFIG, fs, FSCONFIG_CMD_CREATE, None, None, 0), fstype)
        return _checked(_fsmount(_NR_FSMOUNT, fs, _FS_CLOEXEC, attr_bits), fstype)
    finally:
        os.close(fs)


#: A rename or a mount anywhere on the host makes a walk over ".." uncertain, and the kernel says
#: EAGAIN: openat2(2). Starts beside each other do both.
_WALKS = 128


def openat2(dirfd: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    raw = os.fsencode(path)
    for _ in range(_WALKS):
        fd = _openat2(_NR_OPENAT2, dirfd, raw, byref(how), ctypes.sizeof(how))
        if fd >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    return _checked(fd, path)


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = CLOSE_RANGE_CLOEXEC) -> None:
    _checked(_close_range(_NR_CLOSE_RANGE, first, last, flags))


def prctl(option: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
    return _checked(_prctl(option, a, b, c, d))


def become_subreaper() -> None:
    """Have orphaned descendants as children."""
    _checked(_own_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def signal_fd(number: int) -> int:
    """A descriptor that is readable when ``number`` waits, blocked, for the process that asks.

    It may be inherited: it tells each process of its own signals, signalfd(2).
    """
    mask = bytearray(128)
    mask[(number - 1) // 8] = 1 << (number - 1) % 8
    return _checked(_signalfd(-1, (ctypes.c_char * len(mask)).from_buffer(mask), os.O_CLOEXEC))


def trim_heap() -> None:
    """Give free memory of the heap back, and put the rest in order, for forked processes as well.

    The first large request sorts all free pieces, and writes to each.
    """
    _malloc_trim(0)
    ctypes.create_string_buffer(65536)


def set_signal(number: int, *, ignored: bool) -> None:
    """Ignore a signal, or have it at its default."""
    _signal(number, 1 if ignored else 0)


def personality(value: int) -> None:
    _checked(_personality(value))


def ptrace(request: int, pid: int, data: int = 0) -> None:
    """ptrace(2) for the requests that return nothing."""
    _checked(_ptrace(request, pid, 0, data), f"/proc/{pid}")


def sethostname(name: str) -> None:
    raw = name.encode()
    _checked(_sethostname(raw, len(raw)), name)


def join_new_session_keyring() -> None:
    _checked(_keyctl(_NR_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None))


def permitted_capabilities() -> int:
    """The permitted set as a mask; needs no /proc, which may be another namespace's."""
    header = _CapHeader(0x20080522, 0)
    data = (_CapData * 2)()
    _checked(_capget(_NR_CAPGET, byref(header), data))
    return int(data[0].permitted | data[1].permitted << 32)


def set_capabilities(mask: int) -> None:
    """Make ``mask`` (bit n: capability n) the permitted and effective set; nothing inheritable."""
    header = _CapHeader(0x20080522, 0)
    data = (_CapData * 2)(
        _CapData(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0), _CapData(mask >> 32, mask >> 32, 0)
    )
    _checked(_capset(_NR_CAPSET, byref(header), data))


def quotactl_fd(fd: int, command: int, number: int, data: bytearray) -> None:
    """quotactl_fd(2) on the file system of an open file; ``data`` is the command's structure."""
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    _checked(_quotactl_fd(_number("quotactl_fd"), fd, command, number, byref(buffer)))


def bpf(command: int, attr: bytearray, what: str) -> int:
    """bpf(2); ``attr`` is the union of this command, which may be written to."""
    buffer = (ctypes.c_char * len(attr)).from_buffer(attr)
    return _checked(_bpf(_NR_BPF, command, byref(buffer), len(attr)), what)


def load_device_program(insns: bytes) -> int:
    """Load a cgroup device program; OSError has the verifier's last line as its file name."""
    code = ctypes.create_string_buffer(insns, len(insns))
    license_text = ctypes.create_string_buffer(b"GPL")
    attr = _BpfLoad(
        prog_type=BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt=len(insns) // 8,
        insns=ctypes.addressof(code),
        license=ctypes.addressof(license_text),
    )
    return _checked(
        _bpf(_NR_BPF, BPF_PROG_LOAD, byref(attr), ctypes.sizeof(attr)), "device program"
    )


def attach_device_program(cgroup_fd: int, program_fd: int) -> None:
    attr = _BpfAttach(cgroup_fd, program_fd, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI)
    _checked(_bpf(_NR_BPF, BPF_PROG_ATTACH, byref(attr), ctypes.sizeof(attr)), "device program")


#: The bytes /proc/PID/cmdline is read from must stay where they are.
_TITLE_SIZE = 4096
_title = ctypes.create_string_buffer(_TITLE_SIZE)
_title_at = ctypes.addressof(_title)
_title_bytes = memoryview(_title).cast("B")
#: struct prctl_mm_map: start_code, end_code, start_data, end_data, start_brk, brk, start_stack,
#: arg_start, arg_end, env_start, env_end, auxv, then auxv_size and exe_fd (-1: as it is)
_mm_map = ctypes.create_string_buffer(13 * 8)
_mm_words = memoryview(_mm_map).cast("B").cast("Q")
_mm_size = len(_mm_map)
_BRK, _ARG_START, _ARG_END = 5, 7, 8
_sbrk = _libc["sbrk"]
_sbrk.restype = c_void_p


def _prepare_title() -> None:
    """What ``set_process_title`` has to leave as it is; it holds for forked processes, too.

    Fields of /proc/self/stat: proc_pid_stat(5).
    """
    stat = read_text("/proc/self/stat").rpartition(") ")[2].split()
    code, data = (int(stat[23]), int(stat[24])), (int(stat[42]), int(stat[43]))
    env = int(stat[47]), int(stat[48])
    struct.pack_into(
        "=12QIi", _mm_map, 0, *code, *data, int(stat[44]), 0, int(stat[25]),
        _title_at, 0, *env, 0, 0, -1,
    )  # fmt: skip


def set_process_title(words: list[str]) -> None:
    """Make ``words`` the command line of this process; see ``show_title``."""
    show_title(os.fsencode("\0".join(words)))


def show_title(title: bytes) -> None:
    """Make ``title`` the command line of this process (PR_SET_MM_MAP), its first word the comm.

    Words end at NUL. Raises OSError where the kernel lacks it (CONFIG_CHECKPOINT_RESTORE); the comm
    is set anyway.
    """
    if not _mm_words[_ARG_START]:
        _prepare_title()
    size = min(len(title), _TITLE_SIZE - 1)
    _title_bytes[:size] = title[:size]
    _title_bytes[size] = 0
    _checked(_own_prctl(PR_SET_NAME, _title, 0, 0, 0))
    _mm_words[_ARG_END] = _title_at + size + 1
    _mm_words[_BRK] = _sbrk(0)
    _checked(_own_prctl(PR_SET_MM, PR_SET_MM_MAP, _mm_map, _mm_size, 0))
