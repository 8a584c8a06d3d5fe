"""What domains, networks and pools are all asked alike, answered once.

The parameter ``ref`` is the field that holds the reference (``dom``, ``net``, ``pool``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from virtlxc.rpc.registry import Call, handles

# The filters of libvirt's lists: (those that run, those that do not). Domains have them reversed.
FILTERS, DOMAIN_FILTERS = (2, 1), (1, 2)


class Service(Protocol):
    """The calls of the driver that have the same form for every kind of things."""

    def list_all(self, flags: int = 0) -> Sequence[Any]: ...
    def lookup_name(self, name: str) -> Any: ...
    def lookup_uuid(self, uuid: bytes) -> Any: ...
    def destroy(self, ref: Any) -> None: ...
    def undefine(self, ref: Any) -> None: ...
    def is_active(self, ref: Any) -> bool: ...
    def is_persistent(self, ref: Any) -> bool: ...
    def autostart(self, ref: Any) -> bool: ...
    def set_autostart(self, ref: Any, on: bool) -> None: ...


def answer(
    one: str,
    many: str,
    service: Callable[[Call], Service],
    filters: tuple[int, int] = FILTERS,
) -> None:
    """Answers the procedures about ``one`` thing (NETWORK) and about ``many`` (NETWORKS)."""
    _answer_lists(many, service, filters)
    _answer_about_one(one, service)


def list_by_name(many: str, service: Callable[[Call], Service]) -> None:
    """Answers the old list of what runs, for what is not listed by id as domains are."""

    @handles(f"CONNECT_LIST_{many}", fast=True)
    def list_active(call: Call, maxnames: int) -> list[str]:
        return names(service(call).list_all(FILTERS[0]), maxnames)


def names(found: Sequence[Any], maxnames: int) -> list[str]:
    """As many names as the client has room for."""
    return [ref.name for ref in found[: max(maxnames, 0)]]


def _answer_lists(
    many: str, service: Callable[[Call], Service], filters: tuple[int, int]
) -> None:
    active, inactive = filters

    @handles(f"CONNECT_LIST_ALL_{many}", fast=True)
    def list_all(call: Call, need_results: int, flags: int) -> tuple[Sequence[Any], int]:
        found = service(call).list_all(flags)
        return (found if need_results else []), len(found)

    @handles(f"CONNECT_NUM_OF_{many}", fast=True)
    def num_of(call: Call) -> int:
        return len(service(call).list_all(active))

    @handles(f"CONNECT_NUM_OF_DEFINED_{many}", fast=True)
    def num_of_defined(call: Call) -> int:
        return len(service(call).list_all(inactive))

    @handles(f"CONNECT_LIST_DEFINED_{many}", fast=True)
    def list_defined(call: Call, maxnames: int) -> list[str]:
        return names(service(call).list_all(inactive), maxnames)


def _answer_about_one(one: str, service: Callable[[Call], Service]) -> None:
    @handles(f"{one}_LOOKUP_BY_NAME", fast=True)
    def lookup_by_name(call: Call, name: str) -> Any:
        return service(call).lookup_name(name)

    @handles(f"{one}_LOOKUP_BY_UUID", fast=True)
    def lookup_by_uuid(call: Call, uuid: bytes) -> Any:
        return service(call).lookup_uuid(uuid)

    @handles(f"{one}_DESTROY")
    def destroy(call: Call, ref: Any) -> None:
        service(call).destroy(ref)

    @handles(f"{one}_UNDEFINE")
    def undefine(call: Call, ref: Any) -> None:
        service(call).undefine(ref)

    @handles(f"{one}_IS_ACTIVE", fast=True)
    def is_active(call: Call, ref: Any) -> int:
        return int(service(call).is_active(ref))

    @handles(f"{one}_IS_PERSISTENT", fast=True)
    def is_persistent(call: Call, ref: Any) -> int:
        return int(service(call).is_persistent(ref))

    @handles(f"{one}_GET_AUTOSTART", fast=True)
    def get_autostart(call: Call, ref: Any) -> int:
        return int(service(call).autostart(ref))

    @handles(f"{one}_SET_AUTOSTART")
    def set_autostart(call: Call, ref: Any, autostart: int) -> None:
        service(call).set_autostart(ref, bool(autostart))
