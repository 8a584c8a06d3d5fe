"""Starts that cannot be: one message each, with object, step, cause and mend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.plan_scenes import (
    BRIDGED,
    HOSTS,
    INNER,
    INNER_FACTS,
    ROOT,
    SHIFTED,
    START,
    SYSTEMD,
    domain,
    plan,
)
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.facts import HostFacts, Init, Shared, Source, StartFacts
from virtlxc.model import (
    BlkioTune,
    Clock,
    Container,
    CpuTune,
    Disk,
    Domain,
    Filesystem,
    FilesystemExtra,
    Hostdev,
    IdMap,
    IdRange,
    Interface,
    Kept,
    MemTune,
    Share,
    Sysctl,
    Timer,
    parse_domain,
)

V2 = HOSTS["v2"]
V2_CGROUP = V2.cgroup


def _bridge(**fields: Any) -> Domain:
    return domain(interfaces=(replace(BRIDGED, **fields),))


def _foreign(**extra: Any) -> Domain:
    return domain(
        idmap=SHIFTED,
        filesystems=(ROOT, Filesystem(source="/srv/foreign", target="/foreign")),
        container=Container(
            filesystems=(FilesystemExtra(target="/foreign", **extra),) if extra else ()
        ),
    )


def _map(*rows: tuple[int, int, int]) -> IdMap:
    lines = tuple(IdRange(start=start, target=target, count=n) for start, target, n in rows)
    return IdMap(uids=lines, gids=SHIFTED.gids)


# domain, host, facts of the start, options, and the text behind "cannot start domain 'web1': "
REFUSED: tuple[tuple[Domain, str | HostFacts, StartFacts, dict[str, Any], str], ...] = (
    (
        domain(),
        replace(V2, kernel="5.10.0-28-amd64"),
        START,
        {},
        "look at the host: kernel 5.10.0-28-amd64 is too old, 5.14 is needed",
    ),
    (
        domain(),
        "v1",
        START,
        {},
        "look at the host: cgroup2 is not mounted, and processes are tracked, killed and frozen by "
        "it (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified)",
    ),
    (
        domain(),
        replace(V2, cgroup=replace(V2_CGROUP, mount="", hidden="/sys/fs/cgroup")),
        START,
        {},
        "look at the host: cgroup2 is mounted at /sys/fs/cgroup, where something else is mounted "
        "over it, and processes are tracked, killed and frozen by it (unmount what hides it, or "
        "run the daemon in the host's mount namespace)",
    ),
    (
        domain(),
        replace(V2, cgroup=replace(V2_CGROUP, device_program=False)),
        START,
        {},
        "look at the host: this kernel's cgroup2 has no device programs (CONFIG_CGROUP_BPF)",
    ),
    (
        domain(os=replace(domain().os, arch="ppc64")),
        "v2",
        START,
        {},
        "execute init: its programs are for ppc64 (<os><type arch=>), and this host runs x86_64 "
        "and i686 (take a root filesystem for this host, and the attribute out)",
    ),
    (
        _bridge(source="br7"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: there is no bridge 'br7' (create it, or use a network: "
        "virtlxc net-list --all)",
    ),
    (
        _bridge(source="eth0"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: 'eth0' is no bridge (create it, or use a network: "
        "virtlxc net-list --all)",
    ),
    (
        _bridge(type="network", source="lab"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: there is no network 'lab' (see virtlxc net-list --all)",
    ),
    (
        _bridge(type="network", source="off"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: network 'off' is not active (virtlxc net-start off)",
    ),
    (
        _bridge(target="virbr0"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: the host has a link 'virbr0' already (change <target dev>)",
    ),
    (
        _bridge(target="a-name-of-20-letters"),
        "v2",
        START,
        {},
        "attach eth0 to its bridge: 'a-name-of-20-letters' cannot be the name of a link",
    ),
    (
        domain(interfaces=(replace(BRIDGED, guest="lan"), replace(BRIDGED, guest="lan"))),
        "v2",
        START,
        {},
        "make lan: two interfaces are named 'lan' inside (change <guest dev>)",
    ),
    (
        domain(filesystems=(replace(ROOT, source="/srv/gone"),)),
        "v2",
        START,
        {},
        "clone /srv/gone for /: there is no '/srv/gone' (create it, or mend "
        "<filesystem><source dir>)",
    ),
    (
        domain(filesystems=(replace(ROOT, source="/etc/motd"),)),
        "v2",
        START,
        {},
        "clone /etc/motd for /: '/etc/motd' is not a folder, and cannot be a root",
    ),
    (
        domain(filesystems=(Filesystem(type="ram", target="/", usage_kib=100),)),
        "v2",
        START,
        {},
        "attach the root: a root of type 'ram' cannot be (use type 'mount', 'block' or 'file')",
    ),
    (
        domain(),
        "v2",
        replace(START, no_folders={"/dev": "link"}),
        {},
        "attach /dev: '/dev' in the root folder '/srv/web1' is a symbolic link (make it a folder)",
    ),
    (
        domain(filesystems=(Filesystem(source="/srv/data", target="/nowhere"),)),
        "v2",
        START,
        {},
        "attach /nowhere: there is no '/nowhere' on the host, whose root this container has "
        "(create it, or give the domain a root file system)",
    ),
    (
        domain(),
        "v2",
        START,
        {"require_idmap": True},
        "look at the host's rules: it has no <idmap>, and require_idmap is set (add an <idmap>, or "
        "set require_idmap = false in virtlxc.toml)",
    ),
    (
        domain(idmap=_map((0, 1000000, 1000), (1000, 0, 1))),
        "v2",
        START,
        {"require_idmap": True},
        "look at the host's rules: its <idmap> reaches the host's id 0, and require_idmap is set "
        "(map to other ids, or set require_idmap = false in virtlxc.toml)",
    ),
    (
        domain(idmap=_map((1, 1000000, 65535))),
        "v2",
        START,
        {},
        "map ids: the uid map has no entry for id 0 of the container (mend <idmap>)",
    ),
    (
        domain(idmap=_map((0, 1000000, 65536), (100, 2000000, 10))),
        "v2",
        START,
        {},
        "map ids: the uid map's entries overlap inside: 0-65535 -> 1000000-1065535, "
        "100-109 -> 2000000-2000009 (mend <idmap>)",
    ),
    (
        domain(idmap=_map((0, 1000000, 10), (10, 1000005, 10))),
        "v2",
        START,
        {},
        "map ids: the uid map's entries overlap on the host: 0-9 -> 1000000-1000009, "
        "10-19 -> 1000005-1000014 (mend <idmap>)",
    ),
    (
        domain(idmap=SHIFTED),
        replace(V2, user_namespaces=0),
        START,
        {},
        "make a user namespace: this host allows none (sysctl user.max_user_namespaces=10000)",
    ),
    (
        _foreign(),
        "v2",
        START,
        {},
        "clone /srv/foreign for /foreign: it belongs to id 70000, which is in neither range of the "
        "id map 0-65535 -> 1000000-1065535 (chown it, or say <virtlxc:filesystem target='/foreign' "
        "idmap='mount|none'/>)",
    ),
    (
        domain(idmap=SHIFTED, filesystems=(replace(ROOT, source="/zfs/web1"),)),
        "v2",
        START,
        {},
        "set attributes of /: zfs, which '/zfs/web1' is on, takes no idmapped mounts on kernel "
        "6.1.0-30-amd64 (chown -R to the id map's range 0-65535 -> 1000000-1065535)",
    ),
    (
        domain(shares=(Share(kind="net", type="netns", value="blue"),)),
        "v2",
        START,
        {},
        "join the net namespace: interfaces or <privnet/> contradict <lxc:sharenet> (take one of "
        "them out)",
    ),
    (
        domain(interfaces=(), shares=(Share(kind="net", type="name", value="db1"),)),
        "v2",
        replace(START, shared={"net": Shared(problem="domain 'db1' is not running")}),
        {},
        "open the net namespace of name db1: domain 'db1' is not running",
    ),
    (
        domain(),
        "v2",
        replace(START, init=Init(path="/sbin/init", found="no")),
        {},
        "execute init: there is no '/sbin/init' in the root folder '/srv/web1' (mend <os><init>)",
    ),
    (
        domain(),
        "v2",
        replace(START, init=Init(path="/sbin/init", found="yes", executable=False)),
        {},
        "execute init: '/sbin/init' in the root folder '/srv/web1' is not an executable file "
        "(chmod +x it, or mend <os><init>)",
    ),
    (
        domain(),
        "v2",
        replace(
            START,
            init=Init(
                path="/sbin/init",
                found="yes",
                file_caps=("net_raw", "sys_time"),
                file_caps_effective=True,
            ),
        ),
        {},
        "execute init: '/sbin/init' has file capabilities that the container does not get: "
        "sys_time (allow them in <features><capabilities>, or setcap -r the file)",
    ),
    (
        domain(),
        "v2",
        replace(START, init=replace(SYSTEMD, systemd=219)),
        {},
        "execute init: systemd 219 in the container cannot use cgroup v2, which is all this host "
        "has (boot the host with systemd.unified_cgroup_hierarchy=0, or update the container)",
    ),
    (
        domain(container=Container(cgroup_view="v1")),
        "hybrid",
        replace(START, init=replace(SYSTEMD, systemd=256)),
        {},
        "execute init: systemd 256 in the container no longer boots on cgroup v1 (take "
        "<virtlxc:cgroup view='v1'/> out)",
    ),
    (
        domain(container=Container(cgroup_view="v1")),
        "v2",
        START,
        {},
        "mount /sys/fs/cgroup: view='v1' is asked for, and this host has no cgroup v1",
    ),
    (
        domain(cputune=CpuTune(shares=100)),
        replace(V2, cgroup=replace(V2_CGROUP, controllers=("memory",))),
        START,
        {},
        "set limits: the host has no cpu controller for <cputune><shares> (take that out, or start "
        "with --ignore shares)",
    ),
    (
        domain(idmap=SHIFTED),
        "contained",
        INNER_FACTS,
        {},
        "map ids: its <idmap> wants the users 0-65535 -> 1000000-1065535, and this host, itself a "
        "container, has 0-262143 (mend <idmap>, or give that container more by a larger count in "
        "its own)",
    ),
    (
        domain(idmap=INNER),
        "contained",
        replace(
            START, sources=(Source(path="/srv/web1", kind="dir", fstype="ext4", idmapped=False),)
        ),
        {},
        "set attributes of /: this host is itself a container, which did not mount what "
        "'/srv/web1' is on, so that it takes no idmapped mounts here (chown -R it to the id map's "
        "range 0-65535 -> 65536-131071)",
    ),
    *(
        (
            domain(**asked),
            "contained",
            START,
            {},
            f"{step}: this host is itself a container, whose kernel gives it no devices for "
            f"{element} (give the device or image to that container, and bind what it shows: "
            "<filesystem type='mount'>)",
        )
        for asked, step, element in (
            (
                {"disks": (Disk(type="block", source="/dev/sdb", target="sda"),)},
                "make /dev/sda",
                "<disk>",
            ),
            (
                {"hostdevs": (Hostdev(mode="capabilities", type="misc", source="/dev/fuse"),)},
                "make /dev/fuse",
                "<hostdev>",
            ),
            (
                {"clock": Clock(offset="localtime", timers=(Timer(name="rtc"),))},
                "make /dev/rtc0",
                "<timer>",
            ),
            (
                {"filesystems": (ROOT, Filesystem(type="file", source="/srv/i", target="/data"))},
                "mount /srv/i for /data",
                "<filesystem type='file'>",
            ),
        )
    ),
    (
        domain(),
        replace(V2, cgroup=replace(V2_CGROUP, device_program=False)),
        START,
        {},
        "look at the host: this kernel's cgroup2 has no device programs (CONFIG_CGROUP_BPF)",
    ),
    (
        domain(memtune=MemTune(swap_hard_limit=1 << 20)),
        replace(V2, cgroup=replace(V2_CGROUP, swap=False)),
        START,
        {},
        "set limits: this kernel does not account swap, so <swap_hard_limit> would not hold (boot "
        "with swapaccount=1, or take the element out)",
    ),
    (
        domain(blkiotune=BlkioTune(weight=200)),
        replace(V2, cgroup=replace(V2_CGROUP, io_weight_files=())),
        START,
        {},
        "set limits: this kernel cannot weigh block I/O (<blkiotune><weight>; it needs the BFQ "
        "scheduler or io.cost)",
    ),
    (
        domain(container=Container(memory_low=1024)),
        "hybrid",
        START,
        {},
        "set limits: protected memory needs the memory controller on cgroup v2",
    ),
    (
        domain(clock=Clock(offset="localtime", timers=(Timer(name="hpet"),))),
        "v2",
        START,
        {},
        "make /dev: the host has no /dev/hpet, which <clock> asks for (take the timer out)",
    ),
    (
        domain(container=Container(sysctls=(Sysctl(name="vm.swappiness", value="1"),))),
        "v2",
        START,
        {},
        "set vm.swappiness: it would change a setting of the host's, not one of the container's "
        "(take <virtlxc:sysctl> out, and set it on the host)",
    ),
    (
        domain(disks=(Disk(type="block", source="/dev/sdz", target="vda"),)),
        "v2",
        START,
        {},
        "make /dev/vda: there is no '/dev/sdz' (plug it in, or mend its <source>)",
    ),
)


@pytest.mark.parametrize(
    ("what", "host", "start", "settings", "text"), REFUSED, ids=[row[4][:60] for row in REFUSED]
)
def test_refused(
    what: Domain,
    host: str | HostFacts,
    start: StartFacts,
    settings: dict[str, Any],
    text: str,
) -> None:
    with pytest.raises(VirtlxcError) as caught:
        plan(what, host, start, **settings)
    assert caught.value.message == f"cannot start domain 'web1': {text}"
    assert caught.value.code == Code.CONFIG_UNSUPPORTED


PROTECTED = """
<domain type='lxc'><name>web1</name><uuid>6d0a2c10-3b5e-4a53-9a7e-0123456789ab</uuid>
  <memory>65536</memory><os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='/srv/web1'/><target dir='/'/></filesystem>
    <interface type='bridge'><source bridge='br0'/><filterref filter='clean-traffic'/></interface>
    <graphics type='vnc'/>
  </devices>
  <seclabel type='dynamic' model='selinux'/>
