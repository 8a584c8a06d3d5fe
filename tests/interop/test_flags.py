"""Flags that we do not know are refused, by name, in every call that has a word of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Instance
from tests.interop.virsh import DOMAIN
from tests.unit.rpc_service import Raw
from tests.unit.test_rpc_codec import _plain
from virtlxc.errors import Code
from virtlxc.rpc import registry, wire
from virtlxc.rpc.registry import Handler

pytestmark = pytest.mark.interop

UNKNOWN = 1 << 27
POOL = "<pool type='dir'><name>shelf</name><target><path>{}</path></target></pool>"
VOLUME = "<volume><name>book</name><capacity>4096</capacity></volume>"
NETWORK = "<network><name>lab</name><bridge name='labbr'/></network>"


class Things:
    """One thing of each kind that calls are about, by the kind of its field."""

    def __init__(self, instance: Instance) -> None:
        self.raw = Raw(instance.paths.socket).open()
        self.xml = DOMAIN.format(name="web", root=instance.busybox(), init="/sbin/init")
        folder = instance.root / "shelf"
        folder.mkdir()
        dom = self.raw.values("DOMAIN_DEFINE_XML", xml=self.xml)[0]
        self.raw.values("DOMAIN_CREATE", dom=dom)
        dom = self.raw.values("DOMAIN_LOOKUP_BY_NAME", name="web")[0]
        pool = self.raw.values("STORAGE_POOL_CREATE_XML", xml=POOL.format(folder), flags=0)[0]
        self.known: dict[str, Any] = {
            "domain": dom,
            "network": self.raw.values("NETWORK_DEFINE_XML", xml=NETWORK)[0],
            "storage_pool": pool,
            "storage_vol": self.raw.values("STORAGE_VOL_CREATE_XML", pool=pool, xml=VOLUME)[0],
        }

    def packet(self, handler: Handler) -> bytes:
        row = handler.procedure
        pairs = [field.split(": ") for field in row.row[2].split(", ")]
        values = tuple(self._value(name, kind) for name, kind in pairs)
        payload = row.args.encode(values)
        return wire.packet(row.program, row.version, row.number, wire.CALL, 7, wire.OK, payload)

    def _value(self, name: str, kind: str) -> Any:
        if name == "flags":
            return UNKNOWN
        if name in ("xml", "xml_desc"):
            return self.xml
        return self.known.get(kind.rstrip("?"), _plain(kind, False))


@pytest.fixture(scope="module")
def things(shared_instance: Instance) -> Iterator[Things]:
    made = Things(shared_instance)
    yield made
    made.raw.values("STORAGE_POOL_DESTROY", pool=made.known["storage_pool"])
    made.raw.values("DOMAIN_DESTROY", dom=made.known["domain"])
    made.raw.close()


def with_flags() -> list[Handler]:
    registry.load()
    found = [one for one in registry.all_handlers() if "flags" in one.procedure.args.names]
    # A connection is opened once, which tests/unit/test_rpc_server.py tries with odd flags, too.
    return [one for one in found if one.procedure.name != "CONNECT_OPEN"]


@pytest.mark.parametrize("handler", with_flags(), ids=lambda one: one.procedure.name)
def test_unknown_flags(things: Things, handler: Handler) -> None:
    code, _domain, text = things.raw.error(things.packet(handler))
    assert code == Code.INVALID_ARG
    assert f"unsupported flags (0x{UNKNOWN:x}) in function " in text
