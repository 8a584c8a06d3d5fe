"""What other drivers ask a guest's agent for, and disks one by one."""

from __future__ import annotations

from virtlxc.driver.ref import BlockInfo, FsInfo, Param, Ref
from virtlxc.rpc.registry import Call, handles


@handles("DOMAIN_GET_BLOCK_INFO")
def domain_get_block_info(call: Call, dom: Ref, path: str, flags: int) -> BlockInfo:
    return call.driver.domains.block_info(dom, path, flags)


@handles("DOMAIN_GET_FSINFO")
def domain_get_fsinfo(call: Call, dom: Ref, flags: int) -> tuple[list[FsInfo], int]:
    found = call.driver.domains.fs_info(dom, flags)
    return found, len(found)


@handles("DOMAIN_GET_GUEST_INFO")
def domain_get_guest_info(call: Call, dom: Ref, types: int, flags: int) -> list[Param]:
    return call.driver.domains.guest_info(dom, types, flags)
