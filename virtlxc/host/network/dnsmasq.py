"""dnsmasq's configuration files as text, and its leases file read back. Pure.

What the network's XML says is written as dnsmasq(8)'s options. The process is started and stopped
in :mod:`virtlxc.host.network.process`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from virtlxc.model.network import DhcpHost, DnsSrv, Lease, Network, NetworkIp

MOST_LEASES = 1 << 20
UNITS = {"seconds": "s", "minutes": "m", "hours": "h"}


class Files(NamedTuple):
    """Where one network's files are: configuration, DHCP hosts, DNS hosts, leases, pid."""

    conf: str
    dhcp_hosts: str
    dns_hosts: str
    leases: str
    pid: str


class LeaseRow(NamedTuple):
    """One line of the leases file; ``expiry`` in seconds since the epoch, 0 for ever."""

    expiry: int
    mac: str | None
    iaid: str | None
    address: str
    hostname: str | None
    client_id: str | None


def needs_dnsmasq(network: Network) -> bool:
    """Whether the network has anything for it to serve."""
    wants_dns = network.dns.enable is not False
    wants_dhcp = any(ip.dhcp for ip in network.ips) or bool(_ra_only(network))
    return network.own_bridge and bool(network.ips) and (wants_dns or wants_dhcp)


def config(network: Network, files: Files, user: str) -> str:
    """The text of the configuration file; ``user`` is who the process becomes."""
    lines = [
        f"# Written by virtlxc for the network '{network.name}'; edit that instead:",
        f"#   virtlxc net-edit {network.name}",
        f"user={user}",
        f"pid-file={files.pid}",
        "strict-order",
        "except-interface=lo",
        "bind-dynamic",
        f"interface={network.bridge.name}",
    ]
    lines += _dns_lines(network, files)
    lines += _dhcp_lines(network, files)
    if network.mode == "none":
        # No default route (option 3) and no resolver of the host's: an isolated network leads
        # nowhere, not even by names.
        lines += ["dhcp-option=3", "no-resolv", "ra-param=*,0,0"]
    if network.mtu:
        lines.append(f"dhcp-option=option:mtu,{network.mtu}")
    lines += [option.value for option in network.dnsmasq_options]
    return "\n".join(lines) + "\n"


def _dns_lines(network: Network, files: Files) -> Iterator[str]:
    dns = network.dns
    if dns.enable is False:
        yield "port=0"
        return
    for one in dns.forwarders:
        yield f"server={f'/{one.domain}/' if one.domain else ''}{one.addr or '#'}"
    if any(one.addr and not one.domain for one in dns.forwarders):
        yield "no-resolv"
    if network.domain:
        if network.domain.local_only:
            yield f"local=/{network.domain.name}/"
        yield f"domain={network.domain.name}"
        yield "expand-hosts"
    if dns.forward_plain_names is False:
        yield "domain-needed"
        yield "local=//"
    for txt in dns.txts:
        yield f"txt-record={txt.name},{txt.value}"
    for srv in dns.srvs:
        yield _srv_line(srv)
    for ip in network.ips:
        if ip.local_ptr:
            yield from (f"local=/{zone}/" for zone in reverse_zones(ip))
    yield f"addn-hosts={files.dns_hosts}"


