"""Edits by a model: read from a closed form, judged like anybody's, replaced by the rules' where unusable."""

from __future__ import annotations

import json

import pytest

from cli_ai.strategist.llm_errors import EndpointError
from cli_ai.strategist.llm_reflection import edits_by
from cli_ai.strategist.reflection import Edit, rule_edits
from cli_ai.strategist.reflection_check import Trial
from end_to_end.support import document
from tactician.config import parse_experiment

EXPERIMENT = parse_experiment(
    document(
        benchmark_command="true",
        action_space=[
            {"param": "net.core.somaxconn", "min": 100, "max": 8000, "type": "int"},
            {"param": "vm.swappiness", "min": 0, "max": 100, "type": "int"},
        ],
    )
)
SEEN = [
    Trial({"net.core.somaxconn": 100 + 390 * i, "vm.swappiness": 37 * i % 100}, float(i % 7))
    for i in range(20)
]


class Canned:
    def __init__(self, answer):
        self.answer = answer
        self.asked: list[str] = []
        self.schema = None

    def ask(self, messages, schema):
        self.asked.append(messages[1]["content"])
        self.schema = schema
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, str) else json.dumps(self.answer)


def test_edits_are_read_and_their_words_cleaned():
    edit = {"kind": "narrow", "name": "vm.swappiness", "low": 1, "high": 9, "why": "better\x1b[31m"}
    canned = Canned({"edits": [edit]})
    (found,) = edits_by(canned)(EXPERIMENT, SEEN)
    assert found == Edit(kind="narrow", name="vm.swappiness", low=1, high=9, why="better[31m")


def test_the_model_sees_what_the_rules_see():
    canned = Canned({"edits": []})
    assert edits_by(canned)(EXPERIMENT, SEEN[:3]) == []
    assert canned.asked[0].count('"gain"') == 3
    names = canned.schema["properties"]["edits"]["items"]["properties"]["name"]["enum"]
    assert {"net.core.somaxconn", "vm.swappiness"} <= set(names)


@pytest.mark.parametrize(
    "answer",
    [
        "no idea",
        EndpointError("it cannot be reached"),
        {"edits": [{"kind": "rm -rf", "name": "x"}]},
        {"edits": [{"kind": "drop", "name": "vm.swappiness", "command": "id"}]},
        {"edits": [{"kind": "drop", "name": "vm.swappiness"}] * 50},
        {"edits": "all"},
    ],
)
def test_an_unusable_answer_leaves_it_to_the_rules(answer):
    assert edits_by(Canned(answer))(EXPERIMENT, SEEN) == rule_edits(EXPERIMENT, SEEN)
