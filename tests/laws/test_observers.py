"""Every observer obeys the laws of observers, and each law can be broken."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass

import pytest

from tactician import events
from tactician.observers.console import ConsoleObserver
from tactician.observers.jsonl import JsonLinesObserver
from tactician.storage.history import History
from tactician.testing import contract
from tactician.testing.contract import LawBrokenError, check_observer, example_events


@pytest.mark.parametrize("quiet", [False, True])
def test_the_console_obeys_the_laws(quiet):
    stream = io.StringIO()
    with ConsoleObserver(stream, quiet=quiet) as console:
        check_observer(console)
    assert stream.getvalue()


def test_json_lines_obey_the_laws():
    stream = io.StringIO()
    check_observer(JsonLinesObserver(stream))
    assert stream.getvalue().count("\n") == 2 * len(example_events())


def test_the_history_obeys_the_laws(tmp_path):
    history = History(tmp_path / "history.sqlite")
    start = example_events()[0]
    history.create_run(
        start.run_id,
        start.experiment,
        dry_run=False,
        host={},
        original=start.original,
        baseline=start.baseline,
    )
    words = []
    check_observer(history.observer(words.append))
    assert words == []


def test_the_examples_hold_every_kind_of_event():
    kinds = {cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, events.Event)}
    assert {type(event) for event in example_events()} == kinds - {events.Event}


def test_events_cannot_be_changed():
    for event in example_events():
        assert is_dataclass(event)
        with pytest.raises(AttributeError):
            setattr(event, fields(event)[0].name, "another")


def chokes(event):
    if isinstance(event, events.Learned):
        raise KeyError("gradient_steps")


class WantsOrder:
    started = False

    def __call__(self, event):
        if isinstance(event, events.RunStarted):
            self.started = True
        elif isinstance(event, events.RunFinished):
            if not self.started:
                raise RuntimeError("finished before it began")
            self.started = False


def meddles(event):
    if isinstance(event, events.RunFinished):
        event.result["improvement"] = 99.0


@pytest.mark.parametrize(
    ("observer", "law"),
    [
        (chokes, contract.AN_OBSERVER_TAKES_EVERY_EVENT),
        (WantsOrder(), contract.AN_OBSERVER_TAKES_EVERY_EVENT),
        (meddles, contract.AN_OBSERVER_CHANGES_NOTHING),
    ],
)
def test_a_broken_observer_is_caught(observer, law):
    with pytest.raises(LawBrokenError) as caught:
        check_observer(observer)
    assert str(caught.value).startswith(law)


def test_an_observer_that_does_nothing_passes():
    check_observer(lambda event: None)
