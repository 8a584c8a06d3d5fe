"""What is made of a program of Open vSwitch's that does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from virtlxc.runtime.ops import ports
from virtlxc.runtime.ops.context import Context, StepError


def test_a_database_that_does_not_answer_is_named_with_what_to_do_then(tmp_path: Path) -> None:
    program = tmp_path / "ovs-vsctl"
    program.write_text("#!/bin/sh\nkill -ALRM $$\n")  # as its --timeout= does
    program.chmod(0o755)
    with pytest.raises(StepError) as caught:
        ports.away(cast(Context, None), program=str(program), host="vnet0", vm="7")
    assert caught.value.text == (
        "Open vSwitch's database did not answer within 5 s (restart ovsdb-server); then: ovs-vsctl"
        " --if-exists del-port vnet0"
    )


def test_without_the_program_there_is_no_port(tmp_path: Path) -> None:
    ports.away(cast(Context, None), program=str(tmp_path / "none"), host="vnet0", vm="7")
