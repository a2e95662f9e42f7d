"""What a run teaches: edits are kept only where trials agree that had no part in making them."""

from __future__ import annotations

import math
import random

import pytest

from cli_ai.strategist.reflection import LEAST_TRIALS, Edit, reflect
from cli_ai.strategist.reflection_check import Trial, judge_drop, judge_narrow
from end_to_end.support import document
from oppertune.core.values import Real
from tactician.config import parse_experiment
from tactician.events import BaselineMeasured, RunStarted, TrialFinished
from tactician.outcomes import Measurement, Outcome, Score
from tactician.storage.history import History
from tactician.system.home import Home

SPACE = [
    {"param": "net.core.somaxconn", "min": 100, "max": 8000, "type": "int"},
    {"param": "vm.swappiness", "min": 0, "max": 100, "type": "int"},
]
EXPERIMENT = document(
    action_space=SPACE, benchmark_command="true", constraints=["vm.swappiness < net.core.somaxconn"]
)


def record(measure, count=40, whole=EXPERIMENT, seed=1):
    """A run in the history whose metric is a function of its configuration."""
    experiment = parse_experiment(whole)
    history = History(Home.find().history)
    history.create_run("r", experiment, original={}, baseline={})
    draw = random.Random(seed)

    def outcome(values):
        found = Measurement(
            value=measure(values, draw), unit="ops", maximize=True, metrics={}, system={}, seconds=1.0
        )
        return Outcome(
            "measured", values, found, Score(performance=1.0, stability=1.0, reward=1.0), seconds=1.0
        )

    original = {one.name: one.parameter.min for one in experiment.parameters}
    history.record(RunStarted("r", experiment, original, original, ""))
    history.record(BaselineMeasured("r", 1, outcome(original)))
    for number in range(1, count + 1):
        values = {
            one.name: draw.randint(int(one.parameter.min), int(one.parameter.max))
            for one in experiment.parameters
        }
        history.record(TrialFinished("r", number, outcome(values), False))
    return history.run("r")


def by_the_queue(values, draw):
    """Best around 4000; the other knob does nothing; two per cent of chance."""
    queue = values["net.core.somaxconn"]
    return 1000 * math.exp(-(((queue - 4000) / 2000) ** 2)) * draw.uniform(0.98, 1.02) + 100


def by_chance(values, draw):
    return 1000 * draw.uniform(0.9, 1.1)


def test_what_matters_is_looked_at_closer_and_what_does_not_is_dropped():
    found = reflect(record(by_the_queue))
    kept = {edit.name: edit for edit, _ in found.kept}
    assert kept["vm.swappiness"].kind == "drop"
    assert kept["net.core.somaxconn"].kind == "narrow"
    (item,) = found.document["action_space"]
    assert 100 < item["min"] < 4000 < item["max"] < 8000
    assert isinstance(item["min"], int)
    assert "constraints" not in found.document, "it named the knob that is gone"
    assert parse_experiment(found.document).names == ("net.core.somaxconn",)
    assert any("held-out" in line for line in found.lines())


def test_the_record_is_not_changed():
    run = record(by_the_queue)
    reflect(run)
    assert dict(run.document) == EXPERIMENT


def test_of_chance_nothing_is_narrowed():
    """A range that looks better in one half by luck does not in the other, but for one in ten."""
    narrowed = sum(
        any(edit.kind == "narrow" for edit, _ in reflect(recorded(seed)).kept) for seed in range(6)
    )
    assert narrowed <= 2


def recorded(seed):
    Home.find().history.unlink(missing_ok=True)
    return record(by_chance, seed=seed)


def test_a_few_trials_teach_nothing():
    found = reflect(record(by_the_queue, count=LEAST_TRIALS - 1))
    assert found.kept == ()
    assert found.document == EXPERIMENT
    assert "too few" in found.lines()[0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit(kind="narrow", name="net.core.somaxconn", low=100, high=500), "leave out the best"),
        (Edit(kind="narrow", name="net.core.somaxconn", low=-5, high=9000), "inside the present range"),
        (Edit(kind="narrow", name="net.core.somaxconn"), "only the range of a number"),
        (Edit(kind="narrow", name="kernel.core_pattern", low=0, high=1), "no such knob"),
        (Edit(kind="drop", name="net.core.somaxconn"), "error on held-out trials"),
        (Edit(kind="drop", name="vm.nothing"), "no such knob"),
    ],
)
def test_an_edit_of_anybody_is_judged(edit, words):
    """Such as a model's: the same form, the same check."""
    found = reflect(record(by_the_queue), lambda experiment, seen: [edit])
    assert found.kept == ()
    assert words in found.refused[0][1]
    assert found.document == EXPERIMENT


def test_a_neighbour_is_offered_and_never_kept():
    edits = [
        Edit(kind="add", name="net.ipv4.tcp_max_syn_backlog", why="goes with the queue"),
        Edit(kind="add", name="kernel.core_pattern"),
        Edit(kind="add", name="no.such"),
        Edit(kind="add", name="vm.swappiness"),
    ]
    found = reflect(record(by_the_queue), lambda experiment, seen: edits)
    assert [edit.name for edit in found.offered] == ["net.ipv4.tcp_max_syn_backlog"]
    assert found.document == EXPERIMENT


def test_who_makes_edits_sees_one_half_only():
    seen_by = []
    reflect(record(by_the_queue, count=40), lambda experiment, seen: seen_by.extend(seen) or [])
    assert len(seen_by) == 20


def test_a_placeholder_is_pinned_because_the_command_names_it():
    space = [{**SPACE[0]}, {"param": "n", "min": 1, "max": 9, "type": "int", "default": 2}]
    whole = document(action_space=space, benchmark_command="echo {n}")
    found = reflect(record(by_the_queue, whole=whole), lambda experiment, seen: [Edit(kind="drop", name="n")])
    pinned = next(item for item in found.document["action_space"] if item["param"] == "n")
    assert len(pinned["values"]) == 1
    assert parse_experiment(found.document)


def test_a_range_without_trials_on_both_sides_is_not_judged():
    trials = [Trial({"x": float(i)}, float(i)) for i in range(6)]
    assert not judge_narrow("x", 4.5, 9.0, trials).helps
    assert judge_narrow("x", 2.5, 9.0, trials * 3).helps


def test_the_last_knob_is_not_dropped():
    trials = [Trial({"x": i / 10}, i / 10) for i in range(10)]
    assert not judge_drop([Real("x", 0.0, 0.0, 1.0)], "x", trials, trials).helps
