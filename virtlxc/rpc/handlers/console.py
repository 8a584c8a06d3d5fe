"""What opens something inside of a domain for a client."""

from __future__ import annotations

import socket

from virtlxc.driver.ref import Ref
from virtlxc.rpc.registry import Call, handles
from virtlxc.rpc.tables import LXC


@handles("DOMAIN_OPEN_CONSOLE")
def domain_open_console(call: Call, dom: Ref, dev_name: str | None, flags: int) -> socket.socket:
    return call.driver.domains.open_console(dom, dev_name, flags)


@handles("DOMAIN_OPEN_NAMESPACE", program=LXC)
def domain_open_namespace(call: Call, dom: Ref, flags: int) -> None:
    call.out_fds = call.driver.domains.open_namespaces(dom, flags)
