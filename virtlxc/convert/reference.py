"""docs/conversion.md, its table from the keys: ``python -m virtlxc.convert.reference``."""

from __future__ import annotations

import sys
from html import escape

from virtlxc.convert.lxc.keys import KEYS, Row

HEAD = """# Conversion

Made from the table of keys: do not edit (`python -m virtlxc.convert.reference`).

    virtlxc domxml-from-native lxc-tools /var/lib/lxc/web/config > web.xml
    virtlxc domxml-from-native oci BUNDLE > web.xml
    virtlxc domxml-to-native lxc-tools --xml web.xml > config

None of these needs root or a daemon. The XML goes to standard output, and one warning for each line
that has no counterpart to standard error, with its file and line: a conversion is complete when
there is none, and a reader of the rest knows what to do by hand. `(less protection)` marks what
confined the container and no longer will. What LXC itself would refuse is an error.

- **Read as LXC reads**: the last line of a key counts, those that add up add up (below: repeats),
  an empty value takes back what stood before it, included files stand where they are included. A
  relative path is looked up beside the file that names it.
- **Ids**: `lxc.idmap = u 0 100000 65536` is container, host, count. libvirt's own converter takes
  the first two the other way round; definitions that it made have to be turned.
- **No limit of memory**: XML must have a `<memory>`. It shows 1 GiB then, and `<hard_limit>` says
  that there is no limit.
- **Capabilities**: LXC keeps what it is not told to drop: `policy='allow'`. `lxc.cap.keep` is
  `policy='deny'`.
- **No network line** is a network of its own with the loopback alone, as in LXC; type `none` is
  the host's.
- **libvirt's clients** (`virsh domxml-from-native lxc-tools FILE`) get the same document, with
  the warnings in a comment before it. The daemon reads no file for them: an include is a warning.
- **The other way**, what LXC has no key for is a warning too. Networks are one of these: LXC knows
  bridges only.

## Keys of LXC

"""


def markdown() -> str:
    """The whole page."""
    mapped = [row for row in KEYS if not row.lost]
    lost = [row for row in KEYS if row.lost]
    return "".join(
        (
            HEAD,
            "| key, and older names | becomes | |\n|---|---|---|\n",
            *(
                _line(
                    row, f"{escape(row.becomes, quote=False)} | {'repeats' if row.repeats else ''}"
                )
                for row in mapped
            ),
            "\n## Keys without counterpart\n\n",
            "A value that asks for what is so anyway gives no warning.\n\n",
            "| key, and older names | why |\n|---|---|\n",
            *(_line(row, row.becomes) for row in lost),
        )
    )


def _line(row: Row, rest: str) -> str:
    return f"| {', '.join(f'`{name}`' for name in row.names)} | {rest} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
