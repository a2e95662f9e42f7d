"""What matters is told from what does not, with intervals that hold, before a run and during one."""

from itertools import pairwise

import numpy as np
import pytest

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError, RewardError
from oppertune.importance import Importance, Importances, Screening, importances

PARAMETERS = (
    Real("strong", 0.2, 0.0, 1.0),
    Categorical("mode", "x", ("x", "y")),
    Real("idle", 0.5, 0.0, 1.0),
    Integer("also_idle", 3, 0, 10),
    Real("fixed", 0.5, 0.5, 0.5),
)


def reward(values, rng, noise=0.03):
    truth = 100.0 * (1.0 + values["strong"] + 0.3 * (values["mode"] == "y"))
    return truth * (1.0 + noise * rng.normal())


def measurements(n, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [{p.name: from_unit(p, rng.random()) for p in PARAMETERS} for _ in range(n)]
    return [(values, reward(values, rng)) for values in drawn]


# Variances: 1/12 of a uniform number, 0.3^2 / 4 of two categories.
STRONG = (1 / 12) / (1 / 12 + 0.0225)


def test_shares_are_those_of_the_variance():
    found = importances(PARAMETERS, measurements(80))
    assert list(found)[:2] == ["strong", "mode"]
    assert found["strong"].share == pytest.approx(STRONG, abs=0.1)
    assert found["strong"].low <= STRONG + 0.03
    assert found["strong"].high >= STRONG - 0.03
    assert set(found.inert) == {"idle", "also_idle", "fixed"}
    assert sum(importance.share for importance in found.values()) == pytest.approx(1.0)
    assert found["fixed"] == Importance(0.0, 0.0, 0.0, True)


def test_little_data_makes_no_verdicts():
    few, many = (importances(PARAMETERS, measurements(n), n_models=4) for n in (6, 60))
    assert "strong" not in few.inert
    width = [table["strong"].high - table["strong"].low for table in (few, many)]
    assert width[0] > width[1]
    assert set(few.inert) <= {"fixed", "idle", "also_idle"}


@pytest.mark.parametrize("name", ["bayesian_optimization", "tpe"])
def test_it_can_be_asked_during_a_run(name):
    algorithm = create_tuning_instance(name, PARAMETERS, random_seed=1)
    rng = np.random.default_rng(0)
    for _ in range(25):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(reward(prediction, rng))
    before = algorithm.learnt_fingerprint()
    found = importances(algorithm.parameters, algorithm.measurements, n_models=2)
    assert next(iter(found)) in ("strong", "mode")
    assert algorithm.learnt_fingerprint() == before


def test_an_interaction_is_divided_evenly():
    rng = np.random.default_rng(1)
    parameters = [Real(name, 0.5, 0.0, 1.0) for name in "abc"]
    rows = [{name: float(rng.random()) for name in "abc"} for _ in range(120)]
    found = importances(parameters, [(v, (v["a"] - 0.5) * (v["b"] - 0.5)) for v in rows], n_models=3)
    assert found["a"].share == pytest.approx(0.5, abs=0.12)
    assert found["b"].share == pytest.approx(0.5, abs=0.12)
    assert found["c"].share < 0.1


def test_equal_seeds_give_equal_answers_and_the_cost_is_bounded():
    given = measurements(20)
    assert importances(PARAMETERS, given, n_models=2) == importances(PARAMETERS, given, n_models=2)


def test_nothing_that_varies_is_no_error():
    table = importances(PARAMETERS, [(values, 1.0) for values, _ in measurements(5)], n_models=1)
    assert set(table) == {p.name for p in PARAMETERS}
    assert importances(PARAMETERS[-1:], [({"fixed": 0.5}, 1.0)] * 2).inert == ("fixed",)


@pytest.mark.parametrize(
    ("given", "options", "error"),
    [
        ([], {}, InvalidArgumentError),
        (measurements(1), {}, InvalidArgumentError),
        (measurements(2), {"n_models": 0}, InvalidArgumentError),
        (measurements(2), {"n_samples": 0}, InvalidArgumentError),
        ([(measurements(1)[0][0], float("nan"))] * 2, {}, RewardError),
    ],
)
def test_what_cannot_be_answered_is_refused(given, options, error):
    with pytest.raises(error):
        importances(PARAMETERS, given, **options)


def test_a_screening_moves_one_group_at_a_time_and_begins_at_the_start():
    plan = Screening(PARAMETERS, 3, random_seed=1)
    assert len(plan) == 3 * 5
    start = {p.name: p.val for p in PARAMETERS}
    for t in range(3):
        path = plan.configurations[5 * t : 5 * t + 5]
        assert path[0] == start
        moved = [[n for n in start if a[n] != b[n]] for a, b in pairwise(path)]
        assert sorted(map(tuple, moved)) == [("also_idle",), ("idle",), ("mode",), ("strong",)]
        for a, b in pairwise(path):
            assert abs(a["strong"] - b["strong"]) in (0.0, pytest.approx(0.5, abs=0.101))
    assert list(plan) == list(Screening(PARAMETERS, 3, random_seed=1))


def test_a_screening_finds_what_matters_in_few_trials():
    hits = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        plan = Screening(PARAMETERS, 4, random_seed=seed)
        found = plan.analyse([reward(values, rng) for values in plan])
        hits.append(next(iter(found)) == "strong")
        assert "strong" not in found.inert
    assert sum(hits) >= 9


def test_groups_move_together_and_are_judged_together():
    groups = {"storage": ("idle", "also_idle", "fixed"), "cpu": ("strong", "mode")}
    plan = Screening(PARAMETERS, 4, groups, random_seed=2)
    assert plan.groups == {"storage": ("idle", "also_idle"), "cpu": ("strong", "mode")}
    assert len(plan) == 12
    found = plan.analyse([reward(values, np.random.default_rng(0), 0.0) for values in plan])
    assert found.inert == ("storage",)
    assert found["cpu"].share == pytest.approx(1.0)


def test_screened_configurations_keep_constraints():
    parameters = [Integer("low", 10, 0, 100), Integer("high", 90, 0, 100)]
    plan = Screening(parameters, 5, constraints=["low < high"], random_seed=3)
    assert all(values["low"] < values["high"] for values in plan)


def test_a_screening_of_constants_is_empty():
    plan = Screening(PARAMETERS[-1:], 2)
    assert plan.analyse([1.0, 2.0]) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"n_trajectories": 1},
        {"groups": {"g": ["unknown"]}},
        {"groups": {"g": ["idle"], "h": ["idle"]}},
        {"groups": {"mode": ["idle"]}},
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(options):
    with pytest.raises(InvalidArgumentError):
        Screening(PARAMETERS, **options)


def test_rewards_and_configurations_must_agree():
    with pytest.raises(InvalidArgumentError, match="15 configurations"):
        Screening(PARAMETERS, 3).analyse([1.0])


def test_the_text_is_a_table():
    table = Importances(
        {"strong": Importance(0.9, 0.8, 0.95, False), "idle": Importance(0.1, 0.0, 0.02, True)}
    )
    assert str(table).splitlines() == [
        "parameter  share  interval",
        "strong      0.90  0.80..0.95",
        "idle        0.10  0.00..0.02  inert",
    ]
