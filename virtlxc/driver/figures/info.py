"""Questions about one domain that read its view and a few files of the kernel."""

from __future__ import annotations

import os
import signal

from virtlxc.driver import refusals
from virtlxc.driver.constants import STATE_NAMES, State
from virtlxc.driver.core import Core
from virtlxc.driver.domain.domain import View, now
from virtlxc.driver.figures import stats
from virtlxc.driver.figures.hits import hits
from virtlxc.driver.life import groups
from virtlxc.driver.life.shutdown import signal_name
from virtlxc.driver.processes import pidfd_of
from virtlxc.driver.ref import Info, Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.utsname import name_seen_by


def info(view: View) -> Info:
    """As ``virDomainGetInfo``: memory is what is used now, and 0 for a stopped domain."""
    domain = view.current
    if view.active:
        memory, used = stats.memory_used(view), stats.cpu_time(view).total
    else:
        memory, used = domain.current_memory or domain.memory, 0
    return Info(view.state, domain.memory, memory, domain.vcpus_current or domain.vcpus, used)


def status_text(view: View) -> str:
    """How the last run ended, or how long this one lasts."""
    if view.run is None:
        text = view.status or STATE_NAMES[view.state]
        waits = view.waiting is not None and view.state != State.CRASHED
        return f"{text}; it waits for its next start" if waits else text
    text = f"{STATE_NAMES[view.state]} for {duration(now() - view.run.booted)}"
    if view.run.boots > 1:
        text += f", booted {view.run.boots} times"
    return text


def duration(seconds: float) -> str:
    """"3 s", "5 min 3 s", "2 h 5 min", "3 d 2 h"."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    rest = int(seconds)
    parts = []
    for name, size in units:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def hostname(view: View) -> str:
    """The name that the guest has now: the one it was given, unless it took another.

    It is the guest's word: what no terminal should be sent becomes a question mark.
    """
    if view.run is None:
        raise refusals.not_running()
    with pidfd_of(view.run.init) as pidfd:
        try:
            name = name_seen_by(pidfd)
        except OSError:
            raise refusals.not_running() from None
    return "".join(char if char.isprintable() else "?" for char in name)


_ENFORCED = "/sys/fs/selinux/enforce"


def security_label(view: View) -> tuple[str, bool]:
    """(label of init, whether it is enforced); empty without a security module.

    AppArmor puts the mode behind the profile's name, SELinux has one for the whole host.
    """
    if view.run is None:
        return "", False
    try:
        with open(f"/proc/{view.run.init.pid}/attr/current") as file:
            label = file.read().strip("\0\n")
    except OSError:
        return "", False
    if label.endswith(")"):
        profile, _, mode = label.rpartition(" (")
        return profile, mode == "enforce)"
    try:
        with open(_ENFORCED) as file:
            return label, ":" in label and file.read().strip() == "1"
    except OSError:
        return label, False


def messages(view: View) -> list[str]:
    """What dominfo shows: the warnings of define and start, and the limits that were reached."""
    return [*view.warnings, *hits(view)]


def programs(view: View) -> list[str]:
    """The names of the programs that run inside; none when it does not run."""
    return groups.programs(view.run.payload) if view.run is not None else []


# virDomainProcessSignal: up to 31 as the kernel has them, then the realtime signals from SIGRTMIN.
_REALTIME = 32
_LAST = 64


def send_signal(core: Core, ref: Ref, pid: int, signum: int, flags: int) -> None:
    """To init, whose pid inside is 1, or to another process by its pid inside."""
    refusals.check_flags("lxcDomainSendProcessSignal", flags)
    view = core.active(ref)
    assert view.run is not None
    if not 0 <= signum <= _LAST:
        raise refusals.bad_argument(f"signum value {signum} is out of range")
    number = signum if signum < _REALTIME else signum + 2
    if pid != 1:
        raise VirtlxcError(
            f"this function is not supported: Only the init process may be killed (1, not {pid})",
            Code.ARGUMENT_UNSUPPORTED,
        )
    with pidfd_of(view.run.init) as pidfd:
        try:
            signal.pidfd_send_signal(pidfd, number)
        except OSError as error:
            raise VirtlxcError(
                f"cannot send {signal_name(number)} to init of domain '{view.name}':"
                f" {os.strerror(error.errno or 0)}",
                Code.SYSTEM_ERROR,
            ) from None
