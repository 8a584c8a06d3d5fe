"""Every key of LXC, under every name: what it becomes, or that it is named in the report."""

from __future__ import annotations

import pytest

from virtlxc.convert import Converted, read_native
from virtlxc.convert.lxc.keys import KEYS, Row
from virtlxc.convert.lxc.read import row_of
from virtlxc.model import format_domain

BASE = "lxc.uts.name = base\nlxc.rootfs.path = /srv/base\n"
CARD = "lxc.net.0.type = veth\nlxc.net.0.link = br0\n"
OLD_CARD = "lxc.network.type = veth\nlxc.network.link = br0\n"
NUMBERED = "lxc.network.0.type = veth\nlxc.network.0.link = br0\n"

# What stands in for nothing: the line is in the report.
NAMED = "named"
# The line says what is so anyway: neither in the XML nor in the report.
SILENT = "silent"

IPV4 = "<ip address='192.0.2.2' family='ipv4' prefix='24'/>"
IPV6 = "<ip address='2001:db8::2' family='ipv6' prefix='48'/>"

# (key, value, what is in the XML with it and not without it)
CASES: tuple[tuple[str, str, str], ...] = (
    ("lxc.uts.name", "web", "<name>web</name>"),
    ("lxc.utsname", "web", "<name>web</name>"),
    ("lxc.arch", "amd64", "<type arch='x86_64'>exe</type>"),
    ("lxc.include", "/etc/lxc/more.conf", NAMED),
    ("lxc.init.cmd", "/bin/x 'a b'", "<init>/bin/x</init>\n    <initarg>a b</initarg>"),
    ("lxc.init_cmd", "/bin/x", "<init>/bin/x</init>"),
    ("lxc.init.uid", "7", "<inituser>+7</inituser>"),
    ("lxc.init_uid", "7", "<inituser>+7</inituser>"),
    ("lxc.init.gid", "8", "<initgroup>+8</initgroup>"),
    ("lxc.init_gid", "8", "<initgroup>+8</initgroup>"),
    ("lxc.init.cwd", "/var", "<initdir>/var</initdir>"),
    ("lxc.init.groups", "4,5", NAMED),
    ("lxc.execute.cmd", "/bin/true", NAMED),
    ("lxc.environment", "A=b=c", "<initenv name='A'>b=c</initenv>"),
    ("lxc.environment", "TERM", NAMED),
    ("lxc.environment.runtime", "A=b", "<initenv name='A'>b</initenv>"),
    ("lxc.environment.hooks", "A=b", NAMED),
    ("lxc.ephemeral", "1", NAMED),
    ("lxc.ephemeral", "0", SILENT),
    ("lxc.start.auto", "1", NAMED),
    ("lxc.start.auto", "0", SILENT),
    ("lxc.start.delay", "5", "<virtlxc:autostart delay='5'/>"),
    ("lxc.start.delay", "0", SILENT),
    ("lxc.start.order", "5", "<virtlxc:autostart order='5'/>"),
    ("lxc.start.order", "0", SILENT),
    ("lxc.group", "onboot", NAMED),
    *((key, "SIGUSR1", NAMED) for key in (
        "lxc.signal.halt", "lxc.haltsignal", "lxc.signal.reboot", "lxc.rebootsignal",
        "lxc.signal.stop", "lxc.stopsignal",
    )),
    ("lxc.monitor.unshare", "1", NAMED),
    ("lxc.monitor.signal.pdeath", "SIGKILL", NAMED),
    ("lxc.sched.core", "1", NAMED),
    ("lxc.time.offset.boot", "7d", NAMED),
    ("lxc.time.offset.monotonic", "7d", NAMED),
    ("lxc.tty.max", "2", "<target port='1'/>"),
    ("lxc.tty", "2", "<target port='1'/>"),
    ("lxc.tty.dir", "ttys", NAMED),
    ("lxc.devttydir", "lxc", SILENT),
    ("lxc.pty.max", "10", NAMED),
    ("lxc.pts", "1024", SILENT),
    ("lxc.console.path", "/dev/tty9", NAMED),
    ("lxc.console", "none", SILENT),
    ("lxc.console.logfile", "/tmp/log", NAMED),
    ("lxc.console.buffer.size", "1MB", NAMED),
    ("lxc.console.size", "1MB", NAMED),
    ("lxc.console.rotate", "1", NAMED),
    *((key, "9", NAMED) for key in (
        "lxc.log.file", "lxc.logfile", "lxc.log.level", "lxc.loglevel", "lxc.log.syslog",
        "lxc.syslog",
    )),
    ("lxc.namespace.share.net", "db", "<lxc:sharenet type='name' value='db'/>"),
    ("lxc.namespace.share.net", "/run/netns/vpn", "<lxc:sharenet type='netns' value='vpn'/>"),
    ("lxc.namespace.share.ipc", "4711", "<lxc:shareipc type='pid' value='4711'/>"),
    ("lxc.namespace.share.user", "db", NAMED),
    ("lxc.namespace.keep", "user", NAMED),
    ("lxc.namespace.clone", "pid", NAMED),
    ("lxc.rootfs.path", "dir:/srv/web", "<source dir='/srv/web'/>"),
    ("lxc.rootfs.path", "/dev/vg/web", "<source dev='/dev/vg/web'/>"),
    ("lxc.rootfs.path", "loop:/srv/web.img", "<source file='/srv/web.img'/>"),
    ("lxc.rootfs.path", "nbd:/srv/web.qcow2", "<driver type='nbd' format='qcow2'/>"),
    ("lxc.rootfs.path", "overlayfs:/srv/a:/srv/b", "<source dir='/srv/a'/>"),
    ("lxc.rootfs.path", "zfs:tank/web", "<source dir='/tank/web'/>"),
    ("lxc.rootfs", "/srv/web", "<source dir='/srv/web'/>"),
    ("lxc.rootfs.options", "ro,noexec", "<virtlxc:filesystem target='/' options='noexec'/>"),
    ("lxc.rootfs.options", "idmap=container", "target='/' idmap='mount'"),
    ("lxc.rootfs.options", "ro", "<readonly/>"),
    ("lxc.rootfs.mount", "/mnt", NAMED),
    ("lxc.rootfs.managed", "1", NAMED),
    ("lxc.rootfs.backend", "rbd", NAMED),
    ("lxc.pivotdir", "mnt", NAMED),
    ("lxc.mount.entry", "/data data none bind 0 0", "<target dir='/data'/>"),
    ("lxc.mount.entry", "data copy none bind,relative 0 0", "<filesystem type='bind'>"),
    ("lxc.mount.entry", "tmpfs tmp tmpfs size=1m 0 0", "<source usage='1024' units='KiB'/>"),
    ("lxc.mount.entry", "/dev/sda1 mnt ext4 ro 0 0", "<source dev='/dev/sda1'/>"),
    ("lxc.mount.entry", "/dev/fuse dev/fuse none bind,create=file 0 0", "<char>/dev/fuse</char>"),
    ("lxc.mount.entry", "/dev/sda dev/sda none bind,create=file 0 0", "<block>/dev/sda</block>"),
    ("lxc.mount.entry", "/data data none bind,rslave 0 0", "propagation='slave'"),
    ("lxc.mount.entry", "/srv/base/x /srv/base/y none bind 0 0", "<target dir='/y'/>"),
    ("lxc.mount.entry", "proc proc proc defaults 0 0", SILENT),
    ("lxc.mount.entry", "nas:/a a nfs defaults 0 0", NAMED),
    ("lxc.mount.fstab", "/etc/lxc/fstab", NAMED),
    ("lxc.mount", "/etc/lxc/fstab", NAMED),
    ("lxc.mount.auto", "proc:mixed sys:ro cgroup-full:rw:force", SILENT),
    ("lxc.mount.auto", "proc:rw", NAMED),
    ("lxc.autodev", "0", NAMED),
    ("lxc.autodev", "1", SILENT),
    ("lxc.autodev.tmpfs.size", "900000", NAMED),
    ("lxc.kmsg", "1", NAMED),
    ("lxc.net", "1", NAMED),
    ("lxc.network", "1", NAMED),
    ("lxc.net.0.type", "veth", "<interface type='ethernet'>"),
    ("lxc.network.0.type", "veth", "<interface type='ethernet'>"),
    ("lxc.network.type", "veth", "<interface type='ethernet'>"),
    ("lxc.net.0.type", "ipvlan", NAMED),
    ("lxc.net.0.link", "br1", "<source bridge='br1'/>"),
    ("lxc.network.0.link", "br1", "<source bridge='br1'/>"),
    ("lxc.network.link", "br1", "<source bridge='br1'/>"),
    ("lxc.net.0.flags", "up", "<link state='up'/>"),
    ("lxc.network.0.flags", "up", "<link state='up'/>"),
    ("lxc.network.flags", "up", "<link state='up'/>"),
    ("lxc.net.0.name", "lan", "<guest dev='lan'/>"),
    ("lxc.network.0.name", "lan", "<guest dev='lan'/>"),
    ("lxc.network.name", "lan", "<guest dev='lan'/>"),
    ("lxc.net.0.hwaddr", "52:54:00:0A:00:01", "<mac address='52:54:00:0a:00:01'/>"),
    ("lxc.network.0.hwaddr", "52:54:00:0a:00:01", "<mac address='52:54:00:0a:00:01'/>"),
    ("lxc.network.hwaddr", "52:54:00:0a:00:01", "<mac address='52:54:00:0a:00:01'/>"),
    ("lxc.net.0.mtu", "9000", "<mtu size='9000'/>"),
    ("lxc.network.0.mtu", "9000", "<mtu size='9000'/>"),
    ("lxc.network.mtu", "9000", "<mtu size='9000'/>"),
    ("lxc.net.0.veth.pair", "web0", "<target dev='web0'/>"),
    ("lxc.network.0.veth.pair", "web0", "<target dev='web0'/>"),
    ("lxc.network.veth.pair", "web0", "<target dev='web0'/>"),
    ("lxc.net.0.vlan.id", "7", "<interface>br0.7</interface>"),
    ("lxc.network.0.vlan.id", "7", "<interface>br0.7</interface>"),
    ("lxc.network.vlan.id", "7", "<interface>br0.7</interface>"),
    ("lxc.net.0.macvlan.mode", "vepa", "<source dev='br0' mode='vepa'/>"),
    ("lxc.network.0.macvlan.mode", "vepa", "<source dev='br0' mode='vepa'/>"),
    ("lxc.network.macvlan.mode", "passthru", "<source dev='br0' mode='passthrough'/>"),
    ("lxc.net.0.ipv4.address", "192.0.2.2/24", IPV4),
    ("lxc.net.0.ipv4.address", "192.0.2.2 192.0.2.255", "family='ipv4' prefix='24'/>"),
    ("lxc.network.0.ipv4", "192.0.2.2/24", IPV4),
    ("lxc.network.ipv4", "192.0.2.2/24", IPV4),
    ("lxc.net.0.ipv6.address", "2001:db8::2", IPV6.replace("48", "64")),
    ("lxc.network.0.ipv6", "2001:db8::2/48", IPV6),
    ("lxc.network.ipv6", "2001:db8::2/48", IPV6),
    *((key, "192.0.2.1", "address='0.0.0.0' prefix='0' gateway='192.0.2.1'/>") for key in (
        "lxc.net.0.ipv4.gateway", "lxc.network.0.ipv4.gateway", "lxc.network.ipv4.gateway",
    )),
    *((key, "2001:db8::1", "address='::' prefix='0' gateway='2001:db8::1'/>") for key in (
        "lxc.net.0.ipv6.gateway", "lxc.network.0.ipv6.gateway", "lxc.network.ipv6.gateway",
    )),
    ("lxc.net.0.ipv4.gateway", "auto", NAMED),
    ("lxc.net.0.veth.vlan.id", "7", "<vlan>\n        <tag id='7'/>\n      </vlan>"),
    ("lxc.net.0.veth.vlan.id", "none", NAMED),
    ("lxc.net.0.veth.vlan.tagged.id", "9", "<vlan trunk='yes'>\n"
     "        <tag id='1' nativeMode='untagged'/>\n        <tag id='9'/>\n      </vlan>"),
    ("lxc.net.0.veth.mode", "router", NAMED),
    ("lxc.net.0.veth.mode", "bridge", SILENT),
    *((f"lxc.net.0.{key}", "2", NAMED) for key in (
        "veth.ipv4.route", "veth.ipv6.route",
        "veth.n_rxqueues", "veth.n_txqueues", "l2proxy", "ipvlan.mode", "ipvlan.isolation",
        "script.up", "script.down",
    )),
    *((f"lxc.network.{key}", "/bin/x", NAMED) for key in (
        "script.up", "script.down", "0.script.up", "0.script.down",
    )),
    ("lxc.cgroup2.memory.max", "64M", "<memory unit='KiB'>65536</memory>"),
    ("lxc.cgroup.memory.limit_in_bytes", "64M", "<memory unit='KiB'>65536</memory>"),
    ("lxc.cgroup2.memory.high", "1048576", "<soft_limit unit='KiB'>1024</soft_limit>"),
    ("lxc.cgroup.memory.soft_limit_in_bytes", "1M", "<soft_limit unit='KiB'>1024</soft_limit>"),
    ("lxc.cgroup.memory.memsw.limit_in_bytes", "1M",
     "<swap_hard_limit unit='KiB'>1024</swap_hard_limit>"),
    ("lxc.cgroup2.memory.swap.max", "1M", NAMED),
    ("lxc.cgroup2.memory.low", "1M", "<virtlxc:low unit='KiB'>1024</virtlxc:low>"),
    ("lxc.cgroup2.memory.min", "1M", "<virtlxc:min unit='KiB'>1024</virtlxc:min>"),
    ("lxc.cgroup2.pids.max", "99", "<virtlxc:pids limit='99'/>"),
    ("lxc.cgroup.pids.max", "99", "<virtlxc:pids limit='99'/>"),
    ("lxc.cgroup.cpu.shares", "512", "<shares>512</shares>"),
    ("lxc.cgroup2.cpu.weight", "100", "<shares>1024</shares>"),
    ("lxc.cgroup.cpu.cfs_period_us", "50000", "<period>50000</period>"),
    ("lxc.cgroup.cpu.cfs_quota_us", "25000", "<quota>25000</quota>"),
    ("lxc.cgroup2.cpu.max", "25000 50000", "<period>50000</period>\n    <quota>25000</quota>"),
    ("lxc.cgroup2.cpuset.cpus", "0,1", "cpuset='0-1'"),
    ("lxc.cgroup.cpuset.cpus", "0,1", "cpuset='0-1'"),
    ("lxc.cgroup2.cpuset.mems", "1", "<memory mode='strict' nodeset='1'/>"),
    ("lxc.cgroup.cpuset.mems", "1", "<memory mode='strict' nodeset='1'/>"),
    ("lxc.cgroup2.io.weight", "default 200", "<weight>200</weight>"),
    ("lxc.cgroup2.io.bfq.weight", "200", "<weight>200</weight>"),
    ("lxc.cgroup.blkio.weight", "200", "<weight>200</weight>"),
    ("lxc.cgroup2.io.max", "8:0 rbps=9 wiops=7",
     "<path>/dev/block/8:0</path>\n      <write_iops_sec>7</write_iops_sec>"),
    *((f"lxc.cgroup.blkio.{key}", "8:0 700", f"<{element}>700</{element}>") for key, element in (
        ("throttle.read_bps_device", "read_bytes_sec"),
        ("throttle.write_bps_device", "write_bytes_sec"),
        ("throttle.read_iops_device", "read_iops_sec"),
        ("throttle.write_iops_device", "write_iops_sec"),
        ("device_weight", "weight"),
        ("weight_device", "weight"),
    )),
    *((f"{group}.devices.{key}", value, expected)
      for group in ("lxc.cgroup2", "lxc.cgroup")
      for key, value, expected in (
          ("allow", "c 1:3 rwm", SILENT),
          ("allow", "b *:* m", "<mknod state='on'/>"),
          ("allow", "c 10:200 rwm", NAMED),
          ("allow", "a", NAMED),
          ("deny", "a", SILENT),
          ("deny", "c 1:3 rwm", NAMED),
      )),
    *((f"lxc.cgroup.{key}", "x", NAMED) for key in (
        "dir", "dir.container", "dir.container.inner", "dir.monitor", "dir.monitor.pivot",
        "relative",
    )),
    ("lxc.cgroup2.hugetlb.1GB.max", "0", NAMED),
    ("lxc.cgroup.net_cls.classid", "1", NAMED),
    ("lxc.prlimit.nofile", "10:20", "<virtlxc:rlimit name='nofile' soft='10' hard='20'/>"),
    ("lxc.limit.core", "unlimited", "name='core' soft='unlimited' hard='unlimited'/>"),
    ("lxc.prlimit", "1", NAMED),
    ("lxc.limit", "1", NAMED),
    ("lxc.sysctl.net.core.somaxconn", "9", "name='net.core.somaxconn' value='9'/>"),
    ("lxc.sysctl", "1", NAMED),
    ("lxc.proc.oom_score_adj", "10", NAMED),
    ("lxc.idmap", "u 0 5000 100", "<uid start='0' target='5000' count='100'/>"),
    ("lxc.idmap", "g 1 5000 100", "<gid start='1' target='5000' count='100'/>"),
    ("lxc.id_map", "u 0 5000 100", "<uid start='0' target='5000' count='100'/>"),
    ("lxc.cap.drop", "mknod sys_time", "<mknod state='off'/>\n      <sys_time state='off'/>"),
    ("lxc.cap.drop", "bpf", NAMED),
    ("lxc.cap.keep", "kill", "policy='deny'>\n      <kill state='on'/>"),
    ("lxc.cap.keep", "none", "<capabilities policy='deny'/>"),
    ("lxc.apparmor.profile", "web", "<label>web</label>"),
    ("lxc.apparmor.profile", "generated", NAMED),
    ("lxc.aa_profile", "unconfined", SILENT),
    ("lxc.apparmor.allow_incomplete", "1", NAMED),
    ("lxc.aa_allow_incomplete", "1", NAMED),
    ("lxc.apparmor.allow_nesting", "1", NAMED),
    ("lxc.apparmor.raw", "deny /x w,", NAMED),
    ("lxc.selinux.context", "u:r:t:s0", "<label>u:r:t:s0</label>"),
    ("lxc.se_context", "u:r:t:s0", "<label>u:r:t:s0</label>"),
    ("lxc.selinux.context.keyring", "u:r:t:s0", NAMED),
    ("lxc.keyring.session", "0", NAMED),
    ("lxc.seccomp.profile", "/etc/lxc/calls", NAMED),
    ("lxc.seccomp", "/etc/lxc/calls", NAMED),
    ("lxc.seccomp.allow_nesting", "1", NAMED),
    ("lxc.seccomp.notify.proxy", "unix:/run/x", NAMED),
    ("lxc.seccomp.notify.cookie", "x", NAMED),
    ("lxc.no_new_privs", "1", NAMED),
    ("lxc.hook.version", "2", NAMED),
    ("lxc.hook", "/bin/x", NAMED),
    *((f"lxc.hook.{name}", "/bin/x", NAMED) for name in (
        "pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop", "post-stop",
        "clone", "destroy",
    )),
)  # fmt: skip


