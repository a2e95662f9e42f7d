"""Parameters check themselves, and know their values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.encoding import from_inside, from_unit, to_inside, to_unit
from oppertune.core.values import Categorical, Integer, Real, ValueType, parameter_from_dict
from oppertune.errors import InvalidParameterError, InvalidTypeError, OppertuneError


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Integer("n", val=5, min=0, max=4), ValueError),
        (lambda: Integer("n", val=-1, min=0, max=4), ValueError),
        (lambda: Integer("n", val=2, min=4, max=0), ValueError),
        (lambda: Integer("n", val=3, min=0, max=4, step=2), ValueError),
        (lambda: Integer("n", val=2, min=0, max=5, step=2), ValueError),
        (lambda: Integer("n", val=2, min=0, max=4, step=0), ValueError),
        (lambda: Integer("n", val=2, min=0, max=4, log=True), ValueError),
        (lambda: Integer("n", val="2", min=0, max=4), TypeError),
        (lambda: Integer("n", val=2, min="0", max=4), TypeError),
        (lambda: Integer("n", val=True, min=0, max=4), TypeError),
        (lambda: Integer("n", val=2.5, min=0, max=4), TypeError),
        (lambda: Integer("n", val=math.nan, min=0, max=4), ValueError),
        (lambda: Integer("n", val=2, min=0, max=math.inf), ValueError),
        (lambda: Integer("n", val=2, min=1, max=4, log="yes"), TypeError),
        (lambda: Integer(7, val=2, min=0, max=4), TypeError),
        (lambda: Integer("", val=2, min=0, max=4), ValueError),
        (lambda: Real("x", val=math.nan, min=0, max=1), ValueError),
        (lambda: Real("x", val=0.5, min=-math.inf, max=1), ValueError),
        (lambda: Real("x", val=0.5, min=None, max=1), TypeError),
        (lambda: Real("x", val=0.5, min=0, max=1, step=0.0), ValueError),
        (lambda: Real("x", val=0.55, min=0, max=1, step=0.1), ValueError),
        (lambda: Real("x", val=0.5, min=0, max=1, step=0.3), ValueError),
        (lambda: Real("x", val=0.0, min=0, max=1, log=True), ValueError),
        (lambda: Real("x", val=0.0, min=-1e308, max=1e308), ValueError),
        (lambda: Categorical("c", val="z", categories=("a", "b")), ValueError),
        (lambda: Categorical("c", val="a", categories=("a", "a")), ValueError),
        (lambda: Categorical("c", val="a", categories=()), ValueError),
        (lambda: Categorical("c", val="a", categories="abc"), TypeError),
        (lambda: Categorical("c", val=1, categories=(1, 2)), TypeError),
    ],
)
def test_what_contradicts_itself_cannot_be_made(make, error):
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, OppertuneError)


def test_steps_that_floats_cannot_write_are_spelled_as_people_do():
    x = Real("x", val=0.3, min=0.1, max=0.9, step=0.1)
    assert [x.at(i) for i in range(9)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert x.cast(0.1 + 0.2) == 0.3
    assert x.nearest(0.1 + 0.2) == 0.3
    assert Real("x", val=0.1 + 0.2, min=0, max=1, step=0.1).val == 0.3
    assert Real("x", val=3e-7, min=1e-7, max=9e-7, step=1e-7).at(4) == 5e-7


def test_numbers_of_other_kinds_become_native():
    n = Integer("n", val=np.int64(4), min=0.0, max=np.int32(8))
    assert [type(v) for v in (n.val, n.min, n.max)] == [int] * 3
    assert type(n.cast(np.int16(3))) is int
    assert type(Real("x", val=np.float32(0.5), min=0, max=1).val) is float


def test_casting_is_strict_and_the_nearest_is_not():
    n = Integer("n", val=4, min=0, max=8, step=4)
    assert n.cast(8.0) == 8
    for wrong in (3, 12, -4, math.nan):
        with pytest.raises(InvalidParameterError):
            n.cast(wrong)
    for wrong in ("4", True, None, 4.5):
        with pytest.raises(InvalidTypeError):
            n.cast(wrong)
    assert [n.nearest(v) for v in (-9, 1, 2, 2.1, 6, 7, 99)] == [0, 0, 0, 4, 8, 8, 8]
    with pytest.raises(InvalidParameterError):
        n.nearest(math.inf)
    assert not n.contains(3)
    assert n.contains(4)
    c = Categorical("c", val="a", categories=["a", "b"])
    assert c.nearest("b") == "b"
    assert not c.contains("z")
    assert not c.contains(1)
    assert (c.n_categories, c.encoded_value(), c.encoded_value("b"), c.category(1)) == (2, 0, 1, "b")


def test_large_integers_are_exact():
    n = Integer("n", val=2**63 - 1, min=1, max=2**63 - 1)
    assert n.nearest(2**63 - 2) == 2**63 - 2
    assert n.cast(2**62 + 1) == 2**62 + 1


@pytest.mark.parametrize(
    "parameter",
    [
        Integer("n", val=4, min=0, max=8, step=4),
        Real("x", val=1.0, min=0.5, max=8, log=True),
        Categorical("c", val="a", categories=("a", "b")),
    ],
)
def test_the_tagged_form_says_everything(parameter):
    assert parameter_from_dict(parameter.to_dict()) == parameter
    assert parameter_from_dict(parameter) is parameter
    assert isinstance(parameter, ValueType)
    with pytest.raises(AttributeError):
        parameter.val = 0


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"type": "complex", "name": "n"}, ValueError),
        ({"name": "n"}, ValueError),
        ({"type": "integer", "name": "n", "val": 1, "min": 0}, ValueError),
        ({"type": "integer", "name": "n", "val": 1, "min": 0, "max": 3, "mix": 3}, ValueError),
        (["integer"], TypeError),
    ],
)
def test_wrong_tagged_forms_are_refused(document, error):
    with pytest.raises(error):
        parameter_from_dict(document)


@st.composite
def grids(draw):
    low, step, steps = (
        draw(st.integers(-(10**6), 10**6)),
        draw(st.integers(1, 10**4)),
        draw(st.integers(1, 10**6)),
    )
    kind = draw(st.sampled_from(["integer", "real", "log"]))
    at = draw(st.integers(0, steps))
    if kind == "integer":
        return Integer("n", val=low + at * step, min=low, max=low + steps * step, step=step)
    if kind == "log":
        return Integer("n", val=1 + at, min=1, max=1 + steps, log=True)
    return Real(
        "x", val=(low + at * step) / 1000, min=low / 1000, max=(low + steps * step) / 1000, step=step / 1000
    )


@given(grids(), st.floats(-0.5, 1.5))
def test_grids_go_there_and_back_exactly(parameter, position):
    value = from_unit(parameter, position)
    assert parameter.cast(value) == value
    unit = to_unit(parameter, value)
    assert 0.0 <= unit <= 1.0
    assert from_unit(parameter, unit) == value
    assert from_unit(parameter, 0.0) == parameter.min
    assert from_unit(parameter, 1.0) == parameter.max
    assert from_unit(parameter, to_unit(parameter, parameter.val)) == parameter.val


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(0, 1), st.booleans())
def test_ranges_go_there_and_back_up_to_rounding(low, span, position, log):
    parameter = Real("x", val=low, min=low, max=low + span, log=log)
    value = from_unit(parameter, position)
    assert parameter.contains(value)
    assert from_unit(parameter, to_unit(parameter, value)) == pytest.approx(value, rel=1e-9)
    assert to_unit(parameter, value) == pytest.approx(position, abs=1e-7)


def test_logarithms_put_ratios_at_equal_distances():
    parameter = Integer("n", val=1, min=1, max=10000, log=True)
    assert [from_unit(parameter, x / 4) for x in range(5)] == [1, 10, 100, 1000, 10000]


def test_categories_have_equal_shares():
    parameter = Categorical("c", val="a", categories=("a", "b", "c", "d"))
    assert [from_unit(parameter, x) for x in (0.0, 0.24, 0.25, 0.6, 0.75, 1.0)] == [
        "a",
        "a",
        "b",
        "c",
        "d",
        "d",
    ]
    assert all(from_unit(parameter, to_unit(parameter, c)) == c for c in parameter.categories)
    with pytest.raises(InvalidParameterError):
        from_unit(parameter, math.nan)


def test_the_inside_is_as_the_papers_have_it():
    assert to_inside(Integer("n", val=6, min=2, max=10, step=4)) == Integer("n", val=1, min=0, max=2)
    assert to_inside(Real("x", val=3.0, min=2, max=6)) == Real("x", val=0.25, min=0, max=1)
    assert to_inside(Real("x", val=0.3, min=0.1, max=0.9, step=0.1)) == Integer("x", val=2, min=0, max=8)
    assert to_inside(Real("x", val=3.0, min=3, max=3)) == Integer("x", val=0, min=0, max=0)
    assert to_inside(Integer("n", val=10, min=1, max=100, log=True)) == Real("n", val=0.5, min=0, max=1)
    x = Integer("n", val=6, min=2, max=42, step=4)
    # halves go to the even neighbour, as the original rounds
    assert [from_inside(x, v) for v in (0.5, 1.5, 2.5, 99, -3)] == [2, 10, 10, 42, 2]
    assert from_inside(Real("x", val=3.0, min=2, max=6), 0.5) == 4.0
    for wrong in (math.nan, "1"):
        with pytest.raises(InvalidParameterError):
            from_inside(x, wrong)
