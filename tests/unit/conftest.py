"""What tests of several subjects share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.unit.rpc_service import Service

# How long an example takes says something of the machine, not of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server with a fake driver behind it."""
    from tests.unit.rpc_service import running  # most tests need no server

    with running(str(tmp_path)) as made:
        yield made
