"""Questions about what containers never have, with the true answer: there is none."""

from __future__ import annotations

from uuid import UUID

from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.registry import Call, handles

_NO_JOB = 0
# Which filters libvirt knows of these lists, all of which are empty here.
_SNAPSHOT_FILTERS = 0x7FF
_CHECKPOINT_FILTERS = 0xF
_SECRET_FILTERS = 0xF


def _must_exist(call: Call, dom: Ref) -> None:
    call.driver.domains.lookup_uuid(dom.uuid)


@handles("DOMAIN_HAS_MANAGED_SAVE_IMAGE", fast=True, flags=0)
def domain_has_managed_save_image(call: Call, dom: Ref, flags: int) -> int:
    _must_exist(call, dom)
    return 0


@handles("DOMAIN_SNAPSHOT_NUM", fast=True, flags=_SNAPSHOT_FILTERS)
def domain_snapshot_num(call: Call, dom: Ref, flags: int) -> int:
    _must_exist(call, dom)
    return 0


@handles("DOMAIN_SNAPSHOT_LIST_NAMES", fast=True, flags=_SNAPSHOT_FILTERS)
def domain_snapshot_list_names(call: Call, dom: Ref, maxnames: int, flags: int) -> list[str]:
    _must_exist(call, dom)
    return []


@handles("DOMAIN_LIST_ALL_SNAPSHOTS", fast=True, flags=_SNAPSHOT_FILTERS)
def domain_list_all_snapshots(
    call: Call, dom: Ref, need_results: int, flags: int
) -> tuple[list[object], int]:
    _must_exist(call, dom)
    return [], 0


@handles("DOMAIN_HAS_CURRENT_SNAPSHOT", fast=True, flags=0)
def domain_has_current_snapshot(call: Call, dom: Ref, flags: int) -> int:
    _must_exist(call, dom)
    return 0


@handles("DOMAIN_LIST_ALL_CHECKPOINTS", fast=True, flags=_CHECKPOINT_FILTERS)
def domain_list_all_checkpoints(
    call: Call, dom: Ref, need_results: int, flags: int
) -> tuple[list[object], int]:
    _must_exist(call, dom)
    return [], 0


@handles("DOMAIN_GET_JOB_INFO", fast=True)
def domain_get_job_info(call: Call, dom: Ref) -> tuple[int, ...]:
    _must_exist(call, dom)
    return (_NO_JOB, *(0,) * 11)


@handles("DOMAIN_GET_JOB_STATS", fast=True, flags=0)
def domain_get_job_stats(call: Call, dom: Ref, flags: int) -> tuple[int, list[object]]:
    _must_exist(call, dom)
    return _NO_JOB, []


@handles("DOMAIN_GET_CONTROL_INFO", fast=True, flags=0)
def domain_get_control_info(call: Call, dom: Ref, flags: int) -> tuple[int, int, int]:
    """There is no monitor that could be occupied."""
    _must_exist(call, dom)
    return 0, 0, 0


@handles("DOMAIN_GET_DISK_ERRORS", fast=True, flags=0)
def domain_get_disk_errors(
    call: Call, dom: Ref, maxerrors: int, flags: int
) -> tuple[list[object], int]:
    _must_exist(call, dom)
    return [], 0


@handles("CONNECT_NUM_OF_SECRETS", fast=True)
def connect_num_of_secrets(call: Call) -> int:
    return 0


@handles("CONNECT_LIST_SECRETS", fast=True)
def connect_list_secrets(call: Call, maxuuids: int) -> list[str]:
    return []


@handles("CONNECT_LIST_ALL_SECRETS", fast=True, flags=_SECRET_FILTERS)
def connect_list_all_secrets(call: Call, need_results: int, flags: int) -> tuple[list[object], int]:
    return [], 0


@handles("CONNECT_NUM_OF_NWFILTERS", fast=True)
def connect_num_of_nwfilters(call: Call) -> int:
    return 0


@handles("CONNECT_LIST_NWFILTERS", fast=True)
def connect_list_nwfilters(call: Call, maxnames: int) -> list[str]:
    return []


@handles("CONNECT_LIST_ALL_NWFILTERS", fast=True, flags=0)
def connect_list_all_nwfilters(
    call: Call, need_results: int, flags: int
) -> tuple[list[object], int]:
    return [], 0


@handles("CONNECT_LIST_ALL_NWFILTER_BINDINGS", fast=True, flags=0)
def connect_list_all_nwfilter_bindings(
    call: Call, need_results: int, flags: int
) -> tuple[list[object], int]:
    return [], 0


@handles("SECRET_LOOKUP_BY_UUID", fast=True)
def secret_lookup_by_uuid(call: Call, uuid: bytes) -> object:
    raise _no_secret(f"uuid '{UUID(bytes=uuid)}'")


@handles("SECRET_LOOKUP_BY_USAGE", fast=True)
def secret_lookup_by_usage(call: Call, usageType: int, usageID: str) -> object:
    raise _no_secret(f"usage '{usageID}'")


def _no_secret(what: str) -> VirtlxcError:
    return VirtlxcError(
        f"Secret not found: no secret with matching {what}", Code.NO_SECRET, From.SECRET
    )


@handles("NWFILTER_LOOKUP_BY_NAME", fast=True)
def nwfilter_lookup_by_name(call: Call, name: str) -> object:
    raise _no_filter(f"name '{name}'")


@handles("NWFILTER_LOOKUP_BY_UUID", fast=True)
def nwfilter_lookup_by_uuid(call: Call, uuid: bytes) -> object:
    raise _no_filter(f"uuid '{UUID(bytes=uuid)}'")


def _no_filter(what: str) -> VirtlxcError:
    return VirtlxcError(
        f"Network filter not found: no nwfilter with matching {what}",
        Code.NO_NWFILTER,
        From.NWFILTER,
    )
