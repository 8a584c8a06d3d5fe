"""Whether an overlay can be laid over the host's root: tried by a process of its own."""

from __future__ import annotations

import subprocess
import sys

# In mount namespaces of its own, which end with it: a layer must be attached somewhere. The second
# one is empty. 0x44000 is MS_REC | MS_PRIVATE, 1 is MS_RDONLY.
_LAYER = """
import ctypes, sys
libc = ctypes.CDLL(None)
sys.exit(
    libc.unshare(0x20000)
    or libc.mount(b"none", b"/", None, 0x44000, None)
    or libc.mount(b"tmpfs", b"/dev", b"tmpfs", 0, b"size=4k")
    or libc.mount(b"overlay", b"/proc/sys", b"overlay", 1, b"lowerdir=/:/dev")
)
"""


def over_root() -> bool:
    """Root's to ask."""
    tried = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAYER],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return tried.returncode == 0
