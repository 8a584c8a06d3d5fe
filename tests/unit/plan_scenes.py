"""Hosts, domains and facts of a start, built by hand, for the tests of plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtlxc.host.facts import (
    CgroupFacts,
    CpuFacts,
    HostFacts,
    HostRoot,
    Init,
    Network,
    Nic,
    Shared,
    Source,
    StartFacts,
)
from virtlxc.host.security import capabilities
from virtlxc.host.systemd import scope_path
from virtlxc.model import (
    Bandwidth,
    BlkioDevice,
    BlkioTune,
    Clock,
    Console,
    Container,
    CpuTune,
    Disk,
    Domain,
    Features,
    Filesystem,
    FilesystemExtra,
    Hostdev,
    IdMap,
    IdRange,
    Interface,
    Ip,
    MemTune,
    NumaTune,
    Os,
    Port,
    Rlimit,
    Route,
    Share,
    Sysctl,
    Timer,
    VirtualPort,
    Vlan,
    VlanTag,
)
from virtlxc.model.bandwidth import Rate
from virtlxc.model.disk import IoTune
from virtlxc.plan import Plan, StartOptions, plan_start
from virtlxc.plan.steps import CONTROLLER

UUID = "6d0a2c10-3b5e-4a53-9a7e-0123456789ab"
V1_MOUNTS = {
    name: f"/sys/fs/cgroup/{name}" for name in ("blkio", "cpu", "cpuset", "memory", "pids")
} | {"cpuacct": "/sys/fs/cgroup/cpu", "name=systemd": "/sys/fs/cgroup/systemd"}

_HOST = HostFacts(
    kernel="6.1.0-30-amd64",
    arch="x86_64",
    uuid="1d0a2c10-0000-4a53-9a7e-0123456789ab",
    cgroup=CgroupFacts(
        layout="v2",
        mount="/sys/fs/cgroup",
        controllers=("cpu", "cpuset", "io", "memory", "pids"),
        io_weight_files=("io.weight", "io.bfq.weight"),
        swap=True,
    ),
    cpu=CpuFacts(online="0-3", count=4, cores=4),
    memory_kib=8 << 20,
    idmapped={"ext4": True, "tmpfs": True, "zfs": False},
    capabilities=capabilities.NAMES,
    user_namespaces=10000,
)
HOSTS = {
    "v2": _HOST,
    "hybrid": replace(
        _HOST,
        cgroup=CgroupFacts(
            layout="hybrid", mount="/sys/fs/cgroup/unified", v1=V1_MOUNTS, swap=True
        ),
    ),
    "v1": replace(_HOST, cgroup=CgroupFacts(layout="v1", mount="", v1=V1_MOUNTS, swap=True)),
    # Itself a container in a user namespace.
    "contained": replace(
        _HOST,
        cgroup=replace(_HOST.cgroup, device_program=False, delegated=True),
        idmapped={"ext4": False, "tmpfs": True},
        capabilities=tuple(name for name in capabilities.NAMES if name != "mknod"),
        user_namespace=True,
        uids=((0, 1 << 18),),
        gids=((0, 1 << 18),),
        device_nodes=False,
    ),
}

ROOT = Filesystem(source="/srv/web1", target="/")
BRIDGED = Interface(type="bridge", source="br0", mac="52:54:00:aa:bb:cc")
SHIFTED = IdMap(
    uids=(IdRange(start=0, target=1000000, count=65536),),
    gids=(IdRange(start=0, target=1000000, count=65536),),
)
START = StartFacts(
    sources=(
        Source(path="/srv/web1", kind="dir", fstype="ext4"),
        Source(path="/srv/data", kind="dir", uid=1000033, gid=1000033, fstype="ext4"),
        Source(path="/etc/motd", kind="file", fstype="ext4"),
        Source(path="/srv/foreign", kind="dir", uid=70000, fstype="ext4"),
        Source(path="/zfs/web1", kind="dir", fstype="zfs"),
        Source(path="/dev/rtc0", kind="char", device=(250, 0)),
    ),
    inside={"/usr/share": "dir", "/etc/hosts": "file"},
    init=Init(path="/sbin/init", found="yes", kind="busybox"),
    bridges=("br0", "virbr0"),
    links=("br0", "virbr0", "eth0"),
    networks={
        "default": Network(active=True, bridge="virbr0"),
        "off": Network(active=False, bridge="virbr1"),
    },
    shared={
        "net": Shared(path="/run/netns/blue"),
        "ipc": Shared(path="/proc/4711/ns/ipc"),
        "uts": Shared(path="/proc/4711/ns/uts"),
    },
    host_root=HostRoot(mounts=("/usr", "/opt/tools"), covered=("/data", "/var/log", "/var/lib")),
)


def domain(**fields: Any) -> Domain:
    """web1, with a root folder, busybox as init, and a console; ``fields`` replace or add."""
    base: dict[str, Any] = {
        "name": "web1",
        "uuid": UUID,
        "memory": 65536,
        "os": Os(init="/sbin/init"),
        "filesystems": (ROOT,),
        "interfaces": (BRIDGED,),
        "consoles": (Console(),),
    }
    return Domain(**(base | fields))


def options(**fields: Any) -> StartOptions:
    return StartOptions(
        **({"run": f"/run/virtlxc/{UUID}", "log": "/var/log/virtlxc/web1.log"} | fields)
    )


def plan(
    what: Domain,
    host: str | HostFacts = "v2",
    start: StartFacts = START,
    **settings: Any,
) -> Plan:
    facts = HOSTS[host] if isinstance(host, str) else host
    return plan_start(what, facts, start, options(**settings))


FULL = domain(
    os=Os(
        init="/sbin/init",
        initargs=("--verbose",),
        initenv=(("LANG", "C"), ("TERM", "xterm")),
        initdir="/srv",
        inituser="daemon",
        initgroup="+2",
        cmdline="quiet",
        arch="i686",
    ),
    idmap=SHIFTED,
    features=Features(cap_policy="default", caps=(("mknod", "on"), ("net_raw", "off"))),
    filesystems=(
        ROOT,
        Filesystem(source="/srv/data", target="/data", readonly=True),
        Filesystem(source="/etc/motd", target="/etc/motd"),
        Filesystem(source="/srv/missing", target="/maybe"),
        Filesystem(type="bind", source="/usr/share", target="/share", readonly=True),
        Filesystem(type="bind", source="/etc/hosts", target="/etc/hosts2"),
        Filesystem(type="ram", target="/scratch", usage_kib=10240),
    ),
    interfaces=(
        BRIDGED,
        Interface(
            type="network",
            source="default",
            mac="52:54:00:aa:bb:cd",
            guest="lan0",
            target="web1lan",
            mtu=1400,
            link_state="down",
        ),
        Interface(
            type="ethernet",
            mac="52:54:00:aa:bb:ce",
            ips=(
                Ip(address="10.1.0.2", prefix=24, peer="10.1.0.1"),
                Ip(address="fd00::2", family="ipv6"),
            ),
            routes=(
                Route(address="0.0.0.0", gateway="10.1.0.1", metric=100),
                Route(address="192.168.0.0", netmask="255.255.0.0", gateway="10.1.0.1"),
            ),
            host_ips=(Ip(address="10.1.0.1"),),
            host_routes=(Route(address="10.1.0.0", prefix=24, gateway="10.1.0.2"),),
        ),
    ),
    consoles=(Console(), Console(), Console()),
    memtune=MemTune(hard_limit=131072, soft_limit=98304, swap_hard_limit=196608),
    cputune=CpuTune(shares=2048, period=50000, quota=25000),
    cpuset="0-1",
    numatune=NumaTune(mode="strict", nodeset="0"),
    clock=Clock(offset="localtime", timers=(Timer(name="rtc"), Timer(name="hpet", present=False))),
    partition="/machine/production",
    container=Container(
        pids_limit=200,
        filesystems=(
            FilesystemExtra(target="/maybe", optional=True),
            FilesystemExtra(target="/etc/motd", idmap="none", options=("noexec",)),
        ),
        rlimits=(Rlimit(name="nofile", soft="1024", hard="unlimited"),),
        sysctls=(Sysctl(name="net.ipv4.ip_forward", value="1"),),
    ),
)

ON_HOST = domain(
    filesystems=(
        Filesystem(source="/srv/data", target="/srv/app"),
        Filesystem(source="/srv/data", target="/usr/share"),
        Filesystem(type="ram", target="/run/app", usage_kib=100),
    )
)

# One of each kind of device, card and file system beside the plain ones.
DEVICES = domain(
    idmap=SHIFTED,
    disks=(
        Disk(type="block", source="/dev/sdb", target="sda", readonly=True),
        Disk(
            type="file",
            source="/srv/data.img",
            target="vdb",
            iotune=IoTune(read_bytes_sec=1 << 20, write_iops_sec=50),
        ),
        Disk(source="/srv/q.qcow2", target="vdc", driver_name="qemu", driver_format="qcow2"),
    ),
    hostdevs=(
        Hostdev(mode="capabilities", type="storage", source="/dev/sdb"),
        Hostdev(mode="capabilities", type="misc", source="/dev/net/tun"),
        Hostdev(
            mode="capabilities",
            type="net",
            source="wan0",
            ips=(Ip(address="198.51.100.10", prefix=24),),
            routes=(Route(address="0.0.0.0", gateway="198.51.100.1"),),
        ),
        Hostdev(type="usb", vendor=0x0529, product=1),
    ),
    filesystems=(
        Filesystem(type="file", source="/srv/root.img", target="/", readonly=True),
        Filesystem(type="block", source="/dev/sdc", target="/data"),
        Filesystem(source="/srv/data", target="/over"),
    ),
    interfaces=(
        replace(
            BRIDGED,
            isolated=True,
            bandwidth=Bandwidth(
                inbound=Rate(average=1000, peak=2000), outbound=Rate(average=500, burst=64)
            ),
        ),
        Interface(type="direct", source="eth1", source_mode="passthrough", mac="52:54:00:aa:bb:cd"),
        Interface(type="direct", source="eth1", source_mode="bridge", mac="52:54:00:aa:bb:ce"),
    ),
    blkiotune=BlkioTune(
        devices=(BlkioDevice(path="/dev/sdc", weight=300, read_iops_sec=9, write_bytes_sec=0),)
    ),
    container=Container(
        filesystems=(
            FilesystemExtra(target="/data", options=("noatime", "data=journal"), idmap="mount"),
            FilesystemExtra(target="/over", overlay="/srv/changes"),
        )
    ),
)
DEVICE_FACTS = replace(
    START,
    sources=(
        *START.sources,
        Source(path="/dev/sdb", kind="block", device=(8, 16)),
        Source(path="/dev/sdc", kind="block", device=(8, 32), holds="xfs", weigher="bfq"),
        Source(path="/dev/net/tun", kind="char", device=(10, 200)),
        Source(path="/dev/bus/usb/001/004", kind="char", device=(189, 3)),
        Source(path="/srv/data.img", kind="file"),
        Source(path="/srv/q.qcow2", kind="file", holds="qcow2"),
        Source(path="/srv/root.img", kind="file", holds="ext4"),
        Source(path="/srv/changes", kind="dir"),
    ),
    nics={
        "eth1": Nic(mac="02:00:00:00:00:01", mtu=1500, up=True),
        "wan0": Nic(mac="02:00:00:00:00:02", mtu=9000, up=False),
    },
    usb={"0529:0001": ("/dev/bus/usb/001/004",)},
    storage_daemon="/usr/bin/qemu-storage-daemon",
)

# Cards whose ports are in VLANs, of the kernel and of Open vSwitch.
PORTS = domain(
    interfaces=(
        replace(BRIDGED, vlan=Vlan(tags=(VlanTag(id=7),))),
        Interface(
            type="network",
            source="switched",
            portgroup="guests",
            mac="52:54:00:aa:bb:cd",
            vlan=Vlan(
                trunk=True, tags=(VlanTag(id=9), VlanTag(id=7, native_mode="tagged"), VlanTag(id=8))
            ),
        ),
        Interface(
            type="bridge",
            source="ovs0",
            mac="52:54:00:aa:bb:ce",
            virtualport=VirtualPort(type="openvswitch"),
            link_state="down",
        ),
    )
)
PORT_FACTS = replace(
    START,
    bridges=("br0", "ovs0", "virbr0"),
    links=("br0", "ovs0", "virbr0"),
    filtering={"br0": True, "virbr0": True},
    switches=("ovs0",),
    vsctl="/usr/bin/ovs-vsctl",
    networks={
        "switched": Network(
            active=True,
            bridge="ovs0",
            port=Port(virtualport=VirtualPort(type="openvswitch")),
            ports={
                "guests": Port(virtualport=VirtualPort(type="openvswitch", profile_id="guests"))
            },
        )
    },
    nics={"eth1": Nic(mac="02:00:00:00:00:01", mtu=1500, up=True)},
)

# What fits into a host that is a container with 262144 ids, where the files are shifted already.
INNER = IdMap(
    uids=(IdRange(start=0, target=65536, count=65536),),
    gids=(IdRange(start=0, target=65536, count=65536),),
)
INNER_FACTS = replace(
    START,
    sources=(
        Source(path="/srv/web1", kind="dir", uid=65536, gid=65536, fstype="ext4", idmapped=False),
    ),
)

SYSTEMD = Init(path="/sbin/init", found="yes", kind="systemd", systemd=252)
OLD_SYSTEMD = replace(SYSTEMD, systemd=219)

# The golden plans: name of the file, domain, host, facts of the start, options.
GOLDEN: tuple[tuple[str, Domain, str, StartFacts, dict[str, Any]], ...] = (
    ("plain-v2", domain(), "v2", START, {}),
    ("plain-hybrid", domain(), "hybrid", START, {}),
    ("full-v2", FULL, "v2", START, {}),
    ("full-hybrid", FULL, "hybrid", START, {"instance": "ab12"}),
    ("devices-v2", DEVICES, "v2", DEVICE_FACTS, {}),
    ("ports-v2", PORTS, "v2", PORT_FACTS, {}),
    ("devices-hybrid", replace(DEVICES, blkiotune=BlkioTune()), "hybrid", DEVICE_FACTS, {}),
    ("no-root-v2", domain(filesystems=()), "v2", START, {}),
    ("no-root-targets-v2", ON_HOST, "v2", START, {}),
    ("systemd-v2", domain(idmap=SHIFTED), "v2", replace(START, init=SYSTEMD), {}),
    ("old-systemd-hybrid", domain(), "hybrid", replace(START, init=OLD_SYSTEMD), {}),
    ("scope-v2", domain(), "v2", START, {"leaf": scope_path("web1", CONTROLLER)}),
    ("inner-contained", domain(idmap=INNER), "contained", INNER_FACTS, {}),
    (
        "inner-overlay-contained",
        domain(
            container=Container(filesystems=(FilesystemExtra(target="/", overlay="ram"),)),
        ),
        "contained",
        INNER_FACTS,
        {},
    ),
    ("host-network-v2", domain(interfaces=(), idmap=SHIFTED), "v2", START, {}),
    (
        "shared-v2",
        domain(
            interfaces=(),
            shares=(
                Share(kind="net", type="netns", value="blue"),
                Share(kind="ipc", type="name", value="db1"),
                Share(kind="uts", type="pid", value="4711"),
            ),
        ),
        "v2",
        START,
        {},
    ),
    (
        "shared-mapped-v2",
        domain(
            interfaces=(),
            idmap=SHIFTED,
            shares=(Share(kind="net", type="netns", value="blue"),),
        ),
        "v2",
        START,
        {},
    ),
    (
        "nested-paused-v2",
        domain(idmap=SHIFTED, container=Container(nesting=True)),
        "v2",
        START,
        {"paused": True, "fds": 2},
    ),
)
