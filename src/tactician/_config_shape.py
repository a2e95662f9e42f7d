"""Reads the shape of a configuration: every wrong, missing or unknown key becomes one clear message."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from tactician._config_models import SECTIONS, Document, Section
from tactician._config_text import Findings, Where, near, shown


class _PlainSchema(GenerateJsonSchema):
    """Leaves out ``null``: for pydantic it stands for an absent key, in a file it is a mistake."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        plain = super().default_schema(schema)
        if plain.get("default", 0) is None:
            del plain["default"]
        return plain


def document_schema() -> dict[str, object]:
    """The JSON Schema (Draft 2020-12) of a configuration file."""
    schema = Document.model_json_schema(schema_generator=_PlainSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read_shape(document: Mapping[str, object], found: Findings) -> Document:
    """Read what can be read of a plain document; each wrong or missing key becomes a problem.

    Args:
        document: JSON values only, None where something was already found wrong.
        found: receives the problems.

    Returns:
        The document without its broken keys; inside lists None stands for a broken item.
    """
    remaining = copy.deepcopy(dict(document))
    model: Document | None = None
    while model is None:
        try:
            model = Document.model_validate(remaining)
        except ValidationError as error:
            # Each round removes at least one key or empties one item, so this ends.
            for details in error.errors(include_url=False):
                where = details["loc"]
                if not found.at(where):
                    found.add(where, _message(where, details))
                _prune(remaining, where)
    _require(model, (), found)
    return model


def _prune(document: Any, where: Where) -> None:
    *parents, last = where
    for step in parents:
        document = document[step]
    if isinstance(document, list):
        document[int(last)] = None  # removing the item would move the paths of those behind it
    else:
        del document[last]


def _require(model: Section, where: Where, found: Findings) -> None:
    for name in model.required():
        if getattr(model, name) is None and not found.at((*where, name)):
            about = (type(model).model_fields[name].description or "").partition(". ")[0].rstrip(".")
            found.add((*where, name), f"is missing; it is {about[0].lower()}{about[1:]}")
    for name in ("action_space", "state_space"):
        for index, item in enumerate(getattr(model, name, None) or ()):
            if item is not None:
                _require(item, (name, index), found)


_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "number_type": "a number",
    "string_type": "a string",
    "choice_type": "a string or a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "must be above"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be below"),
    "less_than_equal": ("le", "must be at most"),
}


def _message(where: Where, details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(where)
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {shown(value)}{type_hint(where, _EXPECTED[kind], value)}"
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"{words} {context[key]:g}, not {shown(value)}"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        return f"must be one of {', '.join(options)}, not {shown(value)}{_option_hint(value, options)}"
    if kind in ("string_pattern_mismatch", "too_short"):
        return (
            "is blank; fill it in or remove the key"
            if isinstance(value, str)
            else "is empty; list at least one"
        )
    return f"{details['msg']}, not {shown(value)}"


def type_hint(where: Where, expected: str, value: object) -> str:
    """How a value of the wrong type is probably meant, as the end of a message, or nothing."""
    number = as_number(value) if isinstance(value, str) else None
    if "number" in expected and number is not None:
        return f"; write {number} without quotes"
    if expected == "a whole number" and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if "string" in expected and isinstance(value, bool | int | float):
        return f'; write "{json.dumps(value)}" in quotes'
    if where == ("budget",) and isinstance(value, int):
        return f'; write {{"trials": {value}}}'
    if where[:1] == ("state_space",) and len(where) == 2 and isinstance(value, str):
        return f'; write {{"metric": {shown(value)}}}'
    if expected == "a list":
        return "; put it in square brackets"
    return ""


def as_number(text: str) -> int | float | None:
    """The finite number that a text was meant to be (``5``, ``1e3``, ``10_000``, ``0644``), or None."""
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


_MEANT: Mapping[str, Sequence[str]] = {
    "int": ("bool", "boolean", "long", "uint", "number"),
    "float": ("double", "decimal", "continuous"),
    "categorical": ("enum", "choice", "string", "str", "category", "discrete"),
    "maximize": ("max", "maximise", "higher", "up"),
    "minimize": ("min", "minimise", "lower", "down"),
    "argument": ("arg", "placeholder", "parameter"),
    "environment": ("env", "variable"),
}


def _option_hint(value: object, options: Sequence[str]) -> str:
    if not isinstance(value, str):
        return ""
    if value.lower() in ("bool", "boolean"):
        return "; for a switch write int with min 0 and max 1"
    meant = [word for word, others in _MEANT.items() if word in options and value.lower() in others]
    guess = meant[0] if meant else near(value, options)
    return f"; did you mean {guess}?" if guess else ""


_OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "reward_metric": ("metric", "target_metric"),
    "benchmark_command": ("benchmark", "command", "cmd"),
    "action_space": ("parameters", "params", "knobs"),
    "goal": ("direction", "objective"),
    "random_seed": ("seed",),
    "param": ("name", "parameter", "key", "sysctl"),
    "min": ("minimum", "low", "lower"),
    "max": ("maximum", "high", "upper"),
    "values": ("choices", "categories", "options"),
    "default": ("start", "initial", "baseline"),
    "knob": ("kind",),
}


def _section(where: Where) -> type[Section]:
    return SECTIONS.get(str(where[0]), Document) if len(where) > 1 else Document


def _unknown_key(where: Where) -> str:
    *parents, last = where
    key = str(last)
    known = _section(where).keys()
    other = [name for name, names in _OTHER_NAMES.items() if name in known and key.lower() in names]
    if other:
        return f"unknown key; did you mean {other[0]}?"
    for name, elsewhere in SECTIONS.items():
        if not (parents and parents[0] == name) and key in elsewhere.keys():  # noqa: SIM118
            return f"unknown key here; it belongs in {name}"
    if key in Document.keys():  # noqa: SIM118
        return "unknown key here; it belongs at the top level"
    guess = near(key, known)
    return (
        f"unknown key; did you mean {guess}?"
        if guess
        else f"unknown key; known are {', '.join(known).removeprefix('$schema, ')}"
    )
