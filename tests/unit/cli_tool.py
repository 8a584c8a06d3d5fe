"""Running the command inside a test, without a process."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass

from virtlxc.cli import main
from virtlxc.cli.grammar import Args, Command, parse
from virtlxc.cli.options import Options
from virtlxc.cli.session import Session


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    out: str
    err: str
    code: int


def run(words: Sequence[str]) -> Ran:
    """``virtlxc WORDS``; there is no daemon, and none may be started."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.run(["-c", os.devnull, *words])
    return Ran(out.getvalue(), err.getvalue(), code)


def shown(command: Command, line: str, data: object, *, quiet: bool = False) -> str:
    """What a reading command prints of ``data`` when it was called with these words."""
    assert command.show is not None
    return command.show(data, arguments(command, line), quiet)


def arguments(command: Command, line: str) -> Args:
    return parse(command, line.split())


def session() -> Session:
    """A session that is connected to nothing."""
    return Session(Options())
