"""Guests from templates: what is made, and that a failure leaves nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.rootfs import find_busybox
from virtlxc import model
from virtlxc.driver.images import Images
from virtlxc.driver.ref import Defined, Ref, make_ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import programs
from virtlxc.images import template
from virtlxc.images.busybox import Busybox
from virtlxc.images.definitions import host_name
from virtlxc.paths import Paths
from virtlxc.schema import validate


class Domains:
    """A driver's domains, as far as images need them."""

    def __init__(self) -> None:
        self.defined: dict[str, str] = {}
        self.running: set[str] = set()
        self.refuse: str = ""

    def lookup_name(self, name: str) -> Ref:
        if name not in self.defined:
            raise VirtlxcError("Domain not found", Code.NO_DOMAIN)
        return make_ref(name, model.parse_domain(self.defined[name]).uuid)

    def xml(self, ref: Ref, flags: int = 0) -> str:
        return self.defined[ref.name]

    def define(self, xml: str, flags: int = 0) -> Defined:
        if self.refuse == "define":
            raise VirtlxcError("no space left")
        assert validate(xml) == ()
        domain = model.parse_domain(xml)
        self.defined[domain.name] = xml
        return Defined(make_ref(domain.name, domain.uuid))

    def start(self, ref: Ref, flags: int = 0) -> Ref:
        if self.refuse == "start":
            raise VirtlxcError("cannot start domain 'g': no reason")
        self.running.add(ref.name)
        return ref

    def destroy(self, ref: Ref, flags: int = 0) -> None:
        self.running.remove(ref.name)

    def undefine(self, ref: Ref, flags: int = 0) -> None:
        del self.defined[ref.name]

    def is_active(self, ref: Ref) -> bool:
        return ref.name in self.running


class Networks:
    def known(self) -> dict[str, tuple[bool, str]]:
        return {"default": (False, "virbr0"), "lan": (True, "br0")}


class Place:
    def __init__(self, root: Path) -> None:
        self.domains = Domains()
        self.taken: list[tuple[int, int]] = []
        self.paths = Paths(str(root))
        self.guests = Path(self.paths.lib) / "guests"
        self.images = self.daemon()

    def daemon(self) -> Images:
        images = Images(
            self.paths, self.domains, Networks(), lambda: self.taken, f"{self.paths.root}/ids"
        )
        images.load()
        return images

    def new(self, name: str = "g", **options: object) -> model.Domain:
        named = {key.replace("_", "-"): value for key, value in options.items()}
        ref, messages = self.images.new(name, "busybox", named)
        assert (ref.name, messages) == (name, [])
        return model.parse_domain(self.domains.defined[name])

    def names(self) -> list[str]:
        return sorted(os.listdir(self.guests))

    def ids(self) -> list[str]:
        """The notes of ranges that are in use."""
        return os.listdir(f"{self.paths.root}/ids")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_guest_is_one_program_and_hard_links(place: Place) -> None:
    place.new()
    root = place.guests / "g" / "rootfs"
    busybox, init = root / "bin/busybox", root / "sbin/init"
    assert busybox.stat().st_ino == init.stat().st_ino
    assert busybox.stat().st_nlink > 200
    assert busybox.read_bytes() == find_busybox().read_bytes()
    real = {(p.lstat().st_ino, p.lstat().st_blocks) for p in root.rglob("*")}
    assert sum(blocks for _, blocks in real) * 512 < 2.5 * 2**20
    inittab = (root / "etc/inittab").read_text()
    assert "::askfirst:-/bin/sh\n" in inittab
    assert "ctrlaltdel" not in inittab  # Ctrl and C on the console would reboot
    assert (root / "etc/hostname").read_text() == "g\n"
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE((root / "etc/shadow").stat().st_mode) == 0o600
    assert {p.lstat().st_uid for p in root.rglob("*")} == {os.geteuid()}


def test_nobody_else_reaches_the_guests(place: Place) -> None:
    place.new()
    assert stat.S_IMODE(place.guests.stat().st_mode) == 0o700


def test_the_definition(place: Place) -> None:
    place.taken = [(0x80000, 65536)]
    domain = place.new(network="lan", mac="52:54:0:AA:bb:1", memory="1 GiB")
    assert domain.memory == 1 << 20
    assert domain.root is not None
    assert domain.root.source == str(place.guests / "g" / "rootfs")
    assert domain.idmap is not None
    (uids,) = domain.idmap.uids
    assert (uids.start, uids.count) == (0, 65536)
    assert uids.target >= 0x90000 and uids.target % 65536 == 0, "behind what is taken"
    assert domain.idmap.gids == domain.idmap.uids
    (card,) = domain.interfaces
    assert (card.type, card.source, card.mac) == ("network", "lan", "52:54:00:aa:bb:01")
    assert domain.os.init == "/sbin/init"


def test_without_network_it_has_one_of_its_own_with_nothing_on_it(place: Place) -> None:
    domain = place.new(no_network=1)
    assert domain.interfaces == ()
    assert domain.features.privnet


def test_two_guests_differ(place: Place) -> None:
    one, two = place.new("a"), place.new("b")
    assert one.uuid != two.uuid
    assert one.interfaces[0].mac != two.interfaces[0].mac


