"""Lets a model propose edits for another round; the held-out trials judge them like the rules' own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli_ai.strategist.llm_answer import object_in
from cli_ai.strategist.llm_asking import Asks
from cli_ai.strategist.llm_errors import AnswerError, EndpointError
from cli_ai.strategist.llm_text import clean, fenced
from cli_ai.strategist.reflection import Edit, ProposeEdits, neighbours_of, rule_edits
from cli_ai.strategist.reflection_check import Trial
from oppertune.core.values import Categorical
from tactician.experiment import Experiment

MOST_EDITS = 6
_MOST_TRIALS = 40


class _Edits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    edits: tuple[Edit, ...] = Field(max_length=MOST_EDITS)


def edits_by(endpoint: Asks) -> ProposeEdits:
    """Return what asks a model for edits, and the rules where it gives none that can be read.

    The model sees the half of the trials that the rules would see, and chooses names from closed lists.
    """

    def propose(experiment: Experiment, seen: Sequence[Trial]) -> Sequence[Edit]:
        neighbours = neighbours_of(experiment.names, experiment)
        messages = [
            {"role": "system", "content": _prompt()},
            {"role": "user", "content": _told(experiment, seen, [one.name for one in neighbours])},
        ]
        try:
            found = object_in(endpoint.ask(messages, _schema(experiment, neighbours)))
            edits = _Edits.model_validate(found).edits
        except (AnswerError, EndpointError, ValidationError):
            return rule_edits(experiment, seen)
        return [one.model_copy(update={"why": clean(one.why)}) for one in edits]

    return propose


def _told(experiment: Experiment, seen: Sequence[Trial], neighbours: Sequence[str]) -> str:
    knobs = [
        {"name": one.name, "values": list(one.parameter.categories)}
        if isinstance(one.parameter, Categorical)
        else {"name": one.name, "low": one.parameter.min, "high": one.parameter.max}
        for one in experiment.parameters
    ]
    best = sorted(seen, key=lambda trial: -trial.level)[:_MOST_TRIALS]
    trials = [{**trial.values, "gain": round(trial.level, 4)} for trial in best]
    return "\n\n".join(
        [fenced("knobs", knobs), fenced("neighbours", list(neighbours)), fenced("trials, best first", trials)]
    )


def _schema(experiment: Experiment, neighbours: Sequence[Edit]) -> dict[str, Any]:
    names = sorted({*experiment.names, *(one.name for one in neighbours)})
    number = {"type": ["number", "null"]}
    properties = {
        "kind": {"type": "string", "enum": ["narrow", "drop", "add"]},
        "name": {"type": "string", "enum": names},
        "low": number,
        "high": number,
        "why": {"type": "string"},
    }
    edit = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    edits = {"type": "array", "maxItems": MOST_EDITS, "items": edit}
    return {
        "type": "object",
        "properties": {"edits": edits},
        "required": ["edits"],
        "additionalProperties": False,
    }


def _prompt() -> str:
    return (resources.files("cli_ai.strategist.prompts") / "reflect.md").read_text(encoding="utf-8")
