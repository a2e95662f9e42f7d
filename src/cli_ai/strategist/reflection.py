"""What a run teaches the next one: narrower ranges and fewer knobs, kept only where held-out trials agree.

Edits are made from one half of the trials and judged by the other half, which they have not seen. Whoever
makes them, rules or a model, they are few and of one form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from cli_ai.strategist.reflection_check import Trial, Verdict, judge_drop, judge_narrow
from oppertune.core.values import Categorical
from tactician import catalogue
from tactician.config import parse_experiment
from tactician.errors import OperatorError
from tactician.experiment import Experiment, TunedParameter
from tactician.stopping import levels
from tactician.storage.records import RunRecord

LEAST_TRIALS = 12
"""Fewer are too few to be halved."""

_BEST_SHARE = 1 / 3
_WORTH_NARROWING = 0.7


class Edit(BaseModel):
    """One change to an experiment, as rules and models propose it.

    Attributes:
        low, high: of the narrowed range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["narrow", "drop", "add"]
    name: str
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of the proposed edits.

    Attributes:
        document: the experiment with all that were kept.
        kept, refused: each with what the held-out trials said.
        offered: what no trial of this run can judge.
    """

    document: Mapping[str, Any]
    kept: tuple[tuple[Edit, str], ...] = ()
    refused: tuple[tuple[Edit, str], ...] = ()
    offered: tuple[Edit, ...] = ()
    trials: int = field(default=0)

    def lines(self) -> list[str]:
        """It for people, one edit a line."""
        if self.trials < LEAST_TRIALS:
            return [f"{self.trials} trials are too few to learn from; {LEAST_TRIALS} are needed"]
        said = [f"kept: {_words(edit)}; {why}" for edit, why in self.kept]
        said += [f"not kept: {_words(edit)}; {why}" for edit, why in self.refused]
        said += [f"could be added: {one.name} ({one.why}); no trial can judge it" for one in self.offered]
        return said


ProposeEdits = Callable[[Experiment, Sequence[Trial]], Sequence[Edit]]


def reflect(record: RunRecord, propose: ProposeEdits | None = None) -> Learnt:
    """Edit a run's experiment for another round.

    Args:
        record: of a run that is over.
        propose: makes edits from the half that may be seen; the rules where it is None.

    Returns:
        The edited experiment and what became of each edit; unchanged where nothing was learnt.

    Raises:
        OperatorError: the run has no experiment that can be read.
    """
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    outcomes = [entry.outcome for entry in record.outcomes("trial")]
    baselines = [entry.outcome for entry in record.outcomes("baseline")]
    measured = levels(experiment, baselines, outcomes)[len(baselines) :]
    trials = [Trial(values, level) for values, level in measured if level is not None]
    if len(trials) < LEAST_TRIALS:
        return Learnt(dict(record.document), trials=len(trials))
    # Every other one, so that both halves hold early and late trials.
    seen, held_out = trials[::2], trials[1::2]
    edits = (propose or rule_edits)(experiment, seen)
    best = max(trials, key=lambda trial: trial.level)
    return _judged(record, experiment, edits, seen, held_out, best)


def _judged(
    record: RunRecord,
    experiment: Experiment,
    edits: Sequence[Edit],
    seen: Sequence[Trial],
    held_out: Sequence[Trial],
    best: Trial,
) -> Learnt:
    document: dict[str, Any] = json.loads(json.dumps(dict(record.document)))
    tuned = {one.name: one for one in experiment.parameters}
    kept, refused, offered = [], [], []
    for edit in edits:
        if edit.kind == "add":
            offered += [edit] if _addable(edit, experiment) else []
            continue
        verdict = _verdict(edit, tuned, seen, held_out, best)
        changed = _changed(document, edit, tuned[edit.name], best) if verdict.helps else None
        if changed is None:
            refused.append((edit, verdict.why))
            continue
        document = changed
        kept.append((edit, verdict.why))
    count = len(seen) + len(held_out)
    return Learnt(document, tuple(kept), tuple(refused), tuple(offered), count)


def _verdict(
    edit: Edit,
    tuned: Mapping[str, TunedParameter],
    seen: Sequence[Trial],
    held_out: Sequence[Trial],
    best: Trial,
) -> Verdict:
    if edit.name not in tuned:
        return Verdict(False, "the run tuned no such knob")
    if edit.kind == "drop":
        parameters = [one.parameter for one in tuned.values()]
        return judge_drop(parameters, edit.name, seen, held_out)
    parameter = tuned[edit.name].parameter
    if isinstance(parameter, Categorical) or edit.low is None or edit.high is None:
        return Verdict(False, "only the range of a number can be narrowed")
    if not parameter.min <= edit.low < edit.high <= parameter.max:
        return Verdict(False, "it does not lie inside the present range")
    if not edit.low <= float(best.values[edit.name]) <= edit.high:
        return Verdict(False, "it would leave out the best trial")
    return judge_narrow(edit.name, edit.low, edit.high, held_out)


def _changed(
    document: Mapping[str, Any], edit: Edit, tuned: TunedParameter, best: Trial
) -> dict[str, Any] | None:
    """The document after the edit; None where it could not be used like that."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    space = changed["action_space"]
    item = next(one for one in space if one["param"] == edit.name)
    if edit.kind == "narrow":
        start = item.get("default")
        bounds = [one for one in (edit.low, edit.high, start) if isinstance(one, int | float)]
        item["min"], item["max"] = (_like(item, value) for value in (min(bounds), max(bounds)))
    elif tuned.on_host and len(space) > 1:
        space.remove(item)
        constraints = [one for one in changed.get("constraints") or () if edit.name not in one]
        changed.pop("constraints", None)
        changed |= {"constraints": constraints} if constraints else {}
    else:
        # The command names it, so it stays, at the value of the best trial.
        value = str(best.values[edit.name])
        item.clear()
        item |= {"param": edit.name, "type": "categorical", "values": [value], "default": value}
        item |= {"knob": tuned.kind}
    try:
        parse_experiment(changed)
    except OperatorError:
        return None
    return changed


