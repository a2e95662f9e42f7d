"""How long changes take is measured, kept, and told to the search where a change reloads or restarts."""

from __future__ import annotations

import dataclasses

import pytest

from support_core import Fixture, Listed, make_experiment
from tactician.experiment import Budget
from tactician.outcomes import Measurement, Outcome
from tactician.search_arguments import search_arguments
from tactician.storage.records import outcome_columns, outcome_of
from tactician.tuner import Tuner


class Telling(Listed):
    """Remembers what was told beside the rewards."""

    def __init__(self, configurations):
        super().__init__(configurations)
        self.told = []

    def set_reward(self, reward, context_id="", *, request_id=None, reward_data=None):
        self.told.append(reward_data)


class Ticking:
    """A clock on which every look takes seconds, so that the benchmark's own are not all there is."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 40.0
        return self.now


def restarting(fixture, *names):
    """The knobs of a fixture, some of which act by a restart."""
    for knob in fixture.knobs:
        knob.acts = "restart" if knob.name in names else "at once"
    return fixture


def test_the_search_is_told_seconds_where_something_is_restarted():
    for restarts in (True, False):
        fixture = Fixture(
            make_experiment(algorithm="auto", budget=Budget(trials=3), stop_early=False), clock=Ticking()
        )
        names = [knob.name for knob in fixture.knobs]
        restarting(fixture, *(names if restarts else ()))
        search = Telling([fixture.original | {names[0]: fixture.original[names[0]] + 1}])
        Tuner(fixture.session, search, undo="").run()
        arguments = search_arguments(fixture.session)
        if restarts:
            assert fixture.session.change_groups == [[name] for name in names]
            took = [each.seconds for each in fixture.session.trials]
            assert [each["seconds"] for each in search.told] == took
            assert [each["change_seconds"] for each in search.told] == [40.0 - each for each in took]
            assert arguments.get("change_groups") == fixture.session.change_groups
        else:
            assert fixture.session.change_groups == []
            assert search.told == [None] * 3
            assert "change_groups" not in arguments


@pytest.mark.parametrize("seconds", [None, 0.0, 3.25])
def test_the_history_keeps_them(seconds):
    measured = Outcome.measured({"x": 1}, Measurement(2.0, "", True, {}, {}, 1.5), None)
    outcome = dataclasses.replace(measured, change_seconds=seconds)
    assert outcome_of(outcome_columns(outcome)) == outcome
