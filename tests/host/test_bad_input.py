"""Bad input: one error that names the object, the step, the cause and the mend; nothing changes.

Each row has the exact words that the command prints. ``{root}`` stands for the instance's root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.namespaces import Result

pytestmark = pytest.mark.host

TAKEN = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
IDMAP = (
    "<idmap><uid start='{first}' target='100000' count='10'/>{more}"
    "<gid start='0' target='100000' count='10'/></idmap>"
)
CARD = "<interface type='{type}'><mac address='{mac}'/><source {type}='{source}'/></interface>"


def document(
    *,
    name: str = "bad",
    uuid: str = "",
    memory: str = "<memory unit='MiB'>64</memory>",
    init: str = "<init>/sbin/init</init>",
    more: str = "",
    root: str = "{root}/rootfs",
    devices: str = "",
) -> str:
    """A good definition, but for what a row makes bad."""
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"""<domain type='lxc'>
  <name>{name}</name>{identity}
  {memory}
  <os><type>exe</type>{init}</os>
  {more}
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    {devices}
    <console type='pty'/>
  </devices>
</domain>
"""


UNITS = (
    "(allowed: a whole number that is not negative, with one of the units b, bytes, K, KB, KiB, M,"
    " MB, MiB, G, GB, GiB, T, TB, TiB, P, PB, PiB, E, EB, EiB)"
)
CHILDREN = (
    "blkiotune, bootloader, bootloader_args, clock, cpu, cputune, currentMemory, defaultiothread, "
    "description, devices, features, genid, idmap, iothreadids, iothreads, keywrap, "
    "launchSecurity, maxMemory, memory, memoryBacking, memtune, metadata, name, namespace, "
    "numatune, on_crash, on_lockfailure, on_poweroff, on_reboot, os, perf, pm, resource, seclabel, "
    "sysinfo, title, uuid, vcpu, vcpus"
)
UNKNOWN = document(more="<frobnicate level='3'/>")

# What is refused by define: the document, and the words.
DEFINE = {
    "malformed": (
        document()[:-4],
        "the domain XML is not well formed: expected '>', line 12, column 7",
    ),
    "empty": ("", "the domain XML is not well formed: Document is empty, line 1, column 1"),
    "another root element": ("<network/>", "line 1: the root element is <network>, not <domain>"),
    "wrong unit": (
        document(memory="<memory unit='MiBs'>64</memory>"),
        f"line 3, /domain/memory: '64 MiBs' is not allowed {UNITS}",
    ),
    "negative memory": (
        document(memory="<memory>-5</memory>"),
        f"line 3, /domain/memory: '-5' is not allowed {UNITS}",
    ),
    "no memory": (document(memory=""), "line 1, /domain: <memory> is missing"),
    "name in use with another uuid": (
        document(name="taken", uuid=OTHER),
        f"operation failed: domain 'taken' already exists with uuid {TAKEN} (give the document that"
        " uuid to change it, or another name)",
    ),
    "uuid in use with another name": (
        document(name="another", uuid=TAKEN),
        f"operation failed: domain 'taken' is already defined with uuid {TAKEN} (to rename it:"
        " virtlxc domrename taken NEW; else give the document another uuid)",
    ),
    "a uuid that is none": (
        document(uuid="xyz"),
        "line 2, /domain/uuid: 'xyz' is not allowed (allowed: 32 hexadecimal digits, such as"
        " 8369f1ac-7e46-4869-8ca5-759d51478066)",
    ),
    "no init": (
        document(init=""),
        "domain 'bad': no init is given; name the first program in <os>, such as"
        " <init>/sbin/init</init>",
    ),
    "a name of 300 characters": (
        document(name="x" * 300),
        f"domain '{'x' * 57}...': the name has 300 bytes; at most 200 are possible",
    ),
    "a name with a slash": (
        document(name="a/b"),
        "domain 'a/b': the name contains '/'; names are file names, choose one without",
    ),
    "a name with a leading dot": (
        document(name=".hidden"),
        "domain '.hidden': the name begins with '.'; choose one that begins otherwise",
    ),
    "a name of two lines": (
        document(name="two&#10;lines"),
        "domain 'two\nlines': the name contains a newline; write it in one line",
    ),
    "a name of nothing": (
        document(name=" "),
        "domain ' ': the name is empty; give it one in <name>",
    ),
    "multicast MAC": (
        document(devices=CARD.format(type="bridge", mac="01:00:5e:00:00:01", source="br0")),
        "domain 'bad': interface 1 has the multicast MAC 01:00:5e:00:00:01; the second digit must"
        " be even",
    ),
    "idmap without id 0": (
        document(more=IDMAP.format(first=1, more="")),
        "domain 'bad': <idmap> maps no <uid> 0, so that the container has no root; add a"
        " <uid start='0' .../>",
    ),
    "idmap that overlaps inside": (
        document(
            more=IDMAP.format(first=0, more="<uid start='5' target='200000' count='10'/>")
        ),
        "domain 'bad': <idmap> <uid start='0' count='10'> and <uid start='5' count='10'> overlap",
    ),
    "idmap that overlaps outside": (
        document(
            more=IDMAP.format(first=0, more="<uid start='50' target='100005' count='10'/>")
        ),
        "domain 'bad': <idmap> <uid target='100000' count='10'> and <uid target='100005'"
        " count='10'> overlap",
    ),
}  # fmt: skip

# What only a start refuses: the document, and the words behind "cannot start domain 'bad': ".
START = {
    "no root folder": (
        document(root="/nowhere"),
        "clone /nowhere for /: there is no '/nowhere' (create it, or mend <filesystem><source"
        " dir>)",
    ),
    "a root folder that is a file": (
        document(root="{root}/rootfs/bin/busybox"),
        "clone {root}/rootfs/bin/busybox for /: '{root}/rootfs/bin/busybox' is not a folder, and"
        " cannot be a root",
    ),
    "no bridge": (
        document(devices=CARD.format(type="bridge", mac="52:54:00:00:00:01", source="br7")),
        "attach eth0 to its bridge: there is no bridge 'br7' (create it, or use a network: virtlxc"
        " net-list --all)",
    ),
    "no network": (
        document(devices=CARD.format(type="network", mac="52:54:00:00:00:01", source="lab")),
        "attach its interfaces: there is no network 'lab' (there is: 'default'; define one: virtlxc"
        " net-define FILE)",
    ),
    "a MAC of a running domain": (
        document(devices=CARD.format(type="bridge", mac="52:54:00:00:00:77", source="br0")),
        "check its interfaces: the MAC 52:54:00:00:00:77 is used by the running domain 'taken'"
        " (give one of them another <mac address=.../>)",
    ),
    "no init file": (
        document(init="<init>/sbin/none</init>"),
        "execute init: there is no '/sbin/none' in the root folder '{root}/rootfs' (mend"
        " <os><init>)",
    ),
    "init without x bit": (
        document(init="<init>/flat</init>"),
        "execute init: '/flat' in the root folder '{root}/rootfs' is not an executable file (chmod"
        " +x it, or mend <os><init>)",
    ),
    "init with an interpreter that is not there": (
        document(init="<init>/lost</init>"),
        "execute init: /lost: its interpreter, named in its first line or ELF header, is not in the"
        " container",
    ),
    "init that is no program": (
        document(init="<init>/junk</init>"),
        "execute init: /junk: it is no program for this machine, and does not begin with #!",
    ),
    "init that leads out of the root folder": (
        document(init="<init>/outside</init>"),
        "execute init: there is no '/outside' in the root folder '{root}/rootfs' (mend"
        " <os><init>)",
    ),
    "idmap that does not fit the files": (
        document(root="{root}/foreign", more=IDMAP.format(first=0, more="")),
        "clone {root}/foreign for /: it belongs to id 5000, which is in neither range of the id map"
        " 0-9 -> 100000-100009 (chown it, or say <virtlxc:filesystem target='/'"
        " idmap='mount|none'/>)",
    ),
} | {
    f"/{name} of the root folder is a link": (
        document(root=f"{{root}}/hostile-{name}"),
        f"attach /{name}: '/{name}' in the root folder '{{root}}/hostile-{name}' is a symbolic link"
        " (make it a folder)",
    )
    for name in ("dev", "proc", "sys")
}  # fmt: skip


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    made = Instance()
    try:
        _furnish(made)
        yield made
    finally:
        made.close()


def _furnish(made: Instance) -> None:
    root = made.busybox("rootfs")
    rootfs.script(root, "/flat", "#!/bin/sh\n")
    (root / "flat").chmod(0o644)
    rootfs.script(root, "/lost", "#!/no/such/shell\n")
    rootfs.script(root, "/junk", "neither here nor there")
    (root / "outside").symlink_to("/../../../../../../bin/bash")
    (made.root / "foreign").mkdir()
    os.chown(made.root / "foreign", 5000, 5000)
    for name in ("dev", "proc", "sys"):
        hostile = rootfs.make_busybox(made.root / f"hostile-{name}")
        shutil.rmtree(hostile / name)
        (hostile / name).symlink_to("/etc")
    made.bridge("br0")
    card = CARD.format(type="bridge", mac="52:54:00:00:00:77", source="br0")
    text = document(name="taken", uuid=TAKEN, devices=card).format(root=made.root)
    made.define(text)
    made.virtlxc("start", "taken").ok()


def everything(instance: Instance) -> dict[str, object]:
    """All that a refused command could have changed, on disk and in the kernel."""
    files = {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for folder in ("etc", "run", "var/lib")
        for path in sorted((instance.root / folder).rglob("*"))
        # A command locks this, and connects.
        if path.is_file()
    }
    return {
        "files": files,
        "cgroups": instance.cgroups(),
        "links": sorted(instance.links()),
        "mounts": instance.spaces.mounts_below(instance.root),
        "domains": instance.domains("--all"),
    }


def refuse(instance: Instance, run: Callable[[], Result]) -> str:
    """The standard error of a command that must fail and change nothing."""
    before = everything(instance)
    result = run()
    assert (result.code, result.stdout.strip()) == (1, ""), str(result)
    wait_for("no change", lambda: everything(instance) == before, 1.0)
    return result.stderr.lstrip("\n")


@pytest.mark.parametrize("what", list(DEFINE))
def test_define_refuses(instance: Instance, what: str) -> None:
    text, words = DEFINE[what]
    path = instance.write("bad.xml", text.replace("{root}", str(instance.root)))
    said = refuse(instance, lambda: instance.virtlxc("define", path))
    assert said == f"error: Failed to define domain from {path}\nerror: {words}\n"


@pytest.mark.parametrize("what", list(START))
def test_start_refuses_what_define_takes(instance: Instance, what: str) -> None:
    text, words = START[what]
    instance.define(text.replace("{root}", str(instance.root)))
    try:
        said = refuse(instance, lambda: instance.virtlxc("start", "bad"))
        words = words.replace("{root}", str(instance.root))
        assert said == (
            "error: Failed to start domain 'bad'\n"
            f"error: cannot start domain 'bad': {words}\n"
        )
    finally:
        instance.virtlxc("undefine", "bad").ok()


def test_links_of_a_hostile_root_lead_nowhere(instance: Instance) -> None:
    """Mount points that we may make are made inside, whatever links stand there."""
    root = rootfs.make_busybox(instance.root / "hostile")
    (root / "data").symlink_to("/../../../../../.." + str(instance.root / "etc"))
    before = sorted((instance.root / "etc").rglob("*"))
    share = "<filesystem type='ram'><source usage='64'/><target dir='/data/x'/></filesystem>"
    instance.define(document(root=str(root), devices=share))
    try:
        instance.virtlxc("start", "bad")  # whether it can is not the question
        instance.virtlxc("destroy", "bad")
        assert [path for path in sorted((instance.root / "etc").rglob("*")) if path not in before
                ] == [instance.root / "etc/virtlxc/lxc/bad.xml"]  # fmt: skip
    finally:
        instance.virtlxc("undefine", "bad").ok()
        shutil.rmtree(root)


def test_unknown_elements(instance: Instance) -> None:
    path = instance.write("odd.xml", UNKNOWN.replace("{root}", str(instance.root)))
    words = f"there is no <frobnicate> in <domain> (allowed: {CHILDREN})"
    said = refuse(instance, lambda: instance.virtlxc("define", path, "--validate"))
    assert said == (
        f"error: Failed to define domain from {path}\n"
        f"error: XML document failed to validate against schema: line 5: /domain/frobnicate:"
        f" {words}\n"
    )
    said = refuse(instance, lambda: instance.virtlxc("validate", path))
    assert said == (
        f"error: {path}:5: /domain/frobnicate: {words}\n"
        "error: 1 of 1 files cannot be used as they are\n"
    )
    done = instance.virtlxc("define", path)
    assert "warning: /domain/frobnicate has no effect: virtlxc does not know it" in done.stderr
    assert "frobnicate level='3'" in instance.virtlxc("dumpxml", "bad").ok()
    instance.virtlxc("undefine", "bad").ok()


def test_an_init_that_exits_at_once_has_been_started(instance: Instance) -> None:
    rootfs.script(instance.root / "rootfs", "/brief", "#!/bin/sh\necho bye\nexit 3\n")
    text = document(name="brief", init="<init>/brief</init>")
    instance.define(text.replace("{root}", str(instance.root)))
    try:
        instance.virtlxc("start", "brief").ok()
        wait_for("its end", lambda: "brief" not in instance.domains())
        state = instance.virtlxc("domstate", "brief", "--reason").ok().splitlines()
        assert state[0] == "shut off (crashed)"
        assert state[1].startswith("init exited with status 3 after 0.")
        assert "bye" in instance.virtlxc("logs", "brief").ok().split()
        assert "domain 'brief' ended: init exited with status 3" in instance.daemon_messages()
    finally:
        instance.virtlxc("undefine", "brief").ok()


def test_a_domain_that_is_not_there(instance: Instance) -> None:
    said = refuse(instance, lambda: instance.virtlxc("start", "nobody"))
    assert said == "error: failed to get domain 'nobody'\n"


# --- what a host lacks


@pytest.fixture
def still() -> Iterator[Instance]:
    """An instance of a test's own, without a daemon yet."""
    made = Instance(start=False)
    yield made
    made.close()


