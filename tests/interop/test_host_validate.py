"""What host-validate says is what the daemon found: a program that comes and goes is told of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.harness import Instance
from tests.interop.conftest import tell_of_calls

pytestmark = pytest.mark.interop


class WithProgram(Instance):
    """An instance whose daemon looks for programs in a folder of the test's first."""

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(PATH=f"{self.root}/programs:/usr/sbin:/usr/bin", **more)


@pytest.fixture
def instance() -> Iterator[Instance]:
    made = WithProgram(start=False)
    tell_of_calls(made)
    yield made
    made.close()


@pytest.mark.proves("HOST_VALIDATE")
def test_facts_of_the_host(instance: Instance) -> None:
    program = instance.root / "programs" / "dnsmasq"
    program.parent.mkdir()
    elsewhere = any(os.path.exists(f"{folder}/dnsmasq") for folder in ("/usr/sbin", "/usr/bin"))
    for there in (True, False):
        if there:
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        else:
            program.unlink()
        instance.start_daemon()
        said = instance.virtlxc("--output", "json", "host-validate").stdout
        rows = {row["name"]: row for row in json.loads(said)}
        assert os.uname().release in rows["kernel"]["text"]
        assert (str(program) in rows["dnsmasq"]["text"]) == there
        assert (rows["dnsmasq"]["status"] == "PASS") == (there or elsewhere)
        instance.stop_daemon()
