"""virt-manager itself, on a screen that nobody sees: what it lists and follows, what is typed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.namespaces import Result

pytestmark = pytest.mark.interop

BOX = """<domain type='lxc'><name>box</name><memory unit='KiB'>65536</memory>
<os><type>exe</type><init>/bin/sh</init></os>
<devices><filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
<console type='pty'/></devices><features><privnet/></features></domain>"""
# Its packages over the host's /usr, with what their installation would have made of them; then a
# screen, and virt-manager on it.
ON_A_SCREEN = r"""
set -e
tree=$1 display=$2; shift 2
mount -t tmpfs -o mode=755 scratch /mnt
mkdir /mnt/upper /mnt/work /mnt/home
mount -t overlay -o "lowerdir=$tree/usr:/usr,upperdir=/mnt/upper,workdir=/mnt/work" peer /usr
cp -R "$tree/var/lib/usbutils" /var/lib
for library in /usr/lib/*-linux-gnu; do
    schemas=$library/glib-2.0/glib-compile-schemas
    [ ! -x "$schemas" ] || "$schemas" /usr/share/glib-2.0/schemas
    loaders=$library/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders
    [ ! -x "$loaders" ] || "$loaders" --update-cache
done
export HOME=/mnt/home XDG_RUNTIME_DIR=/mnt/home GSETTINGS_BACKEND=memory NO_AT_BRIDGE=1
Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp 3>"$display" >/dev/null 2>&1 &
until [ -s "$display" ]; do sleep 0.1; done
export DISPLAY=:$(cat "$display")
exec /usr/bin/python3 /usr/bin/virt-manager --no-fork --debug "$@"
"""


class Manager:
    """A virt-manager that runs; ``log`` is what it says of itself."""

    def __init__(self, instance: Instance, *words: str) -> None:
        self.instance = instance
        self.tree = peers.fetch("virt-manager")
        self.display = instance.root / "display"
        self.path = instance.root / "virt-manager.log"
        self.uri = instance.virtlxc("uri").ok().strip()
        script = ["sh", "-c", ON_A_SCREEN, "-", str(self.tree.root), str(self.display)]
        alone = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork"]
        with self.path.open("wb") as log:
            self._process = instance.spaces.popen(
                [*alone, "--kill-child", *script, "--connect", self.uri, *words],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return self.path.read_text("utf-8", "replace")

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        wait_for(f"virt-manager to say {text!r}", lambda: text in self.log(), timeout=60)

    def window(self, title: str) -> str:
        """Wait for a window of this title; its number."""
        search = ("search", "--onlyvisible", "--name", title)
        found = wait_for(f"a window {title!r}", lambda: self._xdotool(*search).stdout, timeout=60)
        return found.split()[0]

    def xdotool(self, *words: str) -> None:
        self._xdotool(*words).ok()

    def _xdotool(self, *words: str) -> Result:
        environment = {"DISPLAY": f":{self.display.read_text().strip()}"}
        argv = self.tree.argv("xdotool", *words)
        return self.instance.spaces.run(*argv, env=environment)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def instance() -> Iterator[Instance]:
    """An instance that sees a /var/lib of its own: virt-manager makes a pool below it."""
    made = Instance(start=False)
    made.spaces.run("mount", "-t", "tmpfs", "-o", "mode=755", "own", "/var/lib").ok()
    made.start_daemon()
    made.define(BOX.format(root=made.busybox()))
    yield made
    made.close()


def test_it_lists_and_follows(instance: Instance) -> None:
    manager = Manager(instance)
    try:
        manager.says(f"conn={manager.uri} changed to state=Active")
        manager.says("domain=box status=Shutoff added")
        manager.says("network=default status=Inactive added")
        # Its own pool: a folder that it made through us.
        assert "state=VIR_STORAGE_POOL_EVENT_STARTED" in manager.log()
        instance.spaces.run("test", "-d", "/var/lib/libvirt/images").ok()
        instance.virtlxc("start", "box").ok()
        manager.says("domain=box state=VIR_DOMAIN_EVENT_STARTED")
        instance.virtlxc("destroy", "box").ok()
        manager.says("domain=box state=VIR_DOMAIN_EVENT_STOPPED")
        instance.virtlxc("undefine", "box").ok()
        manager.says("domain=box removed")
        assert "Traceback" not in manager.log()
        instance.virtlxc("pool-destroy", "default").ok()
    finally:
        manager.close()


def test_its_console_takes_what_is_typed(instance: Instance) -> None:
    instance.virtlxc("start", "box").ok()
    manager = Manager(instance, "--show-domain-console", "box")
    try:
        manager.says("Showing VM details")
        window = manager.window("box on")
        manager.xdotool("windowfocus", "--sync", window)
        manager.xdotool("mousemove", "--window", window, "500", "400", "click", "1")
        seen = instance.root / "rootfs" / "typed"

        def typed() -> bool:
            manager.xdotool("type", "echo by-hand >/typed\n")
            return seen.exists() and seen.read_text() == "by-hand\n"

        wait_for("the container to have what was typed", typed, pause=1.0)
        assert "Traceback" not in manager.log()
    finally:
        manager.close()
        instance.virtlxc("destroy", "box").ok()
