"""How long an init that does not listen to a signal yet is given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from virtlxc.driver.life import shutdown


class Init:
    """An init by the clock: what it does, and when it was booted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, age: float) -> None:
        self.moment = 1000.0
        self.asleep = False
        self.spent = 0
        monkeypatch.setattr(shutdown, "time", SimpleNamespace(monotonic=lambda: self.moment))
        monkeypatch.setattr(shutdown, "now", lambda: 5000.0)
        monkeypatch.setattr(
            "virtlxc.driver.life.inits.activity", lambda pid: (self.asleep, self.spent)
        )
        run: Any = SimpleNamespace(init=SimpleNamespace(pid=1), booted=5000.0 - age)
        self.patience = shutdown._Patience(run)

    def given(self, *, works: bool = False) -> float:
        """For how long it is waited for from now on; ``works``: with processor time spent."""
        begin = self.moment
        while self.patience.lasts() and self.moment - begin < 60:
            self.moment += 0.01
            self.spent += works
        return round(self.moment - begin, 1)


def test_one_that_sleeps_is_soon_known_to_be_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    init = Init(monkeypatch, age=0)
    init.asleep = True
    assert init.given() == 0.5


def test_one_at_work_has_as_long_as_it_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Init(monkeypatch, age=0).given() == 10.0
    assert Init(monkeypatch, age=7).given() == 3.0
    sleeper = Init(monkeypatch, age=0)
    sleeper.asleep = True
    assert sleeper.given(works=True) == 10.0


def test_one_that_is_old_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Init(monkeypatch, age=20).given() == 0.0
