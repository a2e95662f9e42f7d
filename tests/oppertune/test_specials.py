"""Special values stand beside a range: they are allowed, they are reached, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.algorithms.bluefin import BlueFin
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.encoding import from_inside, from_unit, to_inside, to_unit
from oppertune.core.values import Integer, Real, parameter_from_dict
from oppertune.errors import InvalidParameterError, InvalidTypeError
from support_spaces import integers, reals


@pytest.mark.parametrize(
    "special", [((-1, 0.1), (0, 0.1)), [(-1, 0.1), [0, 0.1]], {-1: 0.1, 0: 0.1}, (-1, 0), [-1.0, 0]]
)
def test_every_way_of_writing_them_means_the_same(special):
    n = Integer("n", val=-1, min=1, max=9, special=special)
    assert n.special == ((-1, 0.1), (0, 0.1))
    assert n.special_values == (-1, 0)
    assert parameter_from_dict(n.to_dict()) == n
    assert hash(n) == hash(parameter_from_dict(n.to_dict()))


def test_a_parameter_without_them_is_described_as_before():
    assert "special" not in Integer("n", 1, 0, 9).to_dict()
    assert Integer("n", 1, 0, 9).special == ()
    assert Integer("n", 1, 0, 9).shares is None


@pytest.mark.parametrize(
    ("special", "error"),
    [
        ((-1, -1), InvalidParameterError),
        (((-1, 0.0),), InvalidParameterError),
        (((-1, 0.6), (0, 0.4)), InvalidParameterError),
        (((-1, float("nan")),), InvalidParameterError),
        ((2.5,), InvalidTypeError),
        (("auto",), InvalidTypeError),
        ("-1", InvalidTypeError),
        (-1, InvalidTypeError),
        (((-1, "0.1"),), InvalidTypeError),
    ],
)
def test_what_makes_no_sense_is_refused(special, error):
    with pytest.raises(error):
        Integer("n", val=1, min=1, max=9, special=special)


def test_they_may_lie_outside_the_range_and_off_the_grid():
    x = Real("x", val=0.05, min=0.1, max=0.9, step=0.1, special=(0.05, 7.0))
    assert x.cast(7) == 7.0
    assert x.nearest(7.0) == 7.0
    assert x.nearest(6.9) == 0.9
    assert x.contains(0.05)
    assert not x.contains(0.06)
    with pytest.raises(InvalidParameterError, match="special"):
        x.cast(5.0)
    with pytest.raises(InvalidParameterError, match="lies outside"):
        Real("x", val=0.04, min=0.1, max=0.9, special=(0.05,))
    only = Integer("n", val=5, min=5, max=5, special=(-1,))
    assert not only.is_constant
    assert Integer("n", val=5, min=5, max=5, special=(5,)).is_constant


def test_each_owns_a_part_of_the_unit_interval_as_wide_as_its_probability():
    n = Integer("n", val=10, min=0, max=10, special=((-1, 0.2), (-2, 0.1), (99, 0.25)))
    assert [from_unit(n, u) for u in (0.0, 0.19, 0.21, 0.31, 0.75, 0.76, 1.0)] == [-1, -1, -2, 0, 10, 99, 99]
    assert [to_unit(n, v) for v in (-1, -2, 99)] == pytest.approx([0.1, 0.25, 0.875])
    assert to_unit(n, 0) == pytest.approx(0.3)
    assert to_inside(n) == Real("n", val=to_unit(n, 10), min=0.0, max=1.0)
    assert from_inside(n, 0.1) == -1


@given(st.one_of(integers("p"), reals("p")), st.floats(-0.5, 1.5))
def test_positions_and_values_agree(parameter, position):
    value = from_unit(parameter, position)
    assert type(value) is parameter.dtype
    assert parameter.contains(value)
    if (parameter.steps is not None or value in parameter.special_values) and not parameter.log:
        assert from_unit(parameter, to_unit(parameter, value)) == value
    assert from_inside(parameter, to_inside(parameter).val) == pytest.approx(parameter.val, rel=1e-9)


def test_blind_search_draws_them_as_often_as_they_say():
    n = Integer("n", val=1, min=1, max=50, special=((-1, 0.25),))
    algorithm = UniformRandom([n], random_seed=0)
    drawn = [algorithm.predict(fresh=True).prediction["n"] for _ in range(2000)]
    assert 0.2 < np.mean([value == -1 for value in drawn]) < 0.3


def test_an_algorithm_that_knows_nothing_of_them_finds_the_best_one():
    parameters = [
        Integer("n", val=8, min=1, max=64, special=((-1, 0.2),)),
        Real("x", val=0.2, min=0.0, max=1.0),
    ]
    algorithm = BlueFin(parameters, feedback=2, eta=0.02, random_seed=2)
    for _ in range(600):
        prediction, _ = algorithm.predict()
        n = prediction["n"]
        algorithm.set_reward((1.0 if n == -1 else 0.9 - n / 100) - (prediction["x"] - 0.6) ** 2)
    assert algorithm.recommend()["n"] == -1
