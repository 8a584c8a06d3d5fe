"""Peers, containers, networks and a virtual machine have run, and the host is as it was."""

from __future__ import annotations

import pytest

from tests import host_state
from tests.conftest import BEFORE

pytestmark = [pytest.mark.interop, pytest.mark.last]


@pytest.mark.parametrize("kind", ["service", "user", "group", "link", "cgroup", "process"])
def test_nothing_new_is_there(kind: str, pytestconfig: pytest.Config) -> None:
    new = host_state.snapshot()[kind] - pytestconfig.stash[BEFORE][kind]
    assert not new, f"new since the tests began: {kind} {sorted(new)}"
