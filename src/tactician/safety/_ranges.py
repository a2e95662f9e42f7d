"""What a parameter may become, held against what its catalogue entry calls safe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from oppertune.core.values import Categorical, Parameter, Real
from tactician import catalogue
from tactician.experiment import TunedParameter
from tactician.safety.constraints import broken_within

_FEW = 64
# The kernel reads 010 as octal and 0x20 as hexadecimal; of "60 70" it takes the 60 and says nothing.
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def outside(
    tuned: TunedParameter, known: catalogue.Entry, facts: Mapping[str, float], risks: Collection[str]
) -> list[tuple[str, str]]:
    """Return where and why a parameter leaves what is safe.

    Args:
        tuned: the parameter.
        known: its entry.
        facts: of the host, for ranges that depend on it.
        risks: values that are refused for another reason.

    Returns:
        Keys of the item of ``action_space`` (``min``, ``max``, ``values``), each with a message.
    """
    if isinstance(tuned.parameter, Categorical):
        return [("values", why) for why in _bad_words(tuned, tuned.parameter, known, facts, risks)]
    if known.values:
        listed = ", ".join(known.values)
        numbers = [word for word in known.values if not _DECIMAL.fullmatch(word)]
        return [("type", f"{tuned.name} takes words, not numbers: {listed}")] if numbers else []
    limits = catalogue.limits(known, facts)
    if limits is None:
        return []
    found = []
    if known.type == "int" and isinstance(tuned.parameter, Real) and not _is_whole(tuned.parameter):
        found.append(("type", f"{known.name} takes whole numbers; give type int, or a whole min and step"))
    ends = [("min", tuned.parameter.min), ("max", tuned.parameter.max)]
    for where, value in (*ends, *(("special", value) for value in tuned.parameter.special_values)):
        if not limits[0] <= value <= limits[1]:
            found.append((where, _message(value, known, limits)))
    step = catalogue.resolve(known, facts).step
    if isinstance(step, int) and (tuned.parameter.min % step or (tuned.parameter.step or 1) % step):
        message = (
            f"the kernel keeps {known.name} in multiples of {step}; give step {step} and a min that is one"
        )
        found.append(("step", message))
    return found


def _is_whole(parameter: Real) -> bool:
    return parameter.min.is_integer() and parameter.step is not None and parameter.step.is_integer()


def possible_values(parameter: Parameter) -> Sequence[str]:
    """Return the values that may stand for a switch: all categories, or the small numbers."""
    if isinstance(parameter, Categorical):
        return [str(category) for category in parameter.categories]
    return [str(number) for number in range(_FEW) if parameter.contains(number)]


def _bad_words(
    tuned: TunedParameter,
    parameter: Categorical,
    known: catalogue.Entry,
    facts: Mapping[str, float],
    risks: Collection[str],
) -> Iterator[str]:
    limits = catalogue.limits(known, facts)
    words = {word for word in known.special if not _DECIMAL.fullmatch(word)} | set(known.values)
    several = bool(known.fields) and "[" not in tuned.target
    step = catalogue.resolve(known, facts).step
    for category in map(str, parameter.categories):
        if category in words or category.lower() in risks or category == str(known.default):
            continue
        if known.values:
            listed = ", ".join(known.values)
            yield f"{category} is no value that is known to be safe for {known.name}: {listed}"
        elif limits is not None:
            yield from _bad_numbers(category, several, known, limits)
            if isinstance(step, int) and _DECIMAL.fullmatch(category) and float(category) % step:
                yield f"the kernel keeps {known.name} in multiples of {step}, which {category} is not"


def _bad_numbers(
    category: str, several: bool, known: catalogue.Entry, limits: tuple[float, float]
) -> Iterator[str]:
    numbers = category.split()
    wanted = len(known.fields) if several else 1
    unit = f" of {known.unit}" if known.unit else ""
    if len(numbers) != wanted:
        names = f" ({', '.join(known.fields)})" if several else ""
        yield f"{category!r} has {len(numbers)} parts, {known.name} takes {wanted}{names}"
        return
    odd = [number for number in numbers if not _DECIMAL.fullmatch(number)]
    if odd:
        yield f"{odd[0]!r} is no plain decimal number{unit}, which {known.name} takes"
        return
    for number in numbers:
        if not limits[0] <= float(number) <= limits[1]:
            yield _message(float(number), known, limits)
    if several:
        for constraint in broken_within(known, [float(number) for number in numbers]):
            yield f"{category!r} breaks {constraint}; the kernel would take it without a word"


def _message(value: float, known: catalogue.Entry, limits: tuple[float, float]) -> str:
    low, high = (_plain(limit) for limit in limits)
    special = known.special.get(_plain(value))
    meaning = f" (it means: {special})" if special else ""
    unit = f" {known.unit}" if known.unit else ""
    here = " on this host" if isinstance(known.low, str) or isinstance(known.high, str) else ""
    return (
        f"{_plain(value)}{meaning} is outside the safe range of {known.name}{here}, "
        f"{low} to {high}{unit} ({known.source})"
    )


def _plain(number: float) -> str:
    """Write a number in full, a whole one without a fraction."""
    return str(int(number)) if number == int(number) else str(number)
