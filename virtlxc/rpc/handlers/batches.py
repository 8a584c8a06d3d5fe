"""Many definitions at a time, for inventories."""

from __future__ import annotations

from virtlxc.driver.batches import Kept, Outcome
from virtlxc.driver.ref import Ref
from virtlxc.rpc.registry import Call, handles
from virtlxc.rpc.tables import OWN

_STOP = 1


@handles("DEFINE_MANY", program=OWN, flags=_STOP)
def define_many(call: Call, xmls: list[str], flags: int) -> list[Outcome]:
    return call.driver.domains.define_many(xmls, stop=bool(flags & _STOP))


@handles("DEFINITIONS", program=OWN, flags=0)
def definitions(call: Call, doms: list[tuple[str, bytes, int]], flags: int) -> list[Kept]:
    return call.driver.domains.definitions([Ref(*dom) for dom in doms])
