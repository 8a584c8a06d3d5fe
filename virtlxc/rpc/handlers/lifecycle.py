"""The life of domains: define, start, stop, and back."""

from __future__ import annotations

from virtlxc.driver.domain.domains import Domains
from virtlxc.driver.ref import Ref
from virtlxc.rpc.handlers import named
from virtlxc.rpc.registry import Call, handles

_UNDEFINE_OF_NOTHING = 1 | 2 | 16
"""MANAGED_SAVE, SNAPSHOTS_METADATA, CHECKPOINTS_METADATA: containers have none of them."""


_ACTIVE, _ = named.DOMAIN_FILTERS


def _domains(call: Call) -> Domains:
    return call.driver.domains


named.answer("DOMAIN", "DOMAINS", _domains, named.DOMAIN_FILTERS)


@handles("CONNECT_LIST_DOMAINS", fast=True)
def connect_list_domains(call: Call, maxids: int) -> list[int]:
    return [ref.id for ref in call.driver.domains.list_all(_ACTIVE)][: max(maxids, 0)]


@handles("DOMAIN_LOOKUP_BY_ID", fast=True)
def domain_lookup_by_id(call: Call, id: int) -> Ref:
    return call.driver.domains.lookup_id(id)


# Definitions


@handles("DOMAIN_DEFINE_XML")
def domain_define_xml(call: Call, xml: str) -> Ref:
    return call.driver.domains.define(xml).ref


@handles("DOMAIN_DEFINE_XML_FLAGS")
def domain_define_xml_flags(call: Call, xml: str, flags: int) -> Ref:
    return call.driver.domains.define(xml, flags).ref


@handles("DOMAIN_UNDEFINE_FLAGS")
def domain_undefine_flags(call: Call, dom: Ref, flags: int) -> None:
    call.driver.domains.undefine(dom, flags & ~_UNDEFINE_OF_NOTHING)


@handles("DOMAIN_RENAME", flags=0)
def domain_rename(call: Call, dom: Ref, new_name: str | None, flags: int) -> int:
    call.driver.domains.rename(dom, new_name or "")
    return 0


# Life


@handles("DOMAIN_CREATE_XML")
def domain_create_xml(call: Call, xml_desc: str, flags: int) -> Ref:
    return call.driver.domains.create(xml_desc, flags, owner=call.peer)


@handles("DOMAIN_CREATE_XML_WITH_FILES")
def domain_create_xml_with_files(call: Call, xml_desc: str, flags: int) -> Ref:
    return call.driver.domains.create(xml_desc, flags, call.fds, owner=call.peer)


@handles("DOMAIN_CREATE")
def domain_create(call: Call, dom: Ref) -> None:
    call.driver.domains.start(dom, owner=call.peer)


@handles("DOMAIN_CREATE_WITH_FLAGS")
def domain_create_with_flags(call: Call, dom: Ref, flags: int) -> Ref:
    return call.driver.domains.start(dom, flags, owner=call.peer)


@handles("DOMAIN_CREATE_WITH_FILES")
def domain_create_with_files(call: Call, dom: Ref, flags: int) -> Ref:
    return call.driver.domains.start(dom, flags, call.fds, owner=call.peer)


@handles("DOMAIN_DESTROY_FLAGS")
def domain_destroy_flags(call: Call, dom: Ref, flags: int) -> None:
    call.driver.domains.destroy(dom, flags)


@handles("DOMAIN_SHUTDOWN")
def domain_shutdown(call: Call, dom: Ref) -> None:
    call.driver.domains.shutdown(dom)


@handles("DOMAIN_SHUTDOWN_FLAGS")
def domain_shutdown_flags(call: Call, dom: Ref, flags: int) -> None:
    call.driver.domains.shutdown(dom, flags)


@handles("DOMAIN_REBOOT")
def domain_reboot(call: Call, dom: Ref, flags: int) -> None:
    call.driver.domains.reboot(dom, flags)


@handles("DOMAIN_SET_LIFECYCLE_ACTION")
def domain_set_lifecycle_action(call: Call, dom: Ref, type: int, action: int, flags: int) -> None:
    call.driver.domains.set_lifecycle_action(dom, type, action, flags)


@handles("DOMAIN_SUSPEND")
def domain_suspend(call: Call, dom: Ref) -> None:
    call.driver.domains.suspend(dom)


@handles("DOMAIN_RESUME")
def domain_resume(call: Call, dom: Ref) -> None:
    call.driver.domains.resume(dom)


@handles("DOMAIN_SEND_PROCESS_SIGNAL")
def domain_send_process_signal(
    call: Call, dom: Ref, pid_value: int, signum: int, flags: int
) -> None:
    call.driver.domains.send_signal(dom, pid_value, signum, flags)
