"""Every knob obeys the laws of knobs, and each law can be broken."""

from __future__ import annotations

import pytest

from oppertune.core.values import Categorical, Integer, Real
from tactician.ports import Place
from tactician.system.sysctl import FileKnob
from tactician.testing import contract
from tactician.testing.contract import LawBrokenError, check_knob

PLACE = Place("/proc/sys/x/y")
NUMBER = Integer("x.y", 1, -(10**9), 10**9)
WORDS = Categorical("x.y", "always", ("always", "madvise", "never"))
TRIPLE = "4096\t131072\t6291456"


@pytest.mark.parametrize(
    ("parameter", "index", "text", "values"),
    [
        (NUMBER, None, "60", (0, 1, 200, -1)),
        (NUMBER, None, "0", (0, 7)),
        (NUMBER, None, "  60 ", (60,)),
        (NUMBER, 0, TRIPLE, (0, 4096, 8192)),
        (NUMBER, 2, TRIPLE, (0, 6291456, 16777216)),
        (Real("x.y", 0.5, 0.0, 10.0), None, "3", (0.0, 3.0, 2.5)),
        (WORDS, None, "always [madvise] never", WORDS.categories),
        (WORDS, None, "never", WORDS.categories),
        (Categorical("x.y", "1 2", ("1 2", "3 4")), None, "1\t2", ("1 2", "3 4")),
        (Categorical("x.y", "none", ("none", "bfq")), None, "mq-deadline kyber [none] bfq", ("none", "bfq")),
    ],
)
def test_file_knobs_obey_the_laws(parameter, index, text, values):
    check_knob(FileKnob(parameter, PLACE, index), text, values)


class Sound(FileKnob):
    def __init__(self):
        super().__init__(NUMBER, PLACE)


class WritesAnotherValue(Sound):
    def encode(self, current, value):
        return str(value + 1)


class TakesTheFirstField(FileKnob):
    """Of several fields it keeps one."""

    def __init__(self):
        super().__init__(NUMBER, PLACE, 2)

    def encode(self, current, value):
        return str(value)


class RestoresNothing(Sound):
    def restoring(self, text):
        return "0"


class RestoresTheWholeLine(FileKnob):
    """Writes back all choices, which the kernel refuses."""

    def __init__(self):
        super().__init__(WORDS, PLACE)

    def restoring(self, text):
        return text.replace("[", "").replace("]", "")


class TakesNothingForZero(Sound):
    def decode(self, text):
        return int(text) if text.strip().isdigit() else 0


class ShowsNothing(Sound):
    def shows(self, text, value):
        return False


@pytest.mark.parametrize(
    ("knob", "text", "values", "law"),
    [
        (WritesAnotherValue(), "60", (1,), contract.A_KNOB_KEEPS_ITS_NEIGHBOURS),
        (TakesTheFirstField(), TRIPLE, (1,), None),
        (RestoresNothing(), "60", (), contract.A_KNOB_IS_RESTORED_BY_ITS_TEXT),
        (RestoresTheWholeLine(), "always [madvise] never", (), contract.A_KNOB_IS_RESTORED_BY_ITS_TEXT),
        (TakesNothingForZero(), "60", (), contract.A_KNOB_REFUSES_NONSENSE),
        (ShowsNothing(), "60", (), contract.A_KNOB_SHOWS_WHAT_IT_ENCODES),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, FileKnob) else "",
)
def test_a_broken_knob_is_caught(knob, text, values, law):
    if law is None:
        with pytest.raises((LawBrokenError, ValueError)):
            check_knob(knob, text, values)
        return
    with pytest.raises(LawBrokenError) as caught:
        check_knob(knob, text, values)
    assert str(caught.value).startswith(law)


def test_a_knob_that_loses_its_neighbours_is_caught():
    """It shows the right value, and the other fields of the file are gone."""

    class Forgetful(FileKnob):
        def encode(self, current, value):
            fields = ["0"] * 3
            fields[2] = str(value)
            return " ".join(fields)

    with pytest.raises(LawBrokenError, match=contract.A_KNOB_KEEPS_ITS_NEIGHBOURS):
        check_knob(Forgetful(NUMBER, PLACE, 2), TRIPLE, ())
