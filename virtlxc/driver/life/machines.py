"""Running domains in systemd-machined's register, for ``machinectl``.

Registering is a comfort: it is done beside a start, in a thread of its own, and nothing depends on
it. machined forgets a machine by itself when its scope ends, daemon or not.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from functools import partial

from virtlxc.driver.constants import Event
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain.domain import View
from virtlxc.driver.events import Lifecycle, Reboot
from virtlxc.driver.ref import Ref
from virtlxc.host import dbus, machined
from virtlxc.host.cgroup import layout

_END_SECONDS = 1.0


class Machines:
    """Keeps the register in step with what runs, by the driver's events."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._bus = dbus.Bus()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._names: dict[str, str] = {}
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._told = ""

    def start(self) -> None:
        """From now on; what runs already is registered, unless it is."""
        if not self._core.host.machined:
            return
        self._thread = threading.Thread(target=self._loop, name="machines", daemon=True)
        self._thread.start()
        self._unsubscribe = self._core.events.subscribe(self._noticed)
        for view in self._core.registry.snapshot.by_name.values():
            if view.active:
                self._work.put(partial(self._register, view, check=True))

    def close(self) -> None:
        """What is registered stays so: containers run on."""
        self._unsubscribe()
        if self._thread is not None:
            self._work.put(None)
            self._thread.join(_END_SECONDS)

    def _noticed(self, event: object) -> None:
        if isinstance(event, Reboot) or (
            isinstance(event, Lifecycle) and event.event == Event.STARTED
        ):
            self._work.put(partial(self._appeared, event.ref))
        elif isinstance(event, Lifecycle) and event.event == Event.STOPPED:
            self._work.put(partial(self._gone, event.ref))

    # The thread

    def _loop(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
                self._told = ""
            except (dbus.BusGone, dbus.BusError) as error:
                self._tell(str(error))
            except Exception:
                log.exception("cannot keep systemd-machined's register")
        self._bus.close()

    def _tell(self, cause: str) -> None:
        """Once for each cause, not for each domain."""
        if cause != self._told:
            self._told = cause
            log.warning("systemd-machined does not register what runs: %s", cause)

    def _appeared(self, ref: Ref) -> None:
        view = self._core.registry.snapshot.by_uuid.get(ref.uuid_text)
        if view is not None and view.active:
            self._register(view, check=False)

    def _register(self, view: View, *, check: bool) -> None:
        run = view.run
        # Without a scope there is no unit that machined could follow.
        if run is None or not run.leaf.path.endswith(layout.SCOPE):
            return
        name = layout.machine_name(view.name, str(run.controller.pid), self._core.paths.instance)
        name = name.rstrip("-")
        self._names[view.uuid] = name
        if check and machined.leader(self._bus, name) == run.init.pid:
            return
        links = [host for host, _inside in run.links]
        machined.register(
            self._bus, name, view.uuid, run.init.pid, _root(view), _numbers(links)
        )

    def _gone(self, ref: Ref) -> None:
        name = self._names.pop(ref.uuid_text, None)
        if name is not None:
            machined.unregister(self._bus, name)


def _root(view: View) -> str:
    """The folder of its root file system on the host, if that is one."""
    root = view.live.root if view.live is not None else None
    source = root.source if root is not None and root.type == "mount" else None
    return source or ""


def _numbers(links: list[str]) -> list[int]:
    found = []
    for link in links:
        # One that has gone meanwhile.
        with contextlib.suppress(OSError):
            found.append(socket.if_nametoindex(link))
    return found
