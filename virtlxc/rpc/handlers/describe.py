"""What a domain is and does: XML, state, metadata."""

from __future__ import annotations

import time

from virtlxc.driver import refusals
from virtlxc.driver.constants import Xml
from virtlxc.driver.ref import Info, Ref
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.registry import Call, handles

_LIVE, _CONFIG = 1, 2
_LEASE, _AGENT = 1, 2  # where a host name may come from
_DEPRECATION, _TAINTING, _IOERRORS = 1, 2, 4
_KINDS_OF_MESSAGES = _DEPRECATION | _TAINTING | _IOERRORS


@handles("DOMAIN_GET_XML_DESC", fast=True)
def domain_get_xml_desc(call: Call, dom: Ref, flags: int) -> str:
    readonly = call.peer.readonly
    if readonly and flags & (Xml.SECURE | Xml.MIGRATABLE):
        raise VirtlxcError(
            "operation forbidden: virDomainGetXMLDesc with secure flag",
            Code.OPERATION_DENIED,
            From.RPC,
        )
    return call.driver.domains.xml(dom, flags, hide_environment=readonly)


@handles("DOMAIN_GET_INFO", fast=True)
def domain_get_info(call: Call, dom: Ref) -> Info:
    return call.driver.domains.info(dom)


@handles("DOMAIN_GET_STATE", fast=True)
def domain_get_state(call: Call, dom: Ref, flags: int) -> tuple[int, int]:
    return call.driver.domains.state(dom, flags)


@handles("DOMAIN_GET_OS_TYPE", fast=True)
def domain_get_os_type(call: Call, dom: Ref) -> str:
    return call.driver.domains.os_type(dom)


@handles("DOMAIN_IS_UPDATED", fast=True)
def domain_is_updated(call: Call, dom: Ref) -> int:
    return int(call.driver.domains.is_updated(dom))


@handles("DOMAIN_GET_HOSTNAME", flags=_LEASE | _AGENT)
def domain_get_hostname(call: Call, dom: Ref, flags: int) -> str:
    return call.driver.domains.hostname(dom, flags)


@handles("DOMAIN_GET_TIME", fast=True, flags=0)
def domain_get_time(call: Call, dom: Ref, flags: int) -> tuple[int, int]:
    """A container's clock is the host's."""
    if not call.driver.domains.is_active(dom):
        raise refusals.not_running()
    return divmod(time.time_ns(), 1_000_000_000)


@handles("DOMAIN_GET_MESSAGES", fast=True, flags=_KINDS_OF_MESSAGES)
def domain_get_messages(call: Call, dom: Ref, flags: int) -> list[str]:
    return call.driver.domains.messages(dom, flags)


@handles("DOMAIN_GET_SECURITY_LABEL", fast=True)
def domain_get_security_label(call: Call, dom: Ref) -> tuple[str, int]:
    label, enforcing = call.driver.domains.security_label(dom)
    return label, int(enforcing)


@handles("DOMAIN_GET_SECURITY_LABEL_LIST", fast=True)
def domain_get_security_label_list(call: Call, dom: Ref) -> tuple[list[tuple[str, int]], int]:
    label, enforcing = call.driver.domains.security_label(dom)
    found = [(label, int(enforcing))] if label else []
    return found, len(found)


@handles("DOMAIN_GET_METADATA", fast=True, flags=_LIVE | _CONFIG)
def domain_get_metadata(call: Call, dom: Ref, type: int, uri: str | None, flags: int) -> str:
    return call.driver.domains.metadata(dom, type, uri, flags)


@handles("DOMAIN_SET_METADATA", flags=_LIVE | _CONFIG)
def domain_set_metadata(
    call: Call,
    dom: Ref,
    type: int,
    metadata: str | None,
    key: str | None,
    uri: str | None,
    flags: int,
) -> None:
    call.driver.domains.set_metadata(dom, type, metadata, key, uri, flags)
