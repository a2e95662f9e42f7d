"""Trials that are ended early, on a real kernel key: the host is restored as after any other trial."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from end_to_end import support
from end_to_end.support import Namespace, document, tactician, write

pytestmark = pytest.mark.needs("root", "ip", "nsenter")

STREAMING = (
    f"n=$(cat {support.SOMAXCONN}); echo $n >>{{notes}}; i=0; "
    "while [ $i -lt 20 ]; do i=$((i + 1)); sleep 0.1; j=$(od -An -N1 -tu1 /dev/urandom); "
    'echo "progress: $i s, ops: $((n * 1000 + n * j / 25))"; done; '
    "echo done >>{notes}; echo ops: $((n * 1000))"
)
"""The metric is the tuned value, said twenty times, with a per cent of chance."""


def test_a_hopeless_trial_ends_early_and_the_host_is_restored(network: Namespace, tmp_path: Path) -> None:
    before = network.snapshot()
    notes = tmp_path / "notes"
    whole = document(
        network_namespace=network.name,
        benchmark_command=STREAMING.replace("{notes}", str(notes)),
        action_space=[{"param": "net.core.somaxconn", "min": 100, "max": 800, "type": "int"}],
        baseline_runs=3,
        budget={"trials": 5},
        stop_early=False,
    )
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json")
    assert done.returncode == 0
    found = support.result(done)
    assert found["success"] and found["restored"]
    assert (found["aborted_trials"], found["failed_trials"], found["candidate"]) == (5, 0, None)
    assert "Ended early: surely worse than the best so far" in done.stderr
    assert network.snapshot() == before
    assert network.pids() == []
    said = notes.read_text().split()
    assert said.count("done") == 3, f"only the baselines ran to their end: {said}"
    assert len([word for word in said if word != "done"]) == 8
    kept = json.loads(tactician("show", found["run_id"], "--json").stdout)
    trials = [entry for entry in kept["measurements"] if entry["purpose"] == "trial"]
    assert [entry["status"] for entry in trials] == ["aborted"] * 5
    assert all(entry["reward"] is not None and entry["estimate"] < entry["bound"] for entry in trials)
    resumed = tactician("tune", "--resume", found["run_id"], "--json")
    assert resumed.returncode in (0, 2)
