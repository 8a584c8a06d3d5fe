"""Limits that virsh has no command for."""

from __future__ import annotations

from virtlxc.cli.domains import AFFECT, DOMAIN, EXCLUDES, OF
from virtlxc.cli.grammar import Command, number, rows
from virtlxc.cli.lookup import domain
from virtlxc.cli.params import ULLONG, values
from virtlxc.cli.units import scaled_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Session

SIZES = ("memory-low", "memory-min")


def _limits(session: Session, args: Args) -> dict[str, Any]:
    flags = args.bits(AFFECT)
    ref = domain(session, args)
    params: list[Param] = []
    pids = args.integer("pids", least=0)
    if pids is not None:
        params.append(("pids", ULLONG, pids))
    for name in SIZES:
        if (size := scaled_kib(args, name)) is not None:
            params.append((name.replace("-", "_"), ULLONG, size))
    if params:
        failed = "Unable to change the limits"
        session.own("SET_LIMITS", failed=failed, dom=ref, params=params, flags=flags)
        return {}
    return values(session.own("GET_LIMITS", dom=ref, flags=flags)["params"])


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
        *OF,
        read=_limits,
        show=_show,
        excludes=EXCLUDES,
    ),
)
