"""The keys of LXC up to 7.0, old names beside new ones: one row a key, or a pattern of keys.

A ``*`` in a name stands for a number, a limit's name, a file: the reader finds it in
``line.name``. Rows are looked up by whole names first, then by patterns in the table's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from virtlxc.convert.lxc import base, filesystems, limits, network, security
from virtlxc.convert.lxc.draft import Draft
from virtlxc.convert.lxc.lines import INCLUDE, Line

Reader = Callable[[Draft, Line], None]


@dataclass(frozen=True, slots=True)
class Row:
    """``becomes`` names the element, or says why there is none when ``lost``.

    ``repeats``: each line adds to those before it; otherwise the last one counts. An empty value
    takes back the lines of the row, and those of rows whose names begin as ``clears`` say.
    """

    names: tuple[str, ...]
    becomes: str
    read: Reader
    repeats: bool = False
    clears: tuple[str, ...] = ()
    lost: bool = False

    @property
    def name(self) -> str:
        return self.names[0]


def _row(names: str, becomes: str, read: Reader, *, repeats: bool = False, clears: str = "") -> Row:
    return Row(tuple(names.split()), becomes, read, repeats, tuple(clears.split()))


def _lost(
    names: str,
    why: str,
    *,
    fine: str = "",
    protects: bool = False,
    repeats: bool = False,
    clears: str = "",
) -> Row:
    """A key without counterpart; ``fine`` are the values that ask for what is there anyway."""
    silent = fine.split()

    def read(draft: Draft, line: Line) -> None:
        if line.value not in silent:
            draft.note(line, f"'{line.value}' has no counterpart: {why}", protects=protects)

    return Row(tuple(names.split()), why, read, repeats, tuple(clears.split()), lost=True)


def _included(draft: Draft, line: Line) -> None:
    """Nothing: lines.py has put the file's lines in its place."""


_HOOK = "no programs are run around a container's life"
_LOG = "a domain's log is /var/log/virtlxc/NAME.log"
_GROUP = "there are no groups: virtlxc autostart NAME"
_SIGNAL = "the init that is found decides how it is told to end"
_MONITOR = "there is no monitor; a controller belongs to the domain"
_CGROUP = "its groups have fixed places below the partition"
_TIME = "a container shows the host's time"
_SECCOMP = "system calls are not filtered"
_CARD = "a container's card has no such setting"

