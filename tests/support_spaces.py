"""Spaces that hypothesis draws: every kind of parameter, special values, constraints and conditions."""

from __future__ import annotations

from hypothesis import strategies as st

from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidConstraintError
from oppertune.testing._examples import Example


@st.composite
def specials(draw, low, high):
    """A few values outside the range or in it, with or without probabilities."""
    kind = type(low)
    candidates = [kind(value) for value in (-1, 0, low, low - 7, high + 1, high + 50)]
    values = draw(st.lists(st.sampled_from(candidates), max_size=3, unique=True))
    if draw(st.booleans()):
        return tuple(values)
    return tuple((value, draw(st.sampled_from([0.01, 0.1, 0.3]))) for value in values)


@st.composite
def integers(draw, name):
    log = draw(st.booleans())
    step = 1 if log else draw(st.sampled_from([1, 1, 2, 7, 4096]))
    low = draw(st.integers(1, 1000)) if log else draw(st.integers(-1000, 1000))
    steps = draw(st.integers(0, 2**31 if step == 1 else 50))
    high = low + steps * step
    special = draw(specials(low, high)) if draw(st.booleans()) else ()
    val = low + draw(st.integers(0, steps)) * step
    return _with_val(draw, Integer(name, val=val, min=low, max=high, step=step, log=log, special=special))


def _with_val(draw, made):
    """Now and then a special value is where learning starts."""
    val = draw(st.sampled_from([made.val, *made.special_values]))
    return type(made).from_dict({**made.to_dict(), "val": val})


@st.composite
def reals(draw, name):
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.1, 0.25, 0.3, 1e-3, 5.0]))
        low = round(draw(st.integers(-20, 20)) * step, 6)
        steps = draw(st.integers(0, 40))
        high, at = round(low + steps * step, 6), draw(st.integers(0, steps))
        special = draw(specials(low, high)) if draw(st.booleans()) else ()
        return _with_val(
            draw, Real(name, val=round(low + at * step, 6), min=low, max=high, step=step, special=special)
        )
    log = draw(st.booleans())
    low = draw(st.floats(1e-6, 10.0) if log else st.floats(-1e3, 1e3))
    high = low + draw(st.floats(0.0, 1e6))
    val = min(low + draw(st.floats(0.0, 1.0)) * (high - low), high)
    special = draw(specials(low, high)) if draw(st.booleans()) else ()
    return _with_val(draw, Real(name, val=val, min=low, max=high, log=log, special=special))


@st.composite
def categoricals(draw, name):
    categories = draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))
    return Categorical(name, val=draw(st.sampled_from(categories)), categories=tuple(categories))


KINDS = {Integer: integers, Real: reals, Categorical: categoricals}


@st.composite
def conditions(draw, parameters):
    """For some parameters, when they are active, by one that was declared earlier."""
    drawn = {}
    for i, child in enumerate(parameters[1:], 1):
        if draw(st.booleans()):
            parent = draw(st.sampled_from(parameters[:i]))
            if isinstance(parent, Categorical):
                category = draw(st.sampled_from(parent.categories))
                if category.isprintable() and not set(category) & set("\"'"):
                    drawn[child.name] = f'{parent.name} {draw(st.sampled_from(["==", "!="]))} "{category}"'
            else:
                operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
                number = draw(st.sampled_from([parent.min, parent.val]))
                drawn[child.name] = f"{parent.name} {operator} {number!r}"
    return drawn


@st.composite
def spaces(draw, supported):
    """Parameters of the supported kinds, constraints that can be fulfilled, and conditions."""
    kinds = [kind for kind in KINDS if issubclass(kind, supported)]
    n = draw(st.integers(1, 4))
    parameters = [draw(KINDS[draw(st.sampled_from(kinds))](f"p{i}.x[{i}]")) for i in range(n)]
    numbers = [p.name for p in parameters if not isinstance(p, Categorical)]
    constraints, conditional = [], {}
    if len(numbers) >= 2 and draw(st.booleans()):
        constraints.append(f"{numbers[0]} {draw(st.sampled_from(['<', '<=', '>', '>=']))} {numbers[1]}")
    if draw(st.booleans()):
        conditional = draw(conditions(parameters))
    try:
        Space(parameters, constraints, conditional)
    except InvalidConstraintError:
        constraints = []
    return Example(tuple(parameters), tuple(constraints), conditional)
