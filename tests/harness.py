"""One instance of virtlxc for a test: its own root, namespaces and daemon.

Everything a test makes is inside, so several can run at once and nothing of the host is touched:
files below one short folder (socket paths have at most 107 bytes), links and nft tables in a
private network namespace, mounts in a private mount namespace, cgroups with the instance's tag.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests import rootfs
from tests.namespaces import Namespaces, Result, plain_environment
from virtlxc.host.security import idranges
from virtlxc.paths import Paths

CHECKOUT = Path(__file__).resolve().parent.parent
# In the virtual machine Python is 11 to 29 times slower, so the bounds of tests stretch.
IN_MACHINE = Path("/run/virtlxc-vm").exists()
PATIENCE = 15.0 if IN_MACHINE else 1.0
# The kernel's tmpfs does from 6.3 on.
MEMORY_TAKES_IDMAPS = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 3)
DAEMON_READY_S = 20.0
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], timeout: float = 60.0, pause: float = 0.02) -> T:
    """Ask ``look`` until it gives something true, and return that; AssertionError at the bound.

    The bound only keeps a test from hanging: a loaded host must not reach it. How fast something is
    belongs into benchmarks.
    """
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {timeout:g} s: {what} (last seen: {found!r})"
        time.sleep(pause)


def cgroup_mounts() -> list[Path]:
    """Where this host's cgroup hierarchies are mounted."""
    rows = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(left.split()[4]) for left, right in rows if right.startswith("cgroup")]