def test_no_dnsmasq(still: Instance) -> None:
    dnsmasq = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert dnsmasq is not None
    still.run("mount", "--bind", "/dev/null", str(Path(dnsmasq).resolve())).ok()
    still.start_daemon()
    still.busybox("rootfs")
    card = CARD.format(type="network", mac="52:54:00:00:00:01", source="default")
    still.define(document(devices=card).replace("{root}", str(still.root)))
    cause = (
        "there is no program 'dnsmasq' (install it: apt install dnsmasq-base, dnf install dnsmasq,"
        " zypper install dnsmasq, apk add dnsmasq)\n"
    )
    said = refuse(still, lambda: still.virtlxc("net-start", "default"))
    assert said == (
        "error: Failed to start network default\n"
        f"error: cannot start network 'default': DHCP and DNS: {cause}"
    )
    said = refuse(still, lambda: still.virtlxc("start", "bad"))
    assert said == (
        "error: Failed to start domain 'bad'\n"
        "error: cannot start domain 'bad': attach its interfaces: cannot start network 'default':"
        f" DHCP and DNS: {cause}"
    )


def test_no_free_subnet(still: Instance) -> None:
    still.bridge("all0")
    for net in ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"):
        still.run("ip", "route", "add", net, "dev", "all0").ok()
    still.start_daemon()
    said = refuse(still, lambda: still.virtlxc("net-start", "default"))
    assert said == (
        "error: failed to get network 'default'\n"
        "error: Network not found: no network with matching name 'default'; none could be made: no"
        " free subnet for a new network: 192.168.122-254.0/24, 10.122-254.122.0/24 and"
        " 172.16-31.122.0/24 are all taken by the route to 192.168.0.0/16 by interface 'all0', the"
        " route to 10.0.0.0/8 by interface 'all0', the route to 172.16.0.0/12 by interface 'all0'"
        " (define the network with an <ip> of its own)\n"
    )


