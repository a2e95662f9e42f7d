"""One run of the workload: what is put into the command, and what of its output counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tactician.config import parse_experiment
from tactician.errors import BenchmarkError, JournalError
from tactician.experiment import Experiment
from tactician.ports import BenchmarkRun, Undo
from tactician.system.benchmark import CommandBenchmark, render
from tactician.testing import contract

CLIENTS = {"param": "clients", "min": 1, "max": 64, "type": "int", "default": 8}


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


def experiment(command: str, *parameters: dict[str, Any], **changes: object) -> Experiment:
    space = parameters or ({"param": "vm.swappiness", "min": 0, "max": 100},)
    document = {
        "workload_name": "w",
        "reward_metric": "ops",
        "benchmark_command": command,
        "action_space": list(space),
        **changes,
    }
    return parse_experiment(document)


def ran(command: str, **changes: object) -> BenchmarkRun:
    return CommandBenchmark(experiment(command, **changes), Notes(), "test-benchmark").run(
        {"vm.swappiness": 60}
    )


def test_arguments_and_the_duration_are_put_in() -> None:
    wanted = experiment("bench -c {clients} -T {duration} {clients}", CLIENTS, duration=3)
    assert render(wanted, {"clients": 16}) == "bench -c 16 -T 3 16"


def test_other_braces_stay() -> None:
    line = "bench -c {clients} | awk '{print $1; {x}}' | sed 's/a{2}//' ; echo {a,b} ${HOME} {} {other}"
    wanted = experiment(line, CLIENTS)
    assert render(wanted, {"clients": 4}) == line.replace("{clients}", "4")


def test_a_shell_variable_of_the_same_name_stays() -> None:
    line = "duration=5; clients=3; bench {clients} {duration} ${clients} ${duration}"
    wanted = experiment(line, CLIENTS, duration=2)
    assert render(wanted, {"clients": 4}) == "duration=5; clients=3; bench 4 2 ${clients} ${duration}"


def test_a_parameter_of_the_host_is_no_argument() -> None:
    wanted = experiment(
        "bench {vm.swappiness}", {"param": "vm.swappiness", "min": 0, "max": 9, "knob": "sysctl"}
    )
    assert render(wanted, {"vm.swappiness": 5}) == "bench {vm.swappiness}"


def test_what_is_put_in_is_one_word_for_the_shell() -> None:
    hostile = "$(touch /tmp/x); 'quoted' {mode}"
    wanted = experiment(
        "echo ops: 5 {mode}", {"param": "mode", "values": [hostile, "plain"], "default": "plain"}
    )
    line = render(wanted, {"mode": hostile})
    run = CommandBenchmark(wanted, Notes(), "test-benchmark").run({"mode": hostile})
    assert line.count("touch") == 1
    assert hostile in run.output_tail


def test_whole_numbers_have_no_fraction() -> None:
    real = {"param": "rate", "min": 0.5, "max": 9.5, "type": "float", "default": 1.5}
    wanted = experiment("bench {rate}", real)
    assert render(wanted, {"rate": 3.0}) == "bench 3"
    assert render(wanted, {"rate": 2.5}) == "bench 2.5"
    assert render(wanted, {"rate": 0.0}) == "bench 0"


def test_a_run_that_counts_has_a_value_and_no_problem() -> None:
    found = ran("echo ops: 1234.5")
    assert (found.value, found.problem) == (1234.5, "")
    assert found.maximize
    assert found.metrics["ops"] == 1234.5
    assert found.seconds > 0


def test_zero_is_a_value() -> None:
    assert ran("echo ops: 0").value == 0.0


def test_the_goal_of_the_experiment_wins_over_what_is_known() -> None:
    assert not ran("echo ops: 5", goal="minimize").maximize


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo ops: 5; echo no tea >&2; exit 3", "exit 3: no tea"),
        ("echo ops: 5; kill -9 $$", "signal 9"),
        ("echo nothing at all", "ops"),
        ("true", "ops"),
        ("echo ops: nan", "ops"),
        ("echo ops: -inf", "ops"),
        ("echo speed: 5; echo latency: 6", "speed"),
        ('echo \'{"ops": 5, "error": "no server"}\'', "no server"),
    ],
)
def test_a_run_that_does_not_count_says_why(command: str, says: str) -> None:
    found = ran(command)
    assert found.value is None
    assert says in found.problem
    assert not found.tool_absent


def test_a_metric_that_is_not_found_names_those_that_are() -> None:
    problem = ran("echo speed: 5; echo tea_per_second: 6").problem
    assert "speed" in problem
    assert "tea_per_second" in problem


def test_a_run_that_does_not_end_is_ended_and_named_with_its_limit() -> None:
    found = ran("echo ops: 5; sleep 4323", training_config={"benchmark_timeout": 0.5})
    assert found.value is None
    assert "after 0.5 s" in found.problem


def test_a_program_that_is_not_there_is_told_apart() -> None:
    found = ran("cd / && no-such-tool")
    assert found.tool_absent
    assert "127" in found.problem


def test_the_tail_of_the_output_is_kept_for_the_operator() -> None:
    found = ran("seq 1 100000; echo last words; exit 1")
    assert found.output_tail.endswith("last words")
    assert len(found.output_tail) <= 2000


def test_the_journal_knows_every_process_from_before_its_first_step() -> None:
    journal = Notes()
    CommandBenchmark(experiment("echo ops: 5"), journal, "test-benchmark").run({"vm.swappiness": 60})
    assert journal.told == ["started", "ended"]


def test_where_the_journal_cannot_be_written_nothing_is_run(tmp_path: Path) -> None:
    class Full(Notes):
        def process_started(self, pid: int, marker: str) -> None:
            raise JournalError(28, "the disk is full")

    sign = tmp_path / "sign"
    with pytest.raises(JournalError):
        CommandBenchmark(experiment(f"touch {sign}; echo ops: 5"), Full(), "m").run({"vm.swappiness": 60})
    assert not sign.exists()


def test_a_variable_that_is_tuned_reaches_the_command() -> None:
    tuned = {"param": "OMP_NUM_THREADS", "min": 1, "max": 8, "default": 2, "knob": "environment"}
    wanted = experiment("echo ops: $OMP_NUM_THREADS", tuned, environment={"FIXED": "1"})
    assert CommandBenchmark(wanted, Notes(), "m").run({"OMP_NUM_THREADS": 7}).value == 7


def test_setup_and_teardown_run_where_they_are_asked_for(tmp_path: Path) -> None:
    wanted = experiment(
        "echo ops: 5", setup_command=f"touch {tmp_path}/up", teardown_command=f"rm {tmp_path}/up; exit 3"
    )
    benchmark = CommandBenchmark(wanted, Notes(), "m")
    benchmark.setup()
    assert (tmp_path / "up").exists()
    benchmark.teardown()
    assert not (tmp_path / "up").exists()


def test_a_setup_that_fails_says_what_it_said() -> None:
    wanted = experiment("echo ops: 5", setup_command="echo no database >&2; exit 4")
    with pytest.raises(BenchmarkError, match=r"(?s)exit 4.*no database"):
        CommandBenchmark(wanted, Notes(), "m").setup()


def test_a_benchmark_keeps_the_laws_of_its_port() -> None:
    wanted = experiment("echo ops: 5")
    contract.check_benchmark(CommandBenchmark(wanted, Notes(), "m"), {"vm.swappiness": 60})
    failing = dataclasses.replace(wanted, workload=dataclasses.replace(wanted.workload, command="exit 1"))
    contract.check_benchmark(CommandBenchmark(failing, Notes(), "m"), {"vm.swappiness": 60})


def test_metrics_are_finite() -> None:
    found = ran("echo ops: 5; echo odd: nan; echo far: inf")
    assert all(math.isfinite(value) for value in found.metrics.values())
