"""The table that picks an algorithm: every rule is reached, says why, and stands in the guide as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class, load_tuning_instance
from oppertune.algorithms.auto import RULES, Situation
from oppertune.core.values import Categorical, Integer
from oppertune.errors import InvalidArgumentError

GUIDE = Path(__file__).parents[2] / "docs/guide/algorithms/auto.md"
NUMBER = Integer("n", 4, 0, 9)
CATEGORY = Categorical("c", "a", ("a", "b", "c"))
CATEGORIES = [Categorical(f"c{i}", "a", ("a", "b", "c")) for i in range(4)]
FEATURES = [{"name": "load"}]


@pytest.mark.parametrize(
    ("parameters", "options", "choice"),
    [
        ([Integer("n", 4, 4, 4)], {}, "identity"),
        ([NUMBER], {"budget": 1}, "identity"),
        ([NUMBER, CATEGORY], {"budget": 30}, "bayesian_optimization"),
        ([NUMBER], {"budget": 5000, "max_regression": 0.2}, "bayesian_optimization"),
        ([NUMBER], {"budget": 400}, "bayesian_optimization"),
        ([NUMBER], {"mode": "trials"}, "bayesian_optimization"),
        ([NUMBER], {"budget": 401}, "tpe"),
        ([NUMBER], {"budget": 5000, "state_features": ("load",)}, "ppo"),
        ([NUMBER], {"budget": 5000}, "bluefin"),
        ([NUMBER], {"budget": 30, "mode": "live"}, "bluefin"),
        ([NUMBER], {}, "bluefin"),
        ([NUMBER, CATEGORY], {}, "hybrid_solver"),
        ([NUMBER, CATEGORY], {"features": FEATURES}, "autoscope"),
        ([CATEGORY], {"features": FEATURES}, "slates"),
        ([CATEGORY], {}, "exponential_weights"),
        (CATEGORIES, {}, "exponential_weights_slates"),
    ],
)
def test_each_situation_has_its_algorithm(parameters, options, choice):
    tuner = create_tuning_instance("auto", parameters, options, random_seed=1)
    assert tuner.choice == choice
    assert type(tuner.chosen) is get_algorithm_class(choice)
    floor = "max_regression" in options
    rule = next(rule for rule in RULES if rule.choice == choice and ("floor" in rule.when) == floor)
    assert tuner.reason == f"{rule.reason} ({rule.when})"
    prediction, request_id = tuner.predict({"load": 0.5})
    tuner.set_reward(1.0, request_id=request_id)
    assert set(prediction) == {p.name for p in parameters}
    assert tuner.chosen.get_tuning_requests() == []


def test_every_rule_is_reached_by_one_of_these_situations():
    marks = test_each_situation_has_its_algorithm.pytestmark
    assert {case[2] for mark in marks for case in mark.args[1]} == {rule.choice for rule in RULES}


@given(
    st.builds(
        Situation,
        numbers=st.integers(0, 30),
        categories=st.integers(0, 30),
        combinations=st.integers(1, 2**30),
        budget=st.none() | st.integers(1, 10**6),
        mode=st.sampled_from(["trials", "live"]),
        contexts=st.booleans(),
        state=st.booleans(),
    )
)
def test_some_rule_holds_in_every_situation_and_its_algorithm_can_take_it(situation):
    rule = next(rule for rule in RULES if rule.holds(situation))
    kinds = get_algorithm_class(rule.choice).Meta.supported_parameter_types
    if situation.numbers + situation.categories:
        assert not situation.categories or Categorical in kinds
        assert not situation.numbers or Integer in kinds


def test_the_table_in_the_guide_is_the_one_in_the_code():
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \| (.+?) \|$", GUIDE.read_text(encoding="utf-8"), re.M)
    assert rows == [(rule.when, rule.choice, rule.reason) for rule in RULES]


def test_what_was_chosen_survives_saving(tmp_path):
    tuner = create_tuning_instance("auto", [NUMBER, CATEGORY], budget=20, random_seed=1)
    for reward in (1.0, 2.0, 3.0):
        tuner.predict()
        tuner.set_reward(reward)
    tuner.save(tmp_path / "state")
    loaded = load_tuning_instance(tmp_path / "state")
    assert (loaded.choice, loaded.reason) == (tuner.choice, tuner.reason)
    assert loaded.recommend() == tuner.recommend()
    assert loaded.predict().prediction == tuner.predict().prediction


def test_the_choice_forgets_what_lapsed_here():
    tuner = create_tuning_instance("auto", [NUMBER], random_seed=1, max_open_requests=3)
    for _ in range(50):
        tuner.predict(fresh=True)
    assert len(tuner.chosen.get_tuning_requests()) <= 4


@pytest.mark.parametrize("options", [{"budget": 0}, {"budget": True}, {"budget": 2.5}, {"mode": "dead"}])
def test_nonsense_is_refused(options):
    with pytest.raises(InvalidArgumentError):
        create_tuning_instance("auto", [NUMBER], options)
