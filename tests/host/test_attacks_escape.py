"""What root of a container tries in order to reach the host, and does not."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for

pytestmark = pytest.mark.host

IDMAP = """\
<idmap>
  <uid start='0' target='1000000' count='65536'/>
  <gid start='0' target='1000000' count='65536'/>
</idmap>"""


def define(instance: Instance, name: str, devices: str, *, idmap: bool, **os: str) -> None:
    """A domain that only sleeps; ``os``: elements of <os>."""
    more = "".join(f"<{tag}>{text}</{tag}>" for tag, text in os.items())
    instance.define(f"""\
<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/bin/sleep</init><initarg>1000</initarg>{more}</os>
  {IDMAP if idmap else ""}
  <features><privnet/></features>
  <devices>{devices}<console type='pty'/></devices>
</domain>""")
    instance.virtlxc("start", name).ok()


def folder(source: object, target: str, more: str = "") -> str:
    return (
        f"<filesystem type='mount'><source dir='{source}'/><target dir='{target}'/>{more}"
        "</filesystem>"
    )


def inside(instance: Instance, name: str, script: str) -> str:
    """What a shell script in the domain prints; its errors too."""
    result = instance.virtlxc("exec", name, "--", "/bin/sh", "-c", f"exec 2>&1\n{script}")
    return result.stdout


@pytest.mark.parametrize("idmap", [True, False])
def test_read_only_stays_read_only(instance: Instance, idmap: bool) -> None:
    root, data = instance.busybox(), instance.root / "data"
    data.mkdir(mode=0o777)
    data.chmod(0o777)
    define(
        instance, "ro", folder(root, "/") + folder(data, "/data", "<readonly/>"), idmap=idmap
    )
    shown = inside(
        instance,
        "ro",
        "mount -o remount,rw,bind /data; mount -o remount,rw /data\n"
        "mkdir -p /mnt; mount --bind /data /mnt; mount -o remount,rw,bind /mnt\n"
        "touch /data/written /mnt/written; echo done",
    )
    assert shown.endswith("done\n")
    assert list(data.iterdir()) == [], shown


def test_what_is_masked_stays_masked(instance: Instance) -> None:
    """Neither uncovered, nor looked at through another /proc or /sys, nor made writable."""
    define(instance, "masked", folder(instance.busybox(), "/"), idmap=True)
    shown = inside(
        instance,
        "masked",
        "see() { cat $1/keys 2>/dev/null | grep . && echo ESCAPED: $*; }\n"
        "umount /proc/keys; umount -l /proc/keys; see /proc by umount\n"
        "mkdir -p /mnt; mount -t proc proc /mnt; see /mnt by another; umount /mnt\n"
        "unshare -m sh -c 'umount /proc/keys; mount -t proc proc /mnt;"
        " cat /proc/keys /mnt/keys' | grep '^[0-9a-f]* ' && echo ESCAPED: by a namespace\n"
        "unshare -mpf sh -c 'mount -t proc proc /proc; cat /proc/keys'"
        " | grep '^[0-9a-f]* ' && echo ESCAPED: by a pid namespace\n"
        "unshare -Urmpf sh -c 'mount -t proc proc /proc; cat /proc/keys'"
        " | grep '^[0-9a-f]* ' && echo ESCAPED: by a user namespace\n"
        "mount --bind /proc /mnt; see /mnt by a bind; umount /mnt\n"
        "mount -t sysfs sysfs /mnt && ls /mnt/firmware | grep . && echo ESCAPED: by another sysfs\n"
        "umount /mnt; umount /sys/firmware; ls /sys/firmware | grep . && echo ESCAPED: firmware\n"
        "for path in /proc/sys /proc/irq /proc/sysrq-trigger /sys; do\n"
        "mount -o remount,rw,bind $path; mount -o remount,rw $path\n"
        "grep \" $path rw\" /proc/mounts && echo ESCAPED: $path is writable; done\n"
        "umount -l /proc; mount -t proc proc /proc; see /proc by one in its place\n"
        "echo done",
    )
    assert shown.endswith("done\n") and "ESCAPED" not in shown, shown


@pytest.mark.parametrize("idmap", [True, False])
def test_no_root_file_system_shows_none_of_the_hosts_data(instance: Instance, idmap: bool) -> None:
    define(instance, "bare", "", idmap=idmap)
    shown = inside(
        instance,
        "bare",
        "for path in /etc/shadow /root /home /var/lib /etc/ssh; do\n"
        "umount $path; umount $path; umount -l $path; done\n"
        "mkdir -p /tmp/a; mount --bind / /tmp/a && echo ESCAPED by a bind of /\n"
        "mount --bind /etc /tmp/a && echo ESCAPED by a bind of /etc\n"
        "mount -o remount,rw,bind /; mount -o remount,rw /\n"
        "test -s /etc/shadow && echo ESCAPED to /etc/shadow\n"
        "for path in /root /home /var/lib /etc/ssh; do\n"
        'test -z "$(ls -A $path)" || echo ESCAPED to $path; done\n'
        "find /etc -xdev ! -type d ! -type l ! -perm -004 -size +0 2>/dev/null"
        " | sed s/^/ESCAPED:/\n"
        "find / /etc -maxdepth 3 -xdev \\( -type s -o -type p -o -type b \\) 2>/dev/null"
        " | grep -v -e ^/run -e ^/tmp -e ^/dev -e ^/proc | sed s/^/ESCAPED:/\n"
        "touch /etc/written && rm /etc/written && echo ESCAPED: /etc is writable\n"
        "grep CapBnd /proc/self/status; echo done",
    )
    assert shown.endswith("done\n")
    assert "ESCAPED" not in shown, shown
    if not idmap:
        # open_by_handle_at would lead below every cover.
        bounding = int(shown.split("CapBnd:")[1].split()[0], 16)
        assert not bounding >> 2 & 1, "CAP_DAC_READ_SEARCH"


LISTENER = """\
import socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("/opt/answers")
listener.listen()
time.sleep(60)
"""


def test_no_root_file_system_reaches_no_socket_among_the_hosts_programs(instance: Instance) -> None:
    instance.run("mount", "-t", "tmpfs", "none", "/opt").ok()
    listener = instance.spaces.popen([sys.executable, "-c", LISTENER])
    try:
        wait_for("a socket in /opt", lambda: instance.run("test", "-S", "/opt/answers").code == 0)
        define(instance, "bare", "", idmap=False)
        shown = inside(instance, "bare", "test -S /opt/answers && echo ESCAPED; ls /opt")
        assert shown == "answers\n"
        assert inside(instance, "bare", "test -c /opt/answers && echo covered") == "covered\n"
    finally:
        listener.kill()
        listener.wait()
        instance.run("umount", "-l", "/opt").ok()


@pytest.mark.parametrize("idmap", [True, False])
def test_no_root_file_system_reaches_no_fifo_of_the_host(instance: Instance, idmap: bool) -> None:
    """A read-only mount does not stop who writes to one, nor does it matter when it was made."""
    instance.run("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/opt").ok()
    instance.own_mounts.add("/opt")
    instance.run("sh", "-c", "mkfifo -m 666 /opt/early && mkdir /opt/below").ok()
    define(instance, "noroot", "", idmap=idmap)
    instance.run("sh", "-c", "mkfifo -m 666 /opt/late && mkfifo -m 666 /opt/below/late").ok()
    names = ("early", "late", "below/late")
    # Who reads and writes never waits for another; what is in a FIFO is there for any reader.
    readers = [
        instance.spaces.popen(
            ["sh", "-c", f"exec 3<>/opt/{name}; read word <&3; echo $word"],
            stdout=subprocess.PIPE,
        )
        for name in names
    ]
    try:
        for name in names:
            path = f"/opt/{name}"
            wait_for("a reader", lambda path=path: _has_reader(instance, path))  # type: ignore[misc]
        shown = inside(
            instance,
            "noroot",
            "cd /opt; for name in early late below/late; do\n"
            "test -p $name && echo sees $name\n"
            "timeout 1 sh -c \"echo leaked > $name\" 2>&1; done\n",
        )
        assert "leaked" not in shown
        assert [name for name in names if f"sees {name}" in shown] == list(names)
        for name in names:
            instance.run("timeout", "2", "sh", "-c", f"echo host > /opt/{name}")
        said = [reader.communicate(timeout=60)[0].decode().strip() for reader in readers]
        assert said == ["host"] * len(names)
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


def _has_reader(instance: Instance, path: str) -> bool:
    """Whether somebody has it open: without a reader, a writer that does not wait is refused."""
    script = f"import os; os.open({path!r}, os.O_WRONLY | os.O_NONBLOCK)"
    return instance.run(sys.executable, "-I", "-S", "-c", script).code == 0


def test_a_working_directory_never_leads_through_a_descriptor(instance: Instance) -> None:
    """What the processes of a start hold open (groups of the host) is not the guest's to enter."""
    root = instance.busybox()
    (root / "magic").symlink_to("/proc/self/root")
    for number in range(3, 32):
        (root / f"fd{number}").symlink_to(f"/proc/self/fd/{number}")
    define(instance, "calm", folder(root, "/"), idmap=False)
    for path in ("/magic", *(f"/fd{number}" for number in range(5, 12))):
        instance.virtlxc("exec", "calm", "--cwd", path, "--", "pwd").failed()
    with pytest.raises(AssertionError, match="/magic: Too many levels of symbolic links"):
        define(instance, "cwd", folder(root, "/"), idmap=False, initdir="/magic")


