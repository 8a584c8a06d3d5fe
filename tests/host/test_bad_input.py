"""Bad definitions: one error that names the object, the step, the cause and the mend.

Nothing changes. Each row has the exact words that the command prints. ``{root}`` stands for the
instance's root.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.badlab import CARD, IDMAP, OTHER, TAKEN, document, furnish, refuse

pytestmark = pytest.mark.host

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


def online(kind: str) -> str:
    return Path(f"/sys/devices/system/{kind}/online").read_text().strip()


SYSCTL = """<metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>
<virtlxc:sysctl name='net.ipv4.nosuch' value='1'/></virtlxc:container></metadata>"""
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
    "a setting that the kernel has not": (
        document(more=SYSCTL),
        "set net.ipv4.nosuch: this kernel has no 'net.ipv4.nosuch' in this container (some hide it"
        " from user namespaces, which is what <idmap> makes; see <virtlxc:sysctl>)",
    ),
    "processors that the host has not": (
        document(more="<vcpu cpuset='0,900'>1</vcpu>"),
        f"set cpuset.cpus: processors 0,900 are asked for, and this host has {online('cpu')} (see"
        " cpuset= of <vcpu>)",
    ),
    "a memory node that the host has not": (
        document(more="<numatune><memory mode='strict' nodeset='3'/></numatune>"),
        f"set cpuset.mems: memory nodes 3 are asked for, and this host has {online('node')} (see"
        " nodeset= of <numatune>)",
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
        furnish(made)
        yield made
    finally:
        made.close()


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


def test_too_little_memory_is_named(instance: Instance) -> None:
    """A forgotten unit: the kernel kills whatever is to become init."""
    text = document(memory="<memory>64</memory>")
    instance.define(text.replace("{root}", str(instance.root)))
    try:
        said = refuse(instance, lambda: instance.virtlxc("start", "bad"))
        assert said.endswith(
            ": 64 KiB of memory is too little (<memory> without a unit is KiB: <memory"
            " unit='MiB'>)\n"
        ), said
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
