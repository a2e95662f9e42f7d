"""The table of names, so that a configuration can say "bluefin" and only that one is imported."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oppertune.core.state import load_state
from oppertune.core.values import Parameter
from oppertune.errors import AlgorithmError, InvalidTypeError, StateError, UnknownAlgorithmError

if TYPE_CHECKING:
    from oppertune.algorithms.base import Algorithm

__all__ = ("ALGORITHMS", "create_tuning_instance", "get_algorithm_class", "load_tuning_instance")

ALGORITHMS: dict[str, str | type[Algorithm]] = {
    "bluefin": "oppertune.algorithms.bluefin:BlueFin",
    "identity": "oppertune.algorithms.identity:Identity",
    "ppo": "oppertune.algorithms.ppo:PPO",
    "uniform_random": "oppertune.algorithms.uniform_random:UniformRandom",
}
"""Name to class, or to ``module:Class`` for a class that is imported when it is first asked for."""


def get_algorithm_class(algorithm: str) -> type[Algorithm]:
    """The class that a name stands for.

    Raises:
        InvalidTypeError: not a str.
        UnknownAlgorithmError: no such name.
        AlgorithmError: the name stands for something that is no algorithm.
    """
    if not isinstance(algorithm, str):
        raise InvalidTypeError(f"the name of an algorithm must be of type str, not {algorithm!r}")
    try:
        entry = ALGORITHMS[algorithm]
    except KeyError:
        close = difflib.get_close_matches(algorithm, ALGORITHMS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(ALGORITHMS))}"
        raise UnknownAlgorithmError(f"unknown algorithm {algorithm!r}; {hint}") from None
    if not isinstance(entry, str):
        return entry
    module, _, name = entry.partition(":")
    found: object = getattr(import_module(module), name)
    if not isinstance(found, type):
        raise AlgorithmError(f"{entry} is no class")
    return found


def create_tuning_instance(
    algorithm: str | Iterable[Parameter | Mapping[str, Any]],
    parameters: Iterable[Parameter | Mapping[str, Any]] | str | None = None,
    algorithm_args: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Algorithm:
    """Make an algorithm by name, as ``create_tuning_instance("bluefin", parameters, feedback=2)``.

    The original's order, ``create_tuning_instance(parameters, "bluefin", {"feedback": 2})``, is understood as
    well, by position and by keyword.

    Args:
        algorithm: a name in :data:`ALGORITHMS`.
        parameters: what to tune.
        algorithm_args: arguments of the algorithm's constructor, as a mapping.
        kwargs: the same, by keyword.

    Raises:
        UnknownAlgorithmError: no such name.
        OppertuneError: what the constructor raises.
    """
    if not isinstance(algorithm, str):
        algorithm, parameters = parameters, algorithm  # type: ignore[assignment]
    if not isinstance(algorithm, str):
        raise InvalidTypeError(f"the name of an algorithm must be of type str, not {algorithm!r}")
    if parameters is None or isinstance(parameters, str):
        raise InvalidTypeError(f"parameters must be a list of parameters, not {parameters!r}")
    return get_algorithm_class(algorithm)(parameters, **(algorithm_args or {}), **kwargs)


def load_tuning_instance(path: str | Path) -> Algorithm:
    """Read what ``save`` wrote, whichever registered algorithm it was.

    Raises:
        StateError: not such a file, damaged, of a future version, or of an algorithm that is not in the
            table.
        OSError: the file cannot be read.
    """
    kind, state = load_state(path)
    for name, entry in ALGORITHMS.items():
        called = entry.rpartition(":")[2] if isinstance(entry, str) else entry.__name__
        if called == kind:
            return get_algorithm_class(name)._restored(kind, state)
    raise StateError(f"this is the state of {kind}, which is not in the table of algorithms")
