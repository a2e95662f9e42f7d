"""What can be proven and what mattered is said in numbers that people can act on."""

from __future__ import annotations

import dataclasses
import io

import pytest
from event_streams import DECLARED, RUN, experiment, result, started

from tactician.events import PowerAssessed, RunFinished
from tactician.experiment import Budget
from tactician.observers._findings import effect_lines, finding_rows, power_lines
from tactician.observers.console import ConsoleObserver

POWER = {
    "noise": 4.1, "noise_interval": [2.04, 8.2], "baseline_runs": 3, "rounds": 20,
    "provable_improvement": 5.96, "worthwhile_improvement": 5.96, "target_improvement": None,
    "suggestion": {"improvement": 2.0, "rounds": 79, "seconds": 2370.0},
}  # fmt: skip
EFFECTS = {
    "idle": {"verdict": "inert", "share": 0.01, "low": 0.0, "high": 0.031},
    "strong": {"verdict": "matters", "share": 0.9, "low": 0.8, "high": 0.97},
    "odd": {"verdict": "unknown", "share": 0.09, "low": 0.0, "high": 0.2},
}


def said(found, seconds=540.0, budget=None):
    begun = started(experiment(DECLARED))
    if budget is not None:
        begun = dataclasses.replace(begun, experiment=dataclasses.replace(begun.experiment, budget=budget))
    return [line.text.strip() for line in power_lines(PowerAssessed(RUN, found, seconds), begun)]


def test_noise_proof_time_and_the_suggestion_are_said():
    assert said(POWER, budget=Budget(30)) == [
        "Noise of one run: 4.1 % (2 to 8.2 %, from 3 baseline runs)",
        "30 trials and the proof of at least 6 %: at most 9 min",
        'To prove 2 %: "verification": {"rounds": 79}, 40 min of verification',
    ]


@pytest.mark.parametrize(
    ("budget", "begin"),
    [(Budget(None, 600.0), "10 min of trials and the proof"), (Budget(None, None), "No limit and the proof")],
)
def test_other_budgets_are_named(budget, begin):
    assert said(POWER, budget=budget)[1].startswith(begin)


def test_what_cannot_be_proven_is_said():
    nothing = {**POWER, "provable_improvement": None, "suggestion": {**POWER["suggestion"], "rounds": None}}
    lines = said(nothing, seconds=None, budget=Budget(30))
    assert lines[1] == "30 trials and no proof of anything"
    assert lines[2].startswith("No number of rounds proves 2 %")


def test_where_enough_can_be_proven_nothing_is_suggested():
    assert len(said({**POWER, "provable_improvement": 1.0})) == 2


def test_the_console_shows_it():
    stream = io.StringIO()
    with ConsoleObserver(stream) as console:
        console(started(experiment(DECLARED)))
        console(PowerAssessed(RUN, POWER, None))
        console(RunFinished(RUN, {**result(), "effects": EFFECTS}))
    assert "Noise of one run: 4.1 %" in stream.getvalue()
    assert "idle: no measurable effect" in stream.getvalue()


def test_a_line_for_each_parameter_without_effect_and_none_for_those_that_matter():
    lines = [line.text for line in effect_lines({"effects": EFFECTS})]
    assert lines[2:] == [
        "  idle: no measurable effect (at most 3.1 % of the variation)",
        "  not enough trials to tell: odd",
    ]
    assert effect_lines({"effects": {"strong": EFFECTS["strong"]}}) == []
    assert effect_lines({"effects": None}) == []
    assert "which parameters matter" in effect_lines({"effects": {"odd": EFFECTS["odd"]}})[-1].text


def test_a_run_that_is_over_shows_it_in_its_table():
    rows = dict(finding_rows({"power": POWER, "decision": "nothing here", "effects": EFFECTS}))
    assert rows == {
        "Noise": "4.1 % a run; 6 % can be proven",
        "Decided": "nothing here",
        "Effect: idle": "none measurable (0 to 3 % of the variation)",
        "Effect: strong": "matters (80 to 97 % of the variation)",
        "Effect: odd": "unknown (0 to 20 % of the variation)",
    }
    assert dict(finding_rows({"power": None})) == {}
