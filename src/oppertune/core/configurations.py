"""What an algorithm answers, made into a complete configuration that is allowed, whatever the answer was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oppertune.core._readers import nearest_reader, outside_reader
from oppertune.core.encoding import to_inside
from oppertune.core.space import Space
from oppertune.core.values import Parameter, Value, ValueType, parameter_from_dict
from oppertune.errors import AlgorithmError, InvalidParameterError, InvalidTypeError


def checked_parameters(
    parameters: Iterable[Parameter | Mapping[str, Any]], supported: tuple[type[ValueType], ...], who: str
) -> tuple[Parameter, ...]:
    """The parameters as objects.

    Args:
        parameters: as objects or in their tagged dictionary form.
        supported: the kinds that an algorithm takes.
        who: the algorithm's name, for messages.

    Raises:
        InvalidParameterError: none at all, a name twice, or one that contradicts itself.
        InvalidTypeError: one of a kind that the algorithm does not take.
    """
    made = tuple(parameter_from_dict(parameter) for parameter in parameters)
    if not made:
        raise InvalidParameterError("the list of parameters is empty")
    seen: set[str] = set()
    for parameter in made:
        if parameter.name in seen:
            raise InvalidParameterError(f"two parameters are named {parameter.name!r}")
        seen.add(parameter.name)
        if not isinstance(parameter, supported):
            raise InvalidTypeError(
                f"{who} does not take {parameter.name!r}, which is of type {type(parameter).__name__}"
            )
    return made


class Configurations:
    """The two views of a space: what an algorithm sees of it, and the configurations that callers get.

    Args:
        space: every parameter, and what holds between them.
        untransformed: whether the algorithm sees outside values rather than inside ones.

    Attributes:
        space: as given.
        learnable: the parameters that are not constant.
        params: the same as the algorithm sees them.
    """

    def __init__(self, space: Space, *, untransformed: bool) -> None:
        self.space = space
        self.learnable = tuple(p for p in space.parameters if not p.is_constant)
        self.params = self.learnable if untransformed else tuple(to_inside(p) for p in self.learnable)
        self._readers = tuple(
            (p.name, nearest_reader(p) if untransformed else outside_reader(p)) for p in self.learnable
        )
        self._has_constants = len(self.learnable) < len(space.parameters)
        self._is_restricted = space.is_restricted

    def complete(self, answer: object, who: str) -> dict[str, Value]:
        """The configuration that an answer means: on the grid, with constants, everything holding.

        Args:
            answer: a value for each of ``params``; others are ignored.
            who: the algorithm's name, for messages.

        Raises:
            AlgorithmError: no mapping, a parameter left out, or a value that is none.
        """
        if not isinstance(answer, Mapping):
            raise AlgorithmError(
                f"{who}._predict must return a _PredictResponse of a mapping, not {answer!r}"
            )
        try:
            values: dict[str, Any] = {name: read(answer[name]) for name, read in self._readers}
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            if missing := [p.name for p in self.params if p.name not in answer]:
                raise AlgorithmError(f"{who}._predict left out {missing}") from None
            raise AlgorithmError(f"{who}._predict returned a value that cannot be used: {error}") from error
        if self._has_constants:
            values = {p.name: values.get(p.name, p.val) for p in self.space.parameters}
        return self.space.admit(values) if self._is_restricted else values
