"""One folder of sysfs: attributes, what the kernel tells with an event, what udev knows.

Kernel documentation: admin-guide/sysfs-rules.rst. udev's database (/run/udev/data): a file a
device, ``E:NAME=value`` a property, ``S:path`` a link below /dev.
"""

from __future__ import annotations

import os
from functools import cached_property


class Node:
    """A device's folder, by its path below ``root`` ("" for this host's own, else a test's)."""

    def __init__(self, path: str, root: str = "") -> None:
        self.path = path
        self.root = root

    @property
    def name(self) -> str:
        """What the kernel calls it."""
        return os.path.basename(self.path).replace("!", "/")

    def attribute(self, name: str) -> str | None:
        """The text of a file in the folder, without blanks around it; None where there is none."""
        return _text(f"{self.root}{self.path}/{name}")

    def bytes(self, name: str) -> bytes:
        try:
            with open(f"{self.root}{self.path}/{name}", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def size(self, name: str) -> int:
        """How many bytes a file has, whoever may read them; 0 where there is none."""
        try:
            return os.stat(f"{self.root}{self.path}/{name}").st_size
        except OSError:
            return 0

    def target(self, name: str) -> str | None:
        """The path that a link in the folder leads to; None where there is none."""
        link = f"{self.root}{self.path}/{name}"
        if not os.path.islink(link):
            return None
        return os.path.realpath(link).removeprefix(os.path.realpath(self.root or "/").rstrip("/"))

    def target_name(self, name: str) -> str | None:
        """The last part of where a link leads to."""
        found = self.target(name)
        return None if found is None else os.path.basename(found)

    def entries(self, name: str = "") -> list[str]:
        """The names in the folder, or in one inside, sorted."""
        try:
            return sorted(os.listdir(f"{self.root}{self.path}/{name}"))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        return os.path.exists(f"{self.root}{self.path}/{name}")

    @cached_property
    def properties(self) -> dict[str, str]:
        """The kernel's, and those of udev."""
        text = self.attribute("uevent") or ""
        found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        for line in self._udev:
            if line.startswith("E:") and "=" in line:
                name, _, value = line[2:].partition("=")
                found[name] = value
        return found

    @cached_property
    def _udev(self) -> list[str]:
        return (_text(f"{self.root}/run/udev/data/{self._udev_name}") or "").splitlines()

    @property
    def _udev_name(self) -> str:
        text = self.attribute("uevent") or ""
        found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if "MAJOR" in found:
            letter = "b" if self.subsystem == "block" else "c"
            return f"{letter}{found['MAJOR']}:{found['MINOR']}"
        if "IFINDEX" in found:
            return f"n{found['IFINDEX']}"
        return f"+{self.subsystem}:{self.name}"

    @cached_property
    def subsystem(self) -> str:
        return self.target_name("subsystem") or ""

    @property
    def driver(self) -> str | None:
        return self.properties.get("DRIVER")

    @property
    def special_file(self) -> str | None:
        """Its file in /dev."""
        name = self.properties.get("DEVNAME")
        return None if name is None else f"/dev/{name.removeprefix('/dev/')}"

    @property
    def links(self) -> list[str]:
        """Other names of that file, which udev makes."""
        return [f"/dev/{line[2:]}" for line in self._udev if line.startswith("S:")]


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None
