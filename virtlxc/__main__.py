"""``python -m virtlxc``: the command."""

from __future__ import annotations

import sys

from virtlxc.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
