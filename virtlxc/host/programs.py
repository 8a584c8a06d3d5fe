"""Outside programs that virtlxc can use: where they are, and which package brings a missing one."""

from __future__ import annotations

import os
import shutil

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.packages import (
    INSTALL,
    MANAGERS,
    OVS_VSCTL,
    PACKAGES,
    STORAGE_DAEMON,
    how_to_install,
)

__all__ = (
    "INSTALL", "MANAGERS", "OVS_VSCTL", "PACKAGES", "STORAGE_DAEMON", "find", "how_to_install",
    "require",
)  # fmt: skip

# Administrators' programs stand in folders that a plain user's or a service's PATH may lack.
EXTRA_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

def find(name: str, path: str | None = None) -> str | None:
    """The program's full path, looked for in ``path`` (default: PATH and the sbin folders)."""
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *EXTRA_FOLDERS))
    return shutil.which(name, path=path)


def require(name: str, doing: str, path: str | None = None) -> str:
    """The program's full path.

    Raises VirtlxcError that starts with ``doing`` ("cannot start network 'default': serve DHCP")
    and names the package for every package manager.
    """
    found = find(name, path)
    if found is None:
        raise VirtlxcError(
            f"{doing}: there is no program '{name}' ({how_to_install(name)})",
            Code.OPERATION_UNSUPPORTED,
        )
    return found
