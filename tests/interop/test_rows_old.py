"""What clients of old ask, whom libvirt's library of today does not show us any more.

Libraries before 1.3.3 had no numbers for their callbacks; today's use those when the daemon says
that it has them. So these rows are proved by our own client.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Instance
from tests.interop.library import Library
from virtlxc.rpc.client import Connection

pytestmark = pytest.mark.interop

REBOOT, DEVICE_REMOVED, STARTED = 1, 15, 2


@pytest.mark.proves("CONNECT_DOMAIN_EVENT_REGISTER", "CONNECT_DOMAIN_EVENT_DEREGISTER",
                    "DOMAIN_EVENT_LIFECYCLE", old=True)  # fmt: skip
def test_events_of_the_first_kind(shared_instance: Instance, library: Library) -> None:
    with Connection(shared_instance.paths.socket) as old:
        old.call("CONNECT_DOMAIN_EVENT_REGISTER")
        library("dom.create()")
        told = old.next_event(20)
        assert told
        assert told.name == "DOMAIN_EVENT_LIFECYCLE"
        assert told.fields["dom"][0] == "web"
        assert told.fields["dom"][2] == library("dom.ID()")
        assert told.fields["event"] == STARTED
        old.call("CONNECT_DOMAIN_EVENT_DEREGISTER")
        library("dom.destroy()")
        assert old.next_event(0.2) is None


@pytest.mark.proves("CONNECT_DOMAIN_EVENT_REGISTER_ANY", "CONNECT_DOMAIN_EVENT_DEREGISTER_ANY",
                    "DOMAIN_EVENT_REBOOT", old=True)  # fmt: skip
def test_events_of_the_second_kind(shared_instance: Instance, library: Library) -> None:
    def pid() -> int:
        return int(library("connection.lookupByName('web').ID()"))

    with Connection(shared_instance.paths.socket) as old:
        old.call("CONNECT_DOMAIN_EVENT_REGISTER_ANY", eventID=REBOOT)
        library("dom.create()")
        before = pid()
        library("dom.reboot(0)")
        told = old.next_event(20)
        assert told
        assert (told.name, told.fields["dom"][0]) == ("DOMAIN_EVENT_REBOOT", "web")
        assert pid() != before
        old.call("CONNECT_DOMAIN_EVENT_DEREGISTER_ANY", eventID=REBOOT)
        library("dom.destroy()")


@pytest.mark.proves("DOMAIN_EVENT_DEVICE_REMOVED", old=True)
def test_a_device_that_goes(shared_instance: Instance, library: Library) -> None:
    shared_instance.bridge("br0")
    card = "<interface type='bridge'><mac address='52:54:00:00:00:42'/><source bridge='br0'/>"
    library("dom.create()")
    library(f"dom.attachDeviceFlags({card + '</interface>'!r}, 1)")
    pid = library("connection.lookupByName('web').ID()")
    assert "eth0" in Path(f"/proc/{pid}/net/dev").read_text()
    with Connection(shared_instance.paths.socket) as old:
        old.call("CONNECT_DOMAIN_EVENT_REGISTER_ANY", eventID=DEVICE_REMOVED)
        library(f"dom.detachDeviceFlags({card + '</interface>'!r}, 1)")
        told = old.next_event(20)
        assert told
        assert (told.name, told.fields["dom"][0]) == ("DOMAIN_EVENT_DEVICE_REMOVED", "web")
        assert "eth0" not in Path(f"/proc/{pid}/net/dev").read_text()
    library("dom.destroy()")
