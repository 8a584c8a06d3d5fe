"""Storage pools and their volumes."""

from __future__ import annotations

import socket

from virtlxc.driver.named import NamedRef
from virtlxc.driver.storage.pools import Pools
from virtlxc.driver.storage.state import PoolInfo, VolumeInfo, VolumeRef
from virtlxc.rpc.handlers import named
from virtlxc.rpc.registry import Call, handles


def _pools(call: Call) -> Pools:
    return call.driver.pools


named.answer("STORAGE_POOL", "STORAGE_POOLS", _pools)
named.list_by_name("STORAGE_POOLS", _pools)


@handles("STORAGE_POOL_LOOKUP_BY_VOLUME", fast=True)
def storage_pool_lookup_by_volume(call: Call, vol: VolumeRef) -> NamedRef:
    return call.driver.volumes.pool_of(vol)


@handles("STORAGE_POOL_LOOKUP_BY_TARGET_PATH", fast=True)
def storage_pool_lookup_by_target_path(call: Call, path: str) -> NamedRef:
    return call.driver.pools.lookup_path(path)


@handles("STORAGE_POOL_DEFINE_XML")
def storage_pool_define_xml(call: Call, xml: str, flags: int) -> NamedRef:
    return call.driver.pools.define(xml, flags)


@handles("STORAGE_POOL_CREATE_XML")
def storage_pool_create_xml(call: Call, xml: str, flags: int) -> NamedRef:
    return call.driver.pools.create(xml, flags)


@handles("STORAGE_POOL_CREATE")
def storage_pool_create(call: Call, pool: NamedRef, flags: int) -> None:
    call.driver.pools.start(pool, flags)


@handles("STORAGE_POOL_BUILD")
def storage_pool_build(call: Call, pool: NamedRef, flags: int) -> None:
    call.driver.pools.build(pool, flags)


@handles("STORAGE_POOL_DELETE")
def storage_pool_delete(call: Call, pool: NamedRef, flags: int) -> None:
    call.driver.pools.delete(pool, flags)


@handles("STORAGE_POOL_REFRESH")
def storage_pool_refresh(call: Call, pool: NamedRef, flags: int) -> None:
    call.driver.pools.refresh(pool, flags)


@handles("STORAGE_POOL_GET_INFO")
def storage_pool_get_info(call: Call, pool: NamedRef) -> PoolInfo:
    return call.driver.pools.info(pool)


@handles("STORAGE_POOL_GET_XML_DESC")
def storage_pool_get_xml_desc(call: Call, pool: NamedRef, flags: int) -> str:
    return call.driver.pools.xml(pool, flags)


@handles("STORAGE_POOL_NUM_OF_VOLUMES", fast=True)
def storage_pool_num_of_volumes(call: Call, pool: NamedRef) -> int:
    return len(call.driver.volumes.list_all(pool))


@handles("STORAGE_POOL_LIST_VOLUMES", fast=True)
def storage_pool_list_volumes(call: Call, pool: NamedRef, maxnames: int) -> list[str]:
    return named.names(call.driver.volumes.list_all(pool), maxnames)


@handles("STORAGE_POOL_LIST_ALL_VOLUMES", fast=True)
def storage_pool_list_all_volumes(
    call: Call, pool: NamedRef, need_results: int, flags: int
) -> tuple[list[VolumeRef], int]:
    found = call.driver.volumes.list_all(pool, flags)
    return (found if need_results else []), len(found)


@handles("STORAGE_VOL_LOOKUP_BY_NAME", fast=True)
def storage_vol_lookup_by_name(call: Call, pool: NamedRef, name: str) -> VolumeRef:
    return call.driver.volumes.lookup_name(pool, name)


@handles("STORAGE_VOL_LOOKUP_BY_KEY", fast=True)
def storage_vol_lookup_by_key(call: Call, key: str) -> VolumeRef:
    return call.driver.volumes.lookup_key(key)


@handles("STORAGE_VOL_LOOKUP_BY_PATH", fast=True)
def storage_vol_lookup_by_path(call: Call, path: str) -> VolumeRef:
    return call.driver.volumes.lookup_path(path)


@handles("STORAGE_VOL_CREATE_XML")
def storage_vol_create_xml(call: Call, pool: NamedRef, xml: str, flags: int) -> VolumeRef:
    return call.driver.volumes.create(pool, xml, flags)


@handles("STORAGE_VOL_CREATE_XML_FROM")
def storage_vol_create_xml_from(
    call: Call, pool: NamedRef, xml: str, clonevol: VolumeRef, flags: int
) -> VolumeRef:
    return call.driver.volumes.create_from(pool, xml, clonevol, flags)


@handles("STORAGE_VOL_DELETE")
def storage_vol_delete(call: Call, vol: VolumeRef, flags: int) -> None:
    call.driver.volumes.delete(vol, flags)


@handles("STORAGE_VOL_GET_INFO")
def storage_vol_get_info(call: Call, vol: VolumeRef) -> VolumeInfo:
    return call.driver.volumes.info(vol)


@handles("STORAGE_VOL_GET_INFO_FLAGS")
def storage_vol_get_info_flags(call: Call, vol: VolumeRef, flags: int) -> VolumeInfo:
    return call.driver.volumes.info(vol, flags)


@handles("STORAGE_VOL_GET_XML_DESC")
def storage_vol_get_xml_desc(call: Call, vol: VolumeRef, flags: int) -> str:
    return call.driver.volumes.xml(vol, flags)


@handles("STORAGE_VOL_GET_PATH", fast=True)
def storage_vol_get_path(call: Call, vol: VolumeRef) -> str:
    return call.driver.volumes.path(vol)


@handles("STORAGE_VOL_RESIZE")
def storage_vol_resize(call: Call, vol: VolumeRef, capacity: int, flags: int) -> None:
    call.driver.volumes.resize(vol, capacity, flags)


@handles("STORAGE_VOL_WIPE")
def storage_vol_wipe(call: Call, vol: VolumeRef, flags: int) -> None:
    call.driver.volumes.wipe(vol, flags=flags)


@handles("STORAGE_VOL_WIPE_PATTERN")
def storage_vol_wipe_pattern(call: Call, vol: VolumeRef, algorithm: int, flags: int) -> None:
    call.driver.volumes.wipe(vol, algorithm, flags)


@handles("STORAGE_VOL_UPLOAD")
def storage_vol_upload(
    call: Call, vol: VolumeRef, offset: int, length: int, flags: int
) -> socket.socket:
    return call.driver.volumes.upload(vol, offset, length, flags)


@handles("STORAGE_VOL_DOWNLOAD")
def storage_vol_download(
    call: Call, vol: VolumeRef, offset: int, length: int, flags: int
) -> socket.socket:
    return call.driver.volumes.download(vol, offset, length, flags)


@handles("CONNECT_FIND_STORAGE_POOL_SOURCES", fast=True)
def connect_find_storage_pool_sources(
    call: Call, type: str, srcSpec: str | None, flags: int
) -> str:
    return call.driver.pools.find_sources(type, flags)


@handles("CONNECT_GET_STORAGE_POOL_CAPABILITIES", fast=True)
def connect_get_storage_pool_capabilities(call: Call, flags: int) -> str:
    return call.driver.pools.capabilities(flags)
