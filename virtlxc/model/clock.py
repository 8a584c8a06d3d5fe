"""``<clock>``: libvirt's LXC driver only uses it to give a container the host's clock devices."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, Keep, Kept, Repeat, Table, Value, types


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


_NO_CLOCK = "a container shows the host's time"

TIMER = Table(
    "timer",
    Timer,
    (
        Value(
            path="@name",
            field="name",
            type=types.choice(
                "platform", "hpet", "kvmclock", "pit", "rtc", "tsc", "hypervclock", "armvtimer"
            ),
            treatment=KEPT,
            served=("rtc", "hpet"),
            note="give /dev/rtc and /dev/hpet when the offset is localtime",
        ),
        Value(path="@present", field="present", type=types.YES_NO),
        Keep(path="@track", note=_NO_CLOCK),
        Keep(path="@tickpolicy", note=_NO_CLOCK),
        Keep(path="@frequency", note=_NO_CLOCK),
        Keep(path="@mode", note=_NO_CLOCK),
        Keep(path="catchup", note=_NO_CLOCK),
    ),
)

CLOCK = Table(
    "clock",
    Clock,
    (
        Value(
            path="@offset",
            field="offset",
            type=types.choice("utc", "localtime", "timezone", "variable", "absolute"),
            always=True,
            note="accepted as libvirt does: no offset changes a container's clock",
        ),
        Keep(path="@timezone", note=_NO_CLOCK),
        Keep(path="@adjustment", note=_NO_CLOCK),
        Keep(path="@basis", note=_NO_CLOCK),
        Keep(path="@start", note=_NO_CLOCK),
        Repeat(path="timer", field="timers", table=TIMER),
    ),
)
