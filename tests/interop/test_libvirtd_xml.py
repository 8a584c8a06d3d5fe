"""What we print for a definition is what libvirt's own LXC driver prints, byte for byte.

libvirtd and virsh come from unpacked packages and run in namespaces of their own; define and
dumpxml need no containers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path

import pytest

from tests import rootfs
from tests.peers import Libvirtd
from tests.unit.domains import DATA, EXAMPLES
from tests.unit.generated import definition
from virtlxc.model import LiveView, VirtualPort, complete, format_domain, parse_domain

pytestmark = pytest.mark.interop
GENERATED = 500
BATCH = 50

# What is different on purpose: a pattern in one of the two texts, and why it is left out.
EXPECTED_DIFFERENCES = (
    (r"  <metadata>.*?</metadata>\n", "we keep it byte for byte, libvirt writes it anew"),
    (
        r"      <address type='drive' .*?/>\n",
        "libvirt gives disks places in a machine's controllers",
    ),
    (r"    <controller type=.*?/>\n", "libvirt adds the controllers of a machine"),
    (r" model='none'(?=/>\n)", "libvirt adds the model of a seclabel that has none"),
)


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libvirtd]:
    with Libvirtd.answering(tmp_path_factory.mktemp("libvirtd")) as daemon:
        yield daemon


def printed(libvirtd: Libvirtd, folder: Path, texts: list[str]) -> list[str]:
    """What libvirt prints for each of some definitions, in one run of virsh."""
    commands = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.xml"
        path.write_text(text)
        name = parse_domain(text).name
        commands.append(f"define {path}; dumpxml {name}; undefine {name}")
    output = libvirtd.virsh("; ".join(commands), timeout=300)
    found = re.findall(r"^<domain .*?^</domain>\n", output, re.DOTALL | re.MULTILINE)
    assert len(found) == len(texts), output[-2000:]
    return found


def ours(text: str, theirs: str) -> str:
    """What we print; uuid, MACs and ids of ports that were made up are libvirt's."""
    defined = parse_domain(theirs)
    given = parse_domain(text)
    macs = iter(
        there.mac
        for there, here in zip(defined.interfaces, given.interfaces, strict=True)
        if here.mac is None and there.mac is not None
    )
    cards = tuple(
        replace(here, virtualport=_identified(here.virtualport, there.virtualport))
        for here, there in zip(given.interfaces, defined.interfaces, strict=True)
    )
    return format_domain(
        complete(
            replace(given, interfaces=cards),
            new_uuid=lambda: defined.uuid,
            new_mac=lambda: next(macs),
            arch="x86_64",
        )
    )


def _identified(here: VirtualPort | None, there: VirtualPort | None) -> VirtualPort | None:
    if here is None or there is None:
        return here
    return replace(
        here,
        interface_id=here.interface_id or there.interface_id,
        instance_id=here.instance_id or there.instance_id,
    )


def plain(text: str) -> list[str]:
    for pattern, _ in EXPECTED_DIFFERENCES:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return text.splitlines(keepends=True)


def differences(texts: list[str], libvirtd: Libvirtd, folder: Path) -> str:
    found = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        for text, theirs in zip(batch, printed(libvirtd, folder, batch), strict=True):
            diff = unified_diff(plain(theirs), plain(ours(text, theirs)), "libvirt", "virtlxc")
            found.append("".join(diff))
    return "\n".join(filter(None, found))


def test_examples_and_golden_documents(libvirtd: Libvirtd, tmp_path: Path) -> None:
    paths = [*EXAMPLES, DATA / "everything-in.xml"]
    found = differences([path.read_text() for path in paths], libvirtd, tmp_path)
    assert not found, found[:5000]


def test_generated_definitions(libvirtd: Libvirtd, tmp_path: Path) -> None:
    texts = [definition(number) for number in range(GENERATED)]
    found = differences(texts, libvirtd, tmp_path)
    assert not found, found[:5000]


RUNNING = """<domain type='lxc'><name>running</name><memory unit='MiB'>64</memory>
<os><type>exe</type><init>/bin/sleep</init><initarg>1000</initarg></os>
<devices><filesystem><source dir='{root}'/><target dir='/'/></filesystem>
<interface type='ethernet'><guest dev='eth5'/></interface>
<interface type='ethernet'><link state='up'/></interface>
<console type='pty'/><console type='pty'/></devices></domain>
"""


def test_a_running_domain(libvirtd: Libvirtd, tmp_path: Path) -> None:
    root = rootfs.make_busybox(tmp_path / "root")
    text = RUNNING.format(root=root)
    (tmp_path / "running.xml").write_text(text)
    libvirtd.virsh("define", str(tmp_path / "running.xml"))
    try:
        libvirtd.virsh("start", "running")
        theirs = libvirtd.virsh("dumpxml", "running").strip() + "\n"
    finally:
        libvirtd.virsh("destroy", "running")
        libvirtd.virsh("undefine", "running")

    def seen(pattern: str) -> list[str]:
        return re.findall(pattern, theirs)

    live = LiveView(
        id=int(seen(r" id='([0-9]+)'")[0]),
        consoles=tuple(seen(r"<source path='([^']+)'")),
        links=tuple(
            zip(seen(r"<target dev='([^']+)'"), seen(r"<guest dev='([^']+)'"), strict=True)
        ),
    )
    macs = iter(seen(r"<mac address='([^']+)'"))
    domain = complete(
        parse_domain(text),
        new_uuid=lambda: seen(r"<uuid>([^<]+)<")[0],
        new_mac=lambda: next(macs),
        arch="x86_64",
    )
    assert format_domain(domain, live=live) == theirs
