"""Drives a domain by libvirt-python and says as JSON what it saw; run by Debian's own python3.

Arguments: the URI, the domain's XML, the network's XML.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt
import libvirt_lxc

libvirt.registerErrorHandler(lambda _context, _error: None, None)
uri, domain_xml, network_xml = sys.argv[1:]
seen: dict[str, Any] = {"events": []}


def loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def hear(_connection: Any, dom: Any, *rest: Any) -> None:
    *details, name = rest
    seen["events"].append([name, dom.name(), *details])


libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
connection = libvirt.open(uri)
connection.setKeepAlive(5, 3)
connection.registerCloseCallback(lambda *_: None, None)
for number, name in (
    (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, "lifecycle"),
    (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, "reboot"),
    (libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, "metadata"),
    (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "device"),
):
    connection.domainEventRegisterAny(None, number, hear, name)

seen["type"] = connection.getType()
seen["version"] = connection.getLibVersion()
seen["alive"] = [connection.isAlive(), connection.isSecure()]
seen["nodes"] = len(connection.getInfo())
seen["cpus"] = connection.getCPUMap()[0]
seen["memory"] = connection.getMemoryStats(-1)["total"] > 0
seen["cpu"] = sorted(connection.getCPUStats(-1))
seen["capabilities"] = "<os_type>exe</os_type>" in connection.getCapabilities()

dom = connection.defineXML(domain_xml)
seen["defined"] = connection.listDefinedDomains()
dom.setAutostart(1)
seen["autostart"] = dom.autostart()
dom.setAutostart(0)
dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<a>1</a>", "k", "urn:x")
seen["metadata"] = dom.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:x")
dom.create()
seen["state"] = dom.state()
seen["id is a process"] = os.path.exists(f"/proc/{dom.ID()}")
seen["by id"] = connection.lookupByID(dom.ID()).name()
seen["by uuid"] = connection.lookupByUUIDString(dom.UUIDString()).name()
seen["active"] = [dom.isActive(), dom.isPersistent(), dom.isUpdated()]
seen["info"] = dom.info()[:2]
seen["cpu stats"] = sorted(dom.getCPUStats(True)[0])
seen["memory stats"] = dom.memoryStats()["actual"]
dom.setMemoryParameters({"hard_limit": 49152}, libvirt.VIR_DOMAIN_AFFECT_LIVE)
seen["hard limit"] = dom.memoryParameters()["hard_limit"]
dom.setSchedulerParametersFlags({"cpu_shares": 2048}, libvirt.VIR_DOMAIN_AFFECT_LIVE)
seen["shares"] = dom.schedulerParameters()["cpu_shares"]
seen["bulk"] = [one[0].name() for one in connection.getAllDomainStats()]
fds = libvirt_lxc.lxcOpenNamespace(dom, 0)
seen["namespaces"] = [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in fds]

stream = connection.newStream(0)
dom.openConsole(None, stream, 0)
stream.send(b"\recho $((20+22))\r")
found = b""
end = time.monotonic() + 10
while b"42" not in found and time.monotonic() < end:
    found += stream.recv(1024)
seen["console"] = b"42" in found
stream.finish()

dom.suspend()
seen["paused"] = dom.state()[0]
dom.resume()
dom.destroy()
seen["destroyed"] = dom.state()
dom.undefine()


def refused(call: Callable[..., Any], *arguments: Any) -> list[int]:
    try:
        call(*arguments)
    except libvirt.libvirtError as error:
        return [error.get_error_code(), error.get_error_domain()]
    return []


seen["refused"] = {
    "no domain": refused(connection.lookupByName, "nobody"),
    "no support": refused(connection.nwfilterDefineXML, "<filter/>"),
    "bad xml": refused(connection.defineXML, "<domain"),
    "no network": refused(connection.networkLookupByName, "nothing"),
}
net = connection.networkDefineXML(network_xml)
seen["network"] = [net.name(), net.isActive(), net.isPersistent(), net.bridgeName()]
seen["networks"] = sorted(one.name() for one in connection.listAllNetworks())
net.undefine()
time.sleep(0.5)
connection.close()
print(json.dumps(seen))