class Instance:
    """A daemon below its own root, and commands beside it."""

    def __init__(self, *, start: bool = True) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vl", dir="/tmp"))
        self.root.chmod(0o755)
        self.paths = Paths(str(self.root))
        self.spaces = Namespaces()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._stderr = self.root / "daemon.stderr"
        self.closed = False
        # Made by the test itself: they end with the namespaces.
        self.own_links: set[str] = set()
        self.own_mounts: set[str] = set()
        if start:
            try:
                self.start_daemon()
            except BaseException:
                self._sweep()
                self._remove()
                raise

    # --- commands

    def environment(self, **more: str) -> dict[str, str]:
        """What every process of this instance gets: the checkout's code and this root."""
        return plain_environment(
            **{
                "PYTHONPATH": str(CHECKOUT),
                "VIRTLXC_ROOT": str(self.root),
                **more,
            }
        )

    def argv(self, *arguments: str) -> list[str]:
        """The command line of ``virtlxc ARGUMENTS``."""
        return [sys.executable, "-m", "virtlxc", *arguments]

    def virtlxc(
        self,
        *arguments: str,
        input: str | None = None,
        timeout: float = 120,
        user: int | None = None,
        **environment: str,
    ) -> Result:
        """Run ``virtlxc ARGUMENTS`` against this instance to its end."""
        return self.spaces.run(
            *self.argv(*arguments),
            input=input,
            timeout=timeout * PATIENCE,
            user=user,
            env=self.environment(**environment),
        )

    def run(self, *argv: str, input: str | None = None, timeout: float = 120) -> Result:
        """Run any command in the instance's namespaces."""
        return self.spaces.run(*argv, input=input, timeout=timeout, env=self.environment())

    # --- the daemon

    @property
    def daemon_pid(self) -> int:
        """Host pid of the daemon that we started; AssertionError when there is none."""
        assert self._daemon is not None, "no daemon was started"
        return self._daemon.pid

    def start_daemon(self) -> None:
        """Start the daemon and wait until it answers."""
        assert self._daemon is None, "the daemon runs already"
        with self._stderr.open("ab") as stderr:
            self._daemon = self.spaces.popen(
                self.argv("daemon"), env=self.environment(), stdout=stderr, stderr=stderr
            )
        wait_for("the daemon's socket", self._daemon_answers, DAEMON_READY_S)

    def _daemon_answers(self) -> bool:
        assert self._daemon is not None
        code = self._daemon.poll()
        assert code is None, f"the daemon ended with {code}:\n{self.daemon_messages()}"
        return _accepts(self.paths.socket)

    def stop_daemon(self) -> None:
        """Ask the daemon to end, and wait until it has."""
        self._end_daemon(signal.SIGTERM)

    def kill_daemon(self) -> None:
        """SIGKILL the daemon: nothing of its clean-up runs."""
        self._end_daemon(signal.SIGKILL)

    def _end_daemon(self, number: signal.Signals) -> None:
        if self._daemon is None:
            return
        self._daemon.send_signal(number)
        try:
            self._daemon.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
            raise AssertionError(f"the daemon ignored {number.name} for 30 s") from None
        finally:
            self._daemon = None

    def daemon_messages(self) -> str:
        """What the daemon wrote to standard error so far."""
        return self._stderr.read_text("utf-8", "replace") if self._stderr.exists() else ""

    # --- things for domains to use

    def busybox(self, name: str = "rootfs", *, owner: int = 0) -> Path:
        """Make a busybox root file system below the instance's root."""
        return rootfs.make_busybox(self.root / name, owner=owner)

    def bridge(self, name: str = "br0", address: str = "") -> str:
        """Make a bridge in the private network namespace and set it up; ``10.9.0.1/24``."""
        self.run("ip", "link", "add", name, "type", "bridge").ok()
        if address:
            self.run("ip", "address", "add", address, "dev", name).ok()
        self.run("ip", "link", "set", name, "up").ok()
        self.own_links.add(name)
        return name

    def write(self, name: str, text: str) -> str:
        """Write a file below the instance's root and give its path, for example of a domain XML."""
        path = self.root / name
        path.write_text(text)
        return str(path)

    def define(self, xml: str) -> None:
        """Define a domain; AssertionError when it is refused."""
        self.virtlxc("define", self.write("define.xml", xml)).ok()

    # --- what is there

    def domains(self, *options: str) -> list[str]:
        """Names of the domains that ``list --name OPTIONS`` prints."""
        return self.virtlxc("list", "--name", *options).ok().split()

    def cgroups(self) -> list[Path]:
        """Every cgroup, in every hierarchy, that carries the instance's tag."""
        tag = f"lxc-{self.paths.instance}-"
        found = []
        for mount in cgroup_mounts():
            for folder, names, _ in os.walk(mount):
                found += [Path(folder, name) for name in names if name.startswith(tag)]
                # What is below is the guest's, and may be deeper than a walk goes.
                names[:] = [name for name in names if not name.startswith("lxc-")]
        return found

    def links(self) -> list[str]:
        """Names of the links in the private network namespace, without lo."""
        rows = self.run("ip", "-o", "link").ok().splitlines()
        names = [row.split(": ")[1].split("@")[0] for row in rows]
        return [name for name in names if name != "lo"]

    def nft_tables(self) -> list[str]:
        """Tables of nft in the private network namespace; empty without nft."""
        if not shutil.which("nft"):
            return []
        return self.run("nft", "list", "tables").stdout.splitlines()

    def _mounts(self) -> list[str]:
        return [p for p in self.spaces.mounts_below(self.root) if p not in self.own_mounts]

    def id_ranges(self) -> list[str]:
        """The first ids of the ranges that the host's notes say guests of this instance have."""
        return sorted(note.name for note in _id_notes(self.root))

    def memory_folder(self, name: str) -> Path:
        """A folder below the instance's root that takes idmapped mounts; its path.

        In memory, where the kernel's tmpfs takes them.
        """
        path = self.root / name
        path.mkdir()
        if not MEMORY_TAKES_IDMAPS:
            return path
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(path)).ok()
        self.own_mounts.add(str(path))
        return path

    def seen(self, path: Path) -> Path:
        """The same path for ourselves, who are not in the instance's mount namespace."""
        return Path(f"/proc/{self.spaces.pid}/root{path}")

    def leftovers(self) -> list[str]:
        """What is still there that only a running domain, network or daemon may have."""
        return [
            *(f"cgroup {path}" for path in self.cgroups()),
            *(f"link {name}" for name in self.links() if name not in self.own_links),
            *(f"nft {table}" for table in self.nft_tables()),
            *(f"mount {p}" for p in self._mounts()),
            *(f"process {pid}: {title}" for pid, title in self.spaces.members().items()),
            *(f"file {path}" for path in self._run_folders()),
        ]

    def _run_folders(self) -> Iterator[Path]:
        run = Path(self.paths.run)
        if run.is_dir():
            yield from (entry for entry in run.iterdir() if entry.is_dir() and _is_uuid(entry.name))

    # --- the end

    def close(self) -> None:
        """Stop everything, check that nothing is left, remove the root.

        AssertionError lists what was left; it has been removed then.
        """
        try:
            left = self._shut_down()
        finally:
            self._sweep()
            self._remove()
        assert not left, "left behind:\n  " + "\n  ".join(left)

    def _shut_down(self) -> list[str]:
        if self._daemon is not None and self._daemon.poll() is None:
            for name in self.virtlxc("list", "--name").stdout.split():
                self.virtlxc("destroy", name)
            for name in self.virtlxc("net-list", "--name").stdout.split():
                self.virtlxc("net-destroy", name)
            self.stop_daemon()
        with contextlib.suppress(AssertionError):
            wait_for("everything gone", lambda: not self.leftovers(), 20.0, 0.05)
        return self.leftovers()

    def _remove(self) -> None:
        self.closed = True
        self.spaces.close()
        shutil.rmtree(self.root, ignore_errors=True)
        _forget_ids(self.root)

    def _sweep(self) -> None:
        """Remove by force, so that one test's fault does not become the next one's."""
        for pid in self.spaces.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for cgroup in self.cgroups():
            _remove_cgroup(cgroup)

    def facts(self) -> str:
        """What somebody needs who reads a failure: host, daemon, domains, logs."""
        parts = {
            "host": host_facts(),
            "daemon": self.daemon_messages()[-4000:],
            "links": "\n".join(self.links()),
            "processes": "\n".join(f"{p} {t}" for p, t in self.spaces.members().items()),
        }
        for log in sorted(Path(self.paths.log).glob("*.log")):
            parts[log.name] = log.read_bytes()[-2000:].decode("utf-8", "replace")
        return "\n".join(f"--- {name}\n{text}" for name, text in parts.items() if text)


