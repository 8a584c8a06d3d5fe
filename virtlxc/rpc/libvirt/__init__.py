"""A connection through libvirt's own library: to any hypervisor, here or elsewhere.

It answers the same calls as the wire does, by the names and with the fields of the tables, so that
every command works with it. Which function of the library makes which call is a table, too.
"""

from __future__ import annotations

from virtlxc.rpc.libvirt.connection import Connection

__all__ = ["Connection"]