</domain>"""


def test_what_protects_is_refused_until_it_is_ignored() -> None:
    what = parse_domain(PROTECTED)
    with pytest.raises(VirtlxcError, match=r"filterref.*--ignore filterref"):
        plan(what)
    with pytest.raises(VirtlxcError, match=r"seclabel.*--ignore seclabel"):
        plan(what, ignore=frozenset({"filterref"}))
    made = plan(what, ignore=frozenset({"filterref", "seclabel"}))
    assert sum("ignored" in text for text in made.warnings) == 2
    assert any("graphics" in text for text in made.warnings)


def test_an_ignored_device_is_left_out() -> None:
    user = Interface(type="user", mac="52:54:00:00:00:01")
    made = plan(domain(interfaces=(user, BRIDGED)), ignore=frozenset({"interface"}))
    ignored, bridged = made.links
    assert (ignored, bridged[1]) == (("", ""), "eth0")


def test_the_own_word_decides_about_ids() -> None:
    for how, translated in (("none", set()), ("mount", {"fs:/foreign"})):
        made = plan(_foreign(idmap=how))
        keys = {step.args["key"] for step in made.steps if step.args.get("idmap")}
        assert keys - {"root"} == translated


def test_run_may_be_anything_without_systemd() -> None:
    facts = replace(START, no_folders={"/run": "link"})
    plan(domain(), start=facts)
    with pytest.raises(VirtlxcError, match="'/run' in the root folder"):
        plan(domain(), start=replace(facts, init=SYSTEMD))


def test_kept_comfort_never_refuses() -> None:
    made = plan(domain(kept=(Kept(path="cpu", xml="<cpu/>"),)))
    assert any("/domain/cpu" in text for text in made.warnings)