_BASE = (
    _row("lxc.uts.name lxc.utsname", "<name>", base.name),
    _row("lxc.arch", "<os><type arch=>", base.arch),
    _row(INCLUDE, "the file's lines", _included, repeats=True),
    _row("lxc.init.cmd lxc.init_cmd", "<init>, <initarg>", base.command),
    _row("lxc.init.uid lxc.init_uid", "<inituser>", base.user),
    _row("lxc.init.gid lxc.init_gid", "<initgroup>", base.group),
    _row("lxc.init.cwd", "<initdir>", base.folder),
    _lost("lxc.init.groups", "init has the groups of its user"),
    _lost("lxc.execute.cmd", "virtlxc exec runs single programs"),
    _row("lxc.environment", "<initenv>", base.environment, repeats=True),
    _row("lxc.environment.runtime", "<initenv>", base.environment, repeats=True),
    _lost("lxc.environment.hooks", _HOOK, repeats=True),
    _lost("lxc.ephemeral", "virtlxc create starts a domain that is gone when it ends", fine="0"),
    _row("lxc.start.auto", "virtlxc autostart", base.autostart),
    _row("lxc.start.delay", "<virtlxc:autostart delay=>", base.start_delay),
    _row("lxc.start.order", "<virtlxc:autostart order=>", base.start_order),
    _lost("lxc.group", _GROUP, repeats=True),
    _lost("lxc.signal.halt lxc.haltsignal", _SIGNAL, fine="SIGPWR"),
    _lost("lxc.signal.reboot lxc.rebootsignal", _SIGNAL, fine="SIGINT"),
    _lost("lxc.signal.stop lxc.stopsignal", _SIGNAL, fine="SIGKILL 9"),
    _lost("lxc.monitor.unshare", _MONITOR, fine="0"),
    _lost("lxc.monitor.signal.pdeath", _MONITOR),
    _lost("lxc.sched.core", "processors are shared with others", fine="0", protects=True),
    _lost("lxc.time.offset.boot", _TIME),
    _lost("lxc.time.offset.monotonic", _TIME),
    _row("lxc.tty.max lxc.tty", "<console>", base.terminals),
    _lost("lxc.tty.dir lxc.devttydir", "terminals are /dev/tty1, /dev/tty2 ...", fine="lxc"),
    _lost("lxc.pty.max lxc.pts", "as many as the kernel allows", fine="1 1024"),
    _lost("lxc.console.path lxc.console", "virtlxc console shows it", fine="none auto"),
    _lost("lxc.console.logfile", _LOG),
    _lost("lxc.console.buffer.size", "the last 64 KiB are kept", fine="64KB auto"),
    _lost("lxc.console.size", _LOG),
    _lost("lxc.console.rotate", _LOG, fine="0"),
    _lost("lxc.log.file lxc.logfile", _LOG),
    _lost("lxc.log.level lxc.loglevel", _LOG),
    _lost("lxc.log.syslog lxc.syslog", _LOG),
    _row("lxc.namespace.share.*", "<lxc:namespace>", base.share),
    _row("lxc.namespace.keep", "no interface, no <privnet/>", base.keep_namespaces),
    _lost("lxc.namespace.clone", "which namespaces there are follows from the rest"),
)

_FILESYSTEMS = (
    _row("lxc.rootfs.path lxc.rootfs", "<filesystem> at /", filesystems.root),
    _row("lxc.rootfs.options", "<virtlxc:filesystem target='/'>", filesystems.root_options),
    _lost("lxc.rootfs.mount", "the root needs no place on the host"),
    _lost("lxc.rootfs.managed", "undefine never removes a root", fine="0"),
    _lost("lxc.rootfs.backend", "the kind is seen from the path", fine="dir btrfs lvm best"),
    _lost("lxc.pivotdir", "the old root leaves nothing behind"),
    _row("lxc.mount.entry", "<filesystem>, <hostdev>", filesystems.entry, repeats=True),
    _row("lxc.mount.fstab lxc.mount", "<filesystem>, <hostdev>", filesystems.fstab),
    _row("lxc.mount.auto", "what every container has", filesystems.automatic, repeats=True),
    _lost("lxc.autodev", "/dev is always made", fine="1"),
    _lost("lxc.autodev.tmpfs.size", "/dev holds nothing but nodes", fine="500000"),
    _lost("lxc.kmsg", "/dev/kmsg is not there", fine="0"),
)

