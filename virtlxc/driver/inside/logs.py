"""The log of a domain: what its controller and its consoles wrote, bounded and rotated."""

from __future__ import annotations

import os

from virtlxc.driver import files
from virtlxc.driver.core import Core
from virtlxc.driver.ref import Ref


def read(core: Core, ref: Ref, offset: int, size: int) -> tuple[bytes, int]:
    """(bytes from ``offset`` on, the offset after them); a negative one counts from the end.

    An offset beyond the end belongs to a log that was rotated since: reading begins anew.
    """
    path = core.paths.domain_log(core.view(ref).name)
    try:
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            start = max(0, length + offset) if offset < 0 else offset
            if start > length:
                start = 0
            file.seek(start)
            data = file.read(size)
            return data, start + len(data)
    except FileNotFoundError:
        return b"", 0
    except OSError as error:
        raise files.refused("read", path, error) from None
