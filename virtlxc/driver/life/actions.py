"""What happens when a domain ends by itself: ``virDomainSetLifecycleAction``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtlxc.driver import refusals
from virtlxc.driver.constants import Affect
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError

# By libvirt's virDomainLifecycle and virDomainLifecycleAction.
FIELDS = ("on_poweroff", "on_reboot", "on_crash")
ACTIONS = (
    "destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart",
)  # fmt: skip
_AFFECT = Affect.LIVE | Affect.CONFIG


def change(core: Core, ref: Ref, type: int, action: int, flags: int) -> None:
    """Takes effect at the next end of that type.

    Raises OPERATION_UNSUPPORTED for on_reboot of a running domain: whether it boots again is
    decided by its controller, which lives through that without us and has its order already.
    """
    refusals.check_flags("lxcDomainSetLifecycleAction", flags, _AFFECT)
    if not (0 <= type < len(FIELDS) and 0 <= action < len(ACTIONS)):
        raise refusals.bad_argument(f"there is no lifecycle type {type} with an action {action}")
    field, wanted = FIELDS[type], ACTIONS[action]
    if wanted.startswith("coredump") and field != "on_crash":
        raise VirtlxcError(
            f"unsupported configuration: {wanted} is for a crash, not for {field}",
            Code.CONFIG_UNSUPPORTED,
        )
    with core.changing(ref, "change the actions of") as (entry, _):
        if field == "on_reboot" and impact.resolve(entry.view, flags) & Affect.LIVE:
            raise VirtlxcError(
                f"Operation not supported: on_reboot of domain '{entry.view.name}' cannot change"
                " while it runs (change the next start's: --config)",
                Code.OPERATION_UNSUPPORTED,
            )
        chosen: dict[str, Any] = {field: wanted}
        impact.apply(core, entry, flags, lambda domain: replace(domain, **chosen))
