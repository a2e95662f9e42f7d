"""The journal of a run and the process that watches us: before the first write, and again after a kill."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tactician.errors import GuardianError, JournalError
from tactician.ports import Place, Undo
from tactician.system import guarding
from tactician.system.guarding import GuardianProcess, NoGuardian, NoJournal, RunJournal, run_header
from tactician.system.hostlock import HostLock
from tactician.testing import contract
from tactician.undo import journal as journals
from tactician.undo import processes

TUNER = """
import os, sys, time
from pathlib import Path
from tactician.ports import Place, Undo
from tactician.system.guarding import GuardianProcess, RunJournal, run_header
from tactician.system.hostlock import HostLock
folder, target, lock_name = Path(sys.argv[1]), sys.argv[2], chr(0) + sys.argv[3]
lock = HostLock("", lock_name)
lock.acquire()
teardown = f"touch {folder}/torn-down"
journal = RunJournal.create(folder, run_header("run-1", teardown=teardown, environment={}))
guardian = GuardianProcess(journal.file.path, lock)
guardian.ensure()
place = Place(target)
journal.originals([Undo(((place, "60"),), ((place, "60"),))])
Path(target).write_text("99")
print(guardian.pid, flush=True)
time.sleep(60)
"""


def undo(path: Path, text: str) -> Undo:
    place = Place(str(path))
    return Undo(((place, text),), ((place, text),))


def until(holds: Callable[[], object], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int | None) -> bool:
    found = processes.status(pid) if pid else None
    return found is not None and found.state not in "ZX"


def made(folder: Path, name: str = "run-1") -> RunJournal:
    return RunJournal.create(folder, run_header(name, teardown=None, environment={}))


@pytest.fixture
def lock() -> HostLock:
    return HostLock(name=f"\0tactician-test/{uuid.uuid4()}")


def test_a_guardian_is_alive_when_ensure_returns_and_gone_after_dismissal(
    tmp_path: Path, lock: HostLock
) -> None:
    guardian = GuardianProcess(made(tmp_path).file.path, lock)
    assert guardian.pid is None
    guardian.ensure()
    pid = guardian.pid
    assert alive(pid)
    guardian.ensure()
    assert guardian.pid == pid
    guardian.dismiss()
    assert not alive(pid)
    assert guardian.pid is None
    guardian.dismiss()


def test_a_guardian_that_was_killed_is_replaced(tmp_path: Path, lock: HostLock) -> None:
    guardian = GuardianProcess(made(tmp_path).file.path, lock)
    guardian.ensure()
    first = guardian.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert until(lambda: not alive(first))
    guardian.ensure()
    assert guardian.pid != first
    assert alive(guardian.pid)
    guardian.dismiss()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_guardian_lives_on_when_the_terminal_closes(
    number: signal.Signals, tmp_path: Path, lock: HostLock
) -> None:
    guardian = GuardianProcess(made(tmp_path).file.path, lock)
    guardian.ensure()
    assert guardian.pid is not None
    os.kill(guardian.pid, number)
    time.sleep(0.2)
    assert alive(guardian.pid)
    guardian.dismiss()


def test_a_guardian_that_does_not_start_is_an_error(
    tmp_path: Path, lock: HostLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "guardian.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr(guarding, "_SCRIPT", broken)
    with pytest.raises(GuardianError, match="nothing was written"):
        GuardianProcess(made(tmp_path).file.path, lock).ensure()


def test_when_the_tuner_is_killed_its_guardian_restores_and_holds_the_lock_till_then(tmp_path: Path) -> None:
    target = tmp_path / "value"
    target.write_text("60")
    name = f"tactician-test/{uuid.uuid4()}"
    folder = tmp_path / "journals"
    tuner = subprocess.Popen(
        [sys.executable, "-c", TUNER, str(folder), str(target), name], stdout=subprocess.PIPE, text=True
    )
    assert tuner.stdout is not None
    guardian = int(tuner.stdout.readline())
    assert target.read_text() == "99"
    assert HostLock(name=f"\0{name}").holder() == tuner.pid
    os.kill(guardian, signal.SIGSTOP)
    tuner.kill()
    tuner.communicate()
    assert HostLock(name=f"\0{name}").holder() == tuner.pid, "inherited, hence still held"
    os.kill(guardian, signal.SIGCONT)
    assert until(lambda: target.read_text().strip() == "60")
    assert until(lambda: not alive(guardian))
    assert HostLock(name=f"\0{name}").holder() is None
    assert (folder / "torn-down").exists()
    assert not list(folder.glob("*.jsonl"))
    assert len(list(folder.glob("closed/*.jsonl"))) == 1


def test_a_journal_keeps_the_laws_of_its_port(tmp_path: Path) -> None:
    class Checked(RunJournal):
        def pending(self) -> list[journals.Entry]:
            return journals.read(self.file.path).pending()

    journal = made(tmp_path)
    first, second = undo(tmp_path / "a", "1"), undo(tmp_path / "b", "0")
    journal.originals([first])
    journal.originals([second])
    assert len(journals.read(journal.file.path).pending()) == 2
    journal.restored()
    assert journals.read(journal.file.path).pending() == []
    journal.file.release()


def test_a_journal_tells_of_processes_that_run(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.process_started(os.getpid(), "marker")
    (entry,) = journals.read(journal.file.path).processes()
    own = processes.status(os.getpid())
    assert own is not None
    assert (entry["pid"], entry["start"], entry["marker"]) == (os.getpid(), own.start, "marker")
    journal.process_ended(os.getpid())
    assert journals.read(journal.file.path).processes() == []
    journal.file.release()


def test_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    journal = made(tmp_path / "journals")
    assert stat.S_IMODE(journal.file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "journals").stat().st_mode) == 0o700
    journal.file.release()


def test_two_runs_never_share_a_journal(tmp_path: Path) -> None:
    journal = made(tmp_path)
    with pytest.raises(JournalError, match="nothing is changed"):
        made(tmp_path)
    journal.file.release()


def test_a_journal_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        made(tmp_path / "file")


def test_the_header_holds_what_a_stranger_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    header = run_header("run-1", teardown="stop it", environment={"A": "b"}, throw_away=True)
    own = processes.status(os.getpid())
    assert own is not None
    assert (header["pid"], header["pid_start"]) == (os.getpid(), own.start)
    assert header["teardown"] == ["/bin/sh", "-c", "stop it"]
    assert header["teardown_environment"]["A"] == "b"
    assert "secret" not in str(header)
    assert header["throw_away"] is True


def test_a_run_that_writes_nothing_has_nothing_to_guard(tmp_path: Path) -> None:
    NoGuardian().ensure()
    journal = NoJournal()
    journal.originals([undo(tmp_path / "a", "1")])
    journal.process_started(1, "m")
    journal.process_ended(1)
    journal.restored()
    contract.check_observer(lambda event: None)
