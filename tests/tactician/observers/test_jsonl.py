"""Events for programs: every line is strict JSON, in order, at once."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from event_streams import DECLARED, RUN, experiment, verdict, whole

from tactician.events import Applied
from tactician.observers.jsonl import JsonLinesObserver


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def written(events: list[Any]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    observer = JsonLinesObserver(stream, lambda: datetime(2026, 8, 21, tzinfo=UTC))
    for event in events:
        observer(event)
    return [json.loads(line, parse_constant=no_constant) for line in stream.getvalue().splitlines()]


def test_every_event_is_one_line() -> None:
    events = whole(verdict(), what=experiment(DECLARED, document={"workload_name": "x"}))
    lines = written(events)
    assert len(lines) == len(events)
    assert {line["run_id"] for line in lines} == {RUN}
    assert {line["at"] for line in lines} == {"2026-08-21T00:00:00.000Z"}
    assert lines[0]["event"] == "run_started"
    assert lines[0]["experiment"]["document"] == {"workload_name": "x"}
    assert lines[-1]["event"] == "run_finished"
    assert lines[-1]["result"]["improvement"] == 15.4
    finished = next(line for line in lines if line["event"] == "trial_finished")
    assert finished["outcome"]["measurement"]["metrics"] == {"p99": None}
    assert finished["outcome"]["configuration"]["net.core.somaxconn"] == 3584


def test_numbers_of_other_libraries_become_plain_ones() -> None:
    (line,) = written([Applied(RUN, "x", np.int64(3))])
    assert line["value"] == 3
