"""Whatever the kernel does in between: at the end every place is as it was, or it is named."""

from __future__ import annotations

import contextlib
import errno
import signal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oppertune.core.values import Integer
from support_core import FakeKernel, LoggedGuardian, LoggedJournal, dirty_pair, integer, refusal
from tactician.errors import (
    GuardianError,
    Interrupted,
    JournalError,
    KnobReadError,
    KnobWriteError,
    RestoreError,
)
from tactician.experiment import TunedParameter
from tactician.interrupts import Interrupts
from tactician.plan import make_plan
from tactician.ports import Place
from tactician.system.sysctl import FileKnob, file_knob
from tactician.transaction import Transaction

FOLDER = "/proc/sys/x"
NAMES = ("a", "b", "c", "d")
PATHS = {name: f"{FOLDER}/{name}" for name in NAMES}
A, B, C, D = PATHS.values()
DISK_FULL = JournalError(errno.ENOSPC, "the disk is full")


def knob(name, coupled=()):
    return FileKnob(
        Integer(f"x.{name}", 0, 0, 10**9), Place(PATHS[name]), None, [Place(PATHS[c]) for c in coupled]
    )


class Bench:
    """A transaction on a fake kernel, all in one log."""

    def __init__(self, kernel, knobs, journal=None, guardian=None, interrupts=None):
        self.log = kernel.log
        self.kernel = kernel
        self.knobs = list(knobs)
        self.start = kernel.shown()
        self.journal = journal or LoggedJournal(self.log)
        self.guardian = guardian or LoggedGuardian(self.log)
        self.transaction = Transaction(kernel, self.journal, self.guardian, interrupts or Interrupts())

    def plan(self, **wanted):
        current = {knob.place: self.kernel.read(knob.place) for knob in self.knobs}
        return make_plan(self.knobs, current, {f"x.{name}": value for name, value in wanted.items()})

    def writes(self):
        return [entry[1:] for entry in self.log if entry[0] == "write"]


def moves(path, to, own=None):
    """A write here also moves another file."""

    def reaction(kernel, text):
        if own is not None:
            kernel[own] = text
        kernel[path] = to

    return reaction


def plain(**texts):
    return {PATHS[name]: text for name, text in texts.items()}


def test_the_originals_are_journalled_before_the_first_write_and_the_guardian_before_them():
    bench = Bench(FakeKernel(plain(a="1", b="2")), [knob("a"), knob("b")])
    with bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
        assert bench.kernel.shown() == plain(a="5", b="6")
    assert bench.log == [
        ("guardian",),
        ("originals", (A, B)),
        ("write", A, "5"),
        ("write", B, "6"),
        ("write", B, "2"),
        ("write", A, "1"),
        ("restored",),
    ]


def test_an_empty_plan_touches_nothing_at_all():
    bench = Bench(FakeKernel(plain(a="1")), [knob("a")])
    with bench.transaction as transaction:
        assert transaction.apply(bench.plan(a=1)) == []
    assert bench.log == []


@pytest.mark.parametrize(
    ("journal", "guardian", "error"),
    [((0,), None, JournalError), ((), GuardianError("the guardian did not answer"), GuardianError)],
)
def test_without_journal_or_guardian_nothing_is_written(journal, guardian, error):
    kernel = FakeKernel(plain(a="1"))
    log = kernel.log
    bench = Bench(kernel, [knob("a")], LoggedJournal(log, journal, DISK_FULL), LoggedGuardian(log, guardian))
    with pytest.raises(error), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
    assert bench.writes() == []


def test_an_original_that_cannot_be_read_is_not_written():
    """The place was there when the plan was made."""
    bench = Bench(FakeKernel(plain(a="1", b="2")), [knob("a", ["b"])])
    plan = bench.plan(a=5)
    bench.kernel.unreadable[Place(B)] = errno.EIO
    with pytest.raises(KnobReadError), bench.transaction as transaction:
        transaction.apply(plan)
    assert bench.writes() == []


def test_a_partner_that_this_kernel_does_not_have_is_no_obstacle():
    bench = Bench(FakeKernel(plain(a="1")), [knob("a", ["b"])])
    with bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
    assert bench.kernel.shown() == bench.start


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENODEV])
def test_a_refused_value_keeps_its_errno_and_everything_is_put_back(number):
    def refuse(kernel, text):
        raise refusal(number)

    bench = Bench(FakeKernel(plain(a="1", b="2"), {B: refuse}), [knob("a"), knob("b")])
    with pytest.raises(KnobWriteError) as caught, bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
    assert caught.value.errno == number
    assert B in str(caught.value)
    assert bench.kernel.shown() == bench.start


def test_a_value_that_the_kernel_changes_is_refused():
    def clamp(kernel, text):
        kernel[A] = str(min(int(text), 100))

    bench = Bench(FakeKernel(plain(a="1"), {A: clamp}), [knob("a")])
    with pytest.raises(KnobWriteError, match="keeps '100'"), bench.transaction as transaction:
        transaction.apply(bench.plan(a=4096))
    assert bench.kernel.shown() == bench.start


