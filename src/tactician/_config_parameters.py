"""Turns the items of ``action_space`` into parameters and the places where they live."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from math import isclose, isqrt, sqrt

from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from tactician._config_models import ActionItem, Document
from tactician._config_services import service_of, service_trouble
from tactician._config_shape import type_hint
from tactician._config_text import Findings, Where, near, shown, spelled
from tactician.experiment import HOST_KINDS, KnobKind, TunedParameter, with_value

_BRACES = re.compile(r"(?<!\$)\{([^{}\s]+)\}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""The form of an environment variable's name."""


def placeholders(*commands: str | None) -> set[str]:
    """The names in braces; ``${NAME}`` is the shell's, not ours."""
    return {name for command in commands for name in _BRACES.findall(command or "")}


_SYSCTL = re.compile(r"([\w:@+][\w:@+-]*(?:[./][\w:@+-]+)+)(?:\[(\d{1,4})\])?", re.ASCII)
_SYSFS = re.compile(r"(?:/sys|/proc/sys)(?:/[\w:@+,=.-]+)+", re.ASCII)
_ARGUMENT = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_SWAP = str.maketrans("./", "/.")


def _dotted(key: str) -> str:
    """A sysctl key with dots; the separator that comes first decides, as in sysctl(8)."""
    first = re.search(r"[./]", key)
    return key.translate(_SWAP) if first and first.group() == "/" else key


def _kind(item: ActionItem, where: Where, doc: Document, found: Findings) -> KnobKind | None:
    """Where the parameter lives; None where that cannot be known because something else is broken."""
    if item.param is None or found.at((*where, "knob")):
        return None
    if item.knob is not None:
        return item.knob
    if item.param in placeholders(doc.benchmark_command, doc.setup_command):
        return "argument"
    if item.param.startswith("/"):
        return "sysfs"
    if service_of(item.param, doc) is not None:
        return "service"
    if doc.benchmark_command is None and not _SYSCTL.fullmatch(item.param):
        return None
    return "sysctl"


def _target(kind: KnobKind, param: str, where: Where, doc: Document, found: Findings) -> str:
    trouble = {
        "sysctl": _sysctl_trouble,
        "sysfs": _sysfs_trouble,
        "service": service_trouble,
        "argument": _argument_trouble,
        "environment": _environment_trouble,
    }[kind](param, doc)
    if trouble:
        found.add((*where, "param"), f"{shown(param)} {trouble}")
    return _dotted(param) if kind == "sysctl" else param


def _sysctl_trouble(param: str, doc: Document) -> str:
    match = _SYSCTL.fullmatch(param)
    if match:
        field = match[2]
        if field is not None and (int(field) > 15 or field != str(int(field))):
            return f"has no field [{field}]; fields are [0] to [15]"
        return ""
    if param.startswith("/"):
        return "is a path; write knob sysfs, or the key with dots"
    if re.fullmatch(r"[\w-]+", param):
        used = f"${{{param}}}" in (doc.benchmark_command or "")
        place = (
            "add knob environment" if used else f"write {{{param}}} into benchmark_command for an argument"
        )
        return f"is no sysctl key; write it in full, such as vm.swappiness, or {place}"
    return "is no sysctl key; write it as vm.swappiness, or net.ipv4.tcp_rmem[2] for one field"


def _sysfs_trouble(param: str, doc: Document) -> str:
    if _SYSFS.fullmatch(param) and not {".", ".."} & set(param.split("/")):
        return ""
    if not param.startswith(("/sys/", "/proc/sys/")):
        return "is not below /sys or /proc/sys; nothing else is written"
    return "is no plain path; leave out '..', blanks, double slashes and signs of the shell"


def _argument_trouble(param: str, doc: Document) -> str:
    if param == "duration":
        return "is taken for the length of a run; choose another name"
    if not _ARGUMENT.fullmatch(param):
        return "is no name for an argument; use letters, digits, '_', '.' and '-', no digit first"
    if doc.benchmark_command is None or param in placeholders(doc.benchmark_command):
        return ""
    if param in placeholders(doc.setup_command):
        return "stands only in setup_command, which runs once; write it into benchmark_command"
    if f"${{{param}}}" in doc.benchmark_command:
        return f"stands there as ${{{param}}}, which is the shell's; write {{{param}}}"
    guess = near(param, sorted(placeholders(doc.benchmark_command)))
    hint = f"did you mean {guess}?" if guess else f"write {{{param}}} where its value belongs"
    return f"does not stand in braces in benchmark_command; {hint}"


def _environment_trouble(param: str, doc: Document) -> str:
    if not VARIABLE.fullmatch(param):
        return "is no variable name; use letters, digits and _, no digit first"
    return "is also set in environment; remove it there" if param in (doc.environment or {}) else ""


