"""A signal becomes one exception, at a moment when the host is whole."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tactician.errors import Interrupted
from tactician.interrupts import SIGNALS, Interrupts

NUMBERS = [int(number) for number in SIGNALS]


def kill(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_raised_where_it_arrives(number):
    interrupts = Interrupts()
    with interrupts.installed(), pytest.raises(Interrupted) as caught:
        kill(number)
    assert caught.value.signal_number == number


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_inside_a_held_block_is_delivered_after_it(number):
    interrupts = Interrupts()
    steps = []
    with interrupts.installed(), pytest.raises(Interrupted) as caught:
        with interrupts.held():
            kill(number)
            steps.append("restore")
        steps.append("after")
    assert steps == ["restore"]
    assert caught.value.signal_number == number


def test_only_the_end_of_the_outermost_block_delivers():
    interrupts = Interrupts()
    steps = []
    with interrupts.installed(), pytest.raises(Interrupted), interrupts.held():
        with interrupts.held():
            kill(signal.SIGTERM)
        steps.append("still inside")
    assert steps == ["still inside"]


def test_an_exception_in_a_held_block_passes_and_the_signal_follows_at_the_next_end():
    interrupts = Interrupts()
    with interrupts.installed():
        with pytest.raises(ZeroDivisionError), interrupts.held():
            kill(signal.SIGTERM)
            raise ZeroDivisionError
        with pytest.raises(Interrupted), interrupts.held():
            pass


def test_two_signals_in_a_held_block_are_one_interruption():
    interrupts = Interrupts()
    with interrupts.installed():
        with pytest.raises(Interrupted), interrupts.held():
            kill(signal.SIGTERM)
            kill(signal.SIGINT)
        with interrupts.held():
            pass


def test_the_former_handlers_come_back():
    former = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts().installed():
        assert [signal.getsignal(number) for number in SIGNALS] != former
    assert [signal.getsignal(number) for number in SIGNALS] == former


def test_it_can_be_installed_again_after_an_interruption():
    interrupts = Interrupts()
    for _ in range(2):
        with interrupts.installed(), pytest.raises(Interrupted):
            kill(signal.SIGHUP)


def test_no_handler_of_exceptions_swallows_it():
    assert not issubclass(Interrupted, Exception)


def test_in_another_thread_nothing_is_installed():
    seen = []

    def work():
        former = signal.getsignal(signal.SIGTERM)
        with Interrupts().installed() as interrupts, interrupts.held():
            seen.append(signal.getsignal(signal.SIGTERM) is former)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