_NETWORK = (
    _lost("lxc.net lxc.network", "only an empty value means something", clears="lxc.net.*."),
    _row("lxc.net.*.type lxc.network.*.type lxc.network.type", "<interface>", network.kind),
    _row("lxc.net.*.link lxc.network.*.link lxc.network.link", "<source>", network.link),
    _row("lxc.net.*.flags lxc.network.*.flags lxc.network.flags", "<link state=>", network.flags),
    _row("lxc.net.*.name lxc.network.*.name lxc.network.name", "<guest dev=>", network.name),
    _row("lxc.net.*.hwaddr lxc.network.*.hwaddr lxc.network.hwaddr", "<mac>", network.mac),
    _row("lxc.net.*.mtu lxc.network.*.mtu lxc.network.mtu", "<mtu>", network.mtu),
    _row("lxc.net.*.veth.pair lxc.network.*.veth.pair lxc.network.veth.pair", "<target dev=>",
         network.pair),
    _row("lxc.net.*.vlan.id lxc.network.*.vlan.id lxc.network.vlan.id", "<hostdev>", network.vlan),
    _row("lxc.net.*.macvlan.mode lxc.network.*.macvlan.mode lxc.network.macvlan.mode",
         "<source mode=>", network.macvlan_mode),
    _row("lxc.net.*.ipv4.address lxc.network.*.ipv4 lxc.network.ipv4", "<ip>", network.address,
         repeats=True),
    _row("lxc.net.*.ipv6.address lxc.network.*.ipv6 lxc.network.ipv6", "<ip>", network.address,
         repeats=True),
    _row("lxc.net.*.ipv4.gateway lxc.network.*.ipv4.gateway lxc.network.ipv4.gateway", "<route>",
         network.gateway),
    _row("lxc.net.*.ipv6.gateway lxc.network.*.ipv6.gateway lxc.network.ipv6.gateway", "<route>",
         network.gateway),
    _row("lxc.net.*.veth.mode", "<interface type='bridge'>", network.veth_mode),
    _lost("lxc.net.*.veth.ipv4.route", "set the route on the host", repeats=True),
    _lost("lxc.net.*.veth.ipv6.route", "set the route on the host", repeats=True),
    _row("lxc.net.*.veth.vlan.id", "<vlan>", network.port_vlan),
    _row("lxc.net.*.veth.vlan.tagged.id", "<vlan>", network.port_tag, repeats=True),
    _lost("lxc.net.*.veth.n_rxqueues", _CARD),
    _lost("lxc.net.*.veth.n_txqueues", _CARD),
    _lost("lxc.net.*.l2proxy", "set up the proxy on the host", fine="0"),
    _lost("lxc.net.*.ipvlan.mode", "there are no ipvlan cards"),
    _lost("lxc.net.*.ipvlan.isolation", "there are no ipvlan cards", fine="bridge"),
    _lost("lxc.net.*.script.up lxc.network.*.script.up lxc.network.script.up", _HOOK),
    _lost("lxc.net.*.script.down lxc.network.*.script.down lxc.network.script.down", _HOOK),
)  # fmt: skip

_LIMITS = (
    _row("lxc.cgroup2.memory.max lxc.cgroup.memory.limit_in_bytes", "<memory>", limits.memory),
    _row("lxc.cgroup2.memory.high lxc.cgroup.memory.soft_limit_in_bytes", "<soft_limit>",
         limits.soft_limit),
    _row("lxc.cgroup.memory.memsw.limit_in_bytes", "<swap_hard_limit>", limits.swap_total),
    _row("lxc.cgroup2.memory.swap.max", "<swap_hard_limit>", limits.swap_alone),
    _row("lxc.cgroup2.memory.low", "<virtlxc:low>", limits.memory_low),
    _row("lxc.cgroup2.memory.min", "<virtlxc:min>", limits.memory_min),
    _row("lxc.cgroup2.pids.max lxc.cgroup.pids.max", "<virtlxc:pids>", limits.pids),
    _row("lxc.cgroup.cpu.shares", "<shares>", limits.cpu_shares),
    _row("lxc.cgroup2.cpu.weight", "<shares>", limits.cpu_weight),
    _row("lxc.cgroup.cpu.cfs_period_us", "<period>", limits.cpu_period),
    _row("lxc.cgroup.cpu.cfs_quota_us", "<quota>", limits.cpu_quota),
    _row("lxc.cgroup2.cpu.max", "<quota>, <period>", limits.cpu_max),
    _row("lxc.cgroup2.cpuset.cpus lxc.cgroup.cpuset.cpus", "<vcpu cpuset=>", limits.cpus),
    _row("lxc.cgroup2.cpuset.mems lxc.cgroup.cpuset.mems", "<numatune>", limits.mems),
    _row("lxc.cgroup2.io.weight lxc.cgroup2.io.bfq.weight lxc.cgroup.blkio.weight",
         "<blkiotune><weight>", limits.io_weight),
    _row("lxc.cgroup2.io.max", "<blkiotune><device>", limits.io_max, repeats=True),
    _row("lxc.cgroup.blkio.throttle.read_bps_device lxc.cgroup.blkio.throttle.write_bps_device"
         " lxc.cgroup.blkio.throttle.read_iops_device lxc.cgroup.blkio.throttle.write_iops_device"
         " lxc.cgroup.blkio.device_weight lxc.cgroup.blkio.weight_device",
         "<blkiotune><device>", limits.device_limit, repeats=True),
    _row("lxc.cgroup2.devices.allow lxc.cgroup.devices.allow",
         "what every container has, <capabilities><mknod>",
         limits.allow_device, repeats=True),
    _row("lxc.cgroup2.devices.deny lxc.cgroup.devices.deny", "what every container has",
         limits.deny_device, repeats=True),
    _lost("lxc.cgroup.dir", _CGROUP),
    _lost("lxc.cgroup.dir.container", _CGROUP),
    _lost("lxc.cgroup.dir.container.inner", _CGROUP),
    _lost("lxc.cgroup.dir.monitor", _CGROUP),
    _lost("lxc.cgroup.dir.monitor.pivot", _CGROUP),
    _lost("lxc.cgroup.relative", _CGROUP, fine="0"),
    _lost("lxc.cgroup2.*", "this file of the group is not written", repeats=True),
    _lost("lxc.cgroup.*", "this file of the group is not written", repeats=True),
    _row("lxc.prlimit.* lxc.limit.*", "<virtlxc:rlimit>", limits.rlimit),
    _lost("lxc.prlimit lxc.limit", "only an empty value means something", clears="lxc.prlimit.*"),
    _row("lxc.sysctl.*", "<virtlxc:sysctl>", limits.sysctl),
    _lost("lxc.sysctl", "only an empty value means something", clears="lxc.sysctl.*"),
    _lost("lxc.proc.*", "files of init's in /proc are not written"),
)  # fmt: skip

