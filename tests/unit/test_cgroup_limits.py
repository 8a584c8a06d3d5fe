"""Limits become files and values, on v1, hybrid and v2."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plan_scenes import HOSTS
from virtlxc.errors import VirtlxcError
from virtlxc.host.cgroup.limits import (
    UNLIMITED_KIB,
    IoDevice,
    Limits,
    Write,
    live_order,
    shares_from_weight,
    swap_only,
    weight_from_shares,
    writes,
)

V1 = HOSTS["hybrid"].cgroup.version_of()
V2 = HOSTS["v2"].cgroup.version_of()

EVERYTHING = Limits(
    memory=1024,
    memory_soft=512,
    swap=3072,
    shares=1024,
    period=50000,
    quota=25000,
    cpus="0-1",
    mems="0",
    pids=100,
    io_weight=200,
)


def _rows(limits: Limits, bound: dict[str, int], *weights: str) -> list[str]:
    found = writes(limits, bound, io_weight_files=weights)
    return [f"{row.controller} {row.file} {row.value}" for row in found]


def test_everything_on_v2() -> None:
    assert _rows(EVERYTHING, V2, "io.weight") == [
        "memory memory.max 1048576",
        "memory memory.high 524288",
        "memory memory.swap.max 2097152",
        "cpu cpu.weight 100",
        "cpu cpu.max 25000 50000",
        "cpuset cpuset.cpus 0-1",
        "cpuset cpuset.mems 0",
        "pids pids.max 100",
        "io io.weight 200",
    ]


def test_everything_on_v1() -> None:
    assert _rows(EVERYTHING, V1, "blkio.bfq.weight") == [
        "memory memory.limit_in_bytes 1048576",
        "memory memory.soft_limit_in_bytes 524288",
        "memory memory.memsw.limit_in_bytes 3145728",
        "cpu cpu.shares 1024",
        "cpu cpu.cfs_period_us 50000",
        "cpu cpu.cfs_quota_us 25000",
        "cpuset cpuset.cpus 0-1",
        "cpuset cpuset.mems 0",
        "pids pids.max 100",
        "blkio blkio.bfq.weight 200",
    ]


def test_no_limit() -> None:
    unlimited = Limits(memory=UNLIMITED_KIB, swap=UNLIMITED_KIB, quota=-1)
    assert _rows(unlimited, V1) == [
        "memory memory.limit_in_bytes -1",
        "memory memory.memsw.limit_in_bytes -1",
        "cpu cpu.cfs_quota_us -1",
    ]
    assert _rows(unlimited, V2) == [
        "memory memory.max max",
        "memory memory.swap.max max",
        "cpu cpu.max max 100000",
    ]
    assert _rows(Limits(), V2) == []


def test_a_controller_that_is_not_there() -> None:
    with pytest.raises(VirtlxcError, match="no cpuset controller for <vcpu cpuset> and <numatune>"):
        writes(Limits(cpus="0", mems="0"), {"memory": 2})


def test_protection_and_swap_on_v2() -> None:
    assert _rows(Limits(memory_min=1, memory_low=2, memory=4), V2) == [
        "memory memory.min 1024",
        "memory memory.low 2048",
        "memory memory.max 4096",
    ]
    assert swap_only(100, 100) == "0"
    assert swap_only(50, 100) == "0"


def test_no_limit_on_memory_needs_no_controller() -> None:
    assert writes(Limits(memory=UNLIMITED_KIB), {}) == ()
    assert writes(Limits(memory=UNLIMITED_KIB, swap=UNLIMITED_KIB), {}) == ()
    for limits in (Limits(memory=1024), Limits(memory=UNLIMITED_KIB, memory_min=4)):
        with pytest.raises(VirtlxcError, match="the host has no memory controller for <memory>"):
            writes(limits, {})


def test_fixed_points_of_the_scales() -> None:
    assert [weight_from_shares(n) for n in (2, 1024, 262144)] == [1, 100, 10000]
    assert [weight_from_shares(n) for n in (0, 1 << 30)] == [1, 10000]


@given(st.integers(1, 10000))
def test_weight_and_back(weight: int) -> None:
    assert weight_from_shares(shares_from_weight(weight)) == weight or weight < 10


@given(st.integers(2, 262143))
def test_more_shares_never_weigh_less(shares: int) -> None:
    assert weight_from_shares(shares) <= weight_from_shares(shares + 1)


def _pair(memory: str, total: str) -> tuple[Write, Write]:
    return (
        Write(controller="memory", file="memory.limit_in_bytes", value=memory),
        Write(controller="memory", file="memory.memsw.limit_in_bytes", value=total),
    )


def test_order_on_a_running_group() -> None:
    memory, total = _pair("200", "400")
    assert live_order((memory, total), lambda row: 300) == (total, memory), "raised"
    assert live_order((memory, total), lambda row: 500) == (memory, total), "lowered"
    assert live_order((memory, total), lambda row: None) == (memory, total), "from no limit"
    unlimited = _pair("200", "-1")
    assert live_order(unlimited, lambda row: 300) == (unlimited[1], unlimited[0])
    assert live_order((memory,), lambda row: 1) == (memory,)


def test_the_weight_of_a_device() -> None:
    """In the file of what shares it; 0 lifts it, which all of them call the default."""
    device = IoDevice(device=(8, 0), weight=300)
    assert _rows(Limits(io_devices=(device,)), V1) == ["blkio blkio.bfq.weight_device 8:0 300"]
    assert _rows(Limits(io_devices=(device,)), V2) == ["io io.bfq.weight 8:0 300"]
    cost = replace(device, weigher="iocost")
    assert _rows(Limits(io_devices=(cost,)), V2) == ["io io.weight 8:0 300"]
    lifted = replace(device, weight=0)
    assert _rows(Limits(io_devices=(lifted,)), V1) == ["blkio blkio.bfq.weight_device 8:0 default"]
    assert _rows(Limits(io_devices=(lifted,)), V2) == ["io io.bfq.weight 8:0 default"]


def test_a_weight_counts_whatever_shares_a_disk() -> None:
    rows = _rows(Limits(io_weight=200), V2, "io.weight", "io.bfq.weight")
    assert rows == ["io io.weight 200", "io io.bfq.weight 200"]