@pytest.mark.parametrize("start", [{"dirty_ratio": "20"}, {"dirty_ratio": "0", "dirty_bytes": "16777216"}])
@pytest.mark.parametrize(("key", "value"), [("vm.dirty_ratio", 45), ("vm.dirty_bytes", 33554432)])
def test_a_pair_of_which_one_is_zero_is_restored_as_a_pair(start, key, value):
    kernel = dirty_pair(**start)
    before = kernel.shown()
    one = file_knob(integer(key))
    plan = make_plan([one], {one.place: kernel.read(one.place)}, {key: value})
    log = kernel.log
    with Transaction(kernel, LoggedJournal(log), LoggedGuardian(log), Interrupts()) as transaction:
        transaction.apply(plan)
        assert kernel.read(one.place) == str(value)
    assert kernel.shown() == before


def test_what_the_kernel_moves_on_the_side_is_noted_journalled_and_restored():
    bench = Bench(FakeKernel(plain(a="1", b="2", c="3"), {A: moves(C, "99", own=A)}), [knob("a"), knob("b")])
    with bench.transaction as transaction:
        assert transaction.apply(bench.plan(a=5, b=6)) == [C]
        assert ("originals", (C,)) in bench.log
    assert bench.kernel.shown() == bench.start


def test_a_side_effect_of_a_plan_that_failed_is_restored_too():
    def refuse(kernel, text):
        raise refusal()

    reactions = {A: moves(C, "99", own=A), B: refuse}
    bench = Bench(FakeKernel(plain(a="1", b="2", c="3"), reactions), [knob("a"), knob("b")])
    with pytest.raises(KnobWriteError), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
    assert bench.kernel.shown() == bench.start


def test_a_side_effect_that_cannot_be_journalled_is_restored_too():
    kernel = FakeKernel(plain(a="1", c="3"), {A: moves(C, "99", own=A)})
    bench = Bench(kernel, [knob("a")], LoggedJournal(kernel.log, (1,), DISK_FULL))
    with pytest.raises(JournalError), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
    assert bench.kernel.shown() == bench.start


def test_a_side_effect_of_the_restore_alone_is_put_back():
    """A scheduler sets nr_requests to its own default, also when it is put back."""

    def scheduler(kernel, text):
        kernel[A], kernel[C] = text, {"5": "128", "1": "256"}[text]

    bench = Bench(FakeKernel(plain(a="1", c="128"), {A: scheduler}), [knob("a")])
    with bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
    assert bench.kernel.shown() == bench.start


def test_a_value_that_a_later_write_takes_back_is_not_called_applied():
    """``vm.dirty_ratio`` and ``vm.dirty_bytes`` in one configuration: the second zeroes the first."""
    bench = Bench(FakeKernel(plain(a="1", b="2"), {B: moves(A, "0", own=B)}), [knob("a"), knob("b")])
    with pytest.raises(KnobWriteError, match=A), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
    assert bench.kernel.shown() == bench.start


def test_a_place_that_refuses_its_original_is_named_with_a_command_and_the_others_are_restored():
    def one_way(kernel, text):
        if text == "1":
            raise refusal(errno.EPERM)
        kernel[A] = text

    bench = Bench(FakeKernel(plain(a="1", b="2"), {A: one_way}), [knob("a"), knob("b")])
    with pytest.raises(RestoreError) as caught, bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
    assert [problem.path for problem in caught.value.leftovers] == [A]
    assert "sysctl -w x.a=1" in caught.value.leftovers[0].message
    assert bench.kernel.shown() == plain(a="5", b="2")
    assert ("restored",) not in bench.log
    assert caught.value.exit_status == 4


def test_two_plans_in_one_transaction_are_both_taken_back():
    bench = Bench(FakeKernel(plain(a="1", b="2")), [knob("a"), knob("b")])
    with bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
        transaction.apply(bench.plan(a=7, b=6))
    assert bench.kernel.shown() == bench.start


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("error", [BrokenError(), Interrupted(15), KeyboardInterrupt(), SystemExit(3)])
def test_whatever_is_raised_in_the_block_passes_after_the_restore(error):
    bench = Bench(FakeKernel(plain(a="1")), [knob("a")])
    with pytest.raises(type(error)) as caught, bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
        raise error
    assert caught.value is error
    assert bench.kernel.shown() == bench.start


@pytest.mark.parametrize("moment", range(4))
def test_a_signal_while_the_host_is_half_written_waits_for_the_restore(moment):
    """At the first or second write, forth or back."""
    interrupts = Interrupts()
    kernel = FakeKernel(plain(a="1", b="2"))

    def signalled(path):
        def reaction(kernel, text):
            if len([entry for entry in kernel.log if entry[0] == "write"]) == moment + 1:
                signal.raise_signal(signal.SIGTERM)
            kernel[path] = text

        return reaction

    kernel.reactions = {Place(path): signalled(path) for path in (A, B)}
    bench = Bench(kernel, [knob("a"), knob("b")], interrupts=interrupts)
    with interrupts.installed(), pytest.raises(Interrupted), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5, b=6))
    assert len(bench.writes()) == 4
    assert bench.kernel.shown() == bench.start


