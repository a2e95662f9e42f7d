"""What changes cost is learnt per group, and a search that knows it spends its seconds elsewhere."""

import numpy as np
import pytest

from oppertune import Categorical, Integer, Real
from oppertune.algorithms.all import create_tuning_instance
from oppertune.errors import InvalidArgumentError
from oppertune.models.costs import ChangeCosts
from oppertune.models.inputs import Inputs

PARAMETERS = (
    Integer("buffers", val=100, min=10, max=1000),
    Categorical("wal", val="off", categories=("off", "on")),
    Real("cost", val=4.0, min=1.0, max=8.0),
    Integer("nap", val=20, min=1, max=100),
)
GROUPS = [["buffers", "wal"], ["cost"]]
SECONDS = (6.0, 0.5)
HOME = {p.name: p.val for p in PARAMETERS}


def told(configuration, running=2.0):
    changed = [any(configuration[name] != HOME[name] for name in group) for group in GROUPS]
    return {"seconds": running, "change_seconds": sum(s for s, c in zip(SECONDS, changed, strict=True) if c)}


def learnt(configurations):
    costs = ChangeCosts(GROUPS)
    for each in configurations:
        costs.add(PARAMETERS, each, told(each))
    return costs


def price(costs, **changed):
    inputs = Inputs(PARAMETERS)
    row = inputs.snap(inputs.encode([HOME | changed]))
    return float(np.exp(costs.prices(inputs).logarithms(row))[0])


def test_each_group_is_paid_once_and_other_parameters_cost_nothing():
    costs = learnt([HOME, HOME | {"cost": 2.0}, HOME | {"buffers": 50}, HOME | {"wal": "on", "cost": 5.0}])
    assert price(costs) == pytest.approx(1.0)
    assert price(costs, nap=99) == pytest.approx(1.0)
    assert price(costs, cost=7.0) == pytest.approx(1.25)
    assert price(costs, buffers=11) == price(costs, buffers=11, wal="on") == pytest.approx(4.0)
    assert price(costs, wal="on", cost=1.0, nap=3) == pytest.approx(4.25)


def test_what_was_never_changed_or_never_told_costs_nothing():
    assert price(ChangeCosts(GROUPS), buffers=50) == 1.0
    assert price(learnt([HOME, HOME | {"cost": 2.0}]), buffers=50) == pytest.approx(1.0)
    changing = {"change_seconds": 3.0}
    for data in (None, {}, {"seconds": 1.0}, {"seconds": 0.0} | changing, changing):
        costs = ChangeCosts(GROUPS)
        costs.add(PARAMETERS, HOME | {"buffers": 50}, data)
        assert price(costs, buffers=50) == 1.0


@pytest.mark.parametrize(
    ("groups", "words"),
    [([["nap"], []], "empty"), ([["nap"], ["nap", "wal"]], "one group only"), ([["nope"]], "called nope")],
)
def test_groups_that_make_no_sense_are_refused(groups, words):
    with pytest.raises(InvalidArgumentError, match=words):
        create_tuning_instance("bayesian_optimization", PARAMETERS, change_groups=groups)


@pytest.mark.parametrize("algorithm", ["auto", "bayesian_optimization"])
def test_a_search_that_is_told_restarts_less_and_survives_saving(algorithm, tmp_path):
    mode = {"mode": "trials"} if algorithm == "auto" else {}

    def restarts(groups, seed):
        search = create_tuning_instance(algorithm, PARAMETERS, change_groups=groups, random_seed=seed, **mode)
        rng, paid = np.random.default_rng(seed), 0
        for round_ in range(30):
            configuration, request_id = search.predict()
            paid += told(configuration)["change_seconds"] >= 6.0
            reward = -((configuration["nap"] - 70) ** 2) / 1000.0 + 0.02 * rng.normal()
            search.set_reward(reward, request_id=request_id, reward_data=told(configuration))
            if round_ == 10:
                search.save(tmp_path / "state.zip")
                search = type(search).load(tmp_path / "state.zip")
        return paid

    knowing, blind = (sum(restarts(groups, seed) for seed in range(3)) for groups in (GROUPS, ()))
    assert knowing < 0.88 * blind
