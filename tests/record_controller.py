"""Records the daemon of today, so that the daemons of tomorrow are tried on its controllers.

``python -m tests.record_controller NAME`` writes tests/data/controllers/NAME.tar.xz from the commit
that is checked out: the package without command and schemas, which a daemon does not import. To be
run before the controllers' protocol, their live state or the plan changes; records are never
written anew.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / "tests/data/controllers"
LEFT_OUT = ("virtlxc/cli/", "virtlxc/schemas/", "virtlxc/schema/")


def record(name: str) -> Path:
    """Write the archive of HEAD; FileExistsError if there is one of this name."""
    listing = ["git", "ls-tree", "-r", "--name-only", "HEAD", "virtlxc"]
    paths = subprocess.run(listing, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    target = FOLDER / f"{name}.tar.xz"
    target.parent.mkdir(exist_ok=True)
    with (
        target.open("xb") as file,
        lzma.open(file, "wb", preset=9 | lzma.PRESET_EXTREME) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in paths.split():
            if not path.startswith(LEFT_OUT):
                _add(archive, path)
    return target


def _add(archive: tarfile.TarFile, path: str) -> None:
    show = ["git", "show", f"HEAD:{path}"]
    data = subprocess.run(show, cwd=CHECKOUT, check=True, capture_output=True).stdout
    entry = tarfile.TarInfo(path)
    entry.size = len(data)
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(data))


def unpack(record: Path, folder: Path) -> None:
    """Lay a recorded package out below ``folder``."""
    with tarfile.open(record) as archive:
        archive.extractall(folder, filter="data")


if __name__ == "__main__":
    print(record(sys.argv[1]))
