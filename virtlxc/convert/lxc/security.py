"""Readers: ids, capabilities, labels."""

from __future__ import annotations

from virtlxc.convert.lxc.draft import Draft, number
from virtlxc.convert.lxc.lines import Line
from virtlxc.markup import escape
from virtlxc.model import IdRange
from virtlxc.model.features import CAPABILITIES

# In the kernel, not in libvirt's XML: they stay with every policy but 'deny'.
_UNSPOKEN = ("audit_read", "perfmon", "bpf", "checkpoint_restore")


def idmap(draft: Draft, line: Line) -> None:
    """``u|g CONTAINER HOST COUNT``: libvirt's own converter takes the first two the wrong way."""
    words = line.value.split()
    if len(words) != 4 or words[0] not in ("u", "g"):
        raise line.wrong(f"'{line.value}' is not like u 0 100000 65536")
    start, target, count = (number(line, word, most=2**32 - 1) for word in words[1:])
    ranges = draft.uids if words[0] == "u" else draft.gids
    ranges.append(IdRange(start=start, target=target, count=count))


def drop(draft: Draft, line: Line) -> None:
    for name in line.value.split():
        if _speakable(draft, line, name, f"{name} cannot be taken away by name"):
            draft.dropped[name] = line


def keep(draft: Draft, line: Line) -> None:
    """'none' throws away what was kept before it, and by itself keeps nothing."""
    draft.kept = draft.kept or {}
    for name in line.value.split():
        if name == "none":
            draft.kept.clear()
        elif _speakable(draft, line, name, f"{name} cannot be kept by name, and is dropped"):
            draft.kept[name] = line


def _speakable(draft: Draft, line: Line, name: str, lost: str) -> bool:
    if name in CAPABILITIES:
        return True
    if name not in _UNSPOKEN:
        raise line.wrong(f"there is no capability '{name}'")
    draft.note(line, lost, protects="taken" in lost)
    return False


def apparmor(draft: Draft, line: Line) -> None:
    """A profile of the administrator's is a label; those that LXC makes or brings are its own."""
    if line.value in ("unconfined", "unchanged"):
        return
    if line.value == "generated" or line.value.startswith("lxc-container-default"):
        draft.note(line, f"the profile '{line.value}' is LXC's own", protects=True)
        return
    draft.labels.append(_label("apparmor", line.value))


def selinux(draft: Draft, line: Line) -> None:
    if line.value not in ("unconfined_t", "unconfined"):
        draft.labels.append(_label("selinux", line.value))


def _label(model: str, label: str) -> str:
    return (
        f"<seclabel type='static' model='{model}' relabel='no'>\n"
        f"    <label>{escape(label)}</label>\n  </seclabel>"
    )
