"""Who may say yes to what: --yes stands for a plain plan, never for a step that disturbs or lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tactician import catalogue

StepKind = Literal["run", "apply", "confirm", "revert"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that needs a yes.

    Attributes:
        what: it in one sentence, for the question.
        dangers: why nobody but a person may say yes; empty where a script may.
    """

    kind: StepKind
    what: str
    dangers: tuple[str, ...] = ()


Consent = Callable[[Step], bool]
"""Says whether a step may be taken."""


def script_consent(step: Step) -> bool:
    """What ``--yes`` agrees to: a run that neither restarts anything nor risks data."""
    return step.kind == "run" and not step.dangers


def run_step(document: Mapping[str, Any]) -> Step:
    """The step of running this experiment."""
    names = [str(item.get("param", "")) for item in document.get("action_space", [])]
    budget = document.get("budget") or {}
    size = ", ".join(f"{value:g} {unit}" for unit, value in budget.items() if value) or "30 trials"
    what = (
        f"run {document.get('workload_name')!r}: {len(names)} knobs, {size}; the host is restored at the end"
    )
    return Step("run", what, dangers_of(document))


def dangers_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a person must say yes to this experiment; empty where nothing is unusual about it."""
    found = []
    for item in document.get("action_space", []):
        name = str(item.get("param", ""))
        entry = catalogue.entry(name)
        disrupts = "" if entry is None else getattr(entry, "disrupts", "")
        if disrupts:
            found.append(f"{name}: a change means a {disrupts}")
        values = [str(value).lower() for value in item.get("values") or ()]
        if risky := set(values) & set(catalogue.durability_risks(name)):
            found.append(f"{name} may become {', '.join(sorted(risky))}, which gives up crash safety")
    return tuple(found)
