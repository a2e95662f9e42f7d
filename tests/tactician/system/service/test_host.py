"""Services and kernel in one transaction: each told once, the kernel first, everything back."""

from __future__ import annotations

import pytest

from oppertune.core.values import Integer
from support_core import FakeKernel, LoggedJournal, refusal
from support_services import Bench
from tactician.errors import KnobReadError, KnobWriteError, RestoreError
from tactician.ports import Command, Place, Undo
from tactician.system.service.base import Runner
from tactician.system.service.knob import ServiceKnob
from tactician.system.sysctl import FileKnob
from tactician.undo import whole_files

A = "/proc/sys/x/a"


class Fake:
    """A service whose settings are the lines of a file; a reload copies it to what the process has."""

    def __init__(self, folder, name, log):
        self.name = name
        self.runner = Runner()
        self.log = log
        self.file = folder / name
        self.process = folder / f"{name}.running"
        self.file.write_text("one=1\ntwo=2\n")
        self.process.write_text(self.file.read_text())
        self.failing = False

    def settings(self, path):
        return dict(line.split("=") for line in path.read_text().splitlines())

    def read(self):
        return self.settings(self.file)

    def write(self, changed):
        self.log.append(("service", self.name, dict(changed)))
        self.file.write_text("".join(f"{key}={value}\n" for key, value in {**self.read(), **changed}.items()))
        if self.failing:
            raise KnobWriteError(5, f"{self.name} did not come back: out of memory")
        self.runner.run(self.reload())

    def undo(self, changed):
        return Undo(service=self.name, files=(whole_files.record(str(self.file)),), commands=(self.reload(),))

    def reload(self):
        return Command(("cp", str(self.file), str(self.process)))


@pytest.fixture
def kernel():
    return FakeKernel({A: "1"})


@pytest.fixture
def fakes(tmp_path, kernel):
    return {name: Fake(tmp_path, name, kernel.log) for name in ("db", "web")}


def knobs():
    settings = [("db", "one"), ("web", "one"), ("db", "two")]
    own = [ServiceKnob(Integer(f"{name}.{key}", 1, 0, 99), name, key) for name, key in settings]
    return [*own, FileKnob(Integer("x.a", 1, 0, 99), Place(A))]


def bench(fakes, kernel):
    return Bench(fakes, kernel, LoggedJournal(kernel.log))


def test_each_service_is_told_once_and_after_the_kernel(fakes, kernel):
    one = bench(fakes, kernel)
    with one.transaction() as transaction:
        transaction.apply(one.plan(knobs(), db__one=5, web__one=6, db__two=7, x__a=9))
        assert fakes["db"].settings(fakes["db"].process) == {"one": "5", "two": "7"}
        assert fakes["web"].settings(fakes["web"].process) == {"one": "6", "two": "2"}
    told = [entry for entry in kernel.log if entry[0] in ("write", "service")]
    assert told == [
        ("write", A, "9"),
        ("service", "db", {"one": "5", "two": "7"}),
        ("service", "web", {"one": "6"}),
        ("write", A, "1"),
    ]
    for fake in fakes.values():
        assert fake.process.read_text() == fake.file.read_text() == "one=1\ntwo=2\n"


def test_only_what_differs_is_told_and_a_plan_without_changes_tells_nothing(fakes, kernel):
    one = bench(fakes, kernel)
    with one.transaction() as transaction:
        transaction.apply(one.plan(knobs(), db__one=1, web__one=1, db__two=7))
    assert [entry for entry in kernel.log if entry[0] == "service"] == [("service", "db", {"two": "7"})]
    kernel.log.clear()
    with one.transaction() as transaction:
        transaction.apply(one.plan(knobs(), db__one=1, web__one=1, db__two=2))
    assert kernel.log == []


def test_the_way_back_is_journalled_before_the_service_is_told(fakes, kernel):
    one = bench(fakes, kernel)
    with one.transaction() as transaction:
        transaction.apply(one.plan(knobs(), db__one=5))
        [undo] = one.journal.undos
    assert undo.service == "db"
    kinds = [entry[0] for entry in kernel.log]
    assert (
        kinds.index("originals") < kinds.index("service") < kinds.index("process") < kinds.index("restored")
    )


def test_what_the_service_says_is_the_reason_and_the_rest_is_put_back(fakes, kernel):
    one = bench(fakes, kernel)
    fakes["web"].failing = True
    plan = one.plan(knobs(), db__one=5, web__one=6, x__a=9)
    with (
        pytest.raises(KnobWriteError, match="web did not come back: out of memory"),
        one.transaction() as change,
    ):
        change.apply(plan)
    assert kernel[A] == "1"
    for fake in fakes.values():
        assert fake.process.read_text() == fake.file.read_text() == "one=1\ntwo=2\n"


def test_a_service_that_cannot_be_put_back_is_named_and_the_others_are(fakes, kernel):
    one = bench(fakes, kernel)
    with pytest.raises(RestoreError) as caught, one.transaction() as transaction:
        transaction.apply(one.plan(knobs(), db__one=5, web__one=6, x__a=9))
        fakes["db"].process.unlink()
        fakes["db"].process.mkdir()
        (fakes["db"].process / "db").mkdir()
    assert {problem.path for problem in caught.value.leftovers} == {"db"}
    assert "cp " in caught.value.leftovers[0].message
    assert kernel[A] == "1"
    assert fakes["web"].process.read_text() == "one=1\ntwo=2\n"


def test_a_service_whose_way_back_cannot_be_kept_is_not_told(fakes, kernel):
    one = bench(fakes, kernel)
    plan = one.plan(knobs(), db__one=5, x__a=9)

    def unreadable(changed):
        raise refusal()

    fakes["db"].undo = unreadable
    with pytest.raises(KnobReadError), one.transaction() as transaction:
        transaction.apply(plan)
    assert [entry for entry in kernel.log if entry[0] in ("write", "service")] == []


def test_a_place_of_no_service_does_not_exist(fakes, kernel):
    with pytest.raises(OSError, match="no such service"):
        bench(fakes, kernel).host.read(Place("cache"))