class Hidden(Instance):
    """Its folder of live state is a mount that only its own namespace has."""

    def _daemon_answers(self) -> bool:
        return self.run("test", "-S", self.paths.socket).code == 0


def test_no_space_for_live_state() -> None:
    still = Hidden(start=False)
    run = still.paths.run
    Path(run).mkdir(parents=True)
    try:
        still.run("mount", "-t", "tmpfs", "-o", "size=256k", "none", run).ok()
        still.start_daemon()
        still.busybox("rootfs")
        still.define(document().replace("{root}", str(still.root)))
        still.run("dd", "if=/dev/zero", f"of={run}/fill", "bs=4k").failed()
        before = still.run("ls", "-AR", run).ok()
        said = still.virtlxc("start", "bad").failed().lstrip("\n")
        (uuid,) = still.virtlxc("domuuid", "bad").ok().split()
        assert said == (
            "error: Failed to start domain 'bad'\n"
            f"error: cannot start domain 'bad': write {run}/{uuid}/starting.json: No space left on"
            " device (free some space on its filesystem; nothing was changed)\n"
        )
        assert still.run("ls", "-AR", run).ok() == before
        assert still.cgroups() == []
        still.run("rm", f"{run}/fill").ok()
        still.virtlxc("start", "bad").ok()
        still.virtlxc("destroy", "bad").ok()
        still.stop_daemon()
    finally:
        still.run("umount", "-l", run)
        still.close()


