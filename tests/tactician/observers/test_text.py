"""The small renderers, each by its law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tactician.observers._live import Progress
from tactician.observers._text import (
    Line,
    broken,
    claim,
    clean,
    duration,
    number,
    percent,
    setting,
    shortened,
    sparkline,
)

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1523.5, "1523.5"),
        (1234567.89, "1234567.9"),
        (0.0, "0"),
        (0.012345678, "0.012346"),
        (0.00001, "0.00001"),
        (1e-9, "1e-09"),
        (2e16, "2e+16"),
        (12, "12"),
        (-3.25, "-3.25"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_read_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


def test_percentages_and_claims_carry_their_signs() -> None:
    assert percent(15.42) == "+15.4 %"
    assert percent(-0.55) == "-0.6 %" or percent(-0.55) == "-0.5 %"
    assert claim(15.4, (13.9, 16.8)) == "+15.4 % [+13.9, +16.8]"
    assert claim(15.4, None) == "+15.4 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (31.2, "31 s"), (840, "14 min"), (7200, "2.0 hours"), (300_000, "3.5 days")],
)
def test_durations_have_the_unit_of_their_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_settings_are_short_for_people() -> None:
    assert [setting(value) for value in (7, 0.1 + 0.2, "bbr")] == ["7", "0.3", "bbr"]


def test_what_a_benchmark_prints_cannot_drive_the_terminal() -> None:
    assert clean("a\x1b[31mb\x07c\td\x9be") == "ab c d e"


@given(st.lists(WORDS, max_size=12), st.integers(0, 6), st.integers(20, 90))
def test_broken_lines_fit_and_lose_nothing(words: list[str], indent: int, width: int) -> None:
    text = " " * indent + " ".join(words)
    pieces = broken(Line(text), width)
    assert all(cell_len(piece) <= width for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.lists(st.text("abc='", min_size=1, max_size=12), min_size=1, max_size=12), st.integers(20, 60))
def test_a_broken_command_is_the_same_command(values: list[str], width: int) -> None:
    import shlex

    command = shlex.join(["sudo", *values])
    pieces = broken(Line(f"  {command}", command=True), width)
    assert all(piece.endswith(" \\") for piece in pieces[:-1])
    assert shlex.split("\n".join(pieces).replace("\\\n", "")) == ["sudo", *values]


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(-2, 20), st.booleans())
def test_sparklines_keep_to_their_width(values: list[float], width: int, plain: bool) -> None:
    line = sparkline(values, width, plain=plain)
    assert len(line) == min(len(values), max(0, width))
    assert not plain or line.isascii()


def test_a_sparkline_goes_from_lowest_to_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 1], 8) == "▅▅"


@given(st.text(max_size=60), st.integers(1, 40))
def test_shortened_texts_fit(text: str, width: int) -> None:
    assert cell_len(shortened(text, width)) <= max(width, 2)


def test_the_live_line_says_what_goes_on_and_for_how_long() -> None:
    now = [100.0]
    progress = Progress(clock=lambda: now[0])
    progress.phase("trial 3 of 30")
    progress.left(840.0)
    progress.benchmark_began(31.0)
    for value in (1.0, 1.2, 1.1):
        progress.performance(value)
    now[0] += 12.0
    assert progress.line(79)[2:] == "trial 3 of 30 · 12 s of about 31 s · 14 min left  ▁█▅"
    assert progress.line(52)[2:] == "trial 3 of 30 · 12 s of about 31 s · 14 min left"
    assert cell_len(progress.line(20)) == 20
    progress.benchmark_ended()
    progress.left(None)
    assert progress.line(79)[2:] == "trial 3 of 30  ▁█▅"


def test_the_live_line_can_do_without_signs() -> None:
    progress = Progress(plain=True, clock=lambda: 0.0)
    progress.benchmark_began(None)
    progress.performance(1.0)
    assert progress.line(79).isascii()
