"""The journal: what is written, replayed in reverse, kept when refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from virtlxc.runtime.journal import replay_journal, undo, undo_records, write_journal


def step(name: str, undo: dict[str, Any] | None) -> dict[str, Any]:
    return {"name": name, "side": "controller", "op": "mkdir", "args": {}, "undo": undo}


def rmdir(path: Path | str, **more: Any) -> dict[str, Any]:
    return {"op": "rmdir", "args": {"path": str(path)}, **more}


def test_records_have_their_placeholders_resolved() -> None:
    plan = {
        "steps": [
            step("one", rmdir("/x/\0controller\0")),
            step("two", None),
            step("three", rmdir("/x/\0init\0")),
            step("four", rmdir("/y", late=True)),
        ]
    }
    assert undo_records(plan, {"controller": 5}) == [
        {"step": "one", "op": "rmdir", "args": {"path": "/x/5"}},
        {"step": "four", "op": "rmdir", "args": {"path": "/y"}, "late": True},
    ]


def test_undo_goes_backwards(tmp_path: Path) -> None:
    outer, inner = tmp_path / "a", tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    records = undo_records({"steps": [step("a", rmdir(outer)), step("b", rmdir(inner))]}, {})
    assert undo(records) == []
    assert not outer.exists()


def test_replay_is_idempotent_and_removes_the_journal(tmp_path: Path) -> None:
    journal, folder = tmp_path / "journal", tmp_path / "folder"
    folder.mkdir()
    write_journal(str(journal), undo_records({"steps": [step("a", rmdir(folder))]}, {}))
    assert replay_journal(str(journal)) == []
    assert not folder.exists() and not journal.exists()
    assert replay_journal(str(journal)) == []


def test_a_folder_that_is_filled_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert undo([{"step": "a", **rmdir(tmp_path)}]) == []
    assert tmp_path.exists()


def test_what_is_refused_stays_in_the_journal(tmp_path: Path) -> None:
    journal, folder = tmp_path / "journal", tmp_path / "folder"
    folder.mkdir()
    steps = [step("odd", {"op": "of-another-version", "args": {}}), step("a", rmdir(folder))]
    write_journal(str(journal), undo_records({"steps": steps}, {}))
    (refused,) = replay_journal(str(journal))
    assert refused.startswith("odd: cannot be undone by this version")
    assert not folder.exists()
    assert [row["step"] for row in json.loads(journal.read_text())["undo"]] == ["odd"]