def host_facts() -> str:
    """One line a fact about the host that tests ran on."""
    release = os.uname()
    kinds = sorted({line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()})
    lsm = Path("/sys/kernel/security/lsm")
    return "\n".join(
        (
            f"kernel {release.release} {release.machine}",
            f"python {sys.version.split()[0]} uid {os.geteuid()}",
            f"cgroup {' '.join(k for k in kinds if k.startswith('cgroup')) or 'none'}",
            f"lsm {lsm.read_text() if lsm.exists() else 'unknown'}",
        )
    )


def _accepts(path: str) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _is_uuid(name: str) -> bool:
    return len(name) == 36 and name.count("-") == 4


def _forget_ids(root: Path) -> None:
    """Drop the host's notes of an instance that is gone; another instance would do so as well."""
    with contextlib.suppress(FileNotFoundError):
        for note in _id_notes(root):
            note.unlink(missing_ok=True)
        for folder in (idranges.REGISTRY, os.path.dirname(idranges.REGISTRY)):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _id_notes(root: Path) -> list[Path]:
    notes = Path(idranges.REGISTRY)
    found = [*notes.iterdir()] if notes.exists() else []
    return [note for note in found if str(note.readlink()).startswith(f"{root}/")]


def _remove_cgroup(cgroup: Path) -> None:
    if not cgroup.exists():
        return
    kill = cgroup / "cgroup.kill"
    if kill.exists():
        kill.write_text("1")
    for folder, _, _ in os.walk(cgroup, topdown=False):
        for procs in [Path(folder, "cgroup.procs")]:
            with contextlib.suppress(OSError):
                for pid in procs.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        for _ in range(50):
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)
