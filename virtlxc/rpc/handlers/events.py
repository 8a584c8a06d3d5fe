"""Who wants to hear of what, in libvirt's old and new ways of saying so."""

from __future__ import annotations

from virtlxc.driver.ref import Ref
from virtlxc.rpc.registry import Call, handles

_LIFECYCLE = 0


@handles("CONNECT_DOMAIN_EVENT_REGISTER", fast=True)
def connect_domain_event_register(call: Call) -> int:
    call.peer.register_event("domain", _LIFECYCLE, None, legacy=True)
    return 1


@handles("CONNECT_DOMAIN_EVENT_DEREGISTER", fast=True)
def connect_domain_event_deregister(call: Call) -> int:
    call.peer.deregister_legacy("domain", _LIFECYCLE)
    return 0


@handles("CONNECT_DOMAIN_EVENT_REGISTER_ANY", fast=True)
def connect_domain_event_register_any(call: Call, eventID: int) -> None:
    call.peer.register_event("domain", eventID, None, legacy=True)


@handles("CONNECT_DOMAIN_EVENT_DEREGISTER_ANY", fast=True)
def connect_domain_event_deregister_any(call: Call, eventID: int) -> None:
    call.peer.deregister_legacy("domain", eventID)


@handles("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", fast=True)
def connect_domain_event_callback_register_any(call: Call, eventID: int, dom: Ref | None) -> int:
    return call.peer.register_event("domain", eventID, dom)


@handles("CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY", fast=True)
def connect_domain_event_callback_deregister_any(call: Call, callbackID: int) -> None:
    call.peer.deregister_event(callbackID)


@handles("CONNECT_NETWORK_EVENT_REGISTER_ANY", fast=True)
def connect_network_event_register_any(
    call: Call, eventID: int, net: tuple[str, bytes] | None
) -> int:
    return call.peer.register_event("network", eventID, net)


@handles("CONNECT_NETWORK_EVENT_DEREGISTER_ANY", fast=True)
def connect_network_event_deregister_any(call: Call, callbackID: int) -> None:
    call.peer.deregister_event(callbackID)


@handles("CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY", fast=True)
def connect_storage_pool_event_register_any(
    call: Call, eventID: int, pool: tuple[str, bytes] | None
) -> int:
    return call.peer.register_event("pool", eventID, pool)


@handles("CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY", fast=True)
def connect_storage_pool_event_deregister_any(call: Call, callbackID: int) -> None:
    call.peer.deregister_event(callbackID)
