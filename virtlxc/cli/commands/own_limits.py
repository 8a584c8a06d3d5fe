"""Limits that virsh has no command for."""

from __future__ import annotations

from virtlxc.cli.devices import CONFIG, DOMAIN, LIVE
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, number, rows
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import ULLONG, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Session

KIB = 1024
SIZES = ("memory-low", "memory-min")


def _limits(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits((("live", LIVE), ("config", CONFIG)))
    ref = domain(session, args)
    params: list[Param] = []
    pids = args.integer("pids", least=0)
    if pids is not None:
        params.append(("pids", ULLONG, pids))
    for name in SIZES:
        if name in args:
            params.append((name.replace("-", "_"), ULLONG, _size(name, args[name])))
    if params:
        failed = "Unable to change the limits"
        session.own("SET_LIMITS", failed=failed, dom=ref, params=params, flags=flags)
        return {}
    return values(session.own("GET_LIMITS", dom=ref, flags=flags)["params"])


def _size(name: str, written: str) -> int:
    from virtlxc.cli.units import to_bytes

    size = to_bytes(written, KIB)
    if size is None:
        raise Failed(
            f"Scaled numeric value '{written}' for <{name}> option is malformed or out of range"
        )
    return -(-size // KIB)


def _show(data: dict[str, Any], args: Args, quiet: bool) -> str:
    return "".join(f"{name:<15}: {value or 'none'}\n" for name, value in data.items())


COMMANDS = rows(
    Command(
        "limits",
        "show or change how many processes a domain may have, and which memory is kept for it",
        DOMAIN,
        number("pids", "the most processes; 0 for no limit"),
        number("memory-low", "memory that others get only if they have nothing else; KiB"),
        number("memory-min", "memory that nobody else gets; KiB"),
        flag("config", "of the definition"),
        flag("live", "of what runs"),
        flag("current", "of what is now"),
        read=_limits,
        show=_show,
        excludes=(("current", "live"), ("current", "config")),
    ),
)
