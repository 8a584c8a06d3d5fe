"""``<clock>``: libvirt's LXC driver only uses it to give a container the host's clock devices."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """``name`` 'rtc' or 'hpet' give /dev/rtc and /dev/hpet when ``present`` is not False."""

    name: str
    present: bool | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """``offset`` changes no clock: a container shows the host's time."""

    offset: str = "utc"
    timers: tuple[Timer, ...] = ()
    kept: tuple[Kept, ...] = ()
