"""A benchmark is read while it runs, and ended like any other when enough was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tactician.config import parse_experiment
from tactician.experiment import Experiment
from tactician.pacing.series import CUT, MEAN, WARMUP
from tactician.ports import BenchmarkRun, Undo, Watch
from tactician.system.benchmark import CommandBenchmark, render
from tactician.system.command import run
from tactician.undo import processes


class Notes:
    """A journal that remembers who was started and who ended."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def originals(self, undos: Sequence[Undo]) -> None:
        self.told.append("originals")

    def process_started(self, pid: int, marker: str) -> None:
        self.told.append("started")

    def process_ended(self, pid: int) -> None:
        self.told.append("ended")

    def restored(self) -> None:
        self.told.append("restored")


def experiment(command: str, **changes: object) -> Experiment:
    document = {
        "workload_name": "w",
        "reward_metric": "ops",
        "benchmark_command": command,
        "action_space": [{"param": "vm.swappiness", "min": 0, "max": 100}],
        **changes,
    }
    return parse_experiment(document)


def ran(command: str, watch: Watch | None = None, **changes: object) -> tuple[BenchmarkRun, list[str]]:
    notes = Notes()
    made = CommandBenchmark(experiment(command, **changes), notes, "test-streaming")
    return made.run({"vm.swappiness": 60}, watch), notes.told


def test_lines_come_while_the_command_runs_and_from_both_streams() -> None:
    seen: list[tuple[str, float]] = []
    done = run(
        "echo one; sleep 0.4; echo two >&2; printf 'a\\rb\\n'; printf unfinished",
        timeout_s=10,
        marker="lines",
        on_line=lambda line, seconds: seen.append((line, seconds)) is not None,
    )
    assert sorted(line for line, _ in seen) == ["a", "b", "one", "two"]
    times = dict(seen)
    assert times["two"] - times["one"] > 0.2
    assert done.stdout == "one\na\rb\nunfinished"
    assert not done.stopped


def test_whoever_reads_may_end_the_whole_group(tmp_path: Path) -> None:
    began = time.monotonic()
    child = tmp_path / "child"
    done = run(
        f"sh -c 'echo $$ >{child}; echo started; exec sleep 60' & sleep 60",
        timeout_s=30,
        marker="enough",
        on_line=lambda line, seconds: line == "started",
    )
    assert done.stopped and not done.timed_out
    assert done.seconds < 20 and time.monotonic() - began < 25
    found = processes.status(int(child.read_text()))
    assert found is None or found.state in "ZX"


@pytest.mark.parametrize(
    "command", ["yes progress: 1 s, ops: 5", "trap '' TERM; echo x; while :; do :; done"]
)
def test_a_command_that_floods_or_is_deaf_ends_too(command: str) -> None:
    done = run(command, timeout_s=30, marker="flood", on_line=lambda line, seconds: True)
    assert done.stopped
    assert done.seconds < 20


def script(values: str, pause: float = 0.0) -> str:
    return (
        f"i=0; for v in {values}; do i=$((i+1)); sleep {pause}; "
        'echo "progress: $i s, ops: $v" >&2; done; echo ops: 90'
    )


def test_a_watch_is_told_of_every_interval_and_ends_the_run() -> None:
    told: list[tuple[float, float]] = []

    def watch(seconds: float, value: float) -> bool:
        told.append((seconds, value))
        return len(told) == 3

    found, journal = ran(f"{script('10 20 30')}; sleep 60", watch)
    assert [value for _, value in told] == [10.0, 20.0, 30.0]
    assert (found.value, found.stopped) == (None, True)
    assert found.seconds < 20
    assert journal == ["started", "ended"]


def test_a_run_that_nobody_ends_keeps_its_own_result_and_its_intervals() -> None:
    found, _ = ran(script("100 101 99 100"), lambda seconds, value: False)
    assert (found.value, found.stopped, found.notes) == (90.0, False, ())
    assert found.metrics[MEAN] == 100.0
    assert found.metrics["ops"] == 90.0


def test_a_warm_up_is_left_out_of_the_value_unless_it_is_to_stay() -> None:
    warming = script("20 20 " + "100 101 99 " * 6)
    found, _ = ran(warming)
    whole = (2 * 20 + 18 * 100) / 20
    assert found.value == pytest.approx(90.0 * 100.0 / whole)
    assert found.notes == (CUT,)
    assert found.metrics[WARMUP] > 0.0
    left, _ = ran(warming, pacing={"cut_warmup": False})
    assert (left.value, left.notes) == (90.0, ())


def test_the_intervals_of_a_pattern_count() -> None:
    found, _ = ran(
        "for v in 5 6 7 8; do echo rate=$v; done; echo ops: 6", progress_pattern="rate=(?P<value>[0-9]+)"
    )
    assert found.metrics[MEAN] == 6.5


def test_what_failed_before_it_was_ended_has_failed() -> None:
    failing = "echo 'pgbench: error: client 0 aborted in command 4'; " + script("1 2 3")
    found, _ = ran(f"{failing}; sleep 60", lambda seconds, value: True)
    assert not found.stopped
    assert "aborted" in found.problem


@pytest.mark.parametrize(
    ("duration", "share", "shown"), [(10, 0.25, "2"), (10, 1.0, "10"), (3, 0.1, "1"), (2.5, 0.2, "0.5")]
)
def test_a_short_look_has_a_share_of_the_duration(duration: float, share: float, shown: str) -> None:
    wanted = experiment("bench {duration}", duration=duration)
    assert render(wanted, {"vm.swappiness": 60}, share) == f"bench {shown}"