class LastMoment(Interrupts):
    """A signal that arrives just before a block that would have held it back."""

    def __init__(self, before):
        super().__init__()
        self.blocks = 0
        self.before = before

    @contextlib.contextmanager
    def held(self):
        self.blocks += 1
        if self.blocks in self.before:
            signal.raise_signal(signal.SIGINT)
        with super().held():
            yield


@pytest.mark.parametrize("before", [{1}, {2}, {3}, {1, 2}, {2, 3}, {1, 2, 3}], ids=str)
def test_no_signal_in_a_last_moment_prevents_the_restore(before):
    """Between the block and its restore there is a moment too; and Ctrl-C may be pressed twice."""
    interrupts = LastMoment(before)
    bench = Bench(FakeKernel(plain(a="1")), [knob("a")], interrupts=interrupts)
    with interrupts.installed(), pytest.raises(Interrupted), bench.transaction as transaction:
        transaction.apply(bench.plan(a=5))
    assert bench.kernel.shown() == bench.start


# -- any kernel, any end ------------------------------------------------------------------------------------

START = plain(a="1", b="2", c="3", d="4")


def behave(kind, path, other):
    """One file's manners. ``other`` is the file that it meddles with."""

    def plain_write(kernel, text):
        kernel[path] = text

    def clamps(kernel, text):
        kernel[path] = str(min(int(text), 50))

    def refuses(kernel, text):
        if int(text) > 50:
            raise refusal()
        kernel[path] = text

    def keeps(kernel, text):
        if text != START[path]:
            kernel[path] = text

    def one_way(kernel, text):
        if text == START[path]:
            raise refusal(errno.EPERM)
        kernel[path] = text

    def meddles(kernel, text):
        kernel[path] = text
        kernel[other] = "777"

    def meddles_then_refuses(kernel, text):
        kernel[other] = "888"
        if text != START[path]:
            raise refusal()
        kernel[path] = text

    ways = {
        "plain": plain_write, "clamps": clamps, "refuses": refuses, "keeps": keeps, "one way": one_way,
        "meddles": meddles, "meddles, then refuses": meddles_then_refuses,
    }  # fmt: skip
    return ways[kind]


KINDS = ("plain", "plain", "clamps", "refuses", "keeps", "one way", "meddles", "meddles, then refuses")
VALUES = st.integers(0, 100)


@settings(max_examples=300, deadline=None, database=None)
@given(
    kinds=st.fixed_dictionaries({name: st.sampled_from(KINDS) for name in NAMES}),
    others=st.fixed_dictionaries({name: st.sampled_from(NAMES) for name in NAMES}),
    declared=st.permutations(NAMES[:3]),
    plans=st.lists(st.dictionaries(st.sampled_from(NAMES[:3]), VALUES), min_size=1, max_size=3),
    end=st.sampled_from([None, BrokenError(), Interrupted(1), KeyboardInterrupt()]),
    journal_fails=st.sampled_from([(), (0,), (1,), (2,)]),
)
@example(  # putting one back moves the next, and so on
    kinds={"a": "meddles", "b": "meddles", "c": "plain", "d": "meddles"},
    others={"a": "d", "b": "c", "c": "a", "d": "b"},
    declared=["a", "b", "c"],
    plans=[{"a": 0}],
    end=None,
    journal_fails=(),
)
def test_the_host_is_as_it_was_or_the_error_names_exactly_what_is_not(
    kinds, others, declared, plans, end, journal_fails
):
    reactions = {
        PATHS[name]: behave(kind, PATHS[name], PATHS[others[name]])
        for name, kind in kinds.items()
        if others[name] != name or "meddles" not in kind
    }
    kernel = FakeKernel(START, reactions)
    bench = Bench(
        kernel, [knob(name) for name in declared], LoggedJournal(kernel.log, journal_fails, DISK_FULL)
    )
    named = set()
    try:
        with bench.transaction as transaction:
            for wanted in plans:
                transaction.apply(bench.plan(**wanted))
            if end is not None:
                raise end
    except RestoreError as error:
        named = {problem.path for problem in error.leftovers}
        assert named
    except (KnobWriteError, JournalError, BrokenError, Interrupted, KeyboardInterrupt):
        pass
    shown = kernel.shown()
    assert {path for path in shown if shown[path] != START[path]} == named
    journalled = set()
    for entry in kernel.log:
        if entry[0] == "originals":
            journalled |= set(entry[1])
        elif entry[0] == "write":
            assert entry[1] in journalled or journal_fails, f"{entry[1]} was written before it was journalled"
    if named:
        assert kernel.log[-1] != ("restored",)


def test_the_sysctl_knob_of_a_pair_names_its_partner():
    tuned = TunedParameter(Integer("vm.dirty_bytes", 2**24, 2**20, 2**30), "sysctl", "vm.dirty_bytes")
    assert file_knob(tuned).coupled == (Place("/proc/sys/vm/dirty_ratio"),)
