"""Metadata of other programs: cut out and put in, every other byte as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtlxc.driver.constants import Affect, MetadataType
from virtlxc.driver.domain import metadata
from virtlxc.driver.domain.domain import View
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import Domain

UUID = "00000000-0000-0000-0000-00000000000a"
ONE, TWO = "urn:one:1", "urn:two:2"
FOREIGN = (
    f"\n    <a:app xmlns:a=\"{ONE}\"   v='1>0'/>\n    <!-- kept -->\n"
    f"    <b:x xmlns:b='{TWO}'><b:y/>&amp;</b:x>\n  "
)


def view(text: str | None) -> View:
    domain = Domain(name="w", uuid=UUID, memory=1024, metadata=text, title="T")
    return View(name="w", uuid=UUID, config=domain)


def test_an_element_comes_back_byte_for_byte() -> None:
    found = view(FOREIGN)
    assert metadata.get(found, MetadataType.ELEMENT, ONE, 0) == (
        f"<a:app xmlns:a=\"{ONE}\"   v='1>0'/>"
    )
    assert metadata.get(found, MetadataType.ELEMENT, TWO, Affect.CONFIG) == (
        f"<b:x xmlns:b='{TWO}'><b:y/>&amp;</b:x>"
    )
    assert metadata.get(found, MetadataType.TITLE, None, 0) == "T"


@pytest.mark.parametrize(
    ("type", "uri", "code"),
    [
        (MetadataType.ELEMENT, "urn:none", Code.NO_DOMAIN_METADATA),
        (MetadataType.DESCRIPTION, None, Code.NO_DOMAIN_METADATA),
        (MetadataType.ELEMENT, None, Code.INVALID_ARG),
        (7, None, Code.INVALID_ARG),
    ],
)
def test_what_is_not_there(type: int, uri: str | None, code: int) -> None:
    with pytest.raises(VirtlxcError) as caught:
        metadata.get(view(FOREIGN), type, uri, 0)
    assert caught.value.code == code


def changed(text: str | None, new: str | None, uri: str, key: str = "k") -> str | None:
    change = metadata._change(MetadataType.ELEMENT, new, key, uri)
    domain = view(text).config
    assert domain is not None
    return change(replace(domain)).metadata


def test_an_element_is_replaced_in_its_place() -> None:
    after = changed(FOREIGN, "<z>1</z>", ONE)
    assert after == FOREIGN.replace(
        f"<a:app xmlns:a=\"{ONE}\"   v='1>0'/>", f'<k:z xmlns:k="{ONE}">1</k:z>'
    )


def test_an_element_is_added_and_removed() -> None:
    added = changed(None, "<z/>", ONE)
    assert added == f'<k:z xmlns:k="{ONE}"/>'
    assert changed(added, None, ONE) is None
    assert changed(FOREIGN, "", TWO) == FOREIGN.replace(
        f"<b:x xmlns:b='{TWO}'><b:y/>&amp;</b:x>", ""
    )


def test_a_broken_element_is_refused() -> None:
    with pytest.raises(VirtlxcError) as caught:
        changed(FOREIGN, "<z>", ONE)
    assert caught.value.code == Code.XML_ERROR
    with pytest.raises(VirtlxcError, match="can't contain newlines"):
        metadata._change(MetadataType.TITLE, "a\nb", None, None)
