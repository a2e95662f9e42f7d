"""Pure verdicts: may this parameter be tuned at all, and may this configuration be tried.

On the host only what the catalogue knows may be tuned, within its range. What it does not know takes the
operator's word by name; what is dangerous cannot be tuned at all. Placeholders of the benchmark's own command
are free.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from oppertune.core.values import Value
from tactician import catalogue
from tactician.errors import Problem
from tactician.experiment import Experiment, TunedParameter
from tactician.safety._ranges import outside, possible_values

__all__ = ["SMALL_HOST", "is_sysctl", "objection", "refusals", "unknown"]

SMALL_HOST: Mapping[str, float] = {
    "memory_bytes": 2**30,
    "cores": 1,
    "page_bytes": 4096,
    "swap_bytes": 0,
    "link_mbit": 100,
}
"""What is assumed of a host about which nothing is said: the narrowest ranges."""

_FREE = ("argument", "environment")


def refusals(
    experiment: Experiment,
    allow_durability: Collection[str] = (),
    allow_uncatalogued: Collection[str] = (),
    *,
    facts: Mapping[str, float] = SMALL_HOST,
    real_path: Callable[[str], str] = posixpath.normpath,
    exists: Callable[[str], bool] = bool,
) -> list[Problem]:
    """Say what in an experiment is unsafe, all of it, with ranges and reasons.

    Args:
        experiment: as read from its file.
        allow_durability: parameters for which the operator gave up crash safety by name.
        allow_uncatalogued: places that the operator allowed by name although no catalogue knows them.
        facts: of the host, for ranges that depend on it.
        real_path: follows symbolic links, so that none leads around a refusal.
        exists: whether the host has a place, by the catalogue's spelling. What no catalogue knows and no host
            has is left to preflight, which reports what is absent.
    """
    allowed = {catalogue.canonical(name) for name in allow_uncatalogued}
    problems = []
    for index, tuned in enumerate(experiment.parameters):
        path = f"action_space[{index}]"
        risks = () if tuned.name in allow_durability else catalogue.durability_risks(tuned.target)
        if _is_place(tuned):
            key = _key(tuned, experiment)
            keys = [key, catalogue.canonical(real_path(tuned.target))] if tuned.target[0] == "/" else [key]
            if _is_unknown(tuned, keys, allowed):
                there = tuned.kind == "service" or exists(key)
                problems += [_uncatalogued(path, tuned, key)] if there else []
            else:
                problems += _place_refusals(path, tuned, keys, facts, risks)
        if experiment.throw_away and tuned.on_host and not _key(tuned, experiment).startswith("net."):
            message = (
                f"{tuned.name} belongs to the whole host, which a throw-away network namespace does not hold"
            )
            problems.append(Problem(f"{path}.param", message))
        problems += _durability_refusals(path, tuned, risks)
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
    """Return the places on the host for which no safe range is known."""
    return [
        tuned.name
        for tuned in experiment.parameters
        if _is_place(tuned) and catalogue.entry(_key(tuned, experiment)) is None
    ]


def is_sysctl(tuned: TunedParameter) -> bool:
    """Whether it is a sysctl, also where it was given as a path below /proc/sys."""
    return tuned.kind == "sysctl" or (tuned.kind == "sysfs" and catalogue.canonical(tuned.target)[0] != "/")


def _is_place(tuned: TunedParameter) -> bool:
    return tuned.kind not in _FREE


def _key(tuned: TunedParameter, experiment: Experiment) -> str:
    """Return the catalogue's name of a place; a service is known by what it is, not by what it is called."""
    if tuned.kind != "service":
        return catalogue.canonical(tuned.target)
    name, _, setting = tuned.target.partition(".")
    access = experiment.services.get(name)
    return tuned.target if access is None or access.type == "file" else f"{access.type}.{setting}"


def _is_unknown(tuned: TunedParameter, keys: Sequence[str], allowed: set[str]) -> bool:
    """Whether nothing is known of a place, neither good nor bad, and nobody answers for it."""
    if any(catalogue.danger(key) or catalogue.entry(key) or not _is_inside(key) for key in keys):
        return False
    return not allowed.intersection([*keys, catalogue.canonical(tuned.name)])


def _is_inside(key: str) -> bool:
    return not key.startswith("/") or key.startswith("/sys/")


def _place_refusals(
    path: str,
    tuned: TunedParameter,
    keys: Sequence[str],
    facts: Mapping[str, float],
    risks: Collection[str],
) -> list[Problem]:
    """Return why one place may not be tuned, or not so; ``keys`` are all its names, as spelled first."""
    for place in keys:
        if not _is_inside(place):
            message = f"{tuned.target} leads to {place}; nothing but /sys and /proc/sys is written"
            return [Problem(f"{path}.param", message)]
        reason = catalogue.danger(place)
        if reason is not None:
            return [Problem(f"{path}.param", f"{place} is never tuned: {reason}; remove it")]
    known = next((found for found in map(catalogue.entry, keys) if found is not None), None)
    if known is None:
        return []
    try:
        catalogue.resolve(known, facts)
    except ValueError as error:  # a host too small for anything to be safe
        return [Problem(f"{path}.param", f"{error}; remove it")]
    return [Problem(f"{path}.{where}", why) for where, why in outside(tuned, known, facts, risks)]


def _uncatalogued(path: str, tuned: TunedParameter, key: str) -> Problem:
    gone = catalogue.absent(key)
    if gone is not None:
        instead = " or ".join(gone.instead)
        why = f"has no effect since {gone.since}: {gone.reason}; tune {instead} instead"
    else:
        near = difflib.get_close_matches(key, _spellings(key), 1, 0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        why = f"is not in the catalogue, so no safe range of it is known{hint}"
    remedy = f"leave it out, or answer for its range yourself with --allow-uncatalogued {tuned.name}"
    return Problem(f"{path}.param", f"{tuned.name} {why}; {remedy}")


def _spellings(key: str) -> Iterable[str]:
    return [known.name for known in catalogue.entries("/" if key.startswith("/") else "")]


def _durability_refusals(path: str, tuned: TunedParameter, risks: Collection[str]) -> list[Problem]:
    chosen = [value for value in possible_values(tuned.parameter) if value.lower() in risks]
    if not chosen:
        return []
    listed = ", ".join(chosen)
    message = (
        f"{tuned.name}={listed} wins by giving up crash safety; leave it out, "
        f"or accept the loss of data with --allow-durability {tuned.name}"
    )
    return [Problem(path, message)]
