"""Every registered algorithm obeys every law of the contract, over spaces that hypothesis draws."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidConstraintError
from oppertune.testing.contract import LAWS, AlgorithmContract

# Small enough that the laws see learning and not only waiting.
SETTINGS = {
    "bluefin": [{}, {"feedback": 2}, {"feedback": 2, "eta_decay_rate": 0.05, "optimizer": "sgd"}],
    "ppo": [{"n_steps": 6, "batch_size": 4, "n_epochs": 2, "net_arch": (8, 8), "max_steps_per_episode": 4}],
}
CASES = [(name, options) for name in sorted(ALGORITHMS) for options in SETTINGS.get(name, [{}])]


@st.composite
def integers(draw, name):
    log = draw(st.booleans())
    step = 1 if log else draw(st.sampled_from([1, 1, 2, 7, 4096]))
    low = draw(st.integers(1, 1000)) if log else draw(st.integers(-1000, 1000))
    steps = draw(st.integers(0, 2**31 if step == 1 else 50))
    at = draw(st.integers(0, steps))
    return Integer(name, val=low + at * step, min=low, max=low + steps * step, step=step, log=log)


@st.composite
def reals(draw, name):
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.1, 0.25, 0.3, 1e-3, 5.0]))
        low = round(draw(st.integers(-20, 20)) * step, 6)
        steps = draw(st.integers(0, 40))
        high, at = round(low + steps * step, 6), draw(st.integers(0, steps))
        return Real(name, val=round(low + at * step, 6), min=low, max=high, step=step)
    log = draw(st.booleans())
    low = draw(st.floats(1e-6, 10.0) if log else st.floats(-1e3, 1e3))
    high = low + draw(st.floats(0.0, 1e6))
    return Real(
        name, val=min(low + draw(st.floats(0.0, 1.0)) * (high - low), high), min=low, max=high, log=log
    )


@st.composite
def categoricals(draw, name):
    categories = draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))
    return Categorical(name, val=draw(st.sampled_from(categories)), categories=tuple(categories))


KINDS = {Integer: integers, Real: reals, Categorical: categoricals}


@st.composite
def spaces(draw, supported):
    kinds = [kind for kind in KINDS if issubclass(kind, supported)]
    n = draw(st.integers(1, 4))
    parameters = [draw(KINDS[draw(st.sampled_from(kinds))](f"p{i}.x[{i}]")) for i in range(n)]
    numbers = [p.name for p in parameters if not isinstance(p, Categorical)]
    constraints = []
    if len(numbers) >= 2 and draw(st.booleans()):
        constraints.append(f"{numbers[0]} {draw(st.sampled_from(['<', '<=', '>', '>=']))} {numbers[1]}")
        try:
            Space(parameters, constraints)
        except InvalidConstraintError:
            constraints = []
    return parameters, constraints


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda case: str(case) if case else "-")
def test_the_law_holds(name, options, law):
    cls = get_algorithm_class(name)

    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(spaces(cls.Meta.supported_parameter_types))
    def holds(space):
        law(lambda parameters, **kwargs: cls(parameters, **options, **kwargs), *space)

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
