"""What real tools print while they run, each with the intervals that must be read out of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.experiment import Metric
from tactician.system.parsers.progress import Interval, ProgressReader

CASES = Path(__file__).parents[3] / "cases" / "progress"
NAMES = sorted(path.stem for path in CASES.glob("*.json"))


def intervals(reader: ProgressReader, text: str) -> list[Interval]:
    return [found for line in re.split(r"[\r\n]", text) if (found := reader.read(line)) is not None]


@pytest.mark.parametrize("name", NAMES)
def test_intervals_are_read_as_recorded(name: str) -> None:
    text = (CASES / f"{name}.txt").read_bytes().decode()
    for metric, expected in json.loads((CASES / f"{name}.json").read_text()).items():
        found = intervals(ProgressReader(Metric(metric)), text)
        assert [[each.seconds, each.value] for each in found] == expected, metric


def test_a_metric_that_only_a_pattern_finds_needs_a_pattern_for_its_intervals() -> None:
    line = "progress: 1.0 s, 8605.7 tps, lat 0.9 ms stddev 0.1, 0 failed"
    assert ProgressReader(Metric("tps")).read(line) == Interval(1.0, 8605.7)
    assert ProgressReader(Metric("tps", pattern=r"tps = (\d+)")).read(line) is None
    assert ProgressReader(Metric("tps", path="a.b")).read(line) is None


def test_a_pattern_is_all_that_counts() -> None:
    reader = ProgressReader(Metric("tps"), r"t=(?P<seconds>[\d.]+) rate=(?P<value>\S+)")
    assert reader.read("x t=2.5 rate=10.4k") == Interval(2.5, 10_400.0)
    assert reader.read("x t=2.5 rate=fast") is None
    assert reader.read("progress: 1.0 s, 8605.7 tps, lat 0.9 ms stddev 0.1, 0 failed") is None
    assert ProgressReader(Metric("tps"), r"rate=(?P<value>\S+)").read("rate=0") == Interval(None, 0.0)


_PIECES = st.sampled_from(
    [
        "progress: ", "1.0 s, ", "8 tps, lat ", "nan ms stddev 0", "[ 1s ] ", "eps: ", "[SUM] ",
        "0.00-1.00 sec ", "1 GBytes ", "9 Gbits/sec", "Jobs: 1 (f=1): [r][1%][",
        "r=5MiB/s][r=1k IOPS][eta ", "GET: rps=", "inf (overall: ", "ops: ", "1e999", "\x00",
    ]
)  # fmt: skip
_LINES = st.lists(_PIECES | st.text(max_size=5), max_size=8).map("".join)


@given(line=_LINES, metric=st.sampled_from(["ops", "tps", "rps", "iops"]))
def test_any_line_is_an_interval_with_a_finite_value_or_none(line: str, metric: str) -> None:
    for pattern in (None, r"(?P<value>\S+)"):
        found = ProgressReader(Metric(metric), pattern).read(line)
        assert found is None or found.value - found.value == 0.0
