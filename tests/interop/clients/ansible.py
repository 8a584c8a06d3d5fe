"""What Ansible's modules virt, virt_net and virt_pool ask of libvirt, in their order.

Arguments: the URI, a domain's XML, a network's, a pool's. Prints what was learnt as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import libvirt

uri, domain_xml, network_xml, pool_xml = sys.argv[1:]
facts: dict[str, Any] = {}
conn = libvirt.open(uri)


def find(name: str) -> Any:
    """A domain by name, the way the module looks: through the lists."""
    found = [conn.lookupByID(number) for number in conn.listDomainsID()]
    found += [conn.lookupByName(each) for each in conn.listDefinedDomains()]
    return next((one for one in found if one.name() == name), None)


facts["type"] = conn.getType()
facts["node"] = len(conn.getInfo())
facts["free"] = conn.getFreeMemory() > 0
name = conn.defineXML(domain_xml).name()
facts["defined"] = find(name) is not None
find(name).setAutostart(1)
find(name).create()
facts["running"] = find(name).info()[0]
facts["vcpus"] = find(name).maxVcpus()
facts["memory"] = find(name).maxMemory()
facts["autostart"] = find(name).autostart()
find(name).suspend()
facts["paused"] = find(name).info()[0]
find(name).resume()
find(name).destroy()
facts["off"] = find(name).info()[0]
facts["xml"] = f"<name>{name}</name>" in find(name).XMLDesc(0)
find(name).undefineFlags(23)  # as its "flags" asks: saves, snapshots, NVRAM, checkpoints
facts["gone"] = find(name) is None

network = conn.networkDefineXML(network_xml)
facts["networks"] = sorted(conn.listNetworks() + conn.listDefinedNetworks())
network.create()
facts["bridge"] = network.bridgeName()
facts["active"] = [network.isActive(), network.isPersistent()]
network.update(
    libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1,
    "<host mac='52:54:00:00:00:09' ip='10.88.9.9'/>", libvirt.VIR_NETWORK_UPDATE_AFFECT_CURRENT,
)  # fmt: skip
facts["host"] = "10.88.9.9" in network.XMLDesc(0)
network.destroy()
network.undefine()

pool = conn.storagePoolDefineXML(pool_xml, 0)
pool.build(0)
pool.create(0)
pool.refresh(0)
facts["pools"] = conn.listStoragePools()
facts["pool"] = pool.info()[0]
pool.destroy()
pool.undefine()
print(json.dumps(facts))