_SECURITY = (
    _row("lxc.idmap lxc.id_map", "<idmap>", security.idmap, repeats=True),
    _row("lxc.cap.drop", "<capabilities policy='allow'>", security.drop, repeats=True,
         clears="lxc.cap.keep"),
    _row("lxc.cap.keep", "<capabilities policy='deny'>", security.keep, repeats=True,
         clears="lxc.cap.drop"),
    _row("lxc.apparmor.profile lxc.aa_profile", "<seclabel>", security.apparmor),
    _lost("lxc.apparmor.allow_incomplete lxc.aa_allow_incomplete", "profiles are not made",
          fine="0"),
    _lost("lxc.apparmor.allow_nesting", "<virtlxc:container nesting='yes'> is the nearest",
          fine="0"),
    _lost("lxc.apparmor.raw", "profiles are not made", protects=True, repeats=True),
    _row("lxc.selinux.context lxc.se_context", "<seclabel>", security.selinux),
    _lost("lxc.selinux.context.keyring", "keyrings are not labelled", protects=True),
    _lost("lxc.keyring.session", "the session keyring is the daemon's", fine="1"),
    _lost("lxc.seccomp.profile lxc.seccomp", _SECCOMP, protects=True),
    _lost("lxc.seccomp.allow_nesting", _SECCOMP, fine="0"),
    _lost("lxc.seccomp.notify.proxy", _SECCOMP),
    _lost("lxc.seccomp.notify.cookie", _SECCOMP),
    _lost("lxc.no_new_privs", "programs may gain rights as usual", fine="0", protects=True),
)  # fmt: skip

_HOOKS = (
    _lost("lxc.hook.version", _HOOK, fine="0 1"),
    _lost("lxc.hook", "only an empty value means something", clears="lxc.hook."),
    *(
        _lost(f"lxc.hook.{name}", _HOOK, repeats=True)
        for name in (
            *("pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop"),
            *("post-stop", "clone", "destroy"),
        )
    ),
)

KEYS: tuple[Row, ...] = (*_BASE, *_FILESYSTEMS, *_NETWORK, *_LIMITS, *_SECURITY, *_HOOKS)
