"""``<lxc:namespace>``: namespaces that are taken from somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``kind``: 'net', 'ipc' or 'uts'. ``type``: 'name' of a running domain, 'pid' of a process of
    the host, or 'netns' (a name below /run/netns; for 'net' only)."""

    kind: str
    type: str
    value: str


URI = "http://libvirt.org/schemas/domain/lxc/1.0"
KINDS = ("net", "ipc", "uts")

SHARE = Table(
    "lxc:*",
    Share,
    (
        Value(path="@type", field="type", type=types.choice("name", "pid", "netns")),
        Value(path="@value", field="value", type=types.NOT_EMPTY),
    ),
    tag_field="tag",
    namespaces={"lxc": URI},
    make=lambda values: Share(
        kind=values["tag"].removeprefix("share"), type=values["type"], value=values["value"]
    ),
    take=lambda share: {"tag": f"share{share.kind}", "type": share.type, "value": share.value},
)
