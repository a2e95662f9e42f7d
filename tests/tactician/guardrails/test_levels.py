"""Readings are compared with limits and with what was so before; what is absent or usual crosses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tactician.experiment import Guardrails
from tactician.guardrails.levels import IO_WINDOW_S, MEMORY_WINDOW_S, Levels, Usual
from tactician.guardrails.readings import Reading

LIMITS = Guardrails(memory_stall=0.4, io_stall=0.9, available_memory=0.05)
SHARES = st.floats(0.0, 1.0)


def steady(levels, seconds, *, memory=0.0, io=0.0, available=0.5, kills=0, every=0.25, since=0.0):
    """Feed readings of a host whose stalls grow at a constant share; the first reason, or nothing."""
    count = int(seconds / every) + 1
    for index in range(count):
        at = since + index * every
        found = levels.take(Reading(at, memory * at, io * at, available, kills))
        if found:
            return found
    return ""


def test_a_calm_host_crosses_nothing():
    assert steady(Levels(LIMITS, Usual()), 60.0, memory=0.1, io=0.5) == ""


def test_a_stall_counts_once_its_window_has_passed():
    levels = Levels(LIMITS, Usual())
    assert steady(levels, MEMORY_WINDOW_S - 0.5, memory=1.0) == ""
    assert "want of memory" in steady(levels, 1.0, memory=1.0, since=MEMORY_WINDOW_S - 0.25)
    assert "want of I/O" in steady(Levels(LIMITS, Usual()), IO_WINDOW_S, io=0.95)


def test_a_burst_that_is_over_does_not_count():
    levels = Levels(LIMITS, Usual())
    stalled = 0.0
    for tick in range(80):
        stalled += 0.25 if tick % 20 < 4 else 0.0  # one second in five: a third of the window at most
        assert levels.take(Reading(tick * 0.25, stalled, 0.0, 0.5, 0)) == ""


def test_what_was_so_in_the_baseline_does_not_count():
    usual = Usual(memory_stall=0.5, io_stall=0.97, available_memory=0.03, oom_kills=1)
    levels = Levels(LIMITS, usual)
    assert levels.take(Reading(0.0, 0.0, 0.0, 0.028, 7)) == ""
    assert steady(levels, 30.0, memory=0.6, io=1.0, available=0.028, kills=9) == ""
    assert "memory is available" in steady(Levels(LIMITS, usual), 5.0, available=0.01)
    assert "want of memory" in steady(Levels(LIMITS, usual), 5.0, memory=0.95)


def test_an_oom_kill_counts_from_the_beginning_of_the_run():
    levels = Levels(LIMITS, Usual())
    assert levels.take(Reading(0.0, 0.0, 0.0, 0.5, 41)) == ""
    assert "OOM" in levels.take(Reading(0.25, 0.0, 0.0, 0.5, 42))


def test_one_low_reading_of_memory_is_not_enough():
    levels = Levels(LIMITS, Usual())
    assert levels.take(Reading(0.0, 0.0, 0.0, 0.01, 0)) == ""
    assert levels.take(Reading(0.25, 0.0, 0.0, 0.5, 0)) == ""
    assert levels.take(Reading(0.5, 0.0, 0.0, 0.01, 0)) == ""
    assert "1.0% of the memory" in levels.take(Reading(0.75, 0.0, 0.0, 0.01, 0))


@given(SHARES, SHARES, SHARES, st.integers(0, 5))
def test_limits_of_zero_switch_guardrails_off(memory, io, available, kills):
    off = Guardrails(memory_stall=0.0, io_stall=0.0, available_memory=0.0, oom_kill=False)
    levels = Levels(off, Usual())
    levels.take(Reading(0.0, 0.0, 0.0, 0.5, 0))
    assert steady(levels, 20.0, memory=memory, io=io, available=available, kills=kills) == ""


def test_a_kernel_that_says_nothing_crosses_nothing():
    levels = Levels(LIMITS, Usual())
    assert all(levels.take(Reading(float(tick), None, None, None, None)) == "" for tick in range(40))
    assert levels.seen == Usual()


@given(st.lists(st.tuples(SHARES, SHARES, SHARES), min_size=1, max_size=5))
def test_a_host_is_never_punished_for_what_its_baseline_showed(runs):
    usual = Usual()
    for memory, io, available in runs:
        levels = Levels(Guardrails(memory_stall=0.0, io_stall=0.0, available_memory=0.0), usual)
        steady(levels, 12.0, memory=memory, io=io, available=available)
        usual = usual.and_also(levels.seen)
    for memory, io, available in runs:
        assert steady(Levels(LIMITS, usual), 12.0, memory=memory, io=io, available=available) == ""
