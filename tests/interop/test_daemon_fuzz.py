"""Mutated packets about a domain and a network that exist, sent to the whole daemon.

Whatever they do to the two, every answer is a refusal in words: no mistake of ours is logged.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.interop.virsh import DOMAIN
from tests.unit.rpc_service import Raw
from tests.unit.test_rpc_codec import _plain
from tests.unit.test_rpc_fuzz import Fuzzer, mutate
from virtlxc.rpc import registry, wire
from virtlxc.rpc.registry import Handler

pytestmark = pytest.mark.interop

PACKETS = 2000
SEED = 20261123
NETWORK = (
    "<network><name>n1</name><bridge name='{}'/><ip address='10.{}.0.1' prefix='24'/></network>"
)
# What would take away the objects that the others are about, or signal processes by number.
LEFT_OUT = {
    "DOMAIN_UNDEFINE", "DOMAIN_UNDEFINE_FLAGS", "DOMAIN_RENAME", "NETWORK_UNDEFINE", "DELETE",
    "NEW", "EXEC_START", "CONNECT_CLOSE", "DOMAIN_SEND_PROCESS_SIGNAL",
    # They make containers, and wait for them.
    "NEW_START", "NEW_WAIT", "GUESTS_START", "GUESTS_STOP",
}  # fmt: skip


class Asker:
    """Makes packets that nearly mean something."""

    def __init__(self, instance: Instance, chance: random.Random) -> None:
        self.chance = chance
        root = instance.busybox()
        self.xml = DOMAIN.format(name="web1", root=root, init="/sbin/init")
        with_open = Raw(instance.paths.socket).open()
        self.dom = with_open.values("DOMAIN_DEFINE_XML", xml=self.xml)[0]
        self.net = with_open.values("NETWORK_LOOKUP_BY_NAME", name="default")[0]
        with_open.close()
        registry.load()
        self.handlers = [
            one for one in registry.all_handlers() if one.procedure.name not in LEFT_OUT
        ]

    def packet(self) -> bytes:
        handler = self.chance.choice(self.handlers)
        row = handler.procedure
        payload = row.args.encode(self._values(handler))
        packet = wire.packet(row.program, 1, row.number, wire.CALL, 7, wire.OK, payload)
        return mutate(packet, self.chance) if self.chance.random() < 0.5 else packet

    def _values(self, handler: Handler) -> tuple[Any, ...]:
        fields = handler.procedure.row[2]
        pairs = [field.split(": ") for field in fields.split(", ")] if fields else []
        return tuple(self._value(name, kind) for name, kind in pairs)

    def _value(self, name: str, kind: str) -> Any:
        choose = self.chance.choice
        if kind.rstrip("?") in ("domain", "network"):
            return self.dom if kind.startswith("d") else self.net
        if name in ("xml", "xml_desc"):
            return choose((self.xml, self._odd_xml()))
        known = {"uuid": self.dom[1], "name": "web1", "flags": choose((0, 0, 1, 2, 4))}
        if name in known:
            return known[name]
        if name in ("device", "path", "dev_name"):
            return choose(("", "console0", "lo", "eth0", "../../x"))
        return _plain(kind, choose((False, True)))

    def _odd_xml(self) -> str:
        chance = self.chance
        size = chance.choice(("0", "-1", "9" * 20, "x", "1"))
        return chance.choice(
            (
                self.xml.replace("web1", "web2").replace("65536", size),
                self.xml[: chance.randrange(len(self.xml))],
                self.xml.replace("privnet", "\udcff"),
                self.xml.replace("/sbin/init", "\ud7ff" * 5000),
                NETWORK.format("b" * chance.randrange(20), chance.randrange(300)),
            )
        )


class _Service:
    """What the fuzzer needs to connect again."""

    def __init__(self, path: str) -> None:
        self.path = path

    def raw(self) -> Raw:
        return Raw(self.path)


def test_no_packet_finds_a_mistake(instance: Instance) -> None:
    asker = Asker(instance, random.Random(SEED))
    fuzzer = Fuzzer(_Service(instance.paths.socket))
    for _ in range(PACKETS):
        fuzzer.send([asker.packet()])
    fuzzer.raw.close()
    assert fuzzer.answered > PACKETS / 2
    messages = instance.daemon_messages()
    assert "a mistake of virtlxc's" not in messages, messages[messages.find("a mistake") :][:3000]
    # A start of the last packets' may still be on its way.
    for name in instance.domains("--all"):
        wait_for(
            f"the end of {name}",
            lambda name=name: (  # type: ignore[misc]
                instance.virtlxc("destroy", name),
                instance.virtlxc("domstate", name).stdout.strip() in ("shut off", "crashed", ""),
            )[1],
        )
