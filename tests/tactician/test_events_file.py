"""``tune --events FILE``: every event of a run as a line of JSON, for programs that follow it."""

from __future__ import annotations

import json
from pathlib import Path

from end_to_end.support import document, tactician, write

ARGUMENT = {"param": "n", "min": 1, "max": 9, "type": "int", "default": 2}


def config(tmp_path: Path) -> Path:
    whole = document(benchmark_command="echo ops: {n}", action_space=[ARGUMENT])
    return write(tmp_path / "c.json", whole)


def test_events_are_added_to_a_file(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"event": "earlier"}\n')
    done = tactician("tune", config(tmp_path), "--dry-run", "--json", "--events", events)
    assert done.returncode == 0
    found = [json.loads(line) for line in events.read_text().splitlines()]
    kinds = [one["event"] for one in found]
    assert kinds[0] == "earlier"
    assert kinds[-1] == "run_finished"
    assert kinds.count("trial_finished") == 3
    assert found[-1]["result"]["run_id"] == json.loads(done.stdout)["run_id"]


def test_a_file_that_cannot_be_written_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    done = tactician("tune", config(tmp_path), "--dry-run", "--events", tmp_path / "absent" / "e.jsonl")
    assert done.returncode == 2
    assert "--events" in done.stderr
    assert "Traceback" not in done.stderr
