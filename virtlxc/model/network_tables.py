"""Where each field of a network stands in ``<network>``: one row a field.

Source: libvirt's network XML format; the order of the rows is libvirt's own.
"""

from __future__ import annotations

from virtlxc.model import network as model
from virtlxc.model.bandwidth import BANDWIDTH
from virtlxc.model.port import VIRTUALPORT, VLAN
from virtlxc.xmlmap import KEPT, REFUSED, Keep, Object, Repeat, Table, Value, types

FORWARD_MODES = types.choice("none", *model.MODES)
PORT = types.integer(1, 65535)
DNSMASQ_NAMESPACE = "http://libvirt.org/schemas/network/dnsmasq/1.0"

LEASE = Table(
    "lease",
    model.Lease,
    (
        Value(path="@expiry", field="expiry", type=types.UINT),
        Value(
            path="@unit",
            field="unit",
            type=types.choice("seconds", "minutes", "hours"),
            always=True,
        ),
    ),
)
RANGE = Table(
    "range",
    model.DhcpRange,
    (
        Value(path="@start", field="start", type=types.IP),
        Value(path="@end", field="end", type=types.IP),
        Object(path="lease", field="lease", table=LEASE),
    ),
)
HOST = Table(
    "host",
    model.DhcpHost,
    (
        Value(path="@mac", field="mac", type=types.MAC),
        Value(path="@id", field="id"),
        Value(path="@name", field="name", type=types.NOT_EMPTY),
        Value(path="@ip", field="ip", type=types.IP),
        Object(path="lease", field="lease", table=LEASE),
    ),
)
IP = Table(
    "ip",
    model.NetworkIp,
    (
        Value(path="@family", field="family", type=types.choice("ipv4", "ipv6")),
        Value(path="@address", field="address", type=types.IP),
        Value(path="@netmask", field="netmask", type=types.IP),
        Value(path="@prefix", field="prefix", type=types.integer(0, 128)),
        Value(path="@localPtr", field="local_ptr", type=types.YES_NO),
        Value(path="tftp/@root", field="tftp_root"),
        Repeat(path="dhcp/range", field="ranges", table=RANGE),
        Repeat(path="dhcp/host", field="hosts", table=HOST),
        Value(path="dhcp/bootp/@file", field="bootp_file"),
        Value(path="dhcp/bootp/@server", field="bootp_server"),
    ),
    paired=True,
)
NAT = Table(
    "nat",
    model.Nat,
    (
        Value(path="@ipv6", field="ipv6", type=types.YES_NO),
        Value(path="address/@start", field="address_start", type=types.IP),
        Value(path="address/@end", field="address_end", type=types.IP),
        Value(path="port/@start", field="port_start", type=PORT),
        Value(path="port/@end", field="port_end", type=PORT),
    ),
)
FORWARD_INTERFACE = Table(
    "interface",
    model.ForwardInterface,
    (Value(path="@dev", field="dev", type=types.LINK),),
)
FORWARD = Table(
    "forward",
    model.Forward,
    (
        Value(path="@dev", field="dev", type=types.LINK),
        Value(
            path="@mode",
            field="mode",
            type=FORWARD_MODES,
            always=True,
            treatment=REFUSED,
            served=("none", "nat", "route", "open", "bridge"),
            note="'bridge' needs the name of one",
        ),
        Value(
            path="@managed",
            field="managed",
            type=types.YES_NO,
            treatment=KEPT,
            note="for hostdev networks only",
        ),
        Keep(path="driver", note="for hostdev networks only"),
        Object(path="nat", field="nat", table=NAT),
        Keep(path="pf", note="for hostdev networks only"),
        Repeat(path="interface", field="interfaces", table=FORWARD_INTERFACE),
        Keep(path="address", note="for hostdev networks only"),
    ),
)
BRIDGE = Table(
    "bridge",
    model.Bridge,
    (
        Value(path="@name", field="name", type=types.LINK),
        Value(
            path="@zone",
            field="zone",
            treatment=KEPT,
            note="firewalld is not told; net-start says when it would drop the traffic",
        ),
        Value(path="@stp", field="stp", type=types.ON_OFF, always=True),
        Value(path="@delay", field="delay", type=types.integer(0, 30), always=True),
        Value(
            path="@macTableManager",
            field="mac_table_manager",
            type=types.choice("kernel", "libvirt"),
            treatment=KEPT,
            note="the kernel always manages the table",
        ),
    ),
)
DOMAIN = Table(
    "domain",
    model.DnsDomain,
    (
        Value(path="@name", field="name", type=types.NOT_EMPTY),
        Value(path="@localOnly", field="local_only", type=types.YES_NO),
    ),
)
DNS_FORWARDER = Table(
    "forwarder",
    model.DnsForwarder,
    (
        Value(path="@domain", field="domain"),
        Value(path="@addr", field="addr", type=types.IP),
    ),
)
DNS_TXT = Table(
    "txt",
    model.DnsTxt,
    (
        Value(path="@name", field="name", type=types.NOT_EMPTY),
        Value(path="@value", field="value"),
    ),
)
DNS_SRV = Table(
    "srv",
    model.DnsSrv,
    (
        Value(path="@service", field="service", type=types.NOT_EMPTY),
        Value(path="@protocol", field="protocol", type=types.NOT_EMPTY),
        Value(path="@domain", field="domain"),
        Value(path="@target", field="target"),
        Value(path="@port", field="port", type=PORT),
        Value(path="@priority", field="priority", type=types.integer(0, 65535)),
        Value(path="@weight", field="weight", type=types.integer(0, 65535)),
    ),
)
DNS_HOST = Table(
    "host",
    model.DnsHost,
    (
        Value(path="@ip", field="ip", type=types.IP),
        Repeat(path="hostname", field="names", type=types.NOT_EMPTY),
    ),
    paired=True,
)
DNS = Table(
    "dns",
    model.Dns,
    (
        Value(path="@enable", field="enable", type=types.YES_NO),
        Value(path="@forwardPlainNames", field="forward_plain_names", type=types.YES_NO),
        Repeat(path="forwarder", field="forwarders", table=DNS_FORWARDER),
        Repeat(path="txt", field="txts", table=DNS_TXT),
        Repeat(path="srv", field="srvs", table=DNS_SRV),
        Repeat(path="host", field="hosts", table=DNS_HOST),
    ),
)
ROUTE = Table(
    "route",
    model.NetworkRoute,
    (
        Value(path="@family", field="family", type=types.choice("ipv4", "ipv6")),
        Value(path="@address", field="address", type=types.IP),
        Value(path="@netmask", field="netmask", type=types.IP),
        Value(path="@prefix", field="prefix", type=types.integer(0, 128)),
        Value(path="@gateway", field="gateway", type=types.IP),
        Value(path="@metric", field="metric", type=types.integer(1, 2**32 - 1)),
    ),
)
DNSMASQ_OPTION = Table(
    "dnsmasq:option",
    model.DnsmasqOption,
    (Value(path="@value", field="value", type=types.matching("[^\n]+", "one line")),),
    namespaces={"dnsmasq": DNSMASQ_NAMESPACE},
)
_BRIDGES = "with forward mode 'bridge'; other networks that have it do not start"
PORTGROUP = Table(
    "portgroup",
    model.PortGroup,
    (
        Value(path="@name", field="name", type=types.NOT_EMPTY),
        Value(path="@default", field="default", type=types.YES_NO),
        Keep(path="@trustGuestRxFilters", note="for macvtap devices of virtual machines"),
        Object(path="vlan", field="vlan", table=VLAN, note=_BRIDGES),
        Object(path="virtualport", field="virtualport", table=VIRTUALPORT, note=_BRIDGES),
        Object(path="bandwidth", field="bandwidth", table=BANDWIDTH),
    ),
)
NETWORK = Table(
    "network",
    model.Network,
    (
        Value(
            path="@ipv6",
            field="ipv6",
            type=types.YES_NO,
            treatment=KEPT,
            note="guests may always use IPv6 among themselves",
        ),
        Value(
            path="@trustGuestRxFilters",
            field="trust_guest_rx_filters",
            type=types.YES_NO,
            treatment=KEPT,
            note="for macvtap devices of virtual machines",
        ),
        Value(path="@connections", field="connections", live=True),
        Value(path="name", field="name", type=types.NAME),
        Value(path="uuid", field="uuid"),
        Keep(path="metadata", verbatim=True),
        Object(path="forward", field="forward", table=FORWARD),
        Object(path="bridge", field="bridge", table=BRIDGE),
        Value(path="mtu/@size", field="mtu", type=types.integer(68, 65535)),
        Value(path="mac/@address", field="mac", type=types.MAC),
        Object(path="domain", field="domain", table=DOMAIN),
        Object(path="dns", field="dns", table=DNS),
        Object(path="vlan", field="vlan", table=VLAN, note=_BRIDGES),
        Object(path="bandwidth", field="bandwidth", table=BANDWIDTH),
        Keep(path="port", treatment=REFUSED, note="ports of the network are not isolated"),
        Repeat(path="ip", field="ips", table=IP),
        Repeat(path="route", field="routes", table=ROUTE),
        Object(path="virtualport", field="virtualport", table=VIRTUALPORT, note=_BRIDGES),
        Repeat(path="portgroup", field="portgroups", table=PORTGROUP),
        Repeat(
            path="dnsmasq:options/dnsmasq:option", field="dnsmasq_options", table=DNSMASQ_OPTION
        ),
    ),
    namespaces={"dnsmasq": DNSMASQ_NAMESPACE},
)