def _identity(kind: KnobKind, param: str) -> tuple[str, str]:
    """The same for two spellings of one place, whichever field of it; and that field."""
    if kind == "sysfs":
        inner = param.removeprefix("/proc/sys/")
        return (param if inner == param else inner.translate(_SWAP)), ""
    if kind == "sysctl":
        key, bracket, field = _dotted(param).partition("[")
        return key, bracket + field
    return f"{{{param}}}", ""


def _check_repeats(kinds: Sequence[tuple[Where, str, KnobKind]], found: Findings) -> None:
    names: dict[str, Where] = {}
    places: dict[str, list[tuple[str, Where]]] = {}
    for where, param, kind in kinds:
        key, field = _identity(kind, param)
        earlier = names.get(param)
        for other, place in places.get(key, []):
            # Two fields of one key go together; a field and the whole key would overwrite each other.
            if earlier is None and (field == other or not field or not other):
                earlier = place
        if earlier is not None:
            found.add((*where, "param"), f"{shown(param)} is tuned by {spelled(earlier)} already; keep one")
        names.setdefault(param, where)
        places.setdefault(key, []).append((field, where))


# ---- which values it may take ------------------------------------------------------------------------------

_FAMILIES = {"int": "int", "integer": "int", "float": "float", "real": "float", "categorical": "categorical"}
MAX_STEPS = 10**20  # more digits than Decimal divides exactly
_NUMERIC_KEYS = ("min", "max", "step", "default")


def read_parameters(doc: Document, found: Findings) -> tuple[TunedParameter, ...]:
    """Read every item of ``action_space``.

    Args:
        doc: the document; broken keys are None.
        found: receives what is wrong, per key.

    Returns:
        The sound parameters; all of them where nothing was found wrong.
    """
    tuned = []
    kinds = []
    for index, item in enumerate(doc.action_space or ()):
        if item is None:
            continue
        where: Where = ("action_space", index)
        kind = _kind(item, where, doc, found)
        target = ""
        if kind is not None and item.param is not None:
            kinds.append((where, item.param, kind))
            _check_default(item, kind, where, doc, found)
            target = _target(kind, item.param, where, doc, found)
        parameter = _parameter(item, kind, where, found)
        if kind is None or parameter is None or found.below(where):
            continue
        declared = item.default is not None or kind not in HOST_KINDS
        start: Value | None = parameter.val if declared else None
        tuned.append(TunedParameter(parameter, kind, target, start))
    _check_repeats(kinds, found)
    if tuned and not found.below(("action_space",)) and all(entry.parameter.is_constant for entry in tuned):
        found.add(("action_space",), "every parameter has a single value, so there is nothing to tune")
    return tuple(tuned)


def _check_default(item: ActionItem, kind: KnobKind, where: Where, doc: Document, found: Findings) -> None:
    absent = item.default is None and not found.at((*where, "default"))
    # An argument whose name is missing in the command is told so; to add it there mends this, too.
    if kind == "environment" and absent and f"{{{item.param}}}" not in (doc.benchmark_command or ""):
        found.add((*where, "default"), "is missing; the baseline of an environment variable must be declared")


def _parameter(item: ActionItem, kind: KnobKind | None, where: Where, found: Findings) -> Parameter | None:
    broken = found.at((*where, "type"))
    listed = item.values is not None or found.at((*where, "values"))
    if item.type is None and broken:
        family = ""
    elif item.type is not None:
        family = _FAMILIES[item.type]
    elif listed:
        family = "categorical"
    else:
        numbers = [getattr(item, key) for key in _NUMERIC_KEYS]
        family = "float" if any(isinstance(number, float) for number in numbers) else "int"
    if family == "categorical":
        return _categorical(item, kind, where, found)
    if listed and family:
        found.add((*where, "values"), f"is for type categorical, not {item.type}; remove one of the two")
        return None
    if listed:
        return None
    return _numeric(item, family, where, found)


