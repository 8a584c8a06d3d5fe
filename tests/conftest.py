"""What every test shares: instances, what the host can run, and reports of failures.

A marker says what a test needs (``NEEDS``). What this host lacks skips the test with the reason in
the table, and pytest counts it. With ``CI=true`` any other skip is an error: there, a test that
could run and did not is a hole that nobody sees.
"""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import host_state
from tests.harness import IN_MACHINE, MEMORY_TAKES_IDMAPS, Instance, host_facts

BEFORE = pytest.StashKey[dict[str, set[str]]]()
ON_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


@dataclass(frozen=True, slots=True)
class Need:
    """What tests with one marker need of the host."""

    met: Callable[[], bool]
    reason: str


def _is_root() -> bool:
    return os.geteuid() == 0


def _has_quotas() -> bool:
    """Whether the kernel knows the format of project quotas; one that does not say it may."""
    config = Path("/proc/config.gz")
    if config.exists():
        return b"CONFIG_QFMT_V2=" in gzip.decompress(config.read_bytes())
    modules = Path(f"/lib/modules/{os.uname().release}/modules.dep")
    return not modules.exists() or "quota_v2" in modules.read_text()


def _keeps_vlans_apart() -> bool:
    """Whether the kernel's bridges can; one that does not say it may."""
    config = Path("/proc/config.gz")
    wanted = b"CONFIG_BRIDGE_VLAN_FILTERING=y"
    return not config.exists() or wanted in gzip.decompress(config.read_bytes())


NEEDS: dict[str, Need] = {
    "host": Need(_is_root, "needs root"),
    "kernel": Need(_is_root, "needs root"),
    "interop": Need(_is_root, "needs root"),
    "processor": Need(lambda: not IN_MACHINE, "measures a processor, and this one is emulated"),
    "installs": Need(lambda: not IN_MACHINE, "installs a distribution, for an emulator an hour"),
    "vm": Need(lambda: not IN_MACHINE, "runs outside the virtual machine only"),
    "quota": Need(_has_quotas, "needs a kernel with project quotas (CONFIG_QFMT_V2)"),
    "vlans": Need(
        _keeps_vlans_apart,
        "needs a kernel whose bridges keep VLANs apart (CONFIG_BRIDGE_VLAN_FILTERING)",
    ),
    "idmapped": Need(
        lambda: MEMORY_TAKES_IDMAPS or not IN_MACHINE,
        "needs idmapped mounts where everything lies in memory (Linux 6.3)",
    ),
    "usb": Need(lambda: IN_MACHINE, "needs a USB device to pull out, as the virtual machine has"),
    "v2": Need(
        lambda: Path("/sys/fs/cgroup/cgroup.controllers").exists(),
        "needs a host with cgroup v2 only",
    ),
    "v1": Need(
        lambda: not Path("/sys/fs/cgroup/cgroup.controllers").exists(),
        "needs a host whose controllers are bound to cgroup v1",
    ),
}
ALLOWED_REASONS = frozenset(need.reason for need in NEEDS.values())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-output",
        action="store_true",
        help="write golden files anew instead of comparing",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[BEFORE] = host_state.snapshot()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it, and so would every program that tests interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers():
            need = NEEDS.get(marker.name)
            if need is not None and not need.met():
                item.add_marker(pytest.mark.skip(reason=need.reason))
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if ON_CI and report.skipped and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in ALLOWED_REASONS:
            report.outcome = "failed"
            report.longrepr = f"skipped on CI, where it can run: {reason}"
    if report.failed and isinstance(item, pytest.Function):
        instances = [v for v in item.funcargs.values() if isinstance(v, Instance)]
        texts = [i.facts() for i in instances if not i.closed] or [host_facts()]
        report.sections.append(("what the host looked like", "\n".join(texts)))
    return report


@pytest.fixture
def instance() -> Iterator[Instance]:
    """An instance with a running daemon, for one test; the end checks that nothing is left."""
    made = Instance()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_instance() -> Iterator[Instance]:
    """An instance with a running daemon for all tests of a module, which must clean up in it."""
    made = Instance()
    yield made
    made.close()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: compare with tests/data/NAME; a missing file is written and fails."""
    folder = Path(__file__).parent / "data"

    def compare(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--regenerate-output") or not path.exists():
            existed = path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            assert existed, f"{path} was not there; it is now: read it, then commit it"
        assert text == path.read_text(), f"differs from {path} (--regenerate-output writes it anew)"

    return compare
