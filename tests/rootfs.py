"""Root file systems for containers of tests: a static busybox and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

BUSYBOX_PLACES = ("/bin/busybox", "/usr/bin/busybox", "/usr/bin/busybox.static")

INITTAB = """\
::sysinit:/etc/rc
console::askfirst:-/bin/sh
::ctrlaltdel:/sbin/reboot
"""

RC = """\
#!/bin/sh
echo "up as $(hostname)"
"""


def find_busybox() -> Path:
    """The host's static busybox; LookupError when there is none."""
    for place in BUSYBOX_PLACES:
        path = Path(place)
        if path.is_file() and b"INTERP" not in _program_headers(path):
            return path.resolve()
    raise LookupError("no static busybox on this host (Debian: busybox-static)")


def _program_headers(path: Path) -> bytes:
    """``b"INTERP"`` when the file asks for a dynamic loader, else nothing."""
    data = path.read_bytes()
    return b"INTERP" if b"/ld-linux" in data[:4096] else b""


def make_busybox(root: Path, *, owner: int = 0) -> Path:
    """Fill the new folder ``root``; every file belongs to uid and gid ``owner``.

    Its init is busybox's; ``/etc/rc`` runs at boot and ``/bin/sh`` waits on the console.
    """
    for folder in ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "root", "var", "sbin", "usr"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(find_busybox(), root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    applets = subprocess.run(
        [root / "bin/busybox", "--list"], capture_output=True, text=True, check=True
    )
    for applet in applets.stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "usr/bin").symlink_to("../bin")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\ntty:x:5:\n")
    (root / "etc/inittab").write_text(INITTAB)
    script(root, "/etc/rc", RC)
    if owner:
        give_to(root, owner)
    return root


def script(root: Path, path: str, text: str) -> None:
    """Put an executable file into a root file system; its owner is the owner of ``root``."""
    file = root / path.lstrip("/")
    file.write_text(text)
    file.chmod(0o755)
    status = root.stat()
    os.chown(file, status.st_uid, status.st_gid)


def give_to(root: Path, owner: int) -> None:
    """Change owner and group of everything below and including ``root``; links are not followed."""
    os.chown(root, owner, owner)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            os.lchown(os.path.join(folder, name), owner, owner)
