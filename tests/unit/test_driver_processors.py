"""Maps and lists of processors, and the names of NUMA modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.cli.commands.pinning import cpu_list, cpu_map
from virtlxc.cli.failures import Failed
from virtlxc.driver.change import processors


@given(st.sets(st.integers(0, 255), min_size=1))
def test_lists_and_maps_are_each_others_inverse(chosen: set[int]) -> None:
    text = processors.as_list(chosen)
    assert processors.numbers(text) == chosen
    assert processors.from_map(processors.to_map(chosen, 32)) == chosen
    assert cpu_list(cpu_map(text, 256)) == text


def test_a_map_is_cut_to_what_the_client_has_room_for() -> None:
    assert processors.to_map({0, 3, 8}, 1) == b"\x09"
    assert processors.to_map({0, 3, 8}, 3) == b"\x09\x01\x00"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("x", ("Invalid cpulist 'x'", "invalid argument: Failed to parse bitmap 'x'")),
        ("3-1", ("Invalid cpulist '3-1'", "invalid argument: Failed to parse bitmap '3-1'")),
        ("1,^1", ("Invalid cpulist '1,^1'",)),
        ("9", ("CPU 9 in cpulist '9' exceed the maxcpu 4",)),
    ],
)
def test_lists_that_are_none(written: str, told: tuple[str, ...]) -> None:
    with pytest.raises(Failed) as raised:
        cpu_map(written, 4)
    assert raised.value.lines == told


def test_r_is_all_of_them() -> None:
    assert cpu_list(cpu_map("r", 6)) == "0-5"
    assert cpu_list(cpu_map("0-3,^2", 6)) == "0-1,3"
