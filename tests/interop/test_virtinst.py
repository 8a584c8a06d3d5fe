"""virt-install, virt-xml and virt-clone, as a person types them; the kernel and the disk answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests import peers
from tests.harness import Instance, wait_for
from tests.interop.virsh import Virsh
from tests.namespaces import Result

pytestmark = pytest.mark.interop

MODULES = {"virt-install": "virtinstall", "virt-xml": "virtxml", "virt-clone": "virtclone"}
START = "import sys; sys.path.insert(0, {!r}); from virtinst import {} as tool; tool.runcli()"


class Tools:
    """The tools of virt-manager's package, run from where they were unpacked."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.virsh = Virsh(instance)
        self.root = instance.busybox()
        self.tree = peers.fetch("virtinst")

    def __call__(self, tool: str, *words: str) -> Result:
        share = self.tree.root / "usr/share"
        typelibs = [str(path) for path in self.tree.root.glob("usr/lib/*/girepository-1.0")]
        environment = self.tree.environment(
            GI_TYPELIB_PATH=":".join(typelibs),
            OSINFO_SYSTEM_DIR=str(share / "osinfo"),
            HOME=str(self.instance.root),
        )
        script = START.format(str(share / "virt-manager"), MODULES[tool])
        argv = ["/usr/bin/python3", "-c", script, "--connect", self.virsh.uri, *words]
        return self.instance.spaces.run(*argv, env=environment, timeout=90)

    def definition(self, name: str) -> etree._Element:
        return etree.parse(self.instance.paths.domain_xml(name)).getroot()


@pytest.fixture(scope="module")
def tools(shared_instance: Instance) -> Iterator[Tools]:
    shared_instance.bridge("br0")
    yield Tools(shared_instance)


@pytest.fixture(scope="module")
def made(tools: Tools) -> Iterator[str]:
    """A container that virt-install defined and booted from a prepared root file system."""
    tools(
        "virt-install", "--name", "made", "--memory", "64", "--vcpus", "1", "--os-variant",
        "generic", "--filesystem", f"{tools.root},/", "--init", "/sbin/init",
        "--network", "bridge=br0", "--import", "--noautoconsole",
    ).ok()  # fmt: skip
    yield "made"
    tools.virsh("destroy", "made")
    tools.virsh("undefine", "made").ok()


def test_virt_install_defines_and_boots(tools: Tools, made: str) -> None:
    root = tools.definition(made)
    assert root.findtext("os/init") == "/sbin/init"
    source = root.find("devices/filesystem/source")
    assert source is not None
    assert source.get("dir") == str(tools.root)
    pid = tools.virsh.id_of(made)
    assert Path(f"/proc/{pid}/root/etc/inittab").exists()
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"init")
    assert "eth0" in Path(f"/proc/{pid}/net/dev").read_text()


def test_virt_install_refuses_a_name_that_is_taken(tools: Tools, made: str) -> None:
    failed = tools(
        "virt-install", "--name", made, "--memory", "64", "--os-variant", "generic",
        "--filesystem", f"{tools.root},/", "--import", "--noautoconsole",
    ).failed()  # fmt: skip
    assert f"Guest name '{made}' is already in use" in failed


def test_virt_xml_edits_the_definition(tools: Tools, made: str) -> None:
    before = tools.definition(made).findtext("uuid")
    tools("virt-xml", made, "--edit", "--metadata", "title=by virt-xml").ok()
    tools("virt-xml", made, "--edit", "--vcpus", "2").ok()
    root = tools.definition(made)
    assert (root.findtext("title"), root.findtext("vcpu")) == ("by virt-xml", "2")
    assert root.findtext("uuid") == before


def test_virt_xml_adds_and_removes_devices(tools: Tools, made: str) -> None:
    mac = "52:54:00:0a:0b:0c"
    tools("virt-xml", made, "--add-device", "--network", f"bridge=br0,mac={mac}").ok()
    assert len(tools.definition(made).findall("devices/interface")) == 2
    tools("virt-xml", made, "--remove-device", "--network", f"mac={mac}").ok()
    assert len(tools.definition(made).findall("devices/interface")) == 1


def test_virt_clone_makes_another_definition(tools: Tools, made: str) -> None:
    """Folders are no disks, so the copy shares them; what must be its own is new."""
    tools.virsh("destroy", made).ok()
    tools("virt-clone", "--original", made, "--name", "copy", "--auto-clone").ok()
    original, copy = tools.definition(made), tools.definition("copy")
    assert copy.findtext("uuid") != original.findtext("uuid")
    macs = [root.find("devices/interface/mac") for root in (original, copy)]
    assert macs[0] is not None
    assert macs[1] is not None
    assert macs[0].get("address") != macs[1].get("address")
    tools.virsh("start", "copy").ok()
    pid = tools.virsh.id_of("copy")
    wait_for("its card", lambda: "eth0" in Path(f"/proc/{pid}/net/dev").read_text())
    tools.virsh("destroy", "copy").ok()
    tools.virsh("undefine", "copy").ok()
