"""Devices of domains that come, go and change."""

from __future__ import annotations

from virtlxc.driver.ref import Ref
from virtlxc.rpc.registry import Call, handles

_LIVE = 1


@handles("DOMAIN_ATTACH_DEVICE")
def domain_attach_device(call: Call, dom: Ref, xml: str) -> None:
    call.driver.domains.attach_device(dom, xml, _LIVE)


@handles("DOMAIN_ATTACH_DEVICE_FLAGS")
def domain_attach_device_flags(call: Call, dom: Ref, xml: str, flags: int) -> None:
    call.driver.domains.attach_device(dom, xml, flags)


@handles("DOMAIN_DETACH_DEVICE")
def domain_detach_device(call: Call, dom: Ref, xml: str) -> None:
    call.driver.domains.detach_device(dom, xml, _LIVE)


@handles("DOMAIN_DETACH_DEVICE_FLAGS")
def domain_detach_device_flags(call: Call, dom: Ref, xml: str, flags: int) -> None:
    call.driver.domains.detach_device(dom, xml, flags)


@handles("DOMAIN_DETACH_DEVICE_ALIAS")
def domain_detach_device_alias(call: Call, dom: Ref, alias: str, flags: int) -> None:
    call.driver.domains.detach_alias(dom, alias, flags)


@handles("DOMAIN_UPDATE_DEVICE_FLAGS")
def domain_update_device_flags(call: Call, dom: Ref, xml: str, flags: int) -> None:
    call.driver.domains.update_device(dom, xml, flags)
