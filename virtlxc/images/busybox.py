"""The template ``busybox``: a whole system from one static program of some two megabytes.

Every command is a hard link to the same file. init reads /etc/inittab, sets the network up by DHCP
and waits on the console for Enter. Sources: busybox's own documentation of init (inittab, the
signals SIGUSR1, SIGUSR2 and SIGTERM) and of udhcpc (the script's arguments and variables).
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import programs
from virtlxc.images.definitions import definition, host_name
from virtlxc.images.template import Request
from virtlxc.model import Domain

MEMORY = 64 * 1024  # KiB; an idle one uses less than two of these megabytes
LIST_TIMEOUT_S = 10.0
PT_INTERP = 3
# What Alpine and openSUSE call the one without libraries, beside another one.
STATIC_NAMES = ("busybox.static", "busybox-static")

FOLDERS = (
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/init.d", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sbin", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("usr/share", 0o755),
    ("usr/share/udhcpc", 0o755),
    ("var", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
)
LINKS = (("var/run", "../run"),)

# askfirst with a "-": the shell takes the console as its controlling terminal, so that Ctrl and C
# reach what runs in it. No ctrlaltdel: a SIGINT for init must not boot the container again.
INITTAB = """\
::sysinit:/etc/init.d/rcS
::askfirst:-/bin/sh
::restart:/sbin/init
"""

RCS = """\
#!/bin/sh
# Runs once at boot, before the console asks for Enter.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /run /tmp
[ -s /etc/hostname ] && hostname "$(cat /etc/hostname)"
for path in /sys/class/net/*; do
    link=${path##*/}
    # Only links with hardware of their own (1: Ethernet): no loopback, no fallback tunnels.
    [ "$(cat "$path/type")" = 1 ] || continue
    # An address from the definition stands; only a link without one asks for a lease.
    ip -4 addr show dev "$link" | grep -q 'inet ' && continue
    ip link set "$link" up
    udhcpc -i "$link" -b -t 4 -T 1 -A 5 -O mtu -x "hostname:$(hostname)" \\
        -p "/run/udhcpc.$link.pid" -s /usr/share/udhcpc/default.script
done
"""

UDHCPC_SCRIPT = """\
#!/bin/sh
# Called by udhcpc with what happened; the lease is in the environment.
case $1 in
deconfig)
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    ;;
bound | renew)
    [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
    ip -4 addr replace "$ip/${mask:-24}" ${broadcast:+broadcast "$broadcast"} dev "$interface"
    metric=0
    for gateway in $router; do
        ip -4 route replace default via "$gateway" dev "$interface" metric "$metric"
        metric=$((metric + 1))
    done
    {
        [ -n "$search$domain" ] && echo "search ${search:-$domain}"
        for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf.new
    mv /etc/resolv.conf.new /etc/resolv.conf
    ;;
esac
exit 0
"""

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"
SHADOW = "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n"
PROFILE = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\u@\\h:\\w\\$ '\n"


class Busybox:
    """See the module."""

    name = "busybox"
    title = "one static program, some 2 MiB: a shell, udhcpc and the usual small commands"

    def check(self) -> None:
        _static_busybox()

    def build(self, root: str, request: Request) -> None:
        for folder, mode in FOLDERS:
            os.mkdir(f"{root}/{folder}")
            os.chmod(f"{root}/{folder}", mode)
        for path, target in LINKS:
            os.symlink(target, f"{root}/{path}")
        _install(_static_busybox(), root)
        hostname = host_name(request.name)
        for path, text, mode in (
            ("etc/inittab", INITTAB, 0o644),
            ("etc/init.d/rcS", RCS, 0o755),
            ("usr/share/udhcpc/default.script", UDHCPC_SCRIPT, 0o755),
            ("etc/passwd", PASSWD, 0o644),
            ("etc/group", GROUP, 0o644),
            ("etc/shadow", SHADOW, 0o600),
            ("etc/profile", PROFILE, 0o644),
            ("etc/hostname", f"{hostname}\n", 0o644),
            ("etc/hosts", f"127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n", 0o644),
            ("etc/fstab", "", 0o644),
        ):
            with open(f"{root}/{path}", "x", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)

    def domain(self, request: Request) -> Domain:
        return definition(request, memory=MEMORY)


def _static_busybox() -> str:
    """The host's busybox; raises VirtlxcError when there is none that runs without libraries."""
    doing = "cannot make a busybox root filesystem"
    found = next((path for name in STATIC_NAMES if (path := programs.find(name))), None)
    found = found or programs.require("busybox", doing)
    if _needs_libraries(found):
        raise VirtlxcError(
            f"{doing}: {found} needs the host's libraries; a static one is wanted "
            f"({programs.how_to_install('busybox')})",
            Code.OPERATION_UNSUPPORTED,
        )
    return os.path.realpath(found)


def _needs_libraries(path: str) -> bool:
    """Whether the program names a dynamic linker: has a PT_INTERP header (elf(5))."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF":
            return True
        wide = head[4] == 2
        order = "<" if head[5] == 1 else ">"
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        file.seek(offset)
        table = file.read(size * count)
    kinds = (struct.unpack_from(order + "I", table, at * size)[0] for at in range(count))
    return PT_INTERP in kinds


def _install(busybox: str, root: str) -> None:
    """One copy, and a hard link for each command that it knows."""
    try:
        listed = subprocess.run(
            [busybox, "--list-full"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIST_TIMEOUT_S,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        raise VirtlxcError(f"cannot ask {busybox} for its commands: {error}") from None
    program = f"{root}/bin/busybox"
    with open(busybox, "rb") as source, open(program, "xb") as target:
        shutil.copyfileobj(source, target)
        os.fchmod(target.fileno(), 0o755)
    made = {"bin/busybox"}
    for path in listed.split():
        folder, _, command = path.rpartition("/")
        # A command outside the folders above (linuxrc) is for booting from a RAM disk.
        if path in made or command in ("", ".", "..") or not os.path.isdir(f"{root}/{folder}"):
            continue
        if folder:
            os.link(program, f"{root}/{path}")
            made.add(path)
    if not os.path.exists(f"{root}/sbin/init"):
        raise VirtlxcError(
            f"cannot make a busybox root filesystem: {busybox} has no init built in "
            f"({programs.how_to_install('busybox')})",
            Code.OPERATION_UNSUPPORTED,
        )
