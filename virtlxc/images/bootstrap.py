"""A Debian from its mirror: mmdebstrap, or debootstrap where that is all there is.

mmdebstrap runs in a user namespace of its own (:mod:`virtlxc.images.confined`), so that what
packages run as root is nobody on the host. debootstrap cannot, for it makes device nodes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import programs
from virtlxc.images import confined
from virtlxc.images.progress import Progress
from virtlxc.images.removal import remove_tree

_log = logging.getLogger("virtlxc")

PROGRAMS = ("mmdebstrap", "debootstrap")
# Dots in names of suites ("12.0") would be paths on the mirror; so would blanks be options.
SUITE = re.compile(r"[a-z][a-z0-9-]{0,63}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}(:[a-z0-9-]+)?")
MIRROR = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~%+-]+)*/?")

# What mmdebstrap says when it begins a step: what we say, and how much of a hundred is done then.
_STEPS = (
    ("running apt-get update", "read the mirror's index", 3),
    ("downloading packages", "fetch packages", 8),
    ("extracting archives", "unpack packages", 20),
    ("installing essential packages", "install packages", 45),
    ("installing remaining packages", "install more packages", 65),
    ("cleaning package lists", "clean up", 90),
    ("creating tarball", "pack", 92),
)
_KEPT = 40  # lines of what it said, for a failure

# What went wrong, by what is said: the cause in our words, and the mend. Of several the first: apt
# says of a mirror that does not answer that it has no such suite, too.
_CAUSES = (
    (
        re.compile(
            r"(?i)NO_PUBKEY|BADSIG|not signed|invalid signature|clearsigned|EXPKEYSIG|"
            r"invalid release signature|signed by unknown key|keyring-based check was requested"
        ),
        "the signature of the mirror's index is not good",
        "if the mirror is right, install its keys: apt install debian-archive-keyring",
    ),
    (
        re.compile(r"(?i)hash sum mismatch|unexpected size|wrong size"),
        "the mirror gave other data than it signed",
        "try again, or another --mirror",
    ),
    (
        re.compile(
            r"(?i)could not (resolve|connect)|cannot initiate the connection|"
            r"connection (refused|failed|timed out)|"
            r"network is unreachable|unable to connect|temporary failure"
        ),
        "the mirror cannot be reached",
        "look at the network, or name another --mirror",
    ),
    (
        re.compile(r"(?i)does not have a Release file|no Release file"),
        "the mirror has no such suite",
        "name a suite that it has: bookworm, trixie, or see its folder dists/",
    ),
    (
        re.compile(r"Failed getting release file"),
        "the mirror cannot be reached, or has no such suite",
        "look at the network and the name of the suite, or name another --mirror",
    ),
    (
        re.compile(r"(?i)Unable to locate package|has no installation candidate"),
        "the suite has no such package",
        "mend --packages",
    ),
    (
        re.compile(r"(?i)no space left|enough free space|disk quota"),
        "no space is left on the device",
        "free some space below /var/lib/virtlxc",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a base is made of; without a ``mirror``, from the one that the builder knows itself."""

    suite: str
    mirror: str
    packages: tuple[str, ...]
    arch: str


def program() -> str:
    """The name of the first that this host has; raises VirtlxcError."""
    for name in PROGRAMS:
        if programs.find(name):
            return name
    return programs.require("mmdebstrap", "cannot make a Debian")


def make(recipe: Recipe, archive: str, first_id: int, progress: Progress, *, doing: str) -> None:
    """Writes the base as a tar archive to the new file ``archive``, and makes it durable.

    ``first_id`` begins the ids that the builder has. Raises VirtlxcError; the file may be there.
    """
    with open(archive, "xb") as output, _scratch(os.path.dirname(archive), first_id) as scratch:
        if program() == "mmdebstrap":
            _run(_confined(recipe, scratch), output.fileno(), first_id, progress, recipe, doing)
        else:
            tree = f"{scratch}/root"
            _run(_debootstrap(recipe, tree), None, None, progress, recipe, doing)
            progress.tell("pack", 92, 100)
            tar = [programs.require("tar", doing), "-c", "--numeric-owner", "-C", tree, "."]
            _run(tar, output.fileno(), None, progress, recipe, doing)
        os.fsync(output.fileno())


