"""The table of the benchmark beside the peers, and the file that it writes."""

from __future__ import annotations

from benchmarks import run

PROMISED = [
    *("start-veth", "start", "start-after-kill", "kill-veth", "kill"),
    *("memory", "controller-memory", "cli-start", "cli-list"),
]


def test_every_promised_work_is_measured() -> None:
    assert set(PROMISED) <= set(run.WORKS)


def test_a_row_has_medians_and_ratios_of_ours_through_theirs() -> None:
    samples = {"ours": [0.012, 0.9, 0.010], "lxc": [0.024, 0.020], "floor": [0.0]}
    assert run.row("start", "ms", samples) == {
        "work": "start",
        "unit": "ms",
        "ours": 12.0,
        "peers": {"lxc": 22.0, "floor": 0.0},
        "ratio": {"lxc": 0.545},
    }
    assert run.row("memory", "KiB", {"ours": [700.0]}) == {
        "work": "memory", "unit": "KiB", "ours": 700.0, "peers": {}, "ratio": {},
    }  # fmt: skip


def test_the_table_has_a_line_a_work_and_two_columns_a_peer() -> None:
    rows = [
        run.row("start", "ms", {"ours": [0.011], "lxc": [0.022]}),
        run.row("cli-list", "ms", {"ours": [0.010], "virsh": [0.020]}),
    ]
    head, start, listing = run.table(rows).splitlines()
    assert head.split() == ["work", "unit", "ours", "lxc", "x", "virsh", "x"]
    assert start.split() == ["start", "ms", "11.00", "22.00", "0.50"]
    assert listing.split() == ["cli-list", "ms", "10.00", "20.00", "0.50"]
    assert listing.index("20.00") > start.index("22.00")
