"""The life of domains: define, start, stop, and back."""

from __future__ import annotations

from virtlxc.driver.ref import Ref
from virtlxc.rpc.registry import Call, handles

_UNDEFINE_OF_NOTHING = 1 | 2 | 16
"""MANAGED_SAVE, SNAPSHOTS_METADATA, CHECKPOINTS_METADATA: containers have none of them."""


@handles("CONNECT_LIST_ALL_DOMAINS", fast=True)
def connect_list_all_domains(call: Call, need_results: int, flags: int) -> tuple[list[Ref], int]:
    found = call.driver.domains.list_all(flags)
    return (found if need_results else []), len(found)


@handles("CONNECT_LIST_DOMAINS", fast=True)
def connect_list_domains(call: Call, maxids: int) -> list[int]:
    return [ref.id for ref in call.driver.domains.list_all(_ACTIVE)][: max(maxids, 0)]


@handles("CONNECT_NUM_OF_DOMAINS", fast=True)
def connect_num_of_domains(call: Call) -> int:
    return len(call.driver.domains.list_all(_ACTIVE))


@handles("CONNECT_LIST_DEFINED_DOMAINS", fast=True)
def connect_list_defined_domains(call: Call, maxnames: int) -> list[str]:
    return [ref.name for ref in call.driver.domains.list_all(_INACTIVE)][: max(maxnames, 0)]


@handles("CONNECT_NUM_OF_DEFINED_DOMAINS", fast=True)
def connect_num_of_defined_domains(call: Call) -> int:
    return len(call.driver.domains.list_all(_INACTIVE))


_ACTIVE, _INACTIVE = 1, 2


@handles("DOMAIN_LOOKUP_BY_ID", fast=True)
def domain_lookup_by_id(call: Call, id: int) -> Ref:
    return call.driver.domains.lookup_id(id)


@handles("DOMAIN_LOOKUP_BY_NAME", fast=True)
def domain_lookup_by_name(call: Call, name: str) -> Ref:
    return call.driver.domains.lookup_name(name)


@handles("DOMAIN_LOOKUP_BY_UUID", fast=True)
def domain_lookup_by_uuid(call: Call, uuid: bytes) -> Ref:
    return call.driver.domains.lookup_uuid(uuid)


# Definitions


@handles("DOMAIN_DEFINE_XML")
def domain_define_xml(call: Call, xml: str) -> Ref:
    return call.driver.domains.define(xml).ref


@handles("DOMAIN_DEFINE_XML_FLAGS")
def domain_define_xml_flags(call: Call, xml: str, flags: int) -> Ref:
    return call.driver.domains.define(xml, flags).ref


@handles("DOMAIN_UNDEFINE")
def domain_undefine(call: Call, dom: Ref) -> None:
    call.driver.domains.undefine(dom)


@handles("DOMAIN_UNDEFINE_FLAGS")
def domain_undefine_flags(call: Call, dom: Ref, flags: int) -> None:
    call.driver.domains.undefine(dom, flags & ~_UNDEFINE_OF_NOTHING)


@handles("DOMAIN_RENAME", flags=0)
def domain_rename(call: Call, dom: Ref, new_name: str | None, flags: int) -> int:
    call.driver.domains.rename(dom, new_name or "")
    return 0


@handles("DOMAIN_GET_AUTOSTART", fast=True)
def domain_get_autostart(call: Call, dom: Ref) -> int:
    return int(call.driver.domains.autostart(dom))


@handles("DOMAIN_SET_AUTOSTART")
def domain_set_autostart(call: Call, dom: Ref, autostart: int) -> None:
    call.driver.domains.set_autostart(dom, bool(autostart))


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


@handles("DOMAIN_DESTROY")
def domain_destroy(call: Call, dom: Ref) -> None:
    call.driver.domains.destroy(dom)


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
