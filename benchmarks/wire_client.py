"""Times calls through libvirt-python; run by Debian's own python3.

Arguments: the URI, how many domains to define, how often each call is made. Prints JSON: work ->
seconds of each time. The domains are removed at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import libvirt

uri, count, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
XML = """<domain type='lxc'><name>bench{0}</name><memory>65536</memory>
<os><type>exe</type><init>/sbin/init</init></os>
<devices><filesystem type='mount'><source dir='/srv/none'/><target dir='/'/></filesystem>
<console type='pty'/></devices></domain>"""


def timed(call: Callable[[], Any], often: int) -> list[float]:
    for _ in range(min(often, 20)):
        call()
    found = []
    for _ in range(often):
        start = perf_counter()
        call()
        found.append(perf_counter() - start)
    return found


def states_one_by_one() -> list[Any]:
    return [one.state() for one in connection.listAllDomains()]


def states_at_once() -> Any:
    return connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)


connection = libvirt.open(uri)
domains = [connection.defineXML(XML.format(number)) for number in range(count)]
one = domains[0]
found = {
    "hostname": timed(connection.getHostname, times),
    "state": timed(one.state, times),
    "info": timed(one.info, times),
    "list": timed(connection.listAllDomains, max(times // 20, 5)),
    "list-and-states": timed(states_one_by_one, max(times // 200, 3)),
}
try:
    found["bulk"] = timed(states_at_once, max(times // 50, 5))
except libvirt.libvirtError:
    found["bulk"] = []  # libvirt's LXC driver has no such call
for domain in domains:
    domain.undefine()
connection.close()
print(json.dumps(found))
