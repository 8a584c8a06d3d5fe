"""Our message tables against libvirt's own daemon, whose test driver has a bit of everything.

Every procedure is called. libvirtd reads a call's fields before anything else, so that a wrong
table shows as "Unable to decode message payload"; its replies must be read to their last byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import peers
from tests.harness import wait_for
from tests.unit.rpc_service import Raw
from tests.unit.test_rpc_codec import _plain
from virtlxc.errors import Code
from virtlxc.rpc import tables, wire
from virtlxc.rpc.tables import Procedure

pytestmark = pytest.mark.interop

# What would end the connection, wait for more packets, or change who we are.
_LEFT_OUT = {
    "CONNECT_OPEN", "CONNECT_CLOSE", "AUTH_SASL_INIT", "AUTH_SASL_START", "AUTH_SASL_STEP",
    "AUTH_POLKIT", "CONNECT_SET_IDENTITY",
}  # fmt: skip
_ALL_FILTERS_OFF = 0


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    daemon = peers.Libvirtd(tmp_path_factory.mktemp("libvirtd"))
    try:
        wait_for("libvirtd", daemon.socket.exists)
        raw = Raw(str(daemon.socket))
        raw.values("AUTH_LIST")
        raw.values("CONNECT_OPEN", name="test:///default", flags=0)
        yield raw
        raw.close()
    finally:
        daemon.close()


@pytest.fixture(scope="module")
def objects(libvirtd: Raw) -> dict[str, Any]:
    """One of each kind that the test driver has."""

    def first(name: str, **fields: Any) -> Any:
        return libvirtd.values(name, need_results=1, flags=_ALL_FILTERS_OFF, **fields)[0][0]

    pool = first("CONNECT_LIST_ALL_STORAGE_POOLS")
    xml = (
        "<volume><name>v</name><capacity>1000</capacity>"
        "<target><path>/default-pool/v</path></target></volume>"
    )
    found = {
        "domain": first("CONNECT_LIST_ALL_DOMAINS"),
        "network": first("CONNECT_LIST_ALL_NETWORKS"),
        "storage_pool": pool,
        "storage_vol": libvirtd.values("STORAGE_VOL_CREATE_XML", pool=pool, xml=xml)[0],
        "interface": first("CONNECT_LIST_ALL_INTERFACES"),
        "node_device": first("CONNECT_LIST_ALL_NODE_DEVICES"),
    }
    assert found["domain"][0] == "test"
    return found


def _value(field: str, kind: str, objects: dict[str, Any]) -> Any:
    """A value that asks for as much as there is."""
    plain = kind.rstrip("?")
    if plain in objects:
        return objects[plain]
    if field in ("nparams", "maxnames", "maxids", "maxinfo", "maxStats", "need_results"):
        return 4
    if kind in ("int", "uint"):
        zero = ("flags", "type", "source", "stats", "start_cpu", "cpuNum", "cellNum")
        return int(field not in zero)
    if field == "path":
        return "/default-pool/v"
    if field == "name":
        return objects["node_device"][0]
    return _plain(kind, filled=not kind.endswith("?"))


def _rows(readonly: bool) -> list[tables.Row]:
    found = []
    for row in tables.rows(tables.REMOTE):
        marks = set(row[4].split())
        if row[1] not in _LEFT_OUT and not marks & {"event", "reads", "writes", "fds"}:
            found.append(row)
    return [row for row in found if ("ro" in row[4].split()) == readonly]


def _fields(row: tables.Row, value: Any) -> dict[str, Any]:
    pairs = [field.split(": ") for field in row[2].split(", ")] if row[2] else []
    return {name: value(name, kind) for name, kind in pairs}


def _call(raw: Raw, row: tables.Row, fields: dict[str, Any]) -> tuple[Any, ...] | None:
    """The reply's fields, or None for an error, which must be of libvirt's driver."""
    head, payload = raw.call(row[1], **fields)
    while head.type != wire.REPLY:
        head, payload = raw.receive()
    if head.status == wire.ERROR:
        code, _domain, text = wire.ERROR_MESSAGE.decode(payload)[:3]
        assert code != Code.RPC, f"{row[1]}: {text}"
        return None
    return Procedure(tables.REMOTE, row).result.decode(payload)


def test_every_reading_call(libvirtd: Raw, objects: dict[str, Any]) -> None:
    answered = {}
    for row in _rows(readonly=True):
        fields = _fields(row, lambda name, kind: _value(name, kind, objects))
        answered[row[1]] = _call(libvirtd, row, fields) is not None
    good = [name for name, ok in answered.items() if ok]
    assert len(good) > 70, f"only {len(good)} were answered: {good}"
    for name in ("DOMAIN_GET_INFO", "DOMAIN_GET_XML_DESC", "NODE_GET_INFO", "DOMAIN_GET_VCPUS",
                 "DOMAIN_GET_MEMORY_PARAMETERS", "STORAGE_POOL_GET_INFO"):  # fmt: skip
        assert answered[name], name


def test_every_other_call(libvirtd: Raw) -> None:
    """With objects that do not exist, so that nothing happens once the fields were read."""
    for row in _rows(readonly=False):
        _call(libvirtd, row, _fields(row, lambda _name, kind: _plain(kind, filled=True)))


def test_values_that_we_know(libvirtd: Raw, objects: dict[str, Any]) -> None:
    dom = objects["domain"]
    state, _max, memory, vcpus, _time = libvirtd.values("DOMAIN_GET_INFO", dom=dom)
    assert (state, memory, vcpus) == (1, 2097152, 2)
    model, *numbers = libvirtd.values("NODE_GET_INFO")
    assert model == "i686"
    assert numbers[1:] == [16, 1400, 2, 2, 2, 2]
    assert "<name>test</name>" in libvirtd.values("DOMAIN_GET_XML_DESC", dom=dom, flags=0)[0]
    stats = libvirtd.values("CONNECT_GET_ALL_DOMAIN_STATS", doms=[], stats=0, flags=0)[0]
    assert stats[0][0] == dom
    assert ("state.state", 1, 1) in stats[0][1]


def test_events_that_we_can_read(libvirtd: Raw, objects: dict[str, Any]) -> None:
    number = libvirtd.values("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=0, dom=None)[0]
    libvirtd.socket.sendall(libvirtd.packet("DOMAIN_SUSPEND", dom=objects["domain"]))
    packets = [libvirtd.receive() for _ in range(2)]
    event = next(payload for head, payload in packets if head.type == wire.MESSAGE)
    row = tables.procedure("DOMAIN_EVENT_CALLBACK_LIFECYCLE")
    assert row.args.decode(event) == (number, objects["domain"], 3, 0)