def test_a_socket_that_another_daemon_has(still: Instance) -> None:
    """Another program answers at the socket's path: not our lock, but somebody's daemon."""
    still.start_daemon()
    other = Instance(start=False)
    try:
        folder = Path(other.paths.run)
        folder.mkdir(parents=True)
        (folder / "virtlxc-sock").symlink_to(still.paths.socket)
        result = other.virtlxc("daemon")
        title = " ".join(
            ("virtlxc", "daemon", "--root", str(still.root))
        )
        assert result.code == 1
        assert result.stderr.splitlines()[-1] == (
            f"error: cannot listen at {other.paths.socket}: process {still.daemon_pid} ({title})"
            " answers there (stop it, or use another --root)"
        )
        assert still.domains() == []
        # The same root twice: the lock tells.
        said = refuse(still, lambda: still.virtlxc("daemon"))
        assert said == (
            f"error: cannot run the daemon: process {still.daemon_pid} is the daemon of"
            f" {still.root} already (use it, stop it, or give another --root)\n"
        )
    finally:
        other.close()


# --- new


NEW = {
    "a name in use": (
        ("taken",),
        "Failed to make domain 'taken'\nerror: cannot make 'taken': there is a domain of that name"
        " (choose another, or remove that one: virtlxc delete, or undefine)",
    ),
    "a forbidden name": (
        ("b/x",),
        "Failed to make domain 'b/x'\nerror: cannot make 'b/x': a name has 1 to 200 bytes, no '/'"
        " and no leading '.'",
    ),
    "no such template": (
        ("box", "--template", "none"),
        "Failed to make domain 'box'\nerror: there is no template 'none' (there is: busybox)",
    ),
    "no such network": (
        ("box", "--network", "lab"),
        "Failed to make domain 'box'\nerror: cannot make 'box': there is no network 'lab' (there"
        " is: default)",
    ),
    "multicast MAC": (
        ("box", "--mac", "01:00:5e:00:00:01"),
        "Failed to make domain 'box'\nerror: cannot make 'box': 01:00:5e:00:00:01 is a multicast"
        " address (the second digit must be even)",
    ),
    "negative memory": (
        ("box", "--memory", "-3"),
        "'-3' is not a size; write for example 512M or 2G",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(NEW))
def test_new_refuses(instance: Instance, what: str) -> None:
    arguments, words = NEW[what]
    template = () if "--template" in arguments else ("--template", "busybox")
    said = refuse(instance, lambda: instance.virtlxc("new", *arguments, *template))
    assert said == f"error: {words}\n"


def test_new_on_a_full_disk(still: Instance) -> None:
    still.start_daemon()
    guests = f"{still.paths.lib}/guests"
    still.run("mkdir", "-p", guests).ok()
    still.run("mount", "-t", "tmpfs", "-o", "size=600k", "none", guests).ok()
    try:
        said = still.virtlxc("new", "box", "--template", "busybox").failed().lstrip("\n")
        assert said == (
            "error: Failed to make domain 'box'\n"
            f"error: cannot make 'box': write {guests}/box: No space left on device (free some"
            " space on its filesystem; nothing was changed)\n"
        )
        assert still.run("ls", "-A", guests).ok() == ""
        assert still.domains("--all") == []
    finally:
        still.run("umount", guests).ok()
    still.virtlxc("new", "box", "--template", "busybox").ok()
    still.virtlxc("delete", "box").ok()
