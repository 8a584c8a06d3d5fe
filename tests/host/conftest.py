"""What tests of planned starts share: the host's facts, and a ground to start on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.netlab import ip, own_network
from tests.host.startlab import Ground
from virtlxc.host import probe
from virtlxc.host.facts import HostFacts


@pytest.fixture(scope="module")
def facts() -> HostFacts:
    return probe.probe_host()


@pytest.fixture
def ground(tmp_path: Path, facts: HostFacts) -> Iterator[Ground]:
    with own_network():
        ip("link", "add", "br0", "type", "bridge")
        ip("link", "set", "br0", "up")
        tmp_path.chmod(0o755)
        for parent in tmp_path.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o055)
        made = Ground(tmp_path, facts)
        try:
            yield made
        finally:
            made.close()
