"""Real outputs of every tool that a parser knows, each with what must be read out of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tactician.experiment import Metric
from tactician.system.parsers import PARSERS, MetricNotFoundError, find_metric, parse_output
from tactician.system.parsers.lines import cleaned

CASES = Path(__file__).parents[3] / "cases" / "parse"
NAMES = sorted(path.stem for path in CASES.glob("*.json"))


def load(name: str) -> tuple[str, dict[str, Any]]:
    # Bytes, because reading as text would turn the tools' carriage returns into line ends.
    text = (CASES / f"{name}.txt").read_bytes().decode(errors="replace")
    return text, json.loads((CASES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_output_is_read_as_recorded(name: str) -> None:
    text, expected = load(name)
    output = parse_output(text)
    found = {metric.name: metric for metric in output.metrics}

    assert output.tool == expected["tool"]
    for metric_name, wanted in expected["metrics"].items():
        assert metric_name in found
        assert found[metric_name].value == pytest.approx(wanted["value"], rel=1e-12, abs=0)
        assert found[metric_name].unit == wanted["unit"]
        assert found[metric_name].direction == wanted["direction"]


@pytest.mark.parametrize("name", NAMES)
def test_problems_are_those_recorded_and_no_others(name: str) -> None:
    text, expected = load(name)
    problems = parse_output(text).problems
    assert len(problems) == len(expected["problems"]), problems
    for wanted, problem in zip(expected["problems"], problems, strict=True):
        assert re.search(wanted, problem), problem
        assert "\n" not in problem


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_found_by_the_names_people_use(name: str) -> None:
    text, expected = load(name)
    output = parse_output(text)
    for asked, metric_name in expected.get("finds", {}).items():
        assert find_metric(output, text, Metric(asked)).name == metric_name
    for asked in expected.get("ambiguous", []):
        with pytest.raises(MetricNotFoundError, match="ambiguous"):
            find_metric(output, text, Metric(asked))
    for asked in expected.get("absent", []):
        with pytest.raises(MetricNotFoundError, match="holds no metric"):
            find_metric(output, text, Metric(asked))


@pytest.mark.parametrize("name", NAMES)
def test_output_is_one_tools_and_its_document_is_json(name: str) -> None:
    text, expected = load(name)
    recognised = [parser.name for parser in PARSERS if parser.recognises(cleaned(text))]
    assert recognised == (expected["tool"].split("+") if expected["tool"] else [])
    document = parse_output(text).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    names = [metric["name"] for metric in document["metrics"]]  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    assert parse_output(text.replace("\n", "\r\n")).to_dict() == document, "line ends of a terminal"


def test_every_tool_has_recorded_cases_and_a_failing_one() -> None:
    recorded: dict[str, int] = {}
    failing: dict[str, int] = {}
    for name in NAMES:
        expected = load(name)[1]
        if expected["tool"] and not expected.get("made_by_hand"):
            recorded[expected["tool"]] = recorded.get(expected["tool"], 0) + 1
            failing[expected["tool"]] = failing.get(expected["tool"], 0) + bool(expected["problems"])
    assert set(recorded) == {parser.name for parser in PARSERS}
    assert all(failing.values()), failing
    assert sum(recorded.values()) >= 45
