"""Pure verdicts: may this parameter be tuned at all, and may this configuration be tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from oppertune.core.values import Categorical, Parameter, Value
from tactician import catalogue
from tactician.errors import Problem
from tactician.experiment import Experiment, TunedParameter

_FEW = 64
_SYSCTL_ROOT = "/proc/sys/"


def refusals(experiment: Experiment, allow_durability: Collection[str] = ()) -> list[Problem]:
    """Say what in an experiment is unsafe, all of it, with ranges and reasons.

    Args:
        experiment: as read from its file.
        allow_durability: parameters for which the operator gave up crash safety by name.
    """
    problems = []
    for index, tuned in enumerate(experiment.parameters):
        path = f"action_space[{index}]"
        if is_sysctl(tuned):
            problems += _sysctl_refusals(path, tuned)
        if experiment.throw_away and tuned.on_host and not _key(tuned.target).startswith("net."):
            message = (
                f"{tuned.name} belongs to the whole host, which a throw-away network namespace does not hold"
            )
            problems.append(Problem(f"{path}.param", message))
        if tuned.name not in allow_durability:
            problems += _durability_refusals(path, tuned)
    return problems


def objection(experiment: Experiment, configuration: Mapping[str, Value]) -> str:
    """Say why a configuration may not be tried; empty if it may.

    The last check before a plan is made: it catches an algorithm that predicts outside its space.
    """
    for tuned in experiment.parameters:
        if tuned.name not in configuration:
            return f"{tuned.name} is missing"
        if not tuned.parameter.contains(configuration[tuned.name]):
            return f"{tuned.name}={configuration[tuned.name]!r} is outside its range"
    for constraint in experiment.constraints:
        if not constraint.holds(configuration):
            return f"breaks the constraint {constraint}"
    return ""


def unknown(experiment: Experiment) -> list[str]:
    """Return the sysctls for which no safe range is known."""
    return [
        tuned.name
        for tuned in experiment.parameters
        if is_sysctl(tuned) and catalogue.entry(_key(tuned.target)) is None
    ]


def _sysctl_refusals(path: str, tuned: TunedParameter) -> list[Problem]:
    key = _key(tuned.target)
    reason = catalogue.danger(key)
    if reason is not None:
        return [Problem(f"{path}.param", f"{key} is never tuned: {reason}; remove it")]
    known = catalogue.entry(key)
    if known is None or known.low is None or known.high is None:
        return []
    low, high = _bounds(tuned.parameter)
    problems = []
    if low is not None and low < known.low:
        problems.append(Problem(f"{path}.min", _outside(key, low, known.low, known.high, known.source)))
    if high is not None and high > known.high:
        problems.append(Problem(f"{path}.max", _outside(key, high, known.low, known.high, known.source)))
    return problems


def _outside(key: str, value: float, low: float, high: float, source: str) -> str:
    return f"{value:g} is outside the safe range of {key}, {low:g} to {high:g} ({source})"


def _durability_refusals(path: str, tuned: TunedParameter) -> list[Problem]:
    risky = catalogue.durability_risks(tuned.target)
    chosen = [value for value in _possible_values(tuned.parameter) if value.lower() in risky]
    if not chosen:
        return []
    listed = ", ".join(chosen)
    message = (
        f"{tuned.name}={listed} wins by giving up crash safety; leave it out, "
        f"or accept the loss of data with --allow-durability {tuned.name}"
    )
    return [Problem(path, message)]


def _possible_values(parameter: Parameter) -> Sequence[str]:
    if isinstance(parameter, Categorical):
        return [str(category) for category in parameter.categories]
    # Only small numbers stand for switches such as synchronous = 0.
    return [str(number) for number in range(_FEW) if parameter.contains(number)]


def _bounds(parameter: Parameter) -> tuple[float | None, float | None]:
    if not isinstance(parameter, Categorical):
        return parameter.min, parameter.max
    numbers = [
        float(part) for category in parameter.categories for part in category.split() if _is_number(part)
    ]
    return (min(numbers), max(numbers)) if numbers else (None, None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_sysctl(tuned: TunedParameter) -> bool:
    """Whether it is a sysctl, also where it was given as a path below /proc/sys."""
    return tuned.kind == "sysctl" or (tuned.kind == "sysfs" and tuned.target.startswith(_SYSCTL_ROOT))


def _key(target: str) -> str:
    """Return the catalogue's name of a sysctl target: dotted, without a field index."""
    return target.removeprefix(_SYSCTL_ROOT).partition("[")[0].replace("/", ".")
