"""A disk for the virtual machine: Debian with systemd as its first process, and this checkout.

The root file system is one of :mod:`tests.distributions`, on a disk of its own because systemd
reads thousands of small files, which the host's tree over 9p would make a matter of minutes. The
kernel is that of the other ring; what it needs to find the disk is in an initramfs made here.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests import distributions, rootfs
from tests.harness import CHECKOUT
from tests.peers import Tree

DISK_SIZE = "1600M"
# To find the disk and what is shared, and what containers and their networks use.
EARLY_MODULES = ("virtio_pci", "virtio_blk", "ext4", "9p", "9pnet_virtio")
MODULES = (
    *EARLY_MODULES,
    *("loop", "overlay", "veth", "bridge", "nf_tables", "nft_masq", "nft_ct", "nft_reject_inet"),
    *("nft_chain_nat", "autofs4", "i6300esb"),
)
# Where the code is: outside of what Python knows by itself, as a checkout is.
CODE = "/opt/virtlxc"
# What has nothing to do with the matter, and costs an emulated processor seconds.
MASKED = (
    *("systemd-udev-settle.service", "systemd-timesyncd.service", "getty@tty1.service"),
    *("serial-getty@ttyS0.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"),
    *("systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"),
    *("systemd-udev-trigger.service", "systemd-hwdb-update.service", "man-db.timer"),
    *("systemd-pcrphase.service", "systemd-pcrphase-sysinit.service", "logrotate.timer"),
    *("systemd-journal-catalog-update.service", "systemd-update-utmp.service"),
    *("modprobe@drm.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
)
RUNNER = """\
[Unit]
Description=What the tests look at from inside
After=multi-user.target
DefaultDependencies=no

[Service]
Type=exec
Environment=PYTHONPATH={code}
ExecStart=/usr/bin/python3 {code}/tests/vm/systemd_inside.py
StandardOutput=append:{results}/output.txt
StandardError=append:{results}/output.txt
KillMode=process
SuccessExitStatus=SIGTERM

[Install]
WantedBy=multi-user.target
"""
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module; done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /root
/bin/busybox mount --move /dev /root/dev
/bin/busybox umount /proc
/bin/busybox umount /sys
exec /bin/busybox switch_root /root /sbin/init
"""


def kernel(tree: Tree) -> Path:
    """The kernel's image; its release is the name's second half."""
    return next((tree.root / "boot").glob("vmlinuz-*"))


def module_files(tree: Tree, names: Iterable[str]) -> list[Path]:
    """The files of these modules and of what they need, in an order that they can be loaded in."""
    release = next((tree.root / "usr/lib/modules").iterdir()).name
    if not (tree.root / "usr/lib/modules" / release / "modules.dep").exists():
        subprocess.run([_kmod("depmod", tree), "-b", tree.root, release], check=True)
    found: dict[Path, None] = {}
    for name in names:
        shown = subprocess.run(
            [_kmod("modprobe", tree), "-S", release, "-d", tree.root, "--show-depends", name],
            capture_output=True,
            text=True,
            check=True,
        )
        for line in shown.stdout.splitlines():
            if line.startswith("insmod "):
                found[Path(line.split()[1])] = None
    return list(found)


def _kmod(name: str, tree: Tree) -> str:
    for folder in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        if Path(folder, name).exists():
            return f"{folder}/{name}"
    return tree.program(name)


# The initramfs


def make_initramfs(tree: Tree, path: Path) -> None:
    """busybox, the modules that the disk needs, and an init of eight lines."""
    modules = module_files(tree, EARLY_MODULES)
    busybox = rootfs.find_busybox().read_bytes()
    init = INIT.format(modules=" ".join(module.name for module in modules))
    with path.open("wb") as archive:
        for number, entry in enumerate(_entries(busybox, init.encode(), modules)):
            archive.write(_cpio(number, *entry))
        archive.write(_cpio(0, "TRAILER!!!", 0, b""))


def _entries(
    busybox: bytes, init: bytes, modules: list[Path]
) -> Iterator[tuple[str, int, bytes]]:
    for folder in ("bin", "dev", "modules", "proc", "root", "sys"):
        yield folder, stat.S_IFDIR | 0o755, b""
    yield "bin/busybox", stat.S_IFREG | 0o755, busybox
    yield "init", stat.S_IFREG | 0o755, init
    for module in modules:
        yield f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes()


def _cpio(inode: int, name: str, mode: int, data: bytes) -> bytes:
    """One entry of a "newc" archive, as the kernel's initramfs document describes it."""
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


# The disk


def make_disk(tree: Tree, scratch: Path, path: Path, results: str) -> None:
    """An ext4 file system with everything, in a sparse file. ``results``: the share's folder."""
    root = scratch / "root"
    root.mkdir()
    distributions.unpack("host", root)
    _add_modules(tree, root)
    add_code(root)
    add_guest(root)
    _set_up(root, results)
    with path.open("wb") as disk:
        os.truncate(disk.fileno(), 0)
    subprocess.run(
        [
            *("mkfs.ext4", "-q", "-F", "-d", str(root), "-O", "^has_journal"),
            *("-E", "lazy_itable_init=1,nodiscard", str(path), DISK_SIZE),
        ],
        check=True,
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    shutil.rmtree(root)


def _add_modules(tree: Tree, root: Path) -> None:
    source = next((tree.root / "usr/lib/modules").iterdir())
    target = root / "usr/lib/modules" / source.name
    for module in module_files(tree, MODULES):
        inner = Path(str(module).split(f"/modules/{source.name}/")[1])
        (target / inner.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(module, target / inner)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(source / name, target / name)
    subprocess.run([_kmod("depmod", tree), "-b", root, source.name], check=True)


def add_code(root: Path) -> None:
    code = root / CODE.lstrip("/")
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "virtlxc", code / "virtlxc", ignore=leave)
    (code / "tests/vm").mkdir(parents=True)
    for name in ("__init__.py", "rootfs.py"):
        shutil.copy(CHECKOUT / "tests" / name, code / "tests" / name)
    for name in ("__init__.py", "systemd_inside.py", "systemd_tools.py"):
        shutil.copy(CHECKOUT / "tests/vm" / name, code / "tests/vm" / name)
    command = root / "usr/local/bin/virtlxc"
    command.write_text(
        "#!/usr/bin/python3 -I\n"
        f"import sys\n\nsys.path.insert(0, {CODE!r})\n"
        "from virtlxc.cli.main import main\n\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    # Emulated, Python's compiler would take half a minute.
    subprocess.run(
        ["chroot", root, "python3", "-m", "compileall", "-q", "-j", "2", CODE], check=True
    )


def add_guest(root: Path) -> None:
    rootfs.make_busybox(root / "srv/guest")


def mask(root: Path) -> None:
    for name in MASKED:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")


def _set_up(root: Path, results: str) -> None:
    units = root / "etc/systemd/system"
    mask(root)
    (units / "tests.service").write_text(RUNNER.format(code=CODE, results=results))
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "tests.service").symlink_to("../tests.service")
    (root / "etc/hostname").write_text("virtlxc-systemd\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/fstab").write_text(
        f"results {results} 9p trans=virtio,version=9p2000.L,access=any 0 0\n"
    )
    (root / results.lstrip("/")).mkdir()
    journal = root / "etc/systemd/journald.conf.d"
    journal.mkdir(parents=True)
    (journal / "tests.conf").write_text("[Journal]\nStorage=persistent\nSyncIntervalSec=1s\n")
