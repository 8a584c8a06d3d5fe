"""Any domain that a document can describe, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from virtlxc import model
from virtlxc.model.container import LIMIT_NAMES
from virtlxc.model.disk import IoTune
from virtlxc.model.features import CAPABILITIES

# Everything that XML 1.0 can hold; a carriage return only comes through escaped.
CONTROL = "".join(chr(number) for number in range(32) if number not in (9, 10, 13))
CHARS = st.characters(codec="utf-8", exclude_characters=CONTROL + "\ufffe\uffff")
TEXT = st.text(CHARS, max_size=12)
WORD = st.text(CHARS, min_size=1, max_size=8)
PATH = st.text(CHARS, max_size=8).map(lambda text: "/" + text.translate({10: "n", 13: "r"}))
UINT = st.integers(0, 2**32 - 1)
ULONG = st.integers(0, 2**64 - 1)
KIB = st.integers(0, 2**54 - 1)
LINK = st.from_regex(r"[a-z][a-z0-9.-]{0,14}", fullmatch=True).filter(
    lambda name: not name.startswith(("vnet", "veth", "macv"))
)
CPUSET = st.sampled_from(["0", "0-3", "1,3,5-7", "2-3,8"])
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def several(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


def macs() -> st.SearchStrategy[str]:
    return st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


IPS = st.builds(
    model.Ip,
    address=V4 | V6,
    family=st.sampled_from(["ipv4", "ipv6"]),
    prefix=maybe(st.integers(0, 128)),
    peer=maybe(V4 | V6),
)
ROUTES = st.builds(
    model.Route,
    address=V4 | V6,
    gateway=V4 | V6,
    family=maybe(st.sampled_from(["ipv4", "ipv6"])),
    prefix=maybe(st.integers(0, 128)),
    netmask=maybe(V4),
    metric=maybe(UINT),
)
RATES = st.builds(
    model.Rate, average=maybe(ULONG), peak=maybe(ULONG), burst=maybe(ULONG), floor=maybe(ULONG)
)
BANDWIDTHS = st.builds(model.Bandwidth, inbound=maybe(RATES), outbound=maybe(RATES))


TAGS = st.lists(st.integers(0, 4095), min_size=1, max_size=4)


@st.composite
def vlans(draw: st.DrawFn) -> model.Vlan:
    """As they come out of the tables: several tags are a trunk."""
    ids = draw(TAGS)
    native = draw(maybe(st.integers(0, len(ids) - 1)))
    mode = draw(st.sampled_from(["tagged", "untagged"]))
    return model.Vlan(
        trunk=True if len(ids) > 1 else draw(st.sampled_from([None, True])),
        tags=tuple(
            model.VlanTag(id=one, native_mode=mode if at == native else None)
            for at, one in enumerate(ids)
        ),
    )


VIRTUAL_PORTS = st.builds(
    model.VirtualPort,
    type=st.sampled_from(["openvswitch", "802.1Qbg", "802.1Qbh", "midonet"]),
    manager_id=maybe(st.integers(0, 255)),
    type_id=maybe(st.integers(0, 0xFFFFFF)),
    type_id_version=maybe(st.integers(0, 255)),
    instance_id=maybe(st.uuids().map(str)),
    interface_id=maybe(st.uuids().map(str)),
    profile_id=maybe(st.text(CHARS, max_size=39)),
)


@st.composite
def filesystems(draw: st.DrawFn) -> model.Filesystem:
    kind = draw(st.sampled_from(["mount", "bind", "block", "file", "template", "ram", "volume"]))
    plain = kind not in ("ram", "volume")
    return model.Filesystem(
        type=kind,
        source=draw(maybe(TEXT)) if plain else None,
        source_pool=draw(maybe(TEXT)) if kind == "volume" else None,
        source_volume=draw(maybe(TEXT)) if kind == "volume" else None,
        usage_kib=draw(maybe(KIB)) if kind == "ram" else None,
        target=draw(TEXT),
        readonly=draw(st.booleans()),
        accessmode=draw(maybe(st.sampled_from(["passthrough", "mapped", "squash"]))),
        fmode=draw(maybe(st.integers(0, 0o777).map(lambda mode: f"{mode:04o}"))),
        dmode=draw(maybe(st.integers(0, 0o777).map(lambda mode: f"{mode:04o}"))),
        driver_type=draw(maybe(st.sampled_from(["path", "loop", "nbd"]))),
        driver_format=draw(maybe(st.sampled_from(["raw", "qcow2"]))),
        space_hard_limit_bytes=draw(maybe(ULONG)),
        space_soft_limit_bytes=draw(maybe(ULONG)),
    )


@st.composite
def interfaces(draw: st.DrawFn) -> model.Interface:
    kind = draw(st.sampled_from(["bridge", "network", "ethernet", "direct", "user"]))
    mode = st.sampled_from(["vepa", "private", "bridge", "passthrough"])
    return model.Interface(
        type=kind,
        source=draw(maybe(TEXT)) if kind in ("bridge", "network", "direct") else None,
        source_mode=draw(maybe(mode)) if kind == "direct" else None,
        portgroup=draw(maybe(TEXT)) if kind == "network" else None,
        mac=draw(maybe(macs())),
        target=draw(maybe(LINK)),
        guest=draw(maybe(LINK)),
        model=draw(maybe(TEXT)),
        ips=draw(several(IPS)),
        routes=draw(several(ROUTES)),
        host_ips=draw(several(IPS)),
        host_routes=draw(several(ROUTES)),
        link_state=draw(maybe(st.sampled_from(["up", "down"]))),
        mtu=draw(maybe(st.integers(68, 65535))),
        vlan=draw(maybe(vlans())),
        virtualport=draw(maybe(VIRTUAL_PORTS)),
        bandwidth=draw(maybe(BANDWIDTHS)),
        isolated=draw(maybe(st.booleans())),
        script=draw(maybe(TEXT)),
    )


@st.composite
def hostdevs(draw: st.DrawFn) -> model.Hostdev:
    if draw(st.booleans()):
        return model.Hostdev(
            mode="capabilities",
            type=draw(st.sampled_from(["storage", "misc", "net"])),
            source=draw(maybe(TEXT)),
            ips=draw(several(IPS)),
            routes=draw(several(ROUTES)),
        )
    number = st.integers(0, 0xFFFF)
    return model.Hostdev(
        type="usb",
        vendor=draw(maybe(number)),
        product=draw(maybe(number)),
        bus=draw(maybe(UINT)),
        device=draw(maybe(UINT)),
        managed=draw(st.booleans()),
        startup_policy=draw(maybe(st.sampled_from(["mandatory", "requisite", "optional"]))),
    )


DISKS = st.builds(
    model.Disk,
    type=st.sampled_from(["block", "file"]),
    device=st.sampled_from(["disk", "cdrom"]),
    source=maybe(TEXT),
    target=st.sampled_from(["sda", "vdb", "xvda1", "hdz"]),
    bus=maybe(TEXT),
    readonly=st.booleans(),
    driver_name=maybe(TEXT),
    driver_format=maybe(st.sampled_from(["raw", "qcow2"])),
    driver_cache=maybe(TEXT),
    iotune=maybe(
        st.builds(
            IoTune,
            total_bytes_sec=maybe(ULONG),
            read_bytes_sec=maybe(ULONG),
            write_iops_sec=maybe(ULONG),
        )
    ),
)
RANGES = st.builds(model.IdRange, start=UINT, target=UINT, count=UINT)
SORTED = several(RANGES).map(lambda items: tuple(sorted(items, key=lambda item: item.start)))
CAPS = st.dictionaries(st.sampled_from(CAPABILITIES), st.sampled_from(["on", "off"]), max_size=4)
FEATURES = st.builds(
    model.Features,
    privnet=st.booleans(),
    cap_policy=st.sampled_from(["default", "allow", "deny"]),
    caps=CAPS.map(lambda caps: tuple((n, caps[n]) for n in CAPABILITIES if n in caps)),
)
OS = st.builds(
    model.Os,
    arch=maybe(TEXT),
    init=maybe(TEXT),
    initargs=several(TEXT),
    initenv=several(st.tuples(WORD, TEXT)),
    initdir=maybe(PATH),
    inituser=maybe(WORD),
    initgroup=maybe(WORD),
    cmdline=maybe(TEXT),
)
CLOCKS = st.builds(
    model.Clock,
    offset=st.sampled_from(["utc", "localtime", "variable"]),
    timers=several(
        st.builds(model.Timer, name=st.sampled_from(["rtc", "hpet"]), present=maybe(st.booleans()))
    ),
)
EXTRAS = st.builds(
    model.FilesystemExtra,
    target=PATH,
    idmap=maybe(st.sampled_from(["mount", "none"])),
    options=several(st.sampled_from(["noexec", "nosuid", "size=1m"])),
    optional=st.booleans(),
    propagation=maybe(st.sampled_from(["private", "slave", "shared"])),
    overlay=maybe(st.sampled_from(["ram", "/srv/changes"])),
)
LIMITS = maybe(st.just("unlimited") | st.integers(0, 2**60).map(str))
CONTAINERS = st.builds(
    model.Container,
    nesting=st.booleans(),
    pids_limit=maybe(st.integers(1, 2**22)),
    cgroup_view=maybe(st.sampled_from(["v2", "v1", "none"])),
    cpu_limit=maybe(st.sampled_from(["vcpu", "2", "1.5"])),
    memory_low=maybe(KIB),
    memory_min=maybe(KIB),
    start_order=maybe(st.integers(0, 2**31 - 1)),
    start_delay=maybe(st.integers(0, 3600)),
    filesystems=several(EXTRAS),
    rlimits=several(
        st.builds(model.Rlimit, name=st.sampled_from(LIMIT_NAMES.choices), soft=LIMITS, hard=LIMITS)
    ),
    sysctls=several(st.builds(model.Sysctl, name=st.just("net.core.somaxconn"), value=TEXT)),
)
FOREIGN = st.sampled_from(
    [
        "\n    <a:x xmlns:a='urn:a'>text &amp; more</a:x>",
        '<b:y   xmlns:b="urn:b" c = "d"/><!-- e -->',
        "\n    <plain><![CDATA[<raw>]]></plain>\r\n\t<?pi x?>",
    ]
)


@st.composite
def shares(draw: st.DrawFn) -> tuple[model.Share, ...]:
    kinds = draw(st.sets(st.sampled_from(["net", "ipc", "uts"])))
    types = st.sampled_from(["name", "pid", "netns"])
    return tuple(
        model.Share(kind=kind, type=draw(types), value=draw(WORD))
        for kind in ("net", "ipc", "uts")
        if kind in kinds
    )


@st.composite
def consoles(draw: st.DrawFn) -> tuple[model.Console, ...]:
    kinds = draw(st.lists(st.sampled_from(["pty", "file"]), max_size=3))
    return tuple(
        model.Console(type=kind, target_type=draw(maybe(st.just("lxc")))) for kind in kinds
    )


ENDS = st.sampled_from(["destroy", "restart", "preserve"])


@st.composite
def domains(draw: st.DrawFn) -> model.Domain:
    """A domain as :func:`virtlxc.model.parse_domain` can make it."""
    memory = draw(st.integers(1, 2**54 - 1))
    vcpus = draw(st.integers(1, 2**31 - 1))
    return model.Domain(
        name=draw(TEXT),
        uuid=draw(st.just("") | st.uuids().map(str)),
        title=draw(maybe(TEXT)),
        description=draw(maybe(TEXT)),
        metadata=draw(maybe(FOREIGN)),
        memory=memory,
        current_memory=draw(maybe(st.integers(1, memory - 1))) if memory > 1 else None,
        vcpus=vcpus,
        vcpus_current=draw(maybe(st.integers(1, vcpus - 1))) if vcpus > 1 else None,
        vcpu_placement=draw(st.sampled_from(["static", "auto"])),
        cpuset=draw(maybe(CPUSET)),
        blkiotune=draw(
            st.builds(
                model.BlkioTune,
                weight=maybe(st.integers(0, 1000)),
                devices=several(
                    st.builds(model.BlkioDevice, path=PATH, read_bytes_sec=maybe(ULONG))
                ),
            )
        ),
        memtune=draw(
            st.builds(
                model.MemTune,
                hard_limit=maybe(KIB),
                soft_limit=maybe(KIB),
                min_guarantee=maybe(KIB),
                swap_hard_limit=maybe(KIB),
            )
        ),
        cputune=draw(
            st.builds(
                model.CpuTune,
                shares=maybe(ULONG),
                period=maybe(st.integers(0, 10**6)),
                quota=maybe(st.integers(-(2**63), 2**63 - 1)),
            )
        ),
        numatune=draw(
            st.builds(
                model.NumaTune,
                mode=maybe(st.sampled_from(["strict", "preferred"])),
                nodeset=maybe(CPUSET),
                placement=maybe(st.sampled_from(["static", "auto"])),
            )
        ),
        partition=draw(maybe(PATH)),
        os=draw(OS),
        idmap=draw(maybe(st.builds(model.IdMap, uids=SORTED, gids=SORTED))),
        features=draw(FEATURES),
        clock=draw(CLOCKS),
        on_poweroff=draw(ENDS),
        on_reboot=draw(ENDS),
        on_crash=draw(ENDS),
        emulator=draw(maybe(PATH)),
        disks=draw(several(DISKS)),
        filesystems=draw(several(filesystems())),
        interfaces=draw(several(interfaces())),
        consoles=draw(consoles()),
        hostdevs=draw(several(hostdevs())),
        shares=draw(shares()),
        container=draw(CONTAINERS),
    )
