"""Conditions are read from a closed grammar, and what is inactive takes its own value."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.conditions import Condition
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidConstraintError, InvalidTypeError
from oppertune.testing.contract import check_prediction
from support_spaces import spaces

PARAMETERS = (
    Categorical("compression", "none", ("none", "zstd", "lz4")),
    Integer("level", 3, 1, 19),
    Integer("workers", 4, 1, 64, special=(-1,)),
    Real("share", 0.5, 0.0, 1.0),
)
NAMES = [p.name for p in PARAMETERS]


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ('compression == "zstd"', {"compression": "zstd"}, True),
        ("compression != 'zstd'", {"compression": "zstd"}, False),
        ('compression in ("zstd", "lz4")', {"compression": "lz4"}, True),
        ("workers > 1", {"workers": -1}, False),
        ("workers == -1", {"workers": -1}, True),
        ("workers in (-1, 4, 8)", {"workers": 8}, True),
        ("workers != 4", {"workers": 4}, False),
        ("share<=0.3", {"share": 0.1 + 0.2}, True),
        ("share < 0.3", {"share": 0.1 + 0.2}, False),
        ("share >= 5e-1", {"share": 0.4}, False),
    ],
)
def test_the_grammar(text, values, holds):
    condition = Condition.parse(text, NAMES)
    assert condition.holds(values) is holds
    assert Condition.parse(str(condition), NAMES) == condition


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("compresion == 'zstd'", "did you mean 'compression'"),
        ("compression == zstd", "a number or a text in quotes at position 15"),
        ("compression", "position 11"),
        ("workers > 1 and workers < 3", "expected the end"),
        ("workers in 3", "parenthesis"),
        ("workers in (3, , 4)", "a number or a text"),
        ("workers in (3", "closing parenthesis"),
        ("__import__('os') == 1", "unknown name"),
        ("1 < workers", "unknown name '1'"),
        ("", "position 0"),
    ],
)
def test_everything_else_is_refused_with_its_place(text, says):
    with pytest.raises(InvalidConstraintError) as caught:
        Condition.parse(text, NAMES)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"level": 'compression == "gzip"'}, "not one of categories"),
        ({"level": "compression > 'none'"}, "have no order"),
        ({"level": "workers == 'many'"}, "compares the number"),
        ({"depth": "workers > 1"}, "not a parameter"),
        ({"level": "level > 1"}, "wait for one another"),
        ({"level": "workers > 1", "workers": "level > 1"}, "wait for one another"),
        ({"level": Condition("depth", ">", (1,))}, "not a parameter"),
    ],
)
def test_conditions_that_cannot_be(conditions, says):
    with pytest.raises(InvalidConstraintError, match=says):
        Space(PARAMETERS, (), conditions)


def test_misuse():
    with pytest.raises(InvalidTypeError):
        Space(PARAMETERS, (), ["workers > 1"])
    with pytest.raises(InvalidTypeError):
        Condition.parse(3, NAMES)
    with pytest.raises(InvalidConstraintError, match="no value"):
        Condition.parse("workers > 1", NAMES).holds({})
    with pytest.raises(InvalidConstraintError, match="no value"):
        Space(PARAMETERS).repair({"level": 3})


def test_what_is_inactive_takes_its_own_value():
    space = Space(PARAMETERS, (), {"level": 'compression == "zstd"'})
    given = {"compression": "zstd", "level": 9, "workers": -1, "share": 0.1}
    assert space.repair(given) == given
    assert space.active(given) == ("compression", "level", "workers", "share")
    off = {**given, "compression": "none"}
    assert not space.holds(off)
    assert space.repair(off) == {**off, "level": 3}
    assert space.active(off) == ("compression", "workers", "share")


def test_what_depends_on_something_inactive_is_inactive():
    conditions = {"share": "level > 2", "level": ('compression == "zstd"', "workers > 1")}
    space = Space(PARAMETERS, (), conditions)
    given = {"compression": "none", "level": 9, "workers": 5, "share": 0.1}
    assert space.repair(given) == {"compression": "none", "level": 3, "workers": 5, "share": 0.5}
    assert space.active(given) == ("compression", "workers")
    assert [str(c) for c in space.conditions["level"]] == ['compression == "zstd"', "workers > 1"]


def test_constraints_hold_whatever_is_active():
    space = Space(PARAMETERS, ["level <= workers"], {"level": 'compression == "zstd"'})
    repaired = space.repair({"compression": "none", "level": 1, "workers": 1, "share": 0.0})
    assert repaired["compression"] == "none"
    assert repaired["level"] == 3
    assert repaired["workers"] >= 3
    special = space.repair({"compression": "zstd", "level": 7, "workers": -1, "share": 0.0})
    assert space.holds(special)


def test_an_anchor_is_sought_among_what_is_active():
    # The own values do not fulfil the constraint, and level is stuck at 3 without compression.
    space = Space(
        PARAMETERS, ["level > workers + 8"], {"level": 'compression == "zstd"', "share": "workers > 0"}
    )
    repaired = space.repair(space.defaults)
    assert space.holds(repaired)
    assert space.repair(repaired) == repaired


@settings(deadline=None)
@given(st.data())
def test_repairs_hold_and_are_stable(data):
    example = data.draw(spaces((Categorical, Integer, Real)))
    space = Space(example.parameters, example.constraints, example.conditions)
    algorithm = UniformRandom(example.parameters, random_seed=data.draw(st.integers(0, 99)))
    drawn = algorithm.predict().prediction
    repaired = space.repair(drawn)
    check_prediction(example.parameters, example.constraints, repaired, example.conditions)
    assert space.repair(repaired) == repaired
    if space.holds(drawn):
        assert repaired == drawn


def test_algorithms_keep_and_save_them():
    algorithm = UniformRandom(
        PARAMETERS,
        conditions={"level": 'compression in ("zstd",)'},
        constraints=["level <= 18"],
        random_seed=1,
    )
    levels = {}
    for _ in range(60):
        prediction = algorithm.predict(fresh=True).prediction
        levels.setdefault(prediction["compression"] == "zstd", set()).add(prediction["level"])
    assert levels[False] == {3}
    assert len(levels[True]) > 5
    loaded = UniformRandom.load(io.BytesIO(algorithm.dumps()))
    assert loaded.conditions == algorithm.conditions
    assert UniformRandom.loads(algorithm.dumps()).predict().prediction == loaded.predict().prediction
