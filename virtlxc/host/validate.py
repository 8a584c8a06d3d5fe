"""What ``virtlxc host-validate`` prints: every fact that a domain may need, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virtlxc.host import programs
from virtlxc.host.facts import OLDEST_KERNEL, HostFacts
from virtlxc.host.security.idmap import describe_blocks, to_give

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"

# What our own process must be able to do; without these nothing starts.
_NEEDED_CAPABILITIES = (
    "chown",
    "dac_override",
    "kill",
    "mknod",
    "net_admin",
    "setgid",
    "setpcap",
    "setuid",
    "sys_admin",
)
_USES = {
    "dnsmasq": "DHCP and DNS of virtual networks",
    "nft": "NAT of virtual networks",
    "busybox": "the busybox template",
    "mmdebstrap": "the debian template",
    "lxcfs": "guests that see their own memory and processors, not the host's",
    programs.STORAGE_DAEMON: "disks in qcow2, vmdk and vpc images",
}
_CONTROLLERS = (
    ("memory", "<memory> and <memtune>", FAIL),
    ("cpu", "<cputune>", WARN),
    ("pids", "<virtlxc:pids>", WARN),
    ("cpuset", "<vcpu cpuset>", WARN),
)


class Row(NamedTuple):
    """One thing: PASS, or WARN and FAIL with the ``text`` of what is missing and the ``mend``."""

    name: str
    status: str
    text: str
    mend: str = ""


def rows(host: HostFacts) -> tuple[Row, ...]:
    """All of them, the ones without which nothing starts first. Pure."""
    return tuple(_rows(host))


def _rows(host: HostFacts) -> Iterator[Row]:
    yield from _kernel(host)
    yield from _container(host)
    yield from _cgroup2(host)
    yield from _controllers(host)
    yield from _namespaces(host)
    yield from _inotify(host)
    yield from _idmapped(host)
    yield _overlays(host)
    yield from _rights(host)
    for name, use in _USES.items():
        path = host.programs.get(name)
        if path:
            yield Row(name, PASS, path)
        else:
            yield Row(name, WARN, f"not there, for {use}", programs.how_to_install(name))
    yield _systemd(host)
    yield Row("security modules", PASS, ", ".join(host.lsms) or "none")


def _systemd(host: HostFacts) -> Row:
    if not host.systemd:
        return Row("systemd", PASS, "does not run this host")
    if not host.dbus:
        text = "runs this host, and cannot be asked for scopes, nor machined to register domains"
        return Row("systemd", WARN, text, "install the Python package jeepney (python3-jeepney)")
    return Row("systemd", PASS, "runs this host")


def _kernel(host: HostFacts) -> Iterator[Row]:
    oldest = ".".join(map(str, OLDEST_KERNEL))
    if host.kernel_version >= OLDEST_KERNEL:
        yield Row("kernel", PASS, f"{host.kernel}, {host.arch}")
    else:
        yield Row("kernel", FAIL, f"{host.kernel} is too old", f"boot {oldest} or newer")


def _container(host: HostFacts) -> Iterator[Row]:
    """A host that is itself a container in a user namespace, and what it lacks for that."""
    if not host.user_namespace:
        return
    text = f"this host is itself a container, with the ids {describe_blocks(host.uids)}"
    if to_give(host.uids):
        yield Row("user namespace", PASS, text)
    else:
        mend = "give it more by a larger count in its <idmap>"
        yield Row("user namespace", WARN, f"{text}: none for guests of its own", mend)
    for there, name, text in (
        (
            host.cgroup.device_program,
            "device programs",
            "not allowed here: the rules of the container that this host is hold for its guests",
        ),
        (
            host.device_nodes,
            "device nodes",
            "cannot be made here: guests get this host's own, and no disks, images or hostdevs",
        ),
    ):
        yield Row(name, PASS, "works") if there else Row(name, WARN, text)


def _cgroup2(host: HostFacts) -> Iterator[Row]:
    facts = host.cgroup
    if facts.hidden:
        text = f"mounted at {facts.hidden}, and hidden by what is mounted over it"
        mend = "unmount what hides it, or run the daemon in the host's mount namespace"
        yield Row("cgroup2", FAIL, text, mend)
        return
    if not facts.mount:
        mend = "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
        yield Row("cgroup2", FAIL, "not mounted", mend)
        return
    yield Row("cgroup2", PASS, f"{facts.mount} ({facts.layout})")
    tried = [(facts.kill, "cgroup.kill"), (facts.freeze, "cgroup.freeze")]
    if not host.user_namespace:
        tried.append((facts.device_program, "device programs"))
    for there, name in tried:
        mend = "" if there else "boot a kernel with CONFIG_CGROUP_BPF, 5.14 or newer"
        yield Row(name, PASS if there else FAIL, "works" if there else "does not work", mend)


def _controllers(host: HostFacts) -> Iterator[Row]:
    bound = host.cgroup.version_of()
    for name, use, grade in _CONTROLLERS:
        if name in bound:
            yield Row(f"controller {name}", PASS, f"on cgroup v{bound[name]}")
        else:
            mend = "boot with cgroup_enable=memory" if name == "memory" else "see /proc/cgroups"
            yield Row(f"controller {name}", grade, f"not there, for {use}", mend)
    if host.cgroup.swap:
        yield Row("swap accounting", PASS, "on")
    else:
        mend = "boot with swapaccount=1"
        yield Row("swap accounting", WARN, "off, for <swap_hard_limit>", mend)
    if host.cgroup.io_weight_files:
        yield Row("block I/O weight", PASS, " and ".join(host.cgroup.io_weight_files))
    else:
        mend = "boot a kernel with BFQ or io.cost"
        yield Row("block I/O weight", WARN, "not there, for <blkiotune>", mend)


def _namespaces(host: HostFacts) -> Iterator[Row]:
    for kind, count, grade in (
        ("user", host.user_namespaces, WARN),
        ("pid", host.pid_namespaces, FAIL),
        ("net", host.net_namespaces, FAIL),
    ):
        if kind == "user" and count and host.source == "probed" and not host.idmapped:
            # Trying idmapped mounts begins with a user namespace.
            text = f"up to {count} are allowed, and none can be made, for <idmap>"
            mend = "leave the chroot, where the kernel makes none (pivot_root does as well)"
            yield Row(f"{kind} namespaces", grade, text, mend)
        elif count:
            yield Row(f"{kind} namespaces", PASS, f"up to {count}")
        else:
            mend = f"sysctl user.max_{kind}_namespaces=10000"
            yield Row(f"{kind} namespaces", grade, "none allowed", mend)


# Each user namespace counts for itself; what has none counts for root, with the host's services.
_INOTIFY_ENOUGH, _INOTIFY_OF_A_GUEST = 64, 8


def _inotify(host: HostFacts) -> Iterator[Row]:
    count = host.inotify_instances
    text = f"{count} for each container with an <idmap>, as many for all others together"
    if count >= _INOTIFY_ENOUGH:
        yield Row("inotify instances", PASS, text)
    elif count:
        text += f": a guest with systemd takes some {_INOTIFY_OF_A_GUEST}"
        mend = "sysctl fs.inotify.max_user_instances=128, and in /etc/sysctl.d for the next boot"
        yield Row("inotify instances", WARN, text, mend)


def _idmapped(host: HostFacts) -> Iterator[Row]:
    if not host.idmapped:
        again = "run virtlxc host-validate as root"
        mend = "see user namespaces" if host.source == "probed" else again
        yield Row("idmapped mounts", WARN, "not tried", mend)
        return
    for fstype, works in host.idmapped.items():
        if works:
            yield Row(f"idmapped mounts of {fstype}", PASS, "work")
        else:
            mend = "chown the files to the id map's range"
            yield Row(f"idmapped mounts of {fstype}", WARN, "do not work", mend)


def _overlays(host: HostFacts) -> Row:
    if host.overlays:
        return Row("overlays", PASS, "work")
    text = "cannot be laid over /, which a domain without a root file system is screened by"
    return Row("overlays", WARN, text, "modprobe overlay")


def _rights(host: HostFacts) -> Iterator[Row]:
    missing = [name for name in _NEEDED_CAPABILITIES if name not in host.capabilities]
    if host.user_namespace and "mknod" in missing:  # without effect there
        missing.remove("mknod")
    if missing:
        mend = "run as root of the host"
        yield Row("capabilities", FAIL, "without " + ", ".join(missing), mend)
    else:
        yield Row("capabilities", PASS, "all that is needed")
