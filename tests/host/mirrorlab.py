"""A part of Debian's archive, served in the network of a test's own instance."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import Instance

ADDRESS, PORT = "10.9.9.1", 8080
MIRROR = f"http://{ADDRESS}:{PORT}/debian"


@contextmanager
def mirror(instance: Instance, folder: Path) -> Iterator[None]:
    """Serves ``folder`` on MIRROR while it lasts; its processes are the test's own."""
    if "br9" not in instance.own_links:
        instance.bridge("br9", f"{ADDRESS}/24")
    python = instance.argv()[0]
    server = instance.spaces.popen(
        [python, "-m", "tests.mirror", str(folder), ADDRESS, str(PORT)],
        env=instance.environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        yield
    finally:
        server.kill()
        server.wait()
