"""libvirt-python as a client that a test talks to, one expression at a time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests import peers
from tests.harness import Instance

_PROGRAM = Path(__file__).parent / "clients" / "evaluate.py"


class LibraryError(Exception):
    """libvirt's error, as the client's library raised it."""

    def __init__(self, code: int, domain: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.domain = domain
        self.message = message


class Library:
    """A process with libvirt-python and one open ``connection``.

    ``library("connection.lookupByName('web1').state()")`` gives the value of an expression, and
    runs a statement. Raises LibraryError for libvirt's errors, AssertionError for all others.
    """

    def __init__(self, instance: Instance, uri: str = "") -> None:
        environment = peers.virsh().environment()
        words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PYTHONPATH")]
        uri = uri or f"lxc+unix:///system?socket={instance.paths.socket}"
        self._process = instance.spaces.popen(
            ["env", *words, "/usr/bin/python3", str(_PROGRAM), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid

    def __call__(self, source: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(source).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client ended at {source}"
        answer = json.loads(line)
        if "error" in answer:
            raise LibraryError(*answer["error"])
        assert "mistake" not in answer, f"{source}: {answer['mistake']}"
        return answer["value"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
