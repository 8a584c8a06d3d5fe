"""The fragments of docs/xml.md are valid: each is put where it belongs and validated."""

from __future__ import annotations

import re

import pytest

from tests.unit.domains import CHECKOUT, xml
from virtlxc.schema import validate

FRAGMENTS = re.findall(r"```xml\n(.*?)```", (CHECKOUT / "docs" / "xml.md").read_text(), re.DOTALL)
LXC = " xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'"


def document(fragment: str) -> str:
    if fragment.startswith("<domain type='lxc'>"):
        return fragment
    if "xmlns:lxc" in fragment:
        inside = fragment[fragment.index("<lxc:namespace>") :]
        return xml(more=inside).replace("<domain ", f"<domain{LXC} ", 1)
    if fragment.startswith(("<interface", "<disk")):
        return xml(fragment)
    data = "<filesystem><source dir='/d'/><target dir='/data'/></filesystem>"
    return xml(data, more=fragment)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda text: text.split(">")[0][:40])
def test_fragments_are_valid(fragment: str) -> None:
    assert validate(document(fragment)) == ()


def test_there_are_fragments() -> None:
    assert len(FRAGMENTS) >= 6
