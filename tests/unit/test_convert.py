"""Whole configurations: golden files, the way back, includes, and what is refused."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.unit.cli_tool import run
from tests.unit.domains import EXAMPLES, xml
from tests.unit.strategies import domains
from virtlxc import model
from virtlxc.convert import Converted, Disk, read_native, write_native
from virtlxc.convert.lxc.keys import KEYS
from virtlxc.convert.reference import markdown
from virtlxc.errors import VirtlxcError
from virtlxc.model import format_domain, parse_domain
from virtlxc.rpc.handlers import native

DATA = Path(__file__).resolve().parents[1] / "data"
CONFIGS = sorted((DATA / "lxc-config").glob("*.conf"))
PAGE = DATA.parents[1] / "docs" / "conversion.md"
BUNDLES = sorted((DATA / "oci").glob("*/config.json"))
BASE = "lxc.uts.name = base\nlxc.rootfs.path = /srv/base\n"


class Beside(Disk):
    """Includes are named without a folder: the tests' own."""

    def text(self, path: str) -> str:
        return super().text(str(DATA / "lxc-config" / path))


class Files:
    """Files that are in no folder, and one folder."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def text(self, path: str) -> str:
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def folder(self, path: str) -> list[str] | None:
        inside = [name for name in self.files if name.startswith(path.rstrip("/") + "/")]
        return sorted(name.rpartition("/")[2] for name in inside) or None


def converted(path: Path) -> Converted:
    return read_native("lxc-tools", path.read_text(), file=path.name, files=Beside())


def lxc(text: str, files: Mapping[str, str] | None = None) -> Converted:
    return read_native("lxc-tools", text, file="config", files=Files(files or {}))


def report(found: Converted) -> str:
    return format_domain(found.domain) + "".join(f"{note}\n" for note in found.notes)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_from_lxc(path: Path, golden: Callable[[str, str], None]) -> None:
    found = converted(path)
    golden(f"lxc-config/{path.stem}.out", report(found))
    model.check(found.domain)
    assert parse_domain(format_domain(found.domain)) == found.domain


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.parent.name)
def test_from_oci(path: Path, golden: Callable[[str, str], None]) -> None:
    found = read_native("oci", path.read_text(), file=f"/bundles/{path.parent.name}/config.json")
    golden(f"oci/{path.parent.name}.out", report(found))
    model.check(found.domain)
    assert parse_domain(format_domain(found.domain)) == found.domain


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_there_and_back(path: Path, golden: Callable[[str, str], None]) -> None:
    first = converted(path).domain
    written = write_native("lxc-tools", first)
    golden(f"lxc-config/{path.stem}.back", written.text)
    back = lxc(written.text)
    assert back.notes == ()
    # cgroup v2's weights are coarser than v1's shares: 512 and 511 are the same weight.
    assert write_native("lxc-tools", back.domain).text == written.text
    if path.stem != "old":
        assert back.domain == first


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_examples_become_is_read_again(path: Path) -> None:
    written = write_native("lxc-tools", parse_domain(path.read_text()))
    back = lxc(written.text)
    assert {note.key for note in back.notes} <= {"lxc.rootfs.path"}
    assert write_native("lxc-tools", back.domain).text == written.text


def test_what_lxc_cannot_say_is_named() -> None:
    """Whatever the model has: the way back is compared, not a list kept by hand."""
    domain = parse_domain(
        xml(
            "<filesystem type='mount'><source dir='/srv/a'/><target dir='/'/></filesystem>"
            "<interface type='network'><source network='lab'/></interface>",
            "<metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1' nesting='yes'>"
            "<virtlxc:cgroup view='v1'/><virtlxc:filesystem target='/' idmap='none'/>"
            "</virtlxc:container></metadata><resource><partition>/web</partition></resource>"
            "<on_crash>restart</on_crash>",
        )
    )
    assert sorted(write_native("lxc-tools", domain).notes) == [
        "LXC knows bridges only: give the bridge of network 'lab' as link",
        "no key for 'cgroup_view' in <virtlxc:container>",
        "no key for 'idmap' of the file system at /",
        "no key for 'nesting' in <virtlxc:container>",
        "no key for the on_crash of the domain",
        "no key for the partition of the domain",
    ]


@settings(max_examples=40)
@given(domains())
def test_any_domain_is_written_or_refused(domain: model.Domain) -> None:
    """Writing reads its own text again, so this is about the way back too."""
    with contextlib.suppress(VirtlxcError):
        write_native("lxc-tools", domain)


def test_blanks_and_quotes_come_back() -> None:
    pairs = (("A", " b "), ("B", "'c'"), ("C", ""), ("D", 'x"'))
    domain = lxc(BASE).domain
    domain = replace(domain, os=replace(domain.os, initenv=pairs))
    assert lxc(write_native("lxc-tools", domain).text).domain.os.initenv == pairs


def test_includes_stand_in_their_place() -> None:
    files = {"/a": "lxc.tty.max = 3\nlxc.hook.start = x", "/d/2.conf": "lxc.arch = s390x",
             "/d/1.conf": "lxc.arch = ppc", "/d/note.txt": "lxc.arch = arm64"}  # fmt: skip
    found = lxc(f"lxc.tty.max = 1\n{BASE}lxc.include = /a\nlxc.include = /d\n", files)
    assert len(found.domain.consoles) == 3
    assert found.domain.os.arch == "s390x"
    assert [(note.file, note.line) for note in found.notes] == [("/a", 2)]


def test_a_missing_include_is_named_and_a_loop_refused() -> None:
    found = lxc(f"{BASE}lxc.include = /gone\n")
    assert "config:3: lxc.include: '/gone' is not included" in str(found.notes[0])
    with pytest.raises(VirtlxcError, match=r"/a:1: lxc.include: '/a' includes itself"):
        lxc("lxc.include = /a\n", {"/a": "lxc.include = /a\n"})


def test_an_empty_value_takes_back() -> None:
    text = (
        "lxc.cap.drop = mknod\nlxc.cap.drop =\nlxc.net.0.type = veth\nlxc.net =\n"
        "lxc.hook.start = /x\nlxc.hook =\nlxc.cap.drop = kill\nlxc.tty.max = 5\nlxc.tty =\n"
    )
    found = lxc(BASE + text)
    assert found.notes == ()
    assert found.domain.features.caps == (("kill", "off"),)
    assert found.domain.interfaces == ()
    assert len(found.domain.consoles) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    (
        ("lxc.idmap = u 0 1", "is not like u 0 100000 65536"),
        ("lxc.tty.max = many", "is not a number"),
        ("lxc.cap.drop = fly", "no capability 'fly'"),
        ("lxc.cgroup2.memory.max = lots", "is no size"),
        ("lxc.net.0.ipv4.address = here", "is no address"),
        ("lxc.rootfs.path = rbd:pool/web", "cannot be converted"),
        ("lxc.mount.entry = one", "is not like /data"),
        ("lxc.arch", "has no '='"),
    ),
)
def test_what_lxc_refuses_is_refused_with_its_place(line: str, message: str) -> None:
    with pytest.raises(VirtlxcError, match=f"config:3: .*{message}"):
        lxc(f"{BASE}{line}\n")


def test_garbage_never_ends_in_our_own_bug() -> None:
    chance = random.Random(7)
    names = [name.replace("*", "0") for row in KEYS for name in row.names]
    words = ["1", "u", "veth", "/a", "a:b", "max", "=", ",", "'", '"', "-1", "8:0", "ro", "tmpfs"]
    for _ in range(800):
        lines = []
        for _ in range(chance.randint(1, 5)):
            value = "".join(
                chance.choice([*words, " ", chance.choice(string.printable.strip())])
                for _ in range(chance.randint(1, 6))
            )
            lines.append(f"{chance.choice(names)} = {value}\n")
        try:
            lxc(BASE + "".join(lines))
        except VirtlxcError as error:
            assert "config:" in error.message


def test_a_bundle_with_values_of_wrong_kinds_is_refused() -> None:
    chance = random.Random(7)
    good = json.loads(BUNDLES[0].read_text())
    places = [path for path in _places(good) if path != ("ociVersion",)]
    for at in places:
        config = copy.deepcopy(good)
        inner: Any = config
        for step in at[:-1]:
            inner = inner[step]
        inner[at[-1]] = chance.choice([None, 7, -1, "x", "\x01", [], {}, [1], {"a": 1}, True, 1.5])
        try:
            read_native("oci", json.dumps(config), file="/b/config.json")
        except VirtlxcError as error:
            assert error.message.startswith("/b/config.json: ")
    for text in ("", "[]", "{}", "[" * 100_000):
        with pytest.raises(VirtlxcError):
            read_native("oci", text, file="/b/config.json")


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from _places(inner, (*at, key))


def test_commands_work_without_a_daemon(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"{BASE}lxc.hook.start = /x\n")
    ran = run(["domxml-from-native", "lxc-tools", str(config)])
    assert (ran.code, ran.err.count("warning: ")) == (0, 1)
    assert f"warning: {config}:3: lxc.hook.start: " in ran.err
    definition = tmp_path / "base.xml"
    definition.write_text(ran.out)
    back = run(["domxml-to-native", "lxc-tools", "--xml", str(definition)])
    assert back.code == 0
    assert back.out.startswith("lxc.uts.name = base\n")
    bundle = run(["domxml-from-native", "--format", "oci", "--config", str(DATA / "oci" / "web")])
    assert (bundle.code, "<name>web</name>" in bundle.out) == (0, True)
    unknown = run(["domxml-from-native", "nonsense", str(config)])
    assert (unknown.code, "unsupported config type nonsense" in unknown.err) == (1, True)


def test_several_files_and_includes_beside_them() -> None:
    ran = run(["domxml-from-native", "lxc-tools", *map(str, CONFIGS)])
    assert (ran.code, ran.out.count("<domain type=")) == (0, len(CONFIGS))
    assert "include/common.conf:11: lxc.seccomp.profile" in ran.err
    assert "is not included" not in ran.err


def test_a_container_without_a_name_is_called_as_its_folder() -> None:
    found = read_native("lxc-tools", "lxc.rootfs.path = /a\n", file="/var/lib/lxc/db/config")
    assert found.domain.name == "db"
    with pytest.raises(VirtlxcError, match="needs a name"):
        read_native("lxc-tools", "lxc.rootfs.path = /a\n")


def test_a_long_file_takes_no_long_time() -> None:
    lines = "".join(f"lxc.sysctl.a.b{at} = 1\nlxc.hook =\nlxc.tty.max = 1\n" for at in range(5000))
    assert len(lxc(BASE + lines).domain.container.sysctls) == 5000


def test_the_page_is_current(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--regenerate-output"):
        PAGE.write_text(markdown())
    assert PAGE.read_text() == markdown(), "python -m virtlxc.convert.reference"


def test_the_wire_reads_nothing_and_tells_in_comments() -> None:
    call: Any = None  # neither handler asks its caller anything
    document = native.connect_domain_xml_from_native(
        call,
        "lxc-tools",
        f"{BASE}lxc.include = {CONFIGS[0]}\nlxc.hook.start = a---b\n",
        0,
    )
    assert f"3: lxc.include: '{CONFIGS[0]}' is not included" in document
    assert "4: lxc.hook.start: 'a- - -b'" in document
    assert parse_domain(document).name == "base"
    text = native.connect_domain_xml_to_native(call, "lxc-tools", document, 0)
    assert lxc(text).domain == parse_domain(document)
    with pytest.raises(VirtlxcError, match="unsupported config type oci"):
        native.connect_domain_xml_from_native(call, "oci", "{}", 0)


@pytest.mark.parametrize(
    ("line", "overlay"), [("overlay:/lower:/ci/upper", "/ci"), ("overlay:/lower:/ci/delta0", None)]
)
def test_an_overlay_is_one_where_its_folder_can_be_said(line: str, overlay: str | None) -> None:
    back = lxc(f"lxc.uts.name = ci\nlxc.rootfs.path = {line}\n")
    extra = back.domain.container.filesystem("/")
    root = back.domain.root
    assert root is not None and root.source == "/lower"
    if overlay is None:
        assert extra is None and root.readonly
        assert any("must be called 'upper'" in note.text for note in back.notes)
    else:
        assert extra is not None and extra.overlay == overlay and not root.readonly
        assert f"lxc.rootfs.path = {line}" in write_native("lxc-tools", back.domain).text


def test_options_of_file_systems_go_along() -> None:
    back = lxc(
        "lxc.uts.name = a\nlxc.rootfs.path = /srv/a\n"
        "lxc.mount.entry = /dev/sdb data ext4 noatime,data=journal 0 0\n"
        "lxc.mount.entry = tmpfs work tmpfs size=8m,mode=1777 0 0\n"
    )
    assert not [note for note in back.notes if "mount option" in note.text]
    extras = back.domain.container.filesystems
    assert [extra.options for extra in extras] == [("noatime", "data=journal"), ("mode=1777",)]
