"""A setting's line in the text of its service, and the numbers that servers write with letters."""

from __future__ import annotations

import pytest

from oppertune.core.values import Categorical, Integer, Real
from tactician.ports import Place
from tactician.system.service.base import parse, render
from tactician.system.service.knob import ServiceKnob

TEXT = render({"work_mem": "4096", "jit": "on", "random_page_cost": "4"})


def integer(name, unit="", **numbers):
    return ServiceKnob(Integer(f"s.{name}", 1, 0, 10**9), "s", name, unit, numbers)


def test_each_setting_is_a_line_and_the_others_stay():
    knob = integer("work_mem")
    assert knob.place == Place("s")
    assert knob.place.of_service
    assert knob.decode(TEXT) == 4096
    assert parse(knob.encode(TEXT, 64)) == {"work_mem": "64", "jit": "on", "random_page_cost": "4"}
    assert knob.restoring(TEXT) == TEXT


def test_words_and_fractions():
    jit = ServiceKnob(Categorical("s.jit", "on", ("on", "off")), "s", "jit")
    cost = ServiceKnob(Real("s.random_page_cost", 1.0, 1.0, 8.0), "s", "random_page_cost")
    assert (jit.decode(TEXT), cost.decode(TEXT)) == ("on", 4.0)
    assert parse(cost.encode(TEXT, 1.25))["random_page_cost"] == "1.25"
    assert cost.shows(cost.encode(TEXT, 1e-7), 1e-7)
    assert jit.shows("jit = ON", "on")
    assert not jit.shows("jit = off", "on")


@pytest.mark.parametrize(
    ("unit", "shown", "value"),
    [
        ("bytes", "32k", 32768), ("bytes", "1m", 1048576), ("bytes", "77", 77), ("s", "65s", 65),
        ("s", "2m", 120), ("s", "75", 75), ("ms", "500ms", 500), ("ms", "2", 2000), ("", "12", 12),
    ],
)  # fmt: skip
def test_suffixes_are_read_by_the_unit(unit, shown, value):
    assert integer("x", unit).decode(f"x = {shown}") == value


@pytest.mark.parametrize(("unit", "text"), [("ms", "500ms"), ("s", "500"), ("bytes", "500")])
def test_what_is_written_is_read_as_the_same(unit, text):
    knob = integer("x", unit)
    assert parse(knob.encode("x = 1", 500)) == {"x": text}
    assert knob.shows(knob.encode("x = 1", 500), 500)


def test_a_word_may_stand_for_a_number():
    knob = integer("workers", auto=2)
    assert knob.decode("workers = auto") == 2
    assert knob.shows("workers = auto", 2)


@pytest.mark.parametrize("shown", ["auto", "4 8k", "1.5", "", "32kB/s"])
def test_what_is_no_whole_number_is_said(shown):
    with pytest.raises(ValueError, match=r"s\.x"):
        integer("x").decode(f"x = {shown}")


def test_a_setting_that_the_service_does_not_show_is_said():
    with pytest.raises(ValueError, match="not shown"):
        integer("y").decode(TEXT)
    assert not integer("y").shows(TEXT, 4096)
