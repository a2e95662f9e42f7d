"""``max_regression``: read, refused where nothing can keep to it, passed on, and reported."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cli_ai.main import app
from oppertune.core.values import Integer
from support_core import Fixture, Listed, Scripted, make_experiment
from tactician.config import parse_experiment
from tactician.errors import ConfigurationError, RefusedError
from tactician.experiment import Budget, TunedParameter
from tactician.observers._findings import finding_rows, regression_line
from tactician.observers._summary import closing
from tactician.options import Options
from tactician.outcomes import Estimate, Measurement, Outcome, Score
from tactician.results import regressions_of
from tactician.search_arguments import search_arguments
from tactician.tuner import Tuner
from tactician.wiring import check

DOCUMENT = {
    "workload_name": "w",
    "reward_metric": "ops",
    "benchmark_command": "echo ops: {x}",
    "action_space": [{"param": "x", "min": 0, "max": 9}],
}
X = (TunedParameter(Integer("x", 5, 0, 9), "argument", "x", 5),)


def parsed(**changes):
    return parse_experiment({**DOCUMENT, **changes})


def test_it_is_read_as_percent_and_searched_by_what_can_keep_to_it():
    found = parsed(max_regression=20)
    assert found.max_regression == 0.2
    assert found.algorithm == "auto"
    assert parsed().max_regression is None
    assert parsed(max_regression=5, algorithm="bayesian_optimization").algorithm == "bayesian_optimization"


@pytest.mark.parametrize("share", [0, 0.2, 100, -5, "20%"])
def test_what_is_no_percentage_is_refused(share):
    with pytest.raises(ConfigurationError, match="max_regression"):
        parsed(max_regression=share)


@pytest.mark.parametrize("algorithm", ["ppo", "tpe", "uniform_random"])
def test_an_algorithm_that_cannot_keep_to_it_is_refused(algorithm):
    with pytest.raises(RefusedError, match=f"max_regression: {algorithm} cannot keep to it"):
        check(parsed(max_regression=20, algorithm=algorithm), Options())
    check(parsed(algorithm=algorithm), Options())


@pytest.mark.parametrize("algorithm", ["auto", "bayesian_optimization"])
def test_it_reaches_the_algorithm(algorithm):
    for share in (0.2, None):
        experiment = make_experiment(X, algorithm=algorithm, max_regression=share)
        arguments = search_arguments(Fixture(experiment).session)
        assert arguments.get("max_regression") == share


def test_the_search_is_told_the_metrics_performance_and_the_run_reports_its_share():
    told = []

    class Telling(Listed):
        def set_reward(self, reward, context_id="", *, request_id=None, reward_data=None):
            told.append(reward_data)

    values = [{"x": 9}, {"x": 1}, {"x": 0}, {"x": 5}]
    for share in (0.2, None):
        experiment = make_experiment(
            X, budget=Budget(trials=4), max_regression=share, stop_early=False, max_failures=9
        )
        benchmark = Scripted(lambda values, run: "broken" if values["x"] == 0 else 95.0 + values["x"])
        if share is None:
            told.clear()
        result = Tuner(Fixture(experiment, benchmark).session, Telling(values), undo="").run()
        if share is None:
            assert told == [None, None, {"failed": True}, None]
            assert result["regressions"] is None
        else:
            performances = [each.get("performance") for each in told]
            assert performances == [pytest.approx(1.04), pytest.approx(0.96), None, 1.0]
            assert result["regressions"] == {"max_regression": 20.0, "trials": 1, "share": 0.25}


def outcome(performance, *, estimated=False):
    score = Score(performance, 1.0, 0.5 + performance / 2)
    if estimated:
        known = Estimate(performance, performance, "", True, 1.0, 0.05, {}, score)
        return Outcome.aborted({}, "surely worse", 1.0, known)
    return Outcome.measured({}, Measurement(performance, "", True, {}, {}, 1.0), score)


def test_measured_estimated_and_failed_trials_below_the_floor_count():
    trials = [
        outcome(1.1),
        outcome(0.79),
        outcome(0.8),
        outcome(0.3, estimated=True),
        Outcome.failed({}, "no"),
    ]
    found = regressions_of(make_experiment(max_regression=0.2), trials)
    assert found == {"max_regression": 20.0, "trials": 3, "share": 0.6}
    assert regressions_of(make_experiment(max_regression=0.2), [])["share"] == 0.0
    assert regressions_of(make_experiment(), trials) is None


def test_it_is_shown_where_it_was_asked_for():
    result = {"regressions": {"max_regression": 20.0, "trials": 1, "share": 0.04}, "trials": 25}
    line = "Lost more than 20 %: 1 trial (4 %)"
    assert regression_line(result) == line
    assert regression_line({"regressions": None}) == regression_line({}) == ""
    assert line in [entry.text for entry in closing(result, None)]
    assert ("Regressions", line) in list(finding_rows(result))


@pytest.mark.parametrize("text", ["20%", "20", " 20 % "])
def test_the_command_line_takes_a_percentage(text, tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({**DOCUMENT, "algorithm": "ppo"}))
    refused = CliRunner().invoke(app, ["tune", str(path), "--max-regression", text])
    assert refused.exit_code == 2
    assert "ppo cannot keep to it" in refused.output


@pytest.mark.parametrize("text", ["0.2", "120%", "much", "-5", "100"])
def test_and_nothing_else(text):
    refused = CliRunner().invoke(app, ["tune", "x.json", f"--max-regression={text}"])
    assert refused.exit_code == 2
    assert "such as 20%" in refused.output
