"""Every registered algorithm obeys every law of the contract, over spaces that hypothesis draws."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from oppertune.core.values import Integer, Real
from oppertune.testing.contract import LAWS, AlgorithmContract, calls_come_in_any_order
from support_spaces import spaces

# Small enough that the laws see learning and not only waiting.
FEATURES = [{"name": "load"}, {"name": "time", "values": ("day", "night")}]
SMALL = {"n_steps": 6, "batch_size": 4, "n_epochs": 2, "net_arch": (8, 8)}
SETTINGS = {
    "auto": [{}, {"budget": 30}, {"features": FEATURES}],
    "autoscope": [
        {"features": FEATURES},
        {"features": FEATURES, "initial_predicates": "random", "height": 2},
    ],
    "bayesian_optimization": [{"n_initial": 4, "n_candidates": 40}],
    "bluefin": [{}, {"feedback": 2}, {"feedback": 2, "eta_decay_rate": 0.05, "optimizer": "sgd"}],
    "ddpg": [{"hidden_width": 8, "batch_size": 6, "learn_loop_count": 2}],
    "hybrid_solver": [{}, {"numerical_algorithm_args": {"feedback": 2}}],
    "ppo": [
        {"batch_size": 16, "n_epochs": 1, "net_arch": (8, 8)},
        {**SMALL, "model_based": False, "max_steps_per_episode": 4},
    ],
    "long_run": [{"model_rounds": 5, "patience": 2, "model_args": {"n_candidates": 24, "n_initial": 3}}],
}


def is_there(name):
    """Whether the module of an algorithm exists."""
    entry = ALGORITHMS[name]
    return not isinstance(entry, str) or importlib.util.find_spec(entry.partition(":")[0]) is not None


# An alias obeys what its algorithm obeys.
NAMES = sorted({entry: name for name, entry in ALGORITHMS.items() if is_there(name)}.values())
CASES = [(name, options) for name in NAMES for options in SETTINGS.get(name, [{}])]
# Each of these runs for minutes otherwise.
SLOW = {"ppo": 2, "bayesian_optimization": 2, "auto": 3, "long_run": 2}


def some(name):
    """So many examples, always the same."""
    return settings(
        max_examples=SLOW.get(name, 8),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
        # To explain a failure costs many more runs than to find it.
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )


def maker(cls, options):
    return lambda parameters, **kwargs: cls(parameters, **options, **kwargs)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda case: str(case) if case else "-")
def test_the_law_holds(name, options, law):
    cls = get_algorithm_class(name)

    @some(name)
    @given(spaces(cls.Meta.supported_parameter_types))
    def holds(space):
        law(maker(cls, options), space.parameters, space.constraints, space.conditions)

    holds()


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda case: str(case) if case else "-")
def test_calls_come_in_any_order(name, options):
    cls = get_algorithm_class(name)
    calls = st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 20), st.floats(-1e6, 1e6)), min_size=1, max_size=40
    )

    @some(name)
    @given(spaces(cls.Meta.supported_parameter_types), calls)
    def holds(space, calls):
        make = maker(cls, options)
        calls_come_in_any_order(make, space.parameters, space.constraints, space.conditions, calls)

    holds()


class TestTheContractAsAClass(AlgorithmContract):
    """As somebody else would use it."""

    parameter_types = (Integer, Real)

    def make(self, parameters, **kwargs):
        return get_algorithm_class("bluefin")(parameters, **kwargs)


def test_every_law_is_a_method_of_the_contract():
    methods = {name.removeprefix("test_") for name in vars(AlgorithmContract) if name.startswith("test_")}
    assert methods == {law.__name__ for law in LAWS}


def test_the_contract_catches_an_algorithm_that_learns_while_predicting():
    class Wrong(get_algorithm_class("identity")):
        count = 0

        def _predict(self, tuning_request):
            self.count = self.count + 1
            return super()._predict(tuning_request)

    with pytest.raises(AssertionError, match="a prediction teaches nothing"):
        LAWS[[law.__name__ for law in LAWS].index("predicting_teaches_nothing")](
            Wrong, [Integer("n", 1, 0, 3)], ()
        )
