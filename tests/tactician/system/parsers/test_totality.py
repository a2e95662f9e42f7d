"""No text may make a parser raise or take long."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tactician.experiment import Metric
from tactician.system.parsers import PARSERS, MetricNotFoundError, find_metric, parse_output

SAMPLES = [
    path.read_bytes().decode(errors="replace")
    for path in sorted((Path(__file__).parents[3] / "cases" / "parse").glob("*.txt"))
]
MIB = 2**20
SECONDS = 60.0  # of CPU; anything that grows with the square of these sizes takes hours
"""Generous, so that a busy machine does not fail it; a quadratic parser needs minutes."""


def check(text: str) -> None:
    output = parse_output(text)
    json.dumps(output.to_dict(), allow_nan=False)
    for metric in (Metric("requests_per_second"), Metric("x", pattern=r"(\d+)"), Metric("x", path="a.0.b")):
        with contextlib.suppress(MetricNotFoundError):
            find_metric(output, text, metric)


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    check(text)


@given(st.binary())
def test_any_bytes_are_parsed(data: bytes) -> None:
    check(data.decode(errors="replace"))


@given(st.text(alphabet='aps0129.:=-+eE{}[]",%/ \t\r\n\0\x1bµ', max_size=200))
def test_texts_of_separators_and_digits_are_parsed(text: str) -> None:
    check(text)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_outputs_are_parsed(sample: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    inserted = data.draw(
        st.sampled_from(["", "\0", "\r", "nan", "9" * 400, "1.2.3", "{", "\n" + "[" * 2000, "-", "٣"])
    )
    check(sample[:start] + inserted + sample[end:])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SAMPLES), st.sampled_from(["nan", "9" * 400, "1.2.3", "", "0", "-1", "1e999"]))
def test_outputs_with_other_numbers_are_parsed(sample: str, number: str) -> None:
    check(re.sub(r"\d+(?:\.\d+)?", number, sample[:5000]))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(st.randoms(use_true_random=False))
def test_outputs_mixed_of_several_are_parsed(chance: random.Random) -> None:
    parts = re.findall(r"\w+|.", chance.choice(SAMPLES)[:3000], flags=re.DOTALL)
    for _ in range(chance.randrange(1, 12)):
        place = chance.randrange(len(parts) + 1)
        other = chance.choice(SAMPLES)
        start = chance.randrange(len(other) + 1)
        pieces = ["", " (", "9" * 500, "nan", "-1", "1.2.3", "²", "\0", other[start : start + 300]]
        parts[place : place + chance.randrange(2)] = [chance.choice(pieces)]
    check("".join(parts))


def test_label_without_words_is_parsed() -> None:
    check("stress-ng: metrc: [1] cpu 5  (x\n")


@given(st.sampled_from(PARSERS), st.text(max_size=300))
def test_each_parser_takes_any_text(parser: object, text: str) -> None:
    parser.recognises(text)  # type: ignore[attr-defined]
    parser.parse(text)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "\n",
        "\r",
        "\0",
        "[",
        "[\n",
        '{"a":\n',
        "{}\n",
        "1",
        "a=1 ",
        "name: 1\n",
        ":",
        '{"a":',
        "\x1b[0;",
        "1,111",
    ],
)
def test_four_mebibytes_of_garbage_take_no_time(piece: str) -> None:
    text = (piece * (4 * MIB // len(piece) + 1))[: 4 * MIB]
    started = time.process_time()
    parse_output(text)
    assert time.process_time() - started < SECONDS


def test_four_mebibytes_of_noise_take_no_time() -> None:
    text = random.Random(5).randbytes(4 * MIB).decode(errors="replace")
    started = time.process_time()
    check(text)
    assert time.process_time() - started < SECONDS


LONGEST = {sample.split(maxsplit=1)[0]: sample for sample in sorted(SAMPLES, key=len) if sample.strip()}


@pytest.mark.parametrize("sample", LONGEST.values(), ids=LONGEST.keys())
def test_work_grows_with_the_size_only(sample: str) -> None:
    text = sample * (MIB // 4 // len(sample) + 1)
    started = time.process_time()
    parse_output(text)
    assert time.process_time() - started < SECONDS


def test_of_very_many_numbers_the_last_are_kept() -> None:
    output = parse_output("".join(f"n{index}: {index}\n" for index in range(30_000)))
    assert len(output.metrics) == 2000
    assert output.metrics[-1].name == "n29999"
