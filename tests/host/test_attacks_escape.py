"""What root of a container tries in order to reach the host, and does not."""

from __future__ import annotations

import pytest

from tests.harness import Instance

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
        "touch /etc/written && rm /etc/written && echo ESCAPED: /etc is writable\n"
        "grep CapBnd /proc/self/status; echo done",
    )
    assert shown.endswith("done\n")
    assert "ESCAPED" not in shown, shown
    if not idmap:
        # open_by_handle_at would lead below every cover.
        bounding = int(shown.split("CapBnd:")[1].split()[0], 16)
        assert not bounding >> 2 & 1, "CAP_DAC_READ_SEARCH"


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