#: Each line must fail inside a user namespace. What follows ``umount`` is tried without the cover.
ATTACKS = """\
echo x >/proc/sys/kernel/core_pattern
echo x >/proc/sys/kernel/modprobe
echo h >/proc/sysrq-trigger
echo 3 >/proc/sys/vm/drop_caches
echo -1000 >/proc/1/oom_score_adj
umount /proc/sys/net /proc/sys 2>/dev/null; echo x >/proc/sys/kernel/core_pattern
mount -o remount,rw /sys; echo x >/sys/kernel/uevent_helper
mount -o remount,rw,bind /sys; echo mem >/sys/power/state
test "$(head -c 1 /proc/kcore | wc -c)" = 1
head -c 1 /proc/kmsg
dmesg
mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk
mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem
mknod /dev/kmsg c 1 11 && head -c 1 /dev/kmsg
echo 0 >/sys/fs/cgroup/../cgroup.procs
echo max >/sys/fs/cgroup/memory.max
echo max >/sys/fs/cgroup/pids.max
echo 1 >/sys/fs/cgroup/cgroup.kill
mount -t cgroup -o memory none /mnt && echo x >/mnt/release_agent
mount -t cgroup2 none /mnt && test -e /mnt/machine
mount -t debugfs none /mnt
mount -t securityfs none /mnt
mount -t ext4 /dev/vda /mnt
ls /proc/1/root/../../etc/virtlxc
chroot /proc/1/root/.. test -e /etc/debian_version
"""


