"""The surrogate learns what was measured, in contexts that come and go, and changes nothing by looking."""

import numpy as np
import pytest

from oppertune.core.state import fingerprint
from oppertune.core.values import Categorical, Integer, Real
from oppertune.models.inputs import Inputs
from oppertune.models.surrogate import Surrogate

PARAMETERS = (
    Real("x", 0.2, 0.0, 1.0),
    Categorical("c", "a", ("a", "b")),
    Integer("n", 5, 0, 10, special=(-1,)),
)
INPUTS = Inputs(PARAMETERS)


def learnt(n=25, context=None, seed=0):
    surrogate = Surrogate(100)
    rng = np.random.default_rng(seed)
    for i, row in enumerate(INPUTS.draw(rng, n)):
        values = INPUTS.decode(row)
        data = None if context is None else context(i)
        shift = 0.0 if data is None or data["who"] == "one" else 2.0
        surrogate.add(INPUTS, values, values["x"] + (values["c"] == "b") + (values["n"] == -1) + shift, data)
    return surrogate


def test_it_predicts_what_it_learnt():
    (view,) = learnt(60).views(INPUTS, [None])
    rows = INPUTS.encode([{"x": x, "c": c, "n": 5} for x in (0.1, 0.9) for c in "ab"])
    low_a, low_b, high_a, high_b = view.mean(rows)
    assert low_a < low_b < high_b
    assert low_a < high_a < high_b
    mean, std = view.predict(rows)
    assert mean == pytest.approx([low_a, low_b, high_a, high_b])
    assert (std > 0).all()
    assert view.lengths[1] == 1.0


def test_contexts_share_what_they_have_in_common():
    surrogate = learnt(40, lambda i: {"who": "one" if i % 2 else "two"})
    one, two, third = surrogate.views(INPUTS, [{"who": "one"}, {"who": "two"}, {"who": "three"}])
    rows = INPUTS.encode([{"x": x, "c": "a", "n": 5} for x in (0.1, 0.9)])
    for view in (one, two, third):
        assert view.mean(rows)[0] < view.mean(rows)[1]
    assert one.mean(rows)[0] < two.mean(rows)[0]
    assert (third.predict(rows)[1] > one.predict(rows)[1]).all()


def test_looking_changes_nothing_learnt():
    surrogate = learnt()
    before = fingerprint(surrogate.hyperparameters), len(surrogate.window)
    pending = INPUTS.draw(np.random.default_rng(1), 3)
    (view,) = surrogate.views(INPUTS, [{"new": 1}], pending, [None, {"new": 2}, {"other": "x"}])
    (plain,) = surrogate.views(INPUTS, [{"new": 1}])
    assert (fingerprint(surrogate.hyperparameters), len(surrogate.window)) == before
    assert (view.predict(pending)[1] <= plain.predict(pending)[1] + 1e-9).all()


def test_two_measurements_are_enough_to_look():
    (view,) = learnt(2).views(INPUTS, [None])
    assert np.isfinite(view.mean(INPUTS.draw(np.random.default_rng(0), 4))).all()
