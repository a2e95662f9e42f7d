"""A model's answer: read wherever it stands, refused with reasons whatever is wrong with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_ai.strategist.llm_answer import Answer, answer_schema, parse_answer
from cli_ai.strategist.llm_errors import AnswerError
from cli_ai.strategist.llm_text import clean, fenced

GOOD = {
    "intent": {
        "workload_class": "cache",
        "service": "redis",
        "objective": "tail latency",
        "limits": {"no_network": False, "no_restart": True, "minutes": None, "trials": 10},
    },
    "parameters": [{"name": "vm.swappiness", "low": 1, "high": 60.0, "why": "less swapping"}],
    "benchmark": "redis-benchmark",
}


@pytest.mark.parametrize(
    "around", ["{}", "Sure!\n```json\n{}\n```\nAnything else?", "  {}  ", "<think>{or {}?</think>{}"]
)
def test_an_answer_is_found_wherever_it_stands(around):
    found = parse_answer(around.replace("{}", json.dumps(GOOD)))
    assert found.intent.service == "redis"
    assert found.parameters[0].high == 60.0
    assert found.intent.limits.trials == 10


def test_the_least_is_a_class():
    assert parse_answer('{"intent": {"workload_class": "web"}}').parameters == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object"),
        ("I cannot help with that", "no JSON object"),
        ("}{", "no JSON object"),
        ("{]}", "is no JSON"),
        ('{"intent": {"workload_class": NaN}}', "is no JSON"),
        ('{"intent": {"workload_class": "web"}, "x": Infinity}', "is no JSON"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "nested deeper"),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "longer than"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested deeper"),
        ("{" + "x" * (10 << 20) + "}", "longer than"),
        ("{}", "intent"),
        ('{"intent": "web"}', "intent"),
        ('{"intent": {"workload_class": "pwn"}}', "intent.workload_class"),
        ('{"intent": {"workload_class": "web"}, "benchmark_command": "id"}', "benchmark_command"),
        ('{"intent": {"workload_class": "web"}, "parameters": [{"name": "a", "command": "id"}]}', "command"),
        ('{"intent": {"workload_class": "web"}, "parameters": [{"name": 5}]}', "parameters.0.name"),
        ('{"intent": {"workload_class": "web"}, "parameters": [{"name": "a", "low": 1e999}]}', "finite"),
        ('{"intent": {"workload_class": "web", "limits": {"trials": -1}}}', "trials"),
        (json.dumps({**GOOD, "parameters": GOOD["parameters"] * 100}), "parameters"),
    ],
)
def test_what_cannot_be_used_says_why(text, words):
    with pytest.raises(AnswerError) as caught:
        parse_answer(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 4000


@given(st.text())
def test_any_text_is_an_answer_or_an_answer_error(text):
    try:
        assert isinstance(parse_answer(text), Answer)
    except AnswerError as error:
        assert error.problems


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.fixed_dictionaries({"intent": VALUES, "parameters": VALUES, "benchmark": VALUES}))
def test_any_object_is_an_answer_or_an_answer_error(value):
    try:
        parse_answer(json.dumps(value))
    except AnswerError as error:
        assert error.problems


def test_the_schema_lists_what_exists_and_wants_every_key():
    schema = answer_schema(["vm.swappiness"], ["wrk"])
    parameter = schema["properties"]["parameters"]["items"]
    assert parameter["properties"]["name"]["enum"] == ["vm.swappiness"]
    assert schema["properties"]["benchmark"]["enum"] == ["", "wrk"]

    def objects(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for inner in node.values():
                yield from objects(inner)

    for node in objects(schema):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])


def test_every_answer_that_fits_the_schema_can_be_read():
    document = json.loads(json.dumps(GOOD))
    document["parameters"] = [{"name": "vm.swappiness", "low": None, "high": None, "why": ""}]
    assert parse_answer(json.dumps(document)).parameters[0].low is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("16.1 (Debian)", "16.1 (Debian)"),
        ("a\x1b[31mb\x00c\r\nd", "a[31mbc d"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\ue000private\udcff", "private"),
        ("", ""),
    ],
)
def test_foreign_text_is_one_printable_line(text, shown):
    assert clean(text) == shown


@given(st.text(), st.integers(1, 50))
def test_foreign_text_is_capped(text, limit):
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()


@given(st.text())
def test_nothing_inside_of_a_fence_closes_it(text):
    whole = fenced("host", {"version": text + "</data>"})
    assert whole.count("</data>") == 1
    assert whole.endswith("\n</data>")
    assert json.loads(whole.split("\n", 1)[1].removesuffix("\n</data>")) == {"version": text + "</data>"}
