"""What libvirt's suite asks of disks: raw ones and one in qcow2, by libvirt's own library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.host.test_image_formats import WithQemu
from tests.interop.library import Library, LibraryError
from tests.interop.virsh import DOMAIN

pytestmark = pytest.mark.interop

MIB = 1 << 20
POOL = "<pool type='dir'><name>tck</name><target><path>{path}</path></target></pool>"
VOLUME = """<volume><name>{name}</name><capacity>{size}</capacity>
<allocation>{allocation}</allocation><target><format type='{form}'/></target></volume>"""
DISK = """<disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'/>
<target dev='{target}'/></disk>"""
OPERATION_UNSUPPORTED = 84


class WithTools(WithQemu):
    """Its daemon makes volumes in qcow2, too."""

    def environment(self, **more: str) -> dict[str, str]:
        made = super().environment(**more)
        program = self.root / "bin/qemu-img"
        if not program.exists():
            words = " ".join(peers.fetch("images").argv("qemu-img"))
            program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            program.chmod(0o755)
        return made


@pytest.fixture
def instance() -> Iterator[Instance]:
    try:
        peers.fetch("images")
    except peers.Unavailable as error:
        pytest.skip(str(error))
    made = WithTools()
    yield made
    made.close()


@pytest.fixture
def library(instance: Instance) -> Iterator[Library]:
    made = Library(instance)
    yield made
    made.close()


def test_disks_of_volumes(instance: Instance, library: Library) -> None:
    root = instance.root
    library(f"pool = connection.storagePoolDefineXML({POOL.format(path=root / 'pool')!r})")
    library("pool.build(0)")
    library("pool.create()")
    disks = ""
    rows = (("vda", "raw", 50 * MIB), ("vdb", "raw", MIB), ("vdc", "qcow2", MIB))
    for target, form, allocation in rows:
        xml = VOLUME.format(name=target, size=50 * MIB, allocation=allocation, form=form)
        path = library(f"pool.createXML({xml!r}, 0).path()")
        disks += DISK.format(form=form, path=path, target=target)
    xml = DOMAIN.format(name="tck", root=instance.busybox(), init="/sbin/init")
    library(f"dom = connection.createXML({xml.replace('<console', disks + '<console')!r})")
    for target, _form, allocation in rows[:2]:
        capacity, used, physical = library(f"dom.blockInfo({target!r})")
        assert (capacity, physical) == (50 * MIB, 50 * MIB)
        assert used >= allocation
    capacity, used, physical = library("dom.blockInfo('vdc')")
    image = root / "pool/vdc"
    assert (capacity, physical) == (50 * MIB, image.stat().st_size)
    assert used == image.stat().st_blocks * 512
    size = ("exec", "tck", "--", "/bin/blockdev", "--getsize64", "/dev/vdc")
    assert instance.virtlxc(*size).ok().strip() == str(50 * MIB)
    library("dom.blockResize('vda', 512 * 50)")
    assert (root / "pool/vda").stat().st_size == 25 * MIB
    assert library("dom.blockInfo('vda')")[0] == 25 * MIB
    (root / "pool/vda").write_bytes(b"test\n")
    assert library(f"dom.blockPeek({str(root / 'pool/vda')!r}, 0, 4)") == "test"
    with pytest.raises(LibraryError, match="is of the format 'qcow2', not raw") as refused:
        library(f"dom.blockPeek({str(image)!r}, 0, 3)")
    assert refused.value.code == OPERATION_UNSUPPORTED
    library("dom.destroy()")
    for target in ("vda", "vdb", "vdc"):
        library(f"pool.storageVolLookupByName({target!r}).delete(0)")
    library("pool.destroy()")
    library("pool.undefine()")