def test_attacks_from_inside_fail(instance: Instance) -> None:
    root = instance.busybox()
    (root / "mnt").mkdir()
    (root / "bin/self").write_text("#!/proc/self/exe\n")
    (root / "bin/self").chmod(0o755)
    define(instance, "evil", folder(root, "/"), idmap=True)
    files = [Path(f"/proc/sys/kernel/{name}") for name in ("core_pattern", "modprobe", "hostname")]
    files = [file for file in files if file.exists()]
    before = [file.read_text() for file in files]
    lines = ATTACKS.splitlines()
    script = "\n".join(f"( {line} ) >/dev/null 2>&1 && echo SUCCEEDED: '{line}'" for line in lines)
    shown = inside(instance, "evil", f"{script}\necho done")
    assert shown == "done\n", shown
    assert [file.read_text() for file in files] == before
    descriptors = inside(instance, "evil", "cd /proc/1/fd; echo *; cd /proc/self/fd; echo *")
    # 3 is the shell's own, which reads the folder.
    assert descriptors == "0 1 2\n0 1 2 3\n", "nothing of ours is open in init or in a program"
    instance.virtlxc("exec", "evil", "--", "/bin/self").failed()
    # What we open of the guest's is opened without waiting, and only what it has to be.
    inside(instance, "evil", "rm /etc/passwd; mkfifo /etc/passwd /dev/initctl; mkdir -p /run\n")
    (root / "run/initctl").symlink_to("/dev/console")
    refused = instance.virtlxc("exec", "evil", "--user", "root", "--", "id", timeout=60).failed()
    assert "has no user 'root'" in refused
    instance.virtlxc("shutdown", "evil", timeout=60).failed()
    inside(instance, "evil", "umount /dev/pts; umount -l /dev/pts; mkfifo /dev/pts/ptmx\n")
    instance.virtlxc("exec", "evil", "--tty", "--", "id", timeout=60).failed()


