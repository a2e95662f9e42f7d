"""Every journal obeys the law of journals, and the law can be broken."""

from __future__ import annotations

import pytest

from tactician.ports import Place, Undo
from tactician.system.guarding import NoJournal, RunJournal
from tactician.testing.contract import A_JOURNAL_HOLDS_EVERY_UNDO, LawBrokenError, check_journal
from tactician.undo import journal

A, B = Place("/proc/sys/x/a"), Place("/proc/sys/net/x", "/run/netns/blue")
UNDOS = [
    Undo(((A, "1"),), ((A, "1"), (B, "0"))),
    Undo(((B, "\udc80 odd"), (A, "")), ((B, "0"),)),
]


class PendingOnDisk:
    """What the file says at each look."""

    def __init__(self, path):
        self.path = path

    def __iter__(self):
        for undo in journal.read(self.path).pending():
            sides = (undo["writes"], undo["expected"])
            yield Undo(*(tuple((Place(path, netns), text) for path, netns, text in side) for side in sides))


@pytest.mark.parametrize("undos", [UNDOS, UNDOS[:1], []], ids=["two", "one", "none"])
def test_the_journal_on_disk_obeys_the_law(tmp_path, undos):
    run = RunJournal.create(tmp_path, {"run_id": "r"})
    check_journal(run, undos, PendingOnDisk(run.file.path))
    check_journal(run, undos, PendingOnDisk(run.file.path))
    run.file.release()


def test_the_journal_of_a_dry_run_takes_the_same_calls():
    check_journal(NoJournal(), [], [])


class InMemory:
    def __init__(self):
        self.pending = []

    def originals(self, undos):
        self.pending.extend(undos)

    def process_started(self, pid, marker):
        pass

    def process_ended(self, pid):
        pass

    def restored(self):
        self.pending.clear()


class Deaf(InMemory):
    def originals(self, undos):
        pass


class KeepsTheLast(InMemory):
    def originals(self, undos):
        self.pending[:] = undos[-1:]


class ForgetsWithTheProcess(InMemory):
    def process_ended(self, pid):
        self.pending.clear()


class NeverDone(InMemory):
    def restored(self):
        pass


def test_a_sound_journal_passes():
    sound = InMemory()
    check_journal(sound, UNDOS, sound.pending)


@pytest.mark.parametrize("broken", [Deaf, KeepsTheLast, ForgetsWithTheProcess, NeverDone])
def test_a_broken_journal_is_caught(broken):
    made = broken()
    with pytest.raises(LawBrokenError) as caught:
        check_journal(made, UNDOS, made.pending)
    assert str(caught.value).startswith(A_JOURNAL_HOLDS_EVERY_UNDO)
