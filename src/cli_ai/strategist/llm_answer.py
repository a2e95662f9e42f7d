"""The little that a model may decide, as a closed form: choices by name and ranges, never a command."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Literal, NoReturn, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cli_ai.strategist.llm_errors import AnswerError
from cli_ai.strategist.llm_text import clean
from tactician.errors import Problem

WorkloadClass = Literal[
    "", "database", "analytics", "web", "cache", "messaging", "network", "storage", "cpu", "memory"
]
ServiceName = Literal["", "postgresql", "mysql", "redis", "memcached", "nginx", "haproxy", "kafka", "jvm"]
Objective = Literal["throughput", "latency", "tail latency", "memory", "power"]

MOST_PARAMETERS = 12
_LONGEST_TEXT = 64 << 10
_DEEPEST = 16
_LONGEST_NUMBER = 40
_THOUGHT = "</think>"
"""Some models think aloud first; what counts comes after it."""


class _Choice(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ChosenLimits(_Choice):
    """What the words rule out; a limit that is not named is not set."""

    no_network: bool = False
    no_restart: bool = False
    minutes: int | None = Field(default=None, ge=1, le=10_000)
    trials: int | None = Field(default=None, ge=1, le=1_000)


class ChosenIntent(_Choice):
    """What the words want, in closed choices."""

    workload_class: WorkloadClass
    service: ServiceName = ""
    objective: Objective = "throughput"
    limits: ChosenLimits = ChosenLimits()


class ChosenParameter(_Choice):
    """One catalogued knob. Without a range the one that suits this host is taken."""

    name: str = Field(min_length=1, max_length=128)
    low: float | None = None
    high: float | None = None
    why: str = Field(default="", max_length=1_000)


class Answer(_Choice):
    """A model's whole answer.

    Attributes:
        benchmark: a template's name; empty for the one that suits best.
    """

    intent: ChosenIntent
    parameters: tuple[ChosenParameter, ...] = Field(default=(), max_length=MOST_PARAMETERS)
    benchmark: str = Field(default="", max_length=64)


def answer_schema(knobs: Collection[str], benchmarks: Collection[str]) -> dict[str, Any]:
    """JSON Schema of an answer on this host: only names that exist here can be written.

    Every key is required, as strict servers want it; absence is written as null or as an empty text.
    """
    number = {"type": ["number", "null"]}
    whole = {"type": ["integer", "null"]}
    limits = {
        "no_network": {"type": "boolean"},
        "no_restart": {"type": "boolean"},
        "minutes": whole,
        "trials": whole,
    }
    intent = {
        "workload_class": {"type": "string", "enum": list(get_args(WorkloadClass))},
        "service": {"type": "string", "enum": list(get_args(ServiceName))},
        "objective": {"type": "string", "enum": list(get_args(Objective))},
        "limits": _object(limits),
    }
    name = {"type": "string", "enum": sorted(knobs)} if knobs else {"type": "string"}
    parameter = {"name": name, "low": number, "high": number, "why": {"type": "string"}}
    return _object(
        {
            "intent": _object(intent),
            "parameters": {"type": "array", "maxItems": MOST_PARAMETERS, "items": _object(parameter)},
            "benchmark": {"type": "string", "enum": ["", *sorted(benchmarks)]},
        }
    )


def parse_answer(text: str) -> Answer:
    """Read an answer, wherever in the text its object stands.

    Raises:
        AnswerError: there is no such object; every problem is listed, for the model to mend.
    """
    document = object_in(text)
    try:
        # From JSON and not from Python: there a list of parameters is a tuple and 1 is a float.
        return Answer.model_validate_json(json.dumps(document))
    except ValidationError as error:
        problems = [
            Problem(clean(".".join(map(str, found["loc"])), 100), clean(found["msg"]))
            for found in error.errors(include_url=False, include_input=False, include_context=False)[:12]
        ]
        raise AnswerError(problems) from None


def object_in(text: str) -> dict[str, Any]:
    """The JSON object in a text, bounded in length, depth and digits.

    Raises:
        AnswerError: there is none.
    """
    if len(text) > _LONGEST_TEXT:
        _refuse(f"is longer than {_LONGEST_TEXT >> 10} KiB")
    text = text.rpartition(_THOUGHT)[2]
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        _refuse("holds no JSON object")
    inside = text[begin : end + 1]
    if _depth(inside) > _DEEPEST:
        _refuse(f"is nested deeper than {_DEEPEST} levels")
    try:
        found = json.loads(inside, parse_constant=_constant, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        _refuse(f"is no JSON: {clean(str(error), 100)}")
    assert isinstance(found, dict)
    return found


def _depth(text: str) -> int:
    """The deepest nesting, read in one pass without recursion; brackets inside of strings do not count."""
    depth = deepest = 0
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse(message: str) -> NoReturn:
    raise AnswerError([Problem("", message)])


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
