"""What tests of several subjects share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.rpc_service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server with a fake driver behind it."""
    from tests.unit.rpc_service import running  # most tests need no server

    with running(str(tmp_path)) as made:
        yield made
