"""Block devices and file systems for tests: loop devices over files of the test's own folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def image(path: Path, mebibytes: int = 8) -> Path:
    """A sparse file."""
    with path.open("wb") as file:
        file.truncate(mebibytes << 20)
    return path


def ext4(path: Path, *options: str) -> Path:
    """A file system in an image, or on a device."""
    command = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", *options, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@contextmanager
def loop(path: Path) -> Iterator[Path]:
    """The image as a loop device for as long as the context lasts."""
    made = subprocess.run(
        ["losetup", "--find", "--show", str(path)], check=True, capture_output=True, text=True
    )
    device = Path(made.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


def loops_of(folder: Path) -> list[str]:
    """The loop devices over files below a folder."""
    told = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line for line in told.stdout.splitlines() if str(folder) in line]
