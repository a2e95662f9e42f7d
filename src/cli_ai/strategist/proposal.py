"""What a strategist hands over: an experiment, a reason for every choice, and what it will not do."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Part):
    """Why one choice was made.

    Attributes:
        choice: what it is about: a parameter's name, ``benchmark_command``, ``reward_metric``, ``budget`` ...
        value: what was chosen, in words for the plan's table.
        why: one sentence.
        source: the catalogue entry or fact behind it.
    """

    choice: str
    value: str = ""
    why: str
    source: str = ""


class Refused(_Part):
    """Something that was asked for and will not be done."""

    asked: str
    why: str


class Question(_Part):
    """Something that the words left open, with what is assumed unless it is answered."""

    about: str
    question: str
    choices: tuple[str, ...] = ()
    assumed: str = ""


class Proposal(_Part):
    """A plan that can be shown before anything runs.

    Attributes:
        workload_class: ``database``, ``analytics``, ``web``, ``cache``, ``messaging``, ``network``,
            ``storage``, ``cpu``, ``memory``, or empty where the words name none.
        service: the service it is for, such as ``postgresql``; empty for the host as a whole.
        experiment: a configuration that ``tactician tune`` accepts as it stands; None where there is none.
        missing: what must be installed or started first, each with the command.
        power: what this budget can prove, in one sentence, and how long it takes.
        strategist: ``rules``, or the name of the model; ``notes`` say where a model was overruled.
    """

    request: str
    workload_class: str = ""
    service: str = ""
    objective: str = "throughput"
    experiment: dict[str, Any] | None = None
    reasons: tuple[Reason, ...] = ()
    refused: tuple[Refused, ...] = ()
    questions: tuple[Question, ...] = ()
    missing: tuple[str, ...] = ()
    power: str = ""
    strategist: str = "rules"
    notes: tuple[str, ...] = Field(default_factory=tuple)
