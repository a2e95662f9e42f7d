"""Killed at every step of a transaction and at every write of its journal, the host ends as it began."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time

import pytest

from oppertune.core.values import Integer
from support_core import FakeKernel, Fixture, LoggedGuardian, LoggedJournal, flat
from support_helper import until
from tactician.errors import HostError, KnobWriteError, RestoreError
from tactician.interrupts import Interrupts
from tactician.outcomes import Outcome
from tactician.plan import make_plan
from tactician.ports import Place
from tactician.system.files import RealHost
from tactician.system.guarding import GuardianProcess, NoGuardian, RunJournal, run_header
from tactician.system.sysctl import FileKnob
from tactician.testing import faults
from tactician.testing.disk import troubled
from tactician.testing.faults import (
    FaultyBenchmark,
    FaultyGuardian,
    FaultyHost,
    FaultyJournal,
    Trip,
    fail,
    hang,
    jumping,
)
from tactician.transaction import Transaction
from tactician.tuner import Tuner
from tactician.undo.recover import leftover_journals, recover_folder

KNOBS = 6
DONE, FAILED, LEFT, UNEXPECTED = 0, 1, 4, 99


class Scene:
    """Six small files, a plan for all of them, and what is asked of a process that carries it out."""

    def __init__(self, folder):
        self.folder = folder / "knobs"
        self.journals = folder / "journals"
        self.folder.mkdir(parents=True)
        # Values of one length: unlike the kernel's, a plain file is not cut short by a shorter write.
        self.start = {f"k{number}": f"{1000 + number}" for number in range(KNOBS)}
        self.reset()

    def reset(self):
        for name, text in self.start.items():
            (self.folder / name).write_text(text + "\n", encoding="ascii")

    def shown(self):
        return {name: (self.folder / name).read_text(encoding="ascii").strip() for name in self.start}

    def visit(self, trip, *, guarded):
        """One transaction, with every call a step."""
        real = RealHost()
        names = list(self.start)
        knobs = [FileKnob(Integer(name, 1000, 1000, 9999), Place(str(self.folder / name))) for name in names]
        plan = make_plan(
            knobs, {knob.place: real.read(knob.place) for knob in knobs}, dict.fromkeys(names, 7777)
        )
        journal = RunJournal.create(self.journals, run_header("r", teardown=None, environment={}))
        guardian = GuardianProcess(journal.file.path) if guarded else NoGuardian()
        host = FaultyHost(real, trip)
        ports = FaultyJournal(journal, trip), FaultyGuardian(guardian, trip)
        with Transaction(host, *ports, Interrupts()) as transaction:
            transaction.apply(plan)
            trip("inside")
        if isinstance(guardian, GuardianProcess):
            guardian.dismiss()
        journal.file.close()

    def process(self, trip, *, guarded, trouble=None):
        """The same in a process of its own; returns its status, negative for a signal."""
        pid = os.fork()
        if pid == 0:
            status = UNEXPECTED
            try:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(faults.system_calls(trip))
                    if trouble is not None:
                        stack.enter_context(troubled(*trouble))
                    self.visit(trip, guarded=guarded)
                status = DONE
            except RestoreError:
                status = LEFT
            except (HostError, OSError):
                status = FAILED
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def settled(self):
        """Whether everything is as it was and no journal is left, after a recovery."""
        found = recover_folder(self.journals)
        assert not [recovery for recovery in found if recovery.leftovers]
        return self.shown() == self.start and leftover_journals(self.journals) == []


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def steps_of(scene):
    """Count the steps of a visit that nothing disturbs."""
    trip = Trip()
    with faults.system_calls(trip):
        scene.visit(trip, guarded=False)
    assert scene.settled()
    return trip.steps


def test_a_visit_has_many_steps_and_each_write_is_two_of_them(scene, record_property):
    steps = steps_of(scene)
    record_property("kill_points", len(steps))
    print(f"{KNOBS} knobs: {len(steps)} kill points")
    assert len([step for step in steps if step.startswith("write ")]) == 2 * KNOBS
    assert steps.index("journalled originals") < min(
        i for i, step in enumerate(steps) if step.startswith("write ")
    )


def test_killed_at_every_step_recovery_restores(scene):
    for at in range(1, len(steps_of(scene)) + 1):
        assert scene.process(Trip(at), guarded=False) == -signal.SIGKILL
        assert scene.settled(), at


@pytest.mark.slow
def test_killed_at_every_step_the_guardian_restores_alone(scene):
    detuned = 0
    for at in range(1, len(steps_of(scene)) + 1):
        trip = Trip(at)
        assert scene.process(trip, guarded=True) == -signal.SIGKILL
        detuned += scene.shown() != scene.start
        assert until(lambda: scene.shown() == scene.start), at
        assert scene.settled(), at


WRITES = 4  # run, originals, restored, closed


@pytest.mark.parametrize("at", range(1, WRITES + 1))
@pytest.mark.parametrize("kind", ["torn", "torn at once", "duplicate", "dead after"])
def test_killed_at_every_write_of_the_journal_recovery_restores(scene, kind, at):
    assert scene.process(Trip(), guarded=False, trouble=(kind, at)) == -signal.SIGKILL
    assert scene.settled()


def test_the_journal_has_no_more_writes_than_these(scene):
    assert scene.process(Trip(), guarded=False, trouble=("torn", WRITES + 1)) == DONE


@pytest.mark.parametrize("at", range(1, WRITES + 1))
@pytest.mark.parametrize("kind", ["full", "read-only", "short", "no sync"])
def test_a_disk_that_takes_nothing_keeps_nothing_from_being_restored(scene, kind, at):
    status = scene.process(Trip(), guarded=False, trouble=(kind, at))
    assert status == (FAILED if at <= 2 else DONE)
    assert scene.shown() == scene.start
    assert scene.settled()


@pytest.mark.parametrize("act", [fail(errno.EIO), fail(errno.EROFS)])
def test_a_call_that_fails_at_any_step_is_restored(scene, act):
    for at in range(1, len(steps_of(scene)) + 1):
        status = scene.process(Trip(at, act), guarded=False)
        assert status in (DONE, FAILED, LEFT)
        # A read that fails while everything is put back must not be taken for success.
        assert scene.shown() == scene.start or status == LEFT, at
        scene.reset()
        assert scene.settled(), at


# -- in this process, on a kernel in memory -----------------------------------------------------------------

FOLDER = "/proc/sys/x"
A, B = f"{FOLDER}/a", f"{FOLDER}/b"


def memory(reactions=None):
    return FakeKernel({A: "1", B: "2"}, reactions)


def apply(kernel, host, wanted):
    knobs = [FileKnob(Integer(f"x.{name}", 0, 0, 10**9), Place(f"{FOLDER}/{name}")) for name in "ab"]
    plan = make_plan(knobs, {knob.place: kernel.read(knob.place) for knob in knobs}, wanted)
    with Transaction(host, LoggedJournal([]), LoggedGuardian([]), Interrupts()) as transaction:
        transaction.apply(plan)


def test_a_place_that_lies_about_what_it_shows_is_refused_and_restored():
    kernel = memory()
    host = FaultyHost(kernel, Trip(), {Place(A): "1"})
    with pytest.raises(KnobWriteError, match="keeps '1'"):
        apply(kernel, host, {"x.a": 5, "x.b": 6})
    assert kernel.shown() == {A: "1", B: "2"}


def test_a_knob_that_refuses_its_original_is_named_with_its_command():
    def one_way(kernel, text):
        if text == "1":
            raise OSError(errno.EPERM, "no way back")
        kernel[A] = text

    kernel = memory({A: one_way})
    with pytest.raises(RestoreError) as caught:
        apply(kernel, FaultyHost(kernel, Trip()), {"x.a": 5, "x.b": 6})
    assert [problem.path for problem in caught.value.leftovers] == [A]
    assert "sysctl -w x.a=1" in str(caught.value)
    assert caught.value.exit_status == 4
    assert kernel.shown() == {A: "5", B: "2"}


def test_places_that_move_one_another_in_a_chain_are_all_put_back():
    """The first moves the second when it is written, the second the third, also while they are put back."""

    def moving(own, other):
        def write(kernel, text):
            kernel[own] = text
            if other is not None:
                kernel[other] = "777"

        return write

    paths = {name: f"{FOLDER}/{name}" for name in "abcd"}
    order = [*paths.values(), None]
    reactions = {own: moving(own, order[index + 1]) for index, own in enumerate(paths.values())}
    kernel = FakeKernel({path: str(1000 + index) for index, path in enumerate(paths.values())}, reactions)
    start = kernel.shown()
    knobs = [FileKnob(Integer(f"x.{name}", 0, 0, 10**9), Place(path)) for name, path in paths.items()]
    plan = make_plan(
        knobs,
        {knob.place: kernel.read(knob.place) for knob in knobs},
        {"x.d": 5, "x.c": 5, "x.b": 5, "x.a": 5},
    )
    with (
        contextlib.suppress(KnobWriteError),
        Transaction(kernel, LoggedJournal([]), LoggedGuardian([]), Interrupts()) as transaction,
    ):
        transaction.apply(plan)
    assert kernel.shown() == start


def test_a_family_that_cannot_be_looked_at_keeps_nothing_from_being_restored():
    kernel = memory()
    trip = Trip(2, fail(errno.EMFILE), only=("family",))
    apply(kernel, FaultyHost(kernel, trip), {"x.a": 5, "x.b": 6})
    assert len(trip.steps) > 2
    assert kernel.shown() == {A: "1", B: "2"}


def test_a_call_that_hangs_is_late_and_nothing_else():
    kernel = memory()
    trip = Trip(3, hang(0.05))
    began = time.monotonic()
    apply(kernel, FaultyHost(kernel, trip), {"x.a": 5})
    assert time.monotonic() - began >= 0.05
    assert kernel.shown() == {A: "1", B: "2"}


@pytest.mark.parametrize("by_s", [1e9, -1e9, 3600.0])
@pytest.mark.parametrize("at", [1, 3, 8])
def test_a_clock_that_jumps_ends_a_run_late_or_early_and_restored(by_s, at):
    from support_core import Listed, make_experiment
    from tactician.experiment import Budget

    experiment = make_experiment(budget=Budget(trials=6, seconds=60.0, source="budget"))
    fixture = Fixture(experiment, clock=jumping(lambda: 0.0, at, by_s))
    search = Listed([{"vm.swappiness": 10, "vm.dirty_ratio": 30}])
    result = Tuner(fixture.session, search, undo="all of it").run()
    assert fixture.kernel.shown() == fixture.start
    assert fixture.released == [True]
    assert result["restored"] is True
    assert result["stopped_because"] in ("budget", "decided")


@pytest.mark.parametrize("value", [0.0, -5.0, 1e308])
def test_a_benchmark_that_lies_changes_no_restore(value):
    from support_core import Listed

    fixture = Fixture(benchmark=FaultyBenchmark(flat(), Trip(), value))
    search = Listed([{"vm.swappiness": 10, "vm.dirty_ratio": 30}])
    Tuner(fixture.session, search, undo="all of it").run()
    assert fixture.kernel.shown() == fixture.start


def test_every_port_of_a_bench_is_rigged():
    fixture = Fixture()
    trip = Trip()
    faults.rig(fixture.bench, trip)
    fixture.session.start()
    outcome = fixture.session.trial({"vm.swappiness": 10, "vm.dirty_ratio": 30})
    fixture.session.close()
    assert isinstance(outcome, Outcome)
    words = {step.partition(" ")[0] for step in trip.steps}
    assert {"read", "write", "written", "family", "journal", "journalled", "guardian", "benchmark"} <= words
    assert {"setup", "teardown", "benchmarked", "undo"} <= words


def test_only_some_steps_may_be_counted():
    trip = Trip(2, fail(errno.EIO), only=("write",))
    trip("read x")
    trip("write x")
    with pytest.raises(OSError, match="write y"):
        trip("write y")
    assert trip.steps == ["write x", "write y"]


def test_trouble_ends_with_its_block(tmp_path):
    from tactician.undo import journal

    with troubled("full", 1), pytest.raises(OSError, match="No space"):
        journal.JournalFile.create(tmp_path / "a.jsonl", {})
    journal.JournalFile.create(tmp_path / "a.jsonl", {}).release()
    assert journal.os is os