def test_others_on_the_host_see_and_open_nothing(instance: Instance) -> None:
    define(instance, "seen", folder(instance.busybox(), "/"), idmap=True)
    instance.virtlxc("--readonly", "console", "seen", user=65534).failed()
    for words in (("logs", "seen"), ("exec", "seen", "id"), ("destroy", "seen")):
        refused = instance.virtlxc("--readonly", *words, user=65534).failed()
        assert "read only access" in refused
    instance.virtlxc("list", user=65534).failed()
    open_to_others = {
        path.removeprefix(instance.paths.run)
        for path, mode in _modes(instance.paths.run)
        if mode & 0o006
    }
    assert open_to_others <= {"", "/network", "/facts.json", "/virtlxc-sock-ro"}
    for folder_path in (instance.paths.log, f"{instance.paths.lib}/guests", instance.paths.domains):
        assert os.stat(folder_path).st_mode & 0o077 == 0, folder_path


def _modes(top: str) -> list[tuple[str, int]]:
    """Paths below ``top`` that others can reach, with their modes."""
    found = []
    for path, folders, names in os.walk(top):
        mode = os.stat(path).st_mode
        found.append((path, mode))
        if not mode & 0o001:
            folders.clear()
            continue
        found += [(f"{path}/{name}", os.lstat(f"{path}/{name}").st_mode) for name in names]
    return found


def test_a_program_without_a_terminal_never_gets_ours(instance: Instance) -> None:
    """What it leaves behind would go on reading what is typed on the host."""
    define(instance, "calm", folder(instance.busybox(), "/"), idmap=True)
    script = (
        "for n in 0 1 2; do test -t $n && echo $n is the terminal of the host; done\n"
        "read line; echo got $line; echo err >&2\n"
        "(trap '' HUP; exec sleep 50 >/dev/null) & exit 7"
    )
    ours, theirs = pty.openpty()
    try:
        program = subprocess.Popen(
            instance.argv("exec", "calm", "--", "/bin/sh", "-c", script),
            env=instance.environment(),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.write(ours, b"typed\n")
        shown, _ = program.communicate(timeout=60)
        assert (shown, program.returncode) == (b"got typed\n", 7)
        assert b"err" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)


def test_targets_and_links_stay_in_the_tree(instance: Instance) -> None:
    root, data = instance.busybox(), instance.root / "data"
    data.mkdir()
    for name, target in (("up", "/../../../../etc"), ("out", "../../../../../../etc")):
        (root / name).symlink_to(target)
    targets = ("/up/planted", "/out/placed", "/../../planted", "/new/../../placed")
    devices = "".join(folder(data, target) for target in targets)
    define(instance, "paths", folder(root, "/") + devices, idmap=True)
    assert {"planted", "placed"} <= set(os.listdir(root))
    assert {"planted", "placed"} <= set(os.listdir(root / "etc"))
    for place in ("/", "/etc", str(instance.root)):
        assert not {"planted", "placed"} & set(os.listdir(place)), place
    with pytest.raises(AssertionError, match="symbolic links"):
        magic = folder(data, "/proc/self/root/planted")
        define(instance, "magic", folder(root, "/") + magic, idmap=True)
