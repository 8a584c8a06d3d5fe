"""What other drivers ask a guest's agent for, and disks one by one."""

from __future__ import annotations

from virtlxc.driver.ref import BlockInfo, FsInfo, Param, Ref
from virtlxc.errors import Code, From, VirtlxcError
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


_PEEK_MAX = 4194304


@handles("DOMAIN_BLOCK_PEEK")
def domain_block_peek(
    call: Call, dom: Ref, path: str, offset: int, size: int, flags: int
) -> bytes:
    if size > _PEEK_MAX:
        raise VirtlxcError(
            "internal error: size > maximum buffer size", Code.INTERNAL_ERROR, From.RPC
        )
    return call.driver.domains.block_peek(dom, path, offset, size, flags)


@handles("DOMAIN_BLOCK_RESIZE")
def domain_block_resize(call: Call, dom: Ref, disk: str, size: int, flags: int) -> None:
    call.driver.domains.block_resize(dom, disk, size, flags)
