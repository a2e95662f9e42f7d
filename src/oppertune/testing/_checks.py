"""What laws are phrased with: a sentence that must hold, a call that must be refused, a valid prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from oppertune.core.conditions import Conditions
from oppertune.core.constraints import Constraint
from oppertune.core.encoding import to_unit
from oppertune.core.space import NO_CONDITIONS, Space
from oppertune.core.values import Parameter, Value

Constraints = Sequence[Constraint | str]


def law(holds: object, sentence: str) -> None:
    """Raise AssertionError with the sentence unless it holds."""
    if not holds:
        raise AssertionError(sentence)


def refuses(error: type[Exception], sentence: str, call: Callable[..., object], *args: object) -> None:
    """Raise AssertionError with the sentence unless the call raises the error."""
    try:
        call(*args)
    except error:
        return
    raise AssertionError(f"{sentence}; {error.__name__} was expected")


def smooth_reward(parameters: Sequence[Parameter], values: Mapping[str, Value]) -> float:
    """A deterministic reward in [-1, 1] with its optimum inside the space, for trying algorithms out."""
    distances = [(to_unit(p, values[p.name]) - 0.6) ** 2 for p in parameters]
    return 1.0 - 2.0 * sum(distances) / len(distances)


def check_prediction(
    parameters: Sequence[Parameter],
    constraints: Constraints,
    prediction: object,
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Check that a configuration is allowed.

    Every parameter, in order, has an allowed value of its native type, the constraints hold, and what is
    inactive has its own value.

    Raises:
        AssertionError: it is not.
    """
    if not isinstance(prediction, dict):
        raise AssertionError(f"a prediction is a dict, not {prediction!r}")
    law(
        list(prediction) == [p.name for p in parameters],
        "a prediction names every parameter, in order",
    )
    for p in parameters:
        value = prediction[p.name]
        law(type(value) is p.dtype, f"{p.name} is predicted as {p.dtype.__name__}, not as {value!r}")
        law(
            p.contains(value) and p.cast(value) == value, f"{value!r} is in the bounds and on the grid of {p}"
        )
    space = Space(parameters, constraints, conditions)
    law(
        all(constraint.holds(prediction) for constraint in space.constraints),
        f"the constraints hold in {prediction}",
    )
    active = space.active(prediction)
    law(
        all(prediction[p.name] == p.val for p in parameters if p.name not in active),
        f"what is inactive has its own value in {prediction}",
    )
