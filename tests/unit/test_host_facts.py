"""Facts: as JSON, read without root, shown as capabilities and as rows of host-validate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from tests.unit.plan_scenes import HOSTS
from virtlxc.errors import VirtlxcError
from virtlxc.host.capabilities_xml import capabilities, domain_capabilities, guest_architectures
from virtlxc.host.facts import Cache, Cell, HostFacts, Processor
from virtlxc.host.probe import PROGRAMS, probe_passive
from virtlxc.host.topology import parse_list, read_cells, read_cpu
from virtlxc.host.validate import FAIL, PASS, WARN, rows

V2 = HOSTS["v2"]


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_json(host: HostFacts) -> None:
    assert HostFacts.from_json(host.to_json()) == host


def test_facts_of_a_newer_version_can_be_read() -> None:
    text = V2.to_json().replace('"kernel"', '"new": {"a": 1},\n "kernel"', 1)
    assert HostFacts.from_json(text) == V2


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kernel": "6.1"}'])
def test_what_is_no_facts(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        HostFacts.from_json(text)


def test_passive_facts_need_no_root() -> None:
    facts = probe_passive()
    assert facts.source == "passive"
    assert facts.kernel_version >= (3, 0)
    assert facts.memory_kib > 0 and facts.cpu.count > 0
    assert HostFacts.from_json(facts.to_json()) == facts


def test_lists_of_processors() -> None:
    assert parse_list("0-3,7\n") == (0, 1, 2, 3, 7)
    assert parse_list("") == ()
    with pytest.raises(ValueError, match="x"):
        parse_list("x")


def _write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text + "\n")


def test_a_machine_with_two_nodes(tmp_path: Path) -> None:
    cpu, node = "sys/devices/system/cpu", "sys/devices/system/node"
    files = {
        f"{cpu}/online": "0-6",
        f"{node}/online": "0-1",
        f"{node}/has_memory": "0-1",
        "proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2400.123",
    }
    for number in range(8):
        place = f"{cpu}/cpu{number}/topology"
        files[f"{place}/physical_package_id"] = str(number // 4)
        files[f"{place}/core_id"] = str(number % 4 // 2)
        files[f"{place}/thread_siblings_list"] = f"{number // 2 * 2}-{number // 2 * 2 + 1}"
    for number in range(2):
        files[f"{node}/node{number}/cpulist"] = f"{number * 4}-{number * 4 + 3}"
        files[f"{node}/node{number}/meminfo"] = f"Node {number} MemTotal:  1048576 kB"
        files[f"{node}/node{number}/distance"] = "10 21" if number == 0 else "21 10"
        files[f"{node}/node{number}/hugepages/hugepages-2048kB/nr_hugepages"] = "4"
    _write(tmp_path, files)
    facts = read_cpu(str(tmp_path))
    assert (facts.nodes, facts.sockets, facts.cores, facts.threads) == (2, 1, 2, 1)
    assert (facts.count, facts.mhz, facts.mems) == (7, 2400, "0-1")
    first, second = facts.cells
    assert first.pages == ((4, 260096), (2048, 4))
    assert second.distances == ((0, 21), (1, 10))
    assert [processor.id for processor in second.cpus] == [4, 5, 6], "7 is offline"


def test_a_machine_without_nodes(tmp_path: Path) -> None:
    _write(tmp_path, {"sys/devices/system/cpu/online": "0-1"})
    (cell,) = read_cells(str(tmp_path))
    assert [processor.id for processor in cell.cpus] == [0, 1]


BIG = replace(
    V2,
    cpu=replace(
        V2.cpu,
        cells=(
            Cell(
                id=0,
                memory_kib=8 << 20,
                pages=((4, 2097152), (2048, 0)),
                distances=((0, 10),),
                cpus=(Processor(id=0, siblings="0-1"), Processor(id=1, siblings="0-1")),
            ),
        ),
        caches=(Cache(id=0, level=3, type="both", size_kib=32768, cpus="0-1"),),
    ),
)


def test_capabilities(golden: Callable[[str, str], None]) -> None:
    golden("capabilities/x86_64.xml", capabilities(BIG))
    golden("capabilities/domain.xml", domain_capabilities(BIG))


def test_clients_find_a_guest() -> None:
    tree = etree.fromstring(capabilities(BIG).encode())
    guests = tree.xpath("guest[os_type='exe']/arch[domain/@type='lxc']/@name")
    assert guests == ["x86_64", "i686"]


def test_architectures() -> None:
    assert guest_architectures("aarch64") == (("aarch64", 64), ("armv7l", 32))
    assert guest_architectures("riscv64") == (("riscv64", 64),)
    assert guest_architectures("armv7l") == (("armv7l", 32),)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"virttype": "kvm"}, "unknown virttype: kvm"),
        ({"arch": "s390x"}, "no emulator for arch 's390x'"),
        ({"emulator": "/bin/qemu"}, "unknown emulator binary: /bin/qemu"),
        ({"machine": "pc"}, "the machine 'pc' is not supported"),
    ],
)
def test_domain_capabilities_that_we_lack(asked: dict[str, str], message: str) -> None:
    with pytest.raises(VirtlxcError, match=message):
        domain_capabilities(BIG, **asked)


def _statuses(host: HostFacts) -> dict[str, str]:
    return {row.name: row.status for row in rows(host)}


def test_a_good_host_passes() -> None:
    good = replace(
        V2, programs={name: f"/usr/bin/{name}" for name in PROGRAMS}
    )
    found = {name: status for name, status in _statuses(good).items() if status != PASS}
    assert found == {"idmapped mounts of zfs": WARN}


def test_what_is_missing_has_a_mend() -> None:
    bad = replace(
        HOSTS["v1"],
        kernel="4.18.0",
        user_namespaces=0,
        net_namespaces=0,
        capabilities=(),
        idmapped={},
    )
    bad = replace(bad, cgroup=replace(bad.cgroup, v1={}, swap=False))
    found = rows(bad)
    assert all(row.mend for row in found if row.status != PASS)
    failed = {row.name for row in found if row.status == FAIL}
    assert failed == {"kernel", "cgroup2", "controller memory", "net namespaces", "capabilities"}


def test_a_chroot_makes_no_user_namespaces() -> None:
    found = {row.name: row for row in rows(replace(V2, source="probed", idmapped={}))}
    assert found["user namespaces"].status == WARN
    assert "none can be made" in found["user namespaces"].text
    assert "chroot" in found["user namespaces"].mend
    assert found["idmapped mounts"].mend == "see user namespaces"


def test_what_the_readme_says_can_be_missing_is_named() -> None:
    found = {row.name: row for row in rows(replace(V2, programs={}))}
    for name in ("dnsmasq", "nft", "busybox", "mmdebstrap", "lxcfs"):
        assert found[name].status == WARN
        assert found[name].mend.startswith("install it: apt install ")


def test_a_host_that_is_a_container() -> None:
    found = {row.name: row for row in rows(HOSTS["contained"])}
    assert (found["user namespace"].status, found["user namespace"].text) == (
        PASS,
        "this host is itself a container, with the ids 0-262143",
    )
    assert found["device programs"].status == found["device nodes"].status == WARN
    assert "the rules of the container that this host is" in found["device programs"].text
    assert found["capabilities"].status == PASS, "mknod would have no effect"
    small = rows(replace(HOSTS["contained"], uids=((0, 65536),)))
    row = next(row for row in small if row.name == "user namespace")
    assert (row.status, row.mend) == (WARN, "give it more by a larger count in its <idmap>")
    assert "user namespace" not in _statuses(V2)


def test_guests_with_systemd_need_inotify_instances() -> None:
    found = {row.name: row for row in rows(replace(V2, inotify_instances=16))}["inotify instances"]
    assert found.status == WARN and "a guest with systemd takes some 8" in found.text
    assert "sysctl fs.inotify.max_user_instances=128" in found.mend
    found = {row.name: row for row in rows(replace(V2, inotify_instances=128))}["inotify instances"]
    assert (found.status, found.mend) == (PASS, "")
    assert found.text == "128 for each container with an <idmap>, as many for all others together"
    assert "inotify instances" not in _statuses(V2), "not known"


def test_a_systemd_that_cannot_be_asked_is_told() -> None:
    found = {row.name: row for row in rows(replace(V2, systemd=True, dbus=False))}["systemd"]
    assert (found.status, "jeepney" in found.mend) == (WARN, True)
    assert "cannot be asked for scopes" in found.text
    found = {row.name: row for row in rows(replace(V2, systemd=True, dbus=True))}["systemd"]
    assert (found.status, found.text) == (PASS, "runs this host")


def test_names_of_rows_are_unique() -> None:
    names = [row.name for row in rows(V2)]
    assert len(names) == len(set(names))
