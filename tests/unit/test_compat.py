"""docs/compatibility.md is what the field tables say now."""

from __future__ import annotations

from tests.unit.domains import CHECKOUT
from virtlxc.model.compat import entries, page
from virtlxc.model.document import DOMAIN


def test_the_committed_page_is_current() -> None:
    committed = (CHECKOUT / "docs" / "compatibility.md").read_text()
    assert committed == page(), "run: python -m virtlxc.model.compat > docs/compatibility.md"


def test_what_protects_is_never_just_kept() -> None:
    rows = {row.path: row.treatment for row in entries(DOMAIN, "")}
    for path in (
        *("seclabel", "devices/interface/filterref", "devices/interface/port/@isolated"),
        *("devices/disk/@type", "devices/disk/driver/@type", "devices/hostdev/@type"),
        *("devices/interface/vlan", "devices/filesystem/space_hard_limit"),
    ):
        assert rows[path] in ("refused", "acted on"), path
    assert rows["idmap"] == "acted on"


def test_every_row_that_is_not_acted_on_says_why() -> None:
    silent = [
        row.path
        for row in entries(DOMAIN, "")
        if row.treatment in ("kept", "refused") and not row.note
    ]
    assert silent == []
