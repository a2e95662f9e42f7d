"""The table of names, so that a configuration can say "bluefin" and only that one is imported.

Three ways lead into it: an entry in :data:`ALGORITHMS`, the decorator :func:`register`, and, for packages
installed beside this one, the entry-point group ``oppertune.algorithms``, which is searched only for names
that the table does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from oppertune.core.state import load_state
from oppertune.core.values import Parameter
from oppertune.errors import AlgorithmError, InvalidTypeError, StateError, UnknownAlgorithmError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from oppertune.algorithms.base import Algorithm

__all__ = ("ALGORITHMS", "create_tuning_instance", "get_algorithm_class", "load_tuning_instance", "register")

ENTRY_POINTS = "oppertune.algorithms"
"""The group of entry points under which installed packages offer algorithms."""

ALGORITHMS: dict[str, str | type[Algorithm]] = {
    "auto": "oppertune.algorithms.auto:Auto",
    "autoscope": "oppertune.algorithms.autoscope:AutoScope",
    "bayesian_optimization": "oppertune.algorithms.bayesian_optimization:BayesianOptimization",
    "bluefin": "oppertune.algorithms.bluefin:BlueFin",
    "ddpg": "oppertune.algorithms.ddpg:DDPG",
    "exponential_weights": "oppertune.algorithms.exponential_weights:ExponentialWeights",
    "exponential_weights_slates": "oppertune.algorithms.exponential_weights_slates:ExponentialWeightsSlates",
    "hopt": "oppertune.algorithms.tpe:TPE",
    "hybrid_solver": "oppertune.algorithms.hybrid_solver:HybridSolver",
    "identity": "oppertune.algorithms.identity:Identity",
    "long_run": "oppertune.algorithms.long_run:LongRun",
    "ppo": "oppertune.algorithms.ppo:PPO",
    "slates": "oppertune.algorithms.slates:Slates",
    "tpe": "oppertune.algorithms.tpe:TPE",
    "uniform_random": "oppertune.algorithms.uniform_random:UniformRandom",
}
"""Name to class, or to ``module:Class`` for a class that is imported when it is first asked for."""

_Class = TypeVar("_Class", bound="type[Algorithm]")


def register(name: str) -> Callable[[_Class], _Class]:
    """Add a class to the table, as ``@register("my_algorithm")`` above it.

    Raises:
        InvalidTypeError: the name is no text, or what is decorated is no algorithm.
        AlgorithmError: the name stands for another class already.
    """
    if not isinstance(name, str):
        raise InvalidTypeError(f"the name of an algorithm must be a text, not {name!r}")

    def enter(cls: _Class) -> _Class:
        _check_class(name, cls)
        path = f"{cls.__module__}:{cls.__qualname__}"
        taken = ALGORITHMS.get(name, path)
        # A module that is run a second time defines the same class again.
        if (taken if isinstance(taken, str) else f"{taken.__module__}:{taken.__qualname__}") != path:
            raise AlgorithmError(f"the name {name!r} stands for {taken} already; choose another one")
        ALGORITHMS[name] = cls
        return cls

    return enter


def get_algorithm_class(algorithm: str) -> type[Algorithm]:
    """The class that a name stands for.

    Raises:
        InvalidTypeError: not a str.
        UnknownAlgorithmError: no such name.
        AlgorithmError: the name stands for something that is no algorithm.
    """
    if not isinstance(algorithm, str):
        raise InvalidTypeError(f"the name of an algorithm must be of type str, not {algorithm!r}")
    entry = ALGORITHMS.get(algorithm)
    if entry is None:
        for point in _entry_points():
            if point.name == algorithm:
                return _check_class(algorithm, point.load())
        raise _unknown(algorithm)
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(import_module(module), name)
    return _check_class(algorithm, entry)


def _check_class(name: str, found: Any) -> type[Algorithm]:
    from oppertune.algorithms.base import Algorithm

    if not isinstance(found, type) or not issubclass(found, Algorithm):
        raise AlgorithmError(f"{name!r} stands for {found!r}, which is no subclass of Algorithm")
    return found


def _entry_points() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def _unknown(algorithm: str) -> UnknownAlgorithmError:
    import difflib

    known = sorted({*ALGORITHMS, *(point.name for point in _entry_points())})
    close = difflib.get_close_matches(algorithm, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return UnknownAlgorithmError(f"unknown algorithm {algorithm!r}; {hint}")


def create_tuning_instance(
    algorithm: str | Iterable[Parameter | Mapping[str, Any]] = "hybrid_solver",
    parameters: Iterable[Parameter | Mapping[str, Any]] | str | None = None,
    algorithm_args: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Algorithm:
    """Make an algorithm by name, as ``create_tuning_instance("bluefin", parameters, feedback=2)``.

    The original's order, ``create_tuning_instance(parameters, "bluefin", {"feedback": 2})``, is understood as
    well, by position and by keyword, and so is its default, which is the hybrid solver.

    Args:
        algorithm: a name in :data:`ALGORITHMS` or of an entry point.
        parameters: what to tune.
        algorithm_args: arguments of the algorithm's constructor, as a mapping.
        kwargs: the same, by keyword.

    Raises:
        UnknownAlgorithmError: no such name.
        OppertuneError: what the constructor raises.
    """
    if not isinstance(algorithm, str):
        algorithm, parameters = ("hybrid_solver" if parameters is None else parameters), algorithm
    if not isinstance(algorithm, str):
        raise InvalidTypeError(f"the name of an algorithm must be of type str, not {algorithm!r}")
    if parameters is None or isinstance(parameters, str):
        raise InvalidTypeError(f"parameters must be a list of parameters, not {parameters!r}")
    return get_algorithm_class(algorithm)(parameters, **(algorithm_args or {}), **kwargs)


def load_tuning_instance(path: str | Path | BinaryIO) -> Algorithm:
    """Read what ``save`` wrote, whichever registered algorithm it was.

    Raises:
        StateError: not such a file, damaged, of a future version, or of an algorithm that is neither in the
            table nor an entry point.
        OSError: the file cannot be read.
    """
    saved = load_state(path)
    for name, entry in ALGORITHMS.items():
        called = entry.rpartition(":")[2] if isinstance(entry, str) else entry.__name__
        if called == saved.kind:
            return get_algorithm_class(name)._restored(saved)
    for point in _entry_points():
        if point.value.rpartition(":")[2] == saved.kind:
            return get_algorithm_class(point.name)._restored(saved)
    raise StateError(f"this is the state of {saved.kind}, which is not in the table of algorithms")
