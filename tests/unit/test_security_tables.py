"""Capabilities and id maps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.host.security import capabilities
from virtlxc.host.security.idmap import (
    FIRST_FREE,
    LAST_FREE,
    RANGE,
    Range,
    beyond,
    describe,
    describe_blocks,
    free_range,
    problems,
    read_sub_ids,
    shift_for,
    to_give,
    to_host,
    to_inside,
)


def test_numbers_are_the_kernels() -> None:
    for name, number in (
        ("chown", 0),
        ("net_admin", 12),
        ("sys_admin", 21),
        ("mknod", 27),
        ("setfcap", 31),
        ("checkpoint_restore", 40),
    ):
        assert capabilities.NUMBERS[name] == number
    assert len(capabilities.NAMES) == 41
    assert capabilities.from_mask(1 << 12 | 1) == ("chown", "net_admin")


def _dropped(policy: str, *states: tuple[str, str], host_net: bool = False) -> set[str]:
    kept = capabilities.bounding_set(policy, states, shares_host_network=host_net)
    return set(capabilities.NAMES) - set(kept)


def test_policies() -> None:
    default = {"sys_module", "sys_time", "mknod", "audit_control", "mac_admin"}
    assert _dropped("default") == default
    assert _dropped("default", ("mknod", "on"), ("chown", "off")) == default - {"mknod"} | {"chown"}
    assert _dropped("allow") == set()
    assert _dropped("allow", ("sys_time", "off")) == {"sys_time"}
    kept = capabilities.bounding_set("deny", [("kill", "on")], shares_host_network=False)
    assert kept == ("kill",)


def test_the_hosts_network() -> None:
    assert _dropped("allow", host_net=True) == {"net_admin"}
    assert _dropped("allow", ("net_admin", "on"), host_net=True) == set()


def test_what_only_the_hosts_namespace_heeds() -> None:
    def kept(policy: str, *states: tuple[str, str]) -> bool:
        found = capabilities.bounding_set(
            policy, states, shares_host_network=False, user_namespace=True
        )
        return "sys_rawio" in found

    assert not kept("default")
    assert kept("default", ("sys_rawio", "on"))
    assert kept("allow")


MAP = (Range(0, 1000000, 1000), Range(1000, 5000, 1))


def test_translation() -> None:
    assert to_host(MAP, 0) == 1000000
    assert to_host(MAP, 1000) == 5000
    assert to_host(MAP, 1001) is None
    assert to_inside(MAP, 1000999) == 999
    assert to_inside(MAP, 0) is None


@pytest.mark.parametrize(
    ("owner", "expected"),
    [(1000000, "bind"), (5000, "bind"), (0, "mount"), (1000, "mount"), (1001, "foreign")],
)
def test_ownership_rule(owner: int, expected: str) -> None:
    assert shift_for(MAP, owner) == expected


def test_a_range_that_maps_onto_itself_is_bound() -> None:
    assert shift_for((Range(0, 0, 1000),), 10) == "bind"


def test_problems() -> None:
    assert problems("uid", MAP) == ()
    assert problems("gid", ()) == ("the gid map has no entry for id 0 of the container",)
    many = [Range(n * 2, 100000 + n * 2, 1) for n in range(341)]
    assert problems("uid", many) == ("the uid map has 341 entries, the kernel takes 340",)
    assert "leaves the range" in problems("uid", [Range(0, 0xFFFFFFFF, 2)])[0]


def test_words() -> None:
    assert describe(MAP) == "0-999 -> 1000000-1000999, 1000-1000 -> 5000-5000"


def test_sub_ids() -> None:
    text = "# comment\nann:100000:65536\nbroken\nbob:165536:65536 # two\nx:a:b\n"
    assert read_sub_ids(text) == ((100000, 65536), (165536, 65536))


blocks = st.lists(st.tuples(st.integers(0, LAST_FREE), st.integers(0, 1 << 20)), max_size=30)


@given(blocks)
def test_a_free_range_is_free(taken: list[tuple[int, int]]) -> None:
    first = free_range(taken)
    assert first is not None
    assert first >= FIRST_FREE and first % RANGE == 0
    for start, count in taken:
        assert start + count <= first or start >= first + RANGE or count == 0


def test_no_range_left() -> None:
    assert free_range([(0, LAST_FREE)]) is None
    assert free_range([(FIRST_FREE, RANGE)]) == FIRST_FREE + RANGE


def test_a_container_gives_of_its_own_ids() -> None:
    """The first range is that of its own users."""
    assert to_give([(0, (1 << 32) - 1)]) == ((FIRST_FREE, LAST_FREE + 1 - FIRST_FREE),)
    assert to_give([(0, RANGE)]) == ()
    assert to_give([(0, 3 * RANGE)]) == ((RANGE, 2 * RANGE),)
    assert to_give([(0, RANGE), (100_000, RANGE)]) == ((100_000, RANGE),)
    assert free_range([], within=(RANGE, 2 * RANGE)) == RANGE
    assert free_range([(RANGE, RANGE)], within=(RANGE, 2 * RANGE)) == 2 * RANGE
    assert free_range([(RANGE, 2 * RANGE)], within=(RANGE, 2 * RANGE)) is None
    assert free_range([], within=(100_000, RANGE)) is None, "not aligned"


def test_ids_beyond_a_containers_own() -> None:
    own = [(0, 1000), (2000, 1000)]
    assert beyond([Range(0, 500, 500), Range(500, 2500, 500)], own) == ()
    assert beyond([Range(0, 500, 501), Range(501, 2500, 10)], own) == (Range(0, 500, 501),)
    assert describe_blocks(own) == "0-999, 2000-2999"
