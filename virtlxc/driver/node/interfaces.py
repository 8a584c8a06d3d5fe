"""The calls about the host's network interfaces: read only, as libvirt's own where udev runs.

Nobody's configuration is changed here: what changes interfaces is the distribution's.
"""

from __future__ import annotations

from typing import NamedTuple

from virtlxc.driver.refusals import INTERFACE, check_flags
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host.devices.interfaces import Interfaces

INACTIVE, ACTIVE = 1, 2
XML_INACTIVE = 1


class InterfaceRef(NamedTuple):
    """An interface as libvirt's wire has it."""

    name: str
    mac: str


class HostInterfaces:
    """What is there now; nothing is kept."""

    def __init__(self) -> None:
        self._host = Interfaces()

    def list_all(self, flags: int = 0) -> list[InterfaceRef]:
        """By name; up is active, everything else is not."""
        check_flags("udevConnectListAllInterfaces", flags, INACTIVE | ACTIVE)
        refs = [self._ref(name) for name in self._host.names()]
        if flags not in (INACTIVE, ACTIVE):
            return refs
        return [ref for ref in refs if self.is_active(ref) == (flags == ACTIVE)]

    def names(self, *, active: bool) -> list[str]:
        """Of those that are up, or down: what is in between is in neither list."""
        wanted = "up" if active else "down"
        return [name for name in self._host.names() if self._host.state(name) == wanted]

    def lookup_name(self, name: str) -> InterfaceRef:
        if not self._host.exists(name):
            raise INTERFACE.not_there(f"couldn't find interface named '{name}'")
        return self._ref(name)

    def lookup_mac(self, mac: str) -> InterfaceRef:
        names = self._host.names()
        found = [name for name in names if self._host.mac(name) == mac.lower()]
        if not found:
            raise INTERFACE.not_there(f"couldn't find interface with MAC address '{mac}'")
        if len(found) > 1:
            raise VirtlxcError(
                f"multiple matching interfaces found: the MAC address '{mac}' matches multiple"
                " interfaces",
                Code.MULTIPLE_INTERFACES,
                From.INTERFACE,
            )
        return self._ref(found[0])

    def xml(self, ref: tuple[str, str], flags: int = 0) -> str:
        """There is no other definition than what is there."""
        check_flags("udevInterfaceGetXMLDesc", flags, XML_INACTIVE)
        return self._host.describe(self.lookup_name(ref[0]).name)

    def is_active(self, ref: tuple[str, str]) -> bool:
        return self._host.state(self.lookup_name(ref[0]).name) == "up"

    def _ref(self, name: str) -> InterfaceRef:
        return InterfaceRef(name, self._host.mac(name))