def _categorical(item: ActionItem, kind: KnobKind | None, where: Where, found: Findings) -> Parameter | None:
    for key in ("min", "max", "step"):
        if getattr(item, key) is not None:
            found.add((*where, key), "is for numbers; remove it, or remove values")
    if item.log:
        found.add((*where, "log"), "is for numbers; remove it")
    if item.values is None:
        if not found.at((*where, "values")):
            found.add((*where, "values"), "is missing; list the choices of this categorical parameter")
        return None
    values: list[str] = []
    for index, value in enumerate(item.values):
        if value is None:
            continue
        if value in values:
            found.add((*where, "values", index), f"{shown(value)} is listed already; remove one of the two")
        elif not value.isprintable():
            found.add((*where, "values", index), "must be one line of printable text")
        elif not value.strip() and kind in HOST_KINDS:
            found.add((*where, "values", index), "is blank, which the kernel does not take for a value")
        values.append(value)
    if found.below((*where, "values")):
        return None
    start = values[0] if item.default is None else str(item.default)
    if start not in values:
        guess = near(start, values)
        hint = f"did you mean {guess}?" if guess else f"choose one of {', '.join(map(shown, values[:10]))}"
        found.add((*where, "default"), f"{shown(item.default)} is not among values; {hint}")
        return None
    return _made(lambda: Categorical(item.param or "parameter", start, tuple(values)), where, found)


def _numeric(item: ActionItem, family: str, where: Where, found: Findings) -> Parameter | None:
    for key in _NUMERIC_KEYS:
        value = getattr(item, key)
        place = (*where, key)
        expected = "a whole number" if family == "int" else "a number"
        if value is None:
            if key in ("min", "max") and not found.at(place) and family:
                found.add(
                    place, f"is missing; give the range in min and max{'' if item.type else ', or values'}"
                )
        elif isinstance(value, str) and family:
            found.add(place, f"must be {expected}, not {shown(value)}{type_hint(place, expected, value)}")
        elif family == "int" and isinstance(value, float):
            hint = type_hint(place, expected, value) or "; or write type float"
            found.add(place, f"must be a whole number because type is int, not {shown(value)}{hint}")
    _check_range(item, where, found)
    low, high = item.min, item.max
    keys = ("min", "max", "type", "step", "log")
    if low is None or high is None or any(found.at((*where, key)) for key in keys):
        return None
    parameter = _made(lambda: _ranged(item, family, low, high), where, found)
    if parameter is None or isinstance(item.default, str) or found.at((*where, "default")):
        return None
    if item.default is None:
        return with_value(parameter, parameter.nearest(_middle(item, low, high)))
    nearest = parameter.nearest(item.default)
    if not low <= item.default <= high:
        found.add(
            (*where, "default"), f"{item.default} is outside {low} to {high}; widen the range to hold it"
        )
    elif not isclose(float(nearest), item.default, rel_tol=1e-9, abs_tol=1e-12):
        steps = f"the steps of {item.step} from {low}"
        found.add((*where, "default"), f"{item.default} is not on {steps}; the nearest is {nearest}")
    return with_value(parameter, nearest)


def _check_range(item: ActionItem, where: Where, found: Findings) -> None:
    low, high = item.min, item.max
    if item.log and low is not None and low <= 0:
        hint = "set min to 1" if isinstance(low, int) and (high is None or high > 1) else "raise min"
        found.add((*where, "log"), f"a logarithmic scale needs min above 0, not {low}; {hint} or remove log")
    if low is None or high is None:
        return
    if low > high:
        found.add((*where, "min"), f"{low} is above max {high}; swap them or widen the range")
    elif item.step is not None and item.step > 0:
        trouble = _step_trouble(low, high, item.step)
        if trouble:
            found.add((*where, "step"), trouble)


def _step_trouble(low: float, high: float, step: float) -> str:
    # Decimal, because 0.3 / 0.1 is not 3 in floating point.
    start, end, distance = (Decimal(str(number)) for number in (low, high, step))
    if (end - start) / distance > MAX_STEPS:
        return f"{step} makes more than 10^20 steps from {low} to {high}; make it larger or remove it"
    if (end - start) % distance == 0:
        return ""
    below = start + (end - start) // distance * distance
    choice = f"{below + distance}" if below == start else f"{below} or {below + distance}"
    return f"{step} does not divide the range {low} to {high}; set max to {choice}"


def _ranged(item: ActionItem, family: str, low: float, high: float) -> Parameter:
    name = item.param or "parameter"
    if family == "int":
        step = 1 if item.step is None else item.step
        return Integer(name, int(low), int(low), int(high), step=int(step), log=item.log)
    spacing = None if item.step is None else float(item.step)
    return Real(name, float(low), float(low), float(high), step=spacing, log=item.log)


def _middle(item: ActionItem, low: float, high: float) -> float:
    if isinstance(low, int) and isinstance(high, int):
        return isqrt(low * high) if item.log else (low + high) // 2
    return sqrt(low) * sqrt(high) if item.log else low / 2 + high / 2


def _made(make: Callable[[], Parameter], where: Where, found: Findings) -> Parameter | None:
    """What ``make`` returns; the parameter's own objection becomes a problem of the whole item."""
    try:
        return make()
    except (ValueError, TypeError, ArithmeticError) as error:
        found.add(where, str(error))
        return None
