"""Disk images of other formats as raw files: QEMU's storage daemon shows one by FUSE.

It does so in a mount namespace of its own, in the place of the image: nobody else sees the file,
and the mount goes with the process. It lives in a group of its own beside the domain's supervisor,
so that whoever has to end it finds it there. Source: qemu-storage-daemon(1).
"""

from __future__ import annotations

import os
import time

from .. import syscalls
from ..lean import signal, unparse
from . import loops
from .cgroups import await_empty, kill_tree
from .context import Context, StepError
from .served import members_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How long the guest's last writes, and then the daemon's, may take, in seconds.
_PATIENCE = 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MESSAGE = 4096


def serve(
    ctx: Context,
    *,
    program: str,
    path: str,
    form: str,
    cgroup: dict[str, str],
    readonly: bool = False,
) -> None:
    """Controller: have ``program`` show the image ``path`` of the format ``form`` as a raw file.

    It is born in ``cgroup`` {mount, path}, of cgroup2, and has that for itself. Undo: image-close.
    """
    image = os.path.realpath(path)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    group = os.open(cgroup["mount"] + cgroup["path"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    pid = syscalls.clone(syscalls.CLONE_NEWNS, group)
    if pid == 0:
        _become(program, _arguments(image, form, readonly), writer)
    os.close(group)
    os.close(writer)
    try:
        # The end of what it says: the daemon is ready, and has gone into the background; or not.
        said = b""
        while data := os.read(reader, _MESSAGE):
            said += data
    finally:
        os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status:
        text = said.decode(errors="replace").strip() or f"it ended with {status:#x}"
        raise StepError(0, path, f"{path}: {_plain(text, program)}")


def _plain(text: str, program: str) -> str:
    """Its last words without its name and our arguments, which it repeats before the reason."""
    last = next((line for line in text.splitlines() if line.strip()), text)
    last = last.removeprefix(f"{os.path.basename(program)}: ")
    if last.startswith("--"):
        last = last.partition("}: ")[2] or last
    return last


def _arguments(image: str, form: str, readonly: bool) -> list[str]:
    file: dict[str, Any] = {
        "driver": "file", "node-name": "file", "filename": image, "read-only": readonly,
        "discard": "unmap",
    }  # fmt: skip
    disk = {
        "driver": form, "node-name": "disk", "file": "file", "read-only": readonly,
        "discard": "unmap",
    }  # fmt: skip
    export = {
        "type": "fuse", "id": "disk", "node-name": "disk", "mountpoint": image,
        "writable": not readonly, "allow-other": "off",
    }  # fmt: skip
    rows = (("--blockdev", file), ("--blockdev", disk), ("--export", export))
    words = [word for name, data in rows for word in (name, unparse(data).decode())]
    return ["--daemonize", *words]


def _become(program: str, words: list[str], writer: int) -> None:
    """The whole life of the child up to its exec; never returns."""
    try:
        os.dup2(writer, 2)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, 0)
        os.dup2(null, 1)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        os.chdir("/")
        os.umask(0o077)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTTOU):
            syscalls.set_signal(int(number), ignored=False)
        syscalls.close_range(3)
        os.execve(program, [program, *words], {"PATH": _PATH, "LC_ALL": "C"})
    except BaseException as error:
        os.write(2, f"{program}: {error}".encode())
    finally:
        os._exit(127)


def close(ctx: Context, *, cgroup: dict[str, str], tag: str) -> None:
    """End the daemon in ``cgroup``, once the loop device ``tag`` is gone; missing is no error.

    What the guest wrote has reached the daemon then, which brings it to the image before it ends.
    (An undo.)
    """
    folder = cgroup["mount"] + cgroup["path"]
    members = members_of(folder)
    if not members:
        return
    deadline = time.monotonic() + _PATIENCE
    while tag in loops.tagged() and time.monotonic() < deadline:
        time.sleep(0.002)
    for pid in members:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    if not await_empty(folder, _PATIENCE) and kill_tree(folder):
        await_empty(folder, 1.0)
    for pid in members:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
