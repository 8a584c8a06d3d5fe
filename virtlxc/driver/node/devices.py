"""The calls about the host's devices. All raise VirtlxcError only, and change nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virtlxc.driver.events import EventBus, NodeDeviceLifecycle
from virtlxc.driver.node.uevents import Watcher
from virtlxc.driver.refusals import NODE_DEVICE, check_flags
from virtlxc.host.devices import inventory, scsi
from virtlxc.host.devices.inventory import CAPABILITIES, COMPUTER, Device
from virtlxc.host.devices.node import Node

INACTIVE, ACTIVE = 1 << 30, 1 << 31
_ALL = (1 << len(CAPABILITIES)) - 1 | INACTIVE | ACTIVE

CREATED, DELETED = 0, 1  # virNodeDeviceEventLifecycleType


class NodeDevices:
    """The devices of this host, or of the tree below ``root``. ``uuid`` gives the machine's.

    What was found is kept, and looked at again before it is believed: a device that went is
    missed by name, one that came is found by the next search.
    """

    def __init__(self, events: EventBus, uuid: Callable[[], str], root: str = "") -> None:
        self._events = events
        self._uuid = uuid
        self._root = root
        self._known: dict[str, Device] = {}
        self._lock = threading.Lock()
        self._watcher: Watcher | None = None

    def list_all(self, flags: int = 0) -> list[str]:
        """Names, sorted; the filters are capabilities, of which a device needs one."""
        check_flags("nodeConnectListAllNodeDevices", flags, _ALL)
        wanted = {name for bit, name in enumerate(CAPABILITIES) if flags & 1 << bit}
        if flags & INACTIVE and not flags & ACTIVE:
            return []  # what is not there is not known
        found = self._search().values()
        return sorted(one.name for one in found if not wanted or one.has(wanted))

    def names(self, capability: str | None) -> list[str]:
        """Of all devices, or of those with the capability."""
        found = self._search().values()
        return sorted(one.name for one in found if capability is None or one.has({capability}))

    def lookup(self, name: str) -> str:
        return self._find(name).name

    def lookup_scsi_host(self, wwnn: str, wwpn: str) -> str:
        """The Fibre Channel adapter with these names."""
        for one in self._search().values():
            names = scsi.names_of_host(Node(one.path, self._root))
            if one.has({"fc_host"}) and names == (wwnn, wwpn):
                return one.name
        raise NODE_DEVICE.missing(f"wwnn '{wwnn}' and wwpn '{wwpn}'")

    def xml(self, name: str) -> str:
        return inventory.describe(self._find(name), self._uuid(), self._root)

    def parent(self, name: str) -> str | None:
        return self._find(name).parent

    def capabilities(self, name: str) -> list[str]:
        return list(self._find(name).capabilities)

    def is_persistent(self, name: str) -> bool:
        """Only the computer itself is there for good."""
        return self._find(name).name == COMPUTER

    def _find(self, name: str) -> Device:
        found = self._known.get(name)
        if found is None or not inventory.is_there(found, self._root):
            found = self._search().get(name)
        if found is None:
            raise NODE_DEVICE.missing(f"name '{name}'")
        return found

    def _search(self) -> dict[str, Device]:
        found = self._known = inventory.devices(self._root)
        return found

    # Events

    def watch(self) -> None:
        """Tells of devices that come and go, from the first time that somebody wants it."""
        with self._lock:
            if self._watcher is None:
                seen = set(self._search())
                self._watcher = Watcher(lambda: self._look(seen))

    def _look(self, seen: set[str]) -> None:
        now = set(self._search())
        for names, event in ((now - seen, CREATED), (seen - now, DELETED)):
            for name in sorted(names):
                self._events.emit(NodeDeviceLifecycle(name, event))
        seen.clear()
        seen.update(now)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
