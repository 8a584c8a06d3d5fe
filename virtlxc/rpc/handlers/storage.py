"""Storage pools and their volumes."""

from __future__ import annotations

import socket

from virtlxc.driver.storage_state import Listing, PoolInfo, PoolRef, VolumeInfo, VolumeRef
from virtlxc.rpc.registry import Call, handles


def _pool_names(call: Call, which: int, maxnames: int) -> list[str]:
    return [ref.name for ref in call.driver.pools.list_all(which)][: max(maxnames, 0)]


@handles("CONNECT_LIST_ALL_STORAGE_POOLS", fast=True)
def connect_list_all_storage_pools(
    call: Call, need_results: int, flags: int
) -> tuple[list[PoolRef], int]:
    found = call.driver.pools.list_all(flags)
    return (found if need_results else []), len(found)


@handles("CONNECT_NUM_OF_STORAGE_POOLS", fast=True)
def connect_num_of_storage_pools(call: Call) -> int:
    return len(call.driver.pools.list_all(Listing.ACTIVE))


@handles("CONNECT_LIST_STORAGE_POOLS", fast=True)
def connect_list_storage_pools(call: Call, maxnames: int) -> list[str]:
    return _pool_names(call, Listing.ACTIVE, maxnames)


@handles("CONNECT_NUM_OF_DEFINED_STORAGE_POOLS", fast=True)
def connect_num_of_defined_storage_pools(call: Call) -> int:
    return len(call.driver.pools.list_all(Listing.INACTIVE))


@handles("CONNECT_LIST_DEFINED_STORAGE_POOLS", fast=True)
def connect_list_defined_storage_pools(call: Call, maxnames: int) -> list[str]:
    return _pool_names(call, Listing.INACTIVE, maxnames)


@handles("STORAGE_POOL_LOOKUP_BY_NAME", fast=True)
def storage_pool_lookup_by_name(call: Call, name: str) -> PoolRef:
    return call.driver.pools.lookup_name(name)


@handles("STORAGE_POOL_LOOKUP_BY_UUID", fast=True)
def storage_pool_lookup_by_uuid(call: Call, uuid: bytes) -> PoolRef:
    return call.driver.pools.lookup_uuid(uuid)


@handles("STORAGE_POOL_LOOKUP_BY_VOLUME", fast=True)
def storage_pool_lookup_by_volume(call: Call, vol: VolumeRef) -> PoolRef:
    return call.driver.volumes.pool_of(vol)


@handles("STORAGE_POOL_LOOKUP_BY_TARGET_PATH", fast=True)
def storage_pool_lookup_by_target_path(call: Call, path: str) -> PoolRef:
    return call.driver.pools.lookup_path(path)


@handles("STORAGE_POOL_DEFINE_XML")
def storage_pool_define_xml(call: Call, xml: str, flags: int) -> PoolRef:
    return call.driver.pools.define(xml, flags)


@handles("STORAGE_POOL_CREATE_XML")
def storage_pool_create_xml(call: Call, xml: str, flags: int) -> PoolRef:
    return call.driver.pools.create(xml, flags)


@handles("STORAGE_POOL_CREATE")
def storage_pool_create(call: Call, pool: PoolRef, flags: int) -> None:
    call.driver.pools.start(pool, flags)


@handles("STORAGE_POOL_BUILD")
def storage_pool_build(call: Call, pool: PoolRef, flags: int) -> None:
    call.driver.pools.build(pool, flags)


@handles("STORAGE_POOL_DESTROY")
def storage_pool_destroy(call: Call, pool: PoolRef) -> None:
    call.driver.pools.destroy(pool)


@handles("STORAGE_POOL_DELETE")
def storage_pool_delete(call: Call, pool: PoolRef, flags: int) -> None:
    call.driver.pools.delete(pool, flags)


@handles("STORAGE_POOL_UNDEFINE")
def storage_pool_undefine(call: Call, pool: PoolRef) -> None:
    call.driver.pools.undefine(pool)


@handles("STORAGE_POOL_REFRESH")
def storage_pool_refresh(call: Call, pool: PoolRef, flags: int) -> None:
    call.driver.pools.refresh(pool, flags)


@handles("STORAGE_POOL_GET_INFO")
def storage_pool_get_info(call: Call, pool: PoolRef) -> PoolInfo:
    return call.driver.pools.info(pool)


@handles("STORAGE_POOL_GET_XML_DESC")
def storage_pool_get_xml_desc(call: Call, pool: PoolRef, flags: int) -> str:
    return call.driver.pools.xml(pool, flags)


@handles("STORAGE_POOL_GET_AUTOSTART", fast=True)
def storage_pool_get_autostart(call: Call, pool: PoolRef) -> int:
    return int(call.driver.pools.view(pool).autostart)


@handles("STORAGE_POOL_SET_AUTOSTART")
def storage_pool_set_autostart(call: Call, pool: PoolRef, autostart: int) -> None:
    call.driver.pools.set_autostart(pool, bool(autostart))


@handles("STORAGE_POOL_IS_ACTIVE", fast=True)
def storage_pool_is_active(call: Call, pool: PoolRef) -> int:
    return int(call.driver.pools.view(pool).active)


@handles("STORAGE_POOL_IS_PERSISTENT", fast=True)
def storage_pool_is_persistent(call: Call, pool: PoolRef) -> int:
    return int(call.driver.pools.view(pool).config is not None)


@handles("STORAGE_POOL_NUM_OF_VOLUMES", fast=True)
def storage_pool_num_of_volumes(call: Call, pool: PoolRef) -> int:
    return len(call.driver.volumes.list_all(pool))


@handles("STORAGE_POOL_LIST_VOLUMES", fast=True)
def storage_pool_list_volumes(call: Call, pool: PoolRef, maxnames: int) -> list[str]:
    return [ref.name for ref in call.driver.volumes.list_all(pool)][: max(maxnames, 0)]


@handles("STORAGE_POOL_LIST_ALL_VOLUMES", fast=True)
def storage_pool_list_all_volumes(
    call: Call, pool: PoolRef, need_results: int, flags: int
) -> tuple[list[VolumeRef], int]:
    found = call.driver.volumes.list_all(pool, flags)
    return (found if need_results else []), len(found)


@handles("STORAGE_VOL_LOOKUP_BY_NAME", fast=True)
def storage_vol_lookup_by_name(call: Call, pool: PoolRef, name: str) -> VolumeRef:
    return call.driver.volumes.lookup_name(pool, name)


@handles("STORAGE_VOL_LOOKUP_BY_KEY", fast=True)
def storage_vol_lookup_by_key(call: Call, key: str) -> VolumeRef:
    return call.driver.volumes.lookup_key(key)


@handles("STORAGE_VOL_LOOKUP_BY_PATH", fast=True)
def storage_vol_lookup_by_path(call: Call, path: str) -> VolumeRef:
    return call.driver.volumes.lookup_path(path)


@handles("STORAGE_VOL_CREATE_XML")
def storage_vol_create_xml(call: Call, pool: PoolRef, xml: str, flags: int) -> VolumeRef:
    return call.driver.volumes.create(pool, xml, flags)


@handles("STORAGE_VOL_CREATE_XML_FROM")
def storage_vol_create_xml_from(
    call: Call, pool: PoolRef, xml: str, clonevol: VolumeRef, flags: int
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


@handles("CONNECT_GET_STORAGE_POOL_CAPABILITIES", fast=True)
def connect_get_storage_pool_capabilities(call: Call, flags: int) -> str:
    return call.driver.pools.capabilities(flags)