BAD = [
    ({"network": "wan"}, "there is no network 'wan' (there is: default, lan; name one: --network "
     "NAME, or leave it without: --no-network)"),
    ({"mac": "1:2"}, "'1:2' is not allowed (a MAC is six pairs"),
    ({"mac": "01:00:00:00:00:00"}, "01:00:00:00:00:00 is a multicast address"),
    ({"memory": "much"}, "'much' is not allowed"),
    ({"disk": "x"}, "there is no option 'disk' for the template 'busybox' (known: mac, "
     "memory, network, no-network, start)"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options(place: Place, options: dict[str, str], message: str) -> None:
    with pytest.raises(VirtlxcError) as caught:
        place.images.new("g", "busybox", options)
    assert caught.value.message.startswith(f"cannot make 'g': {message}")
    assert place.names() == []


@pytest.mark.parametrize("name", ["", ".x", "a/b", "x" * 201])
def test_bad_names(place: Place, name: str) -> None:
    with pytest.raises(VirtlxcError, match="a name has 1 to 200 bytes"):
        place.images.new(name, "busybox", {})


def test_unknown_template_lists_those_that_are() -> None:
    with pytest.raises(VirtlxcError, match=r"there is no template 'x' \(there is: busybox"):
        template.find("x")


def test_a_name_in_use(place: Place) -> None:
    place.new()
    with pytest.raises(VirtlxcError, match="cannot make 'g': there is a domain of that name"):
        place.new()


def test_files_of_an_undefined_domain_are_not_overwritten(place: Place) -> None:
    place.new()
    place.domains.defined.clear()
    with pytest.raises(VirtlxcError, match=r"guests/g is there from a domain that was undefined"):
        place.new()
    assert place.names() == ["g"]


def test_a_failed_build_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder where a file shall go: the build stops half-way.
    monkeypatch.setattr("virtlxc.images.busybox.FOLDERS", (*_folders(), ("etc/passwd", 0o755)))
    with pytest.raises(VirtlxcError, match=r"cannot make 'g': write .*etc/passwd: File exists"):
        place.new()
    assert place.names() == [] and place.domains.defined == {}
    assert place.ids() == []


def _folders() -> tuple[tuple[str, int], ...]:
    from virtlxc.images import busybox

    return busybox.FOLDERS


def test_a_failed_define_leaves_nothing(place: Place) -> None:
    place.domains.refuse = "define"
    with pytest.raises(VirtlxcError, match="no space left"):
        place.new()
    assert place.names() == [] and place.ids() == []


def test_a_failed_start_says_that_the_guest_is_there(place: Place) -> None:
    place.domains.refuse = "start"
    with pytest.raises(VirtlxcError, match="'g' was made, but: cannot start domain 'g': no reason"):
        place.new(start=1)
    assert place.names() == ["g"]


def test_no_busybox_names_the_package(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(programs, "EXTRA_FOLDERS", ())
    with pytest.raises(VirtlxcError) as caught:
        place.new()
    assert caught.value.message == (
        "cannot make a busybox root filesystem: there is no program 'busybox' (install it: apt "
        "install busybox-static, dnf install busybox, zypper install busybox-static, apk add "
        "busybox-static)"
    )
    assert place.names() == []


def test_busybox_with_libraries_is_refused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "busybox").symlink_to("/bin/ls")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "EXTRA_FOLDERS", ())
    with pytest.raises(VirtlxcError, match="needs the host's libraries; a static one is wanted"):
        place.new()


def test_delete_takes_away_exactly_what_was_made(place: Place) -> None:
    place.new("a")
    place.new("b")
    assert place.images.delete(place.domains.lookup_name("a"), {}) == []
    assert place.names() == ["b"]
    assert list(place.domains.defined) == ["b"]


def test_delete_refuses_what_new_did_not_make(place: Place) -> None:
    place.new()
    other = place.domains.defined["g"].replace(
        model.parse_domain(place.domains.defined["g"]).uuid, "6fd65115-9831-445d-a708-e0f0c4e4afa2"
    )
    place.domains.defined["g"] = other
    with pytest.raises(VirtlxcError, match=r"cannot delete 'g': it was not made by `virtlxc new` "):
        place.images.delete(place.domains.lookup_name("g"), {})
    assert place.names() == ["g"]


def test_delete_refuses_a_running_one(place: Place) -> None:
    place.new(start=1)
    with pytest.raises(VirtlxcError, match=r"it is running \(first: virtlxc destroy g\)"):
        place.images.delete(place.domains.lookup_name("g"), {})
    assert place.names() == ["g"]


def test_delete_by_force_ends_it_first(place: Place) -> None:
    place.new(start=1)
    assert len(place.ids()) == 1
    place.images.delete(place.domains.lookup_name("g"), {"force": 1})
    assert place.names() == [] and place.domains.running == set() and place.ids() == []


def test_next_daemon_removes_what_never_was_whole(place: Place) -> None:
    place.new("kept")
    place.new("lost")
    for name in ("kept", "lost"):
        made = place.guests / name / "made.json"
        made.write_text(json.dumps({**json.loads(made.read_text()), "state": "new"}))
    del place.domains.defined["lost"]
    (place.guests / ".new-x").mkdir()
    (place.guests / ".old-x" / "y").mkdir(parents=True)
    place.daemon()
    assert place.names() == ["kept"]
    assert json.loads((place.guests / "kept" / "made.json").read_text())["state"] == "whole"


def test_host_names() -> None:
    assert host_name("Web 1_é.x") == "Web1x"
    assert host_name("-é-") == "container"
    assert len(host_name("a" * 200)) == 63


def test_memory_of_the_template_is_its_own(place: Place) -> None:
    assert place.new().memory == 64 * 1024
    assert Busybox().name == "busybox"
