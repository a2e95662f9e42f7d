"""What peers see of a space: every configuration can be said, and whatever a peer says is allowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Integer, Real
from peers.adapters.uniform import drawn
from peers.adapters.units import position_of, value_at
from peers.instances import instance_of
from peers.players import Translated
from peers.space import Choice, Space

PARAMETERS = (
    Categorical("mode", val="b", categories=("a", "b", "c")),
    Categorical("only", val="a", categories=("a",)),
    Integer("count", val=0, min=0, max=100),
    Integer("signed", val=-3, min=-7, max=-3),
    Integer("switch", val=1, min=0, max=1),
    Integer("constant", val=4, min=4, max=4),
    Integer("stepped", val=18, min=4, max=4 + 7 * 9, step=7),
    Integer("size", val=1024, min=1, max=2**40, log=True),
    Real("share", val=0.0, min=-1.5, max=0.25),
    Real("ratio", val=0.3, min=0.1, max=2.0, step=0.1),
    Real("rate", val=1e-3, min=1e-6, max=10.0, log=True),
    Real("fixed", val=0.5, min=0.5, max=0.5),
)
SPACE = Space(PARAMETERS)
POSITIONS = st.floats(0.0, 1.0)
UNITS = st.lists(POSITIONS, min_size=len(PARAMETERS), max_size=len(PARAMETERS))
PAIRS = tuple(zip(PARAMETERS, SPACE.dimensions, strict=True))


def test_the_start_is_the_default_configuration():
    assert SPACE.values(SPACE.start) == {p.name: p.val for p in PARAMETERS}


@given(units=UNITS)
def test_any_vector_is_a_configuration_that_is_allowed(units):
    point = {d.name: value_at(d, u) for d, u in zip(SPACE.dimensions, units, strict=True)}
    for (parameter, _), value in zip(PAIRS, SPACE.values(point).values(), strict=True):
        assert parameter.contains(value)
        assert type(value) is parameter.dtype


@given(units=UNITS)
def test_every_configuration_can_be_said_as_a_vector(units):
    wanted = {p.name: from_unit(p, u) for p, u in zip(PARAMETERS, units, strict=True)}
    for parameter, dimension in PAIRS:
        value = wanted[parameter.name]
        told = parameter.index(value) if parameter.name in ("stepped", "ratio") else value
        position = position_of(dimension, told)
        assert 0.0 <= position <= 1.0
        point = {**SPACE.start, parameter.name: value_at(dimension, position)}
        expected = value if isinstance(value, str) else pytest.approx(value, rel=1e-9, abs=1e-12)
        assert SPACE.values(point)[parameter.name] == expected


@pytest.mark.parametrize("dimension", SPACE.dimensions, ids=lambda d: d.name)
def test_positions_outside_are_clipped_to_the_ends(dimension):
    assert value_at(dimension, -0.5) == value_at(dimension, 0.0)
    assert value_at(dimension, 1.5) == value_at(dimension, 1.0)
    ends = (dimension.options[0], dimension.options[-1]) if isinstance(dimension, Choice) else None
    low, high = ends or (dimension.low, dimension.high)
    assert (value_at(dimension, 0.0), value_at(dimension, 1.0)) == (low, pytest.approx(high))


@pytest.mark.parametrize("name", ["mode", "count", "signed", "switch", "stepped"])
def test_options_and_whole_numbers_have_equal_shares(name):
    dimension = next(d for d in SPACE.dimensions if d.name == name)
    count = len(dimension.options) if isinstance(dimension, Choice) else dimension.high - dimension.low + 1
    found = [value_at(dimension, (i + 0.5) / (12 * count)) for i in range(int(12 * count))]
    assert {found.count(value) for value in found} == {12}


@given(seed=st.integers(0, 2**32))
def test_random_search_draws_what_is_allowed(seed):
    rng = np.random.default_rng(seed)
    values = SPACE.values({d.name: drawn(d, rng) for d in SPACE.dimensions})
    assert all(p.contains(values[p.name]) for p in PARAMETERS)


def test_random_search_reaches_both_ends_of_whole_numbers():
    rng = np.random.default_rng(0)
    dimension = next(d for d in SPACE.dimensions if d.name == "signed")
    assert {drawn(dimension, rng) for _ in range(200)} == {-7, -6, -5, -4, -3}


@given(overshoot=st.floats(-0.5, 0.5))
def test_what_a_peer_says_a_little_outside_the_bounds_is_clipped(overshoot):
    point = {d.name: d.start if isinstance(d, Choice) else d.high + overshoot for d in SPACE.dimensions}
    values = SPACE.values(point)
    assert all(p.contains(values[p.name]) for p in PARAMETERS)
    if overshoot >= 0.0:
        assert all(values[p.name] == p.max for p in PARAMETERS if not isinstance(p, Categorical))


@pytest.mark.parametrize("name", ["system3/heavy", "system20/gaussian3", "hartmann6/gaussian5"])
def test_the_optimum_of_a_landscape_can_be_said(name):
    landscape = instance_of(name, 3)
    space = Space(landscape.parameters)
    point = space.start
    for parameter, dimension in zip(space.parameters, space.dimensions, strict=True):
        value = landscape.optimum[parameter.name]
        grid = isinstance(parameter, Real) and parameter.step is not None
        told = parameter.index(value) if grid else value
        point[parameter.name] = value_at(dimension, position_of(dimension, told))
    assert landscape.regret(space.values(point)) == pytest.approx(0.0, abs=1e-6)


class Stub:
    """A peer that says the space's largest numbers and remembers what it is told."""

    package = "stub"

    def __init__(self, space):
        self.space = space
        self.told = []
        self.favourite = None

    def ask(self):
        return {d.name: d.start if isinstance(d, Choice) else d.high for d in self.space.dimensions}

    def tell(self, point, reward):
        self.told.append((point, reward))

    def choice(self):
        return self.favourite


def test_a_peer_is_told_the_point_that_it_asked_for_in_its_own_terms():
    stub = Stub(SPACE)
    player = Translated(stub)
    values = player.ask()
    assert values["stepped"] == 67
    player.tell(-0.0)
    assert stub.told == [(stub.ask(), 0.0)]
    assert stub.told[0][0]["stepped"] == 9


def test_a_peer_without_a_choice_of_its_own_has_none():
    stub = Stub(SPACE)
    player = Translated(stub)
    assert player.choice() is None
    stub.favourite = SPACE.start
    assert player.choice() == {p.name: p.val for p in PARAMETERS}