@contextlib.contextmanager
def _scratch(folder: str, first_id: int) -> Iterator[str]:
    """A folder for the builder alone; with all that is in it, gone afterwards."""
    path = tempfile.mkdtemp(prefix=".build-", dir=folder)
    try:
        if program() == "mmdebstrap":
            os.chown(path, first_id, first_id)
        yield path
    finally:
        remove_tree(path)


def _confined(recipe: Recipe, scratch: str) -> list[str]:
    packages = f"--include={','.join(recipe.packages)}"
    return [
        *(sys.executable, "-I", "-S", confined.__file__, scratch),
        programs.require("mmdebstrap", "cannot make a Debian"),
        *("--mode=root", "--variant=minbase", "--format=tar", f"--architectures={recipe.arch}"),
        *([packages] if recipe.packages else []),
        *(recipe.suite, "-"),
        *([f"deb {recipe.mirror} {recipe.suite} main"] if recipe.mirror else []),
    ]


def _debootstrap(recipe: Recipe, tree: str) -> list[str]:
    # Of itself it only warns when it has no keys to check the mirror's index with.
    checked = ("--variant=minbase", "--force-check-gpg")
    words = [programs.require("debootstrap", "cannot make a Debian"), *checked]
    if recipe.packages:
        words.append(f"--include={','.join(recipe.packages)}")
    mirror = [recipe.mirror] if recipe.mirror else []
    return [*words, f"--arch={recipe.arch}", recipe.suite, tree, *mirror]


def _run(
    command: Sequence[str],
    output: int | None,
    first_id: int | None,
    progress: Progress,
    recipe: Recipe,
    doing: str,
) -> None:
    """Runs it to its end. ``output`` None: what it prints is what it says.

    ``first_id`` None: it is not confined, and nobody waits for id maps.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    # The end of its standard input ends it: ours, whatever ends us.
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=writer if output is None else output,
        stderr=writer,
        env={"PATH": _path(), "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp", "HOME": "/tmp"},
        start_new_session=True,
        cwd="/",
    )
    os.close(writer)
    said: list[str] = []
    try:
        for line in _lines(reader, progress):
            if line == "ready" and first_id is not None:
                _map(process, first_id)
            else:
                said = [*said[-_KEPT:], line]
                _follow(line, progress)
    finally:
        _end(process)
        os.close(reader)
    if process.returncode != 0:
        raise _failure(process.returncode, said, recipe, doing)


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *programs.EXTRA_FOLDERS))


def _map(process: subprocess.Popen[bytes], first_id: int) -> None:
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{process.pid}/{name}", "w") as file:
            file.write(f"0 {first_id} 65536\n")
    assert process.stdin is not None
    process.stdin.write(b"+")
    process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes the pipes; what is confined then dies with all it started, the rest is killed."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _lines(fd: int, progress: Progress) -> Iterator[str]:
    """What it says, line by line; ends when it does, or raises once it is cancelled."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(progress.fileno(), select.POLLIN)
    rest = b""
    while True:
        poll.poll()
        progress.check()
        data = os.read(fd, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")


def _follow(line: str, progress: Progress) -> None:
    for sign, text, done in _STEPS:
        if sign in line:
            progress.tell(text, done, 100)


def _failure(status: int, said: list[str], recipe: Recipe, doing: str) -> VirtlxcError:
    text = "\n".join(said)
    _log.warning("%s: %s said:\n%s", doing, program(), text)
    mirror = recipe.mirror or "Debian's mirror"
    of = f"suite '{recipe.suite}' from {mirror}"
    for pattern, cause, mend in _CAUSES:
        if pattern.search(text):
            return VirtlxcError(
                f"{doing}: fetch {of}: {cause} ({mend}; nothing was left)", Code.OPERATION_FAILED
            )
    errors = [line for line in said if line.startswith("E:")] or said[-1:] or ["it said nothing"]
    return VirtlxcError(
        f"{doing}: fetch {of}: {program()} ended with status {status}: {errors[0]} "
        "(nothing was left)",
        Code.OPERATION_FAILED,
    )
