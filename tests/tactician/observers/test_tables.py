"""Past runs on a terminal and in a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from event_streams import DECLARED, RUN, experiment, verdict, whole
from rich.cells import cell_len
from rich.console import Console, RenderableType

from tactician.observers.console import make_console
from tactician.observers.tables import run_view, runs_table
from tactician.storage.history import History
from tactician.storage.records import RunRecord, RunSummary


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    history = History(tmp_path / "history.sqlite")
    history.create_run(RUN, experiment(DECLARED), host={"kernel": "6.1", "cores": 2})
    for event in whole(verdict(), what=experiment(DECLARED)):
        history.record(event)
    return history.run(RUN)


def shown(view: RenderableType, width: int | None = None) -> str:
    stream = io.StringIO()
    console = (
        make_console(stream) if width is None else Console(file=stream, width=width, force_terminal=True)
    )
    console.print(view)
    return stream.getvalue()


def test_a_pipe_gets_the_whole_table_without_codes(record: RunRecord) -> None:
    text = shown(runs_table([record.summary]))
    assert "\x1b" not in text
    header, row = text.splitlines()
    assert header.split() == ["Run", "State", "Workload", "Algorithm", "Trials", "Improvement"]
    assert row.split("  ")[0] == RUN
    assert "High-Throughput Web Server" in row
    assert row.split()[-3:] == ["2", "+15.4", "%"]


def test_an_eighty_column_terminal_is_enough(record: RunRecord) -> None:
    for view in (runs_table([record.summary]), run_view(record)):
        text = Console(file=io.StringIO(), width=80)
        text.print(view)
        assert isinstance(text.file, io.StringIO)
        lines = text.file.getvalue().splitlines()
        assert max(cell_len(line) for line in lines) <= 80
        assert "…" not in "".join(lines)


def test_a_run_shows_what_it_was_and_every_measurement(record: RunRecord) -> None:
    text = shown(run_view(record))
    assert "kernel 6.1, cores 2" in text
    assert "+15.4 % [+13.9, +16.8]" in text
    assert "Best: net.core.somaxconn" in text
    assert "failed: wrk reports 3,211 socket errors" in text
    assert "1523.5 1/s" in text
    assert "\x1b" not in text
    assert text.count("candidate") == 2
    assert "drift" in text


def summary(**more: object) -> RunSummary:
    fields: dict[str, object] = {
        "id": RUN,
        "started_at": "2026-08-21T10:11:12.000Z",
        "finished_at": None,
        "state": "running",
        "crashed": False,
        "workload_name": "w",
        "algorithm": "ppo",
        "dry_run": False,
        "throw_away": False,
        "trials": 0,
        "failed_trials": 0,
    }
    return RunSummary(**fields | more)  # type: ignore[arg-type]


def test_states_and_gains_are_told_apart() -> None:
    assert "crashed" in shown(runs_table([summary(crashed=True)]))
    assert "running" in shown(runs_table([summary()]))
    assert "none" in shown(runs_table([summary(improvement=0.0)]))
    assert "w (dry run)" in shown(runs_table([summary(dry_run=True)]))
    assert "w (throw-away)" in shown(runs_table([summary(throw_away=True)]))
    assert "no run yet" in shown(runs_table([]))


def test_a_run_under_way_has_no_verdict_yet(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.create_run(RUN, experiment(network_namespace="throw-away"), dry_run=True)
    text = shown(run_view(history.run(RUN)))
    assert "Improvement" not in text
    assert "throw-away; it ended with the run" in text
    assert "simulated" in text