def reverse_zones(ip: NetworkIp) -> list[str]:
    """The names below which the addresses of the subnet are looked up backwards."""
    subnet = ip.interface.network
    step = 8 if subnet.version == 4 else 4
    # A reverse zone ends at a whole label; a length between two labels needs several zones.
    length = -(-subnet.prefixlen // step) * step
    dropped = (subnet.max_prefixlen - length) // step
    return [
        part.network_address.reverse_pointer.split(".", dropped)[-1]
        for part in subnet.subnets(new_prefix=length)
    ]


def _srv_line(srv: DnsSrv) -> str:
    name = f"_{srv.service}._{srv.protocol}" + (f".{srv.domain}" if srv.domain else "")
    fields = [name]
    if srv.target and srv.target != ".":
        fields.append(srv.target)
        numbers = [srv.port or 0, srv.priority or 0, srv.weight or 0]
        if any(numbers):
            # The place says which number it is: those before a given one must be written too.
            used = max(i for i, number in enumerate(numbers) if number) + 1
            numbers[0] = numbers[0] or 1
            fields += [str(number) for number in numbers[:used]]
    return "srv-host=" + ",".join(fields)


def _dhcp_lines(network: Network, files: Files) -> Iterator[str]:
    serving = [ip for ip in network.ips if ip.dhcp]
    for ip in serving:
        yield from _ip_lines(ip)
    if serving:
        yield "dhcp-authoritative"
        # Every new guest would wait three seconds for the answer to a ping that has none.
        yield "no-ping"
        # As many as there can be: a number that hosts added later do not change.
        most = sum(min(ip.interface.network.num_addresses, MOST_LEASES) for ip in serving)
        yield f"dhcp-lease-max={most}"
        yield f"dhcp-leasefile={files.leases}"
        yield f"dhcp-hostsfile={files.dhcp_hosts}"
    if any(ip.interface.version == 6 for ip in serving):
        yield "enable-ra"
    for ip in network.ips:
        if ip.tftp_root:
            yield "enable-tftp"
            yield f"tftp-root={ip.tftp_root}"
        if ip.bootp_file:
            server = f",,{ip.bootp_server}" if ip.bootp_server else ""
            yield f"dhcp-boot={ip.bootp_file}{server}"
    yield from _ra_only(network)


def _ra_only(network: Network) -> list[str]:
    """IPv6 subnets without DHCP are announced, so that guests make their addresses themselves."""
    six = [ip for ip in network.ips if ip.interface.version == 6]
    if any(ip.dhcp for ip in six):
        return []
    return [f"dhcp-range={ip.address},ra-only" for ip in six]


def _ip_lines(ip: NetworkIp) -> Iterator[str]:
    length: str = str(ip.interface.netmask) if ip.interface.version == 4 else str(ip.length)
    for pool in ip.ranges:
        yield f"dhcp-range={pool.start},{pool.end},{length}{_lease(pool.lease)}"
    if ip.hosts and not ip.ranges:
        yield f"dhcp-range={ip.interface.network.network_address},static"
    if ip.interface.version == 4:
        # Some clients do not understand options that are put into the file and server name fields.
        yield "dhcp-no-override"


def _lease(lease: Lease | None) -> str:
    if lease is None:
        return ""
    return ",infinite" if lease.expiry == 0 else f",{lease.expiry}{UNITS[lease.unit or 'minutes']}"


def dhcp_hosts(network: Network) -> str:
    """The text of the file of fixed addresses; read again by dnsmasq at SIGHUP."""
    return "".join(f"{_host_line(host)}\n" for ip in network.ips for host in ip.hosts)


def _host_line(host: DhcpHost) -> str:
    fields: list[str] = []
    if host.id:
        fields.append(f"id:{host.id}")
    elif host.mac:
        fields.append(host.mac)
    if host.ip:
        fields.append(f"[{host.ip}]" if ":" in host.ip else host.ip)
    if host.name:
        fields.append(host.name)
    return ",".join(fields) + _lease(host.lease)


def dns_hosts(network: Network) -> str:
    """The text of the file of names, in the form of hosts(5); read again at SIGHUP."""
    return "".join(f"{host.ip}\t{chr(9).join(host.names)}\n" for host in network.dns.hosts)


def parse_leases(text: str) -> list[LeaseRow]:
    """The rows of a leases file (IPv4 and, after a ``duid`` line, IPv6); broken lines left out.

    dnsmasq writes the file in place, so a reader can meet a half-written last line.
    """
    rows: list[LeaseRow] = []
    six = False
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["duid"]:
            six = True
        elif len(fields) == 5 and fields[0].isdigit() and _is_address(fields[2]):
            expiry, hardware, address, name, client = fields
            mac = None if six else hardware.rsplit("-", 1)[-1].lower()
            iaid = hardware.lstrip("T") if six else None
            rows.append(LeaseRow(int(expiry), mac, iaid, address, _star(name), _star(client)))
    return rows


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _star(text: str) -> str | None:
    return None if text == "*" else text


def mac_of_duid(duid: str) -> str | None:
    """The MAC inside a DHCPv6 client's DUID, for the kinds that have one (RFC 8415, 11.2, 11.4)."""
    parts = duid.lower().split(":")
    start = {"00:01:00:01": 8, "00:03:00:01": 4}.get(":".join(parts[:4]))
    return ":".join(parts[start:]) if start and len(parts) == start + 6 else None


def current(rows: Iterable[LeaseRow], now: int) -> list[LeaseRow]:
    """The rows that have not run out at ``now`` (seconds since the epoch)."""
    return [row for row in rows if row.expiry == 0 or row.expiry > now]
