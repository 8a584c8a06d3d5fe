"""``python -I -S virtlxc/runtime/__main__.py spawner FD``: how the daemon starts the spawner.

The isolated interpreter (-I) does not look beside the script, so the package's own parent folder is
put first here; without site (-S) no third-party code can be loaded.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> int:
    if len(argv) != 3 or argv[1] != "spawner" or not argv[2].isdigit():
        sys.stderr.write("usage: __main__.py spawner FD\n")
        return 2
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.dirname(os.path.dirname(here)))
    from virtlxc.runtime import spawner

    del sys.path[0]
    spawner.main(int(argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