def before(key: str, value: str) -> str:
    """The configuration that the line is added to: cards need to be there first."""
    if key.endswith(".type") or value == "net":
        return BASE
    if key.startswith("lxc.net."):
        card = CARD
    elif key.startswith("lxc.network.0."):
        card = NUMBERED
    elif key.startswith("lxc.network."):
        card = OLD_CARD
    else:
        return BASE
    kind = "veth"
    if "macvlan" in key:
        kind = "macvlan"
    elif key.endswith(".vlan.id") and "veth" not in key:
        kind = "vlan"
    return BASE + card.replace("veth", kind)


def converted(text: str) -> Converted:
    return read_native("lxc-tools", text, file="config")


def said(found: Converted) -> tuple[str, set[str]]:
    return format_domain(found.domain), {str(note) for note in found.notes}


@pytest.mark.parametrize(
    ("key", "value", "expected"), CASES, ids=[f"{key}={value}" for key, value, _ in CASES]
)
def test_key(key: str, value: str, expected: str) -> None:
    text = before(key, value)
    plain, other_notes = said(converted(text))
    xml, notes = said(converted(f"{text}{key} = {value}\n"))
    place = f"config:{text.count(chr(10)) + 1}: {key}: "
    named = [note for note in notes - other_notes if note.startswith(place)]
    if expected == NAMED:
        assert named
    elif expected == SILENT:
        assert (xml, notes) == (plain, other_notes)
    else:
        assert expected in xml
        assert expected not in plain


@pytest.mark.parametrize("row", KEYS, ids=lambda row: row.name)
def test_every_name_has_a_case(row: Row) -> None:
    tested = {_name_of(key) for key, _, _ in CASES}
    missing = [name for name in row.names if name not in tested]
    assert not missing, f"add a line for {', '.join(missing)} to CASES"


def _name_of(key: str) -> str:
    """The name in the table that a key is found by."""
    row, wild = row_of(key)
    assert row is not None, key
    return next(name for name in row.names if name.replace("*", wild, 1) == key)


def test_names_are_unique() -> None:
    names = [name for row in KEYS for name in row.names]
    assert sorted(names) == sorted(set(names))
