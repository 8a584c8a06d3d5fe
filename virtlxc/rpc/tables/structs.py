"""The records inside messages: name -> fields, as libvirt's remote_protocol.x lays them out.

See :mod:`virtlxc.rpc.codec` for the notation. A record's value is a tuple of its fields' values.
"""

from __future__ import annotations

STRUCTS = {
    # References: what a client holds of an object.
    "domain": "name: string, uuid: uuid, id: int",
    "network": "name: string, uuid: uuid",
    "network_port": "net: network, uuid: uuid",
    "nwfilter": "name: string, uuid: uuid",
    "nwfilter_binding": "portdev: string, filtername: string",
    "interface": "name: string, mac: string",
    "storage_pool": "name: string, uuid: uuid",
    "storage_vol": "pool: string, name: string, key: string",
    "node_device": "name: string",
    "secret": "uuid: uuid, usageType: int, usageID: string",
    "checkpoint": "name: string, dom: domain",
    "snapshot": "name: string, dom: domain",
    # Parts of results.
    "vcpu_info": "number: uint, state: int, cpu_time: uhyper, cpu: int",
    "node_stat": "field: string, value: uhyper",
    "disk_error": "disk: string, error: int",
    "memory_stat": "tag: int, val: uhyper",
    "iothread_info": "iothread_id: uint, cpumap: opaque<2048>",
    "security_label": "label: chars<4097>, enforcing: int",
    "dhcp_lease": (
        "iface: string, expirytime: hyper, type: int, mac: string?, iaid: string?, "
        "ipaddr: string, prefix: uint, hostname: string?, clientid: string?"
    ),
    "stats_record": "dom: domain, params: param<262144>",
    "fsinfo": "mountpoint: string, name: string, fstype: string, dev_aliases: string<256>",
    "ip_addr": "type: int, addr: string, prefix: uint",
    "interface_addrs": "name: string, hwaddr: string?, addrs: ip_addr<2048>",
    "graphics_address": "family: int, node: string, service: string",
    "graphics_identity": "type: string, name: string",
    # What legacy events carry, and modern ones after the number of their callback.
    "lifecycle": "dom: domain, event: int, detail: int",
    # Our own program's.
    "outcome": "name: string, digest: string, error: string, warnings: string<64>",
    "kept_definition": "dom: domain, xml: string, digest: string, autostart: int, active: int",
    "host_fact": "name: string, status: string, text: string, mend: string",
}
