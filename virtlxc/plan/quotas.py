"""What a folder of the host's may hold, as long as the container runs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from virtlxc.model import Filesystem
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step, Undo


def limited(scene: Scene) -> Iterator[Filesystem]:
    """The folders with a space limit."""
    for filesystem in scene.domain.filesystems:
        asked = filesystem.space_hard_limit_bytes, filesystem.space_soft_limit_bytes
        if filesystem.type == "mount" and any(asked):
            yield filesystem


def limit(scene: Scene) -> Iterator[Step]:
    for filesystem in limited(scene):
        path = filesystem.source or ""
        if scene.start.source(path).kind != "dir":
            continue
        hard, soft = (
            _kib(filesystem.space_hard_limit_bytes),
            _kib(filesystem.space_soft_limit_bytes),
        )
        told = [f"{name} {size} KiB" for name, size in (("hard", hard), ("soft", soft)) if size]
        project = project_of(path)
        yield Step(
            name=f"limit the space of {path}",
            side="controller",
            op="quota",
            args={"path": path, "project": project, "hard": hard, "soft": soft},
            text=", ".join(told),
            undo=Undo(op="quota-lift", args={"path": path, "project": project}),
        )


def project_of(path: str) -> int:
    """The project of a folder: always the same, and not among the small numbers that people take.

    Two folders of one number would share a limit: the odds are one to two thousand millions.
    """
    return 1 << 31 | zlib.crc32(path.encode())


def _kib(limit: int | None) -> int:
    return max((limit or 0) // 1024, 1) if limit else 0