def rule_edits(experiment: Experiment, seen: Sequence[Trial]) -> list[Edit]:
    """What the rules propose: drop what moves nothing, look closer around the best, add a neighbour."""
    from oppertune.errors import OppertuneError
    from oppertune.importance import importances

    parameters = [one.parameter for one in experiment.parameters]
    try:
        found = importances(parameters, [(trial.values, trial.level) for trial in seen])
    except OppertuneError:
        return []
    edits = []
    ranked = sorted(seen, key=lambda trial: -trial.level)
    top = ranked[: max(3, round(len(ranked) * _BEST_SHARE))]
    for one in experiment.parameters:
        if found[one.name].share < 0.05:
            share = f"{found[one.name].share:.0%} of the variation"
            edits.append(Edit(kind="drop", name=one.name, why=share))
        elif not isinstance(one.parameter, Categorical):
            low, high = _around([float(trial.values[one.name]) for trial in top], one)
            if high - low < _WORTH_NARROWING * (one.parameter.max - one.parameter.min):
                why = "the best trials lie here"
                edits.append(Edit(kind="narrow", name=one.name, low=low, high=high, why=why))
    matters = [one.name for one in experiment.parameters if found[one.name].low > 0.05]
    return edits + neighbours_of(matters, experiment)


def _around(values: Sequence[float], tuned: TunedParameter) -> tuple[float, float]:
    """The span of some values and a quarter of it on each side, on the parameter's own scale."""
    parameter = tuned.parameter
    assert not isinstance(parameter, Categorical)
    logarithmic = getattr(parameter, "log", False) and parameter.min > 0
    scaled = np.log(values) if logarithmic else np.asarray(values)
    margin = 0.25 * (scaled.max() - scaled.min())
    low, high = float(scaled.min() - margin), float(scaled.max() + margin)
    if logarithmic:
        low, high = float(np.exp(low)), float(np.exp(high))
    return max(low, float(parameter.min)), min(high, float(parameter.max))


def neighbours_of(names: Sequence[str], experiment: Experiment) -> list[Edit]:
    """The catalogued knobs that go with these and are not tuned yet, as edits."""
    edits = []
    for name in names:
        entry = catalogue.entry(name)
        for other in getattr(entry, "couples", ()) if entry else ():
            known = catalogue.entry(other)
            if known is not None and other not in experiment.names and catalogue.danger(other) is None:
                edits.append(Edit(kind="add", name=other, why=f"goes with {name}, which matters"))
    return edits


def _addable(edit: Edit, experiment: Experiment) -> bool:
    known = catalogue.entry(edit.name) is not None and catalogue.danger(edit.name) is None
    return known and edit.name not in experiment.names


def _like(item: Mapping[str, Any], value: float) -> int | float:
    """A bound in the type that the experiment's own bounds have."""
    whole = all(isinstance(item.get(key), int) for key in ("min", "max"))
    return round(value) if whole else float(value)


def _words(edit: Edit) -> str:
    if edit.kind == "narrow":
        return f"{edit.name} only from {edit.low:g} to {edit.high:g}"
    return f"{edit.kind} {edit.name}"
