"""libvirt's program for containers alone."""

from __future__ import annotations

ROWS = ((1, "DOMAIN_OPEN_NAMESPACE", "dom: domain, flags: uint", "", "fds"),)
