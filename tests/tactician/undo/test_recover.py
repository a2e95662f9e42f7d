"""A dead run's host is brought back from its journal alone, over temporary files as places."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from support_services import until
from tactician.undo import files, journal, processes, whole_files
from tactician.undo.journal import JournalFile
from tactician.undo.recover import leftover_journals, recover_folder, recover_journal

DEAD = {"run_id": "r1", "pid": 1 << 22, "pid_start": 1}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journals"


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "swappiness"
    path.write_text("10\n")
    return path


def original(path, text="60"):
    entry = [[str(path), "", text]]
    return {"kind": "originals", "undos": [{"writes": entry, "expected": entry}]}


def make(folder, *entries, name="r1", **header):
    known = {"boot_id": files.boot_identity(), "namespace": files.namespace_identity(), **DEAD}
    file = JournalFile.create(folder / f"{name}.jsonl", {**known, **header})
    for entry in entries:
        file.append(entry)
    file.release()
    return file.path


def test_a_dead_run_is_restored_and_its_journal_retired(folder, place):
    recovery = recover_journal(make(folder, original(place)))
    assert recovery is not None
    assert (recovery.run_id, recovery.changed, recovery.leftovers) == ("r1", [(str(place), "10")], [])
    assert place.read_text() == "60\n"
    assert leftover_journals(folder) == []
    assert journal.read(folder / "closed" / "r1.jsonl").closed


def test_recovering_twice_is_harmless(folder, place):
    path = make(folder, original(place))
    saved = path.read_bytes()
    recover_journal(path)
    path.write_bytes(saved)
    recovery = recover_journal(path)
    assert recovery is not None
    assert (recovery.changed, recovery.leftovers) == ([], [])


def test_a_live_run_is_left_alone(folder, place):
    with subprocess.Popen(["sleep", "60"]) as owner:
        try:
            start = processes.status(owner.pid).start
            path = make(folder, original(place), pid=owner.pid, pid_start=start)
            assert recover_journal(path) is None
            assert recover_folder(folder) == []
            assert place.read_text() == "10\n"
        finally:
            owner.kill()


def test_a_pid_that_somebody_else_has_now_is_a_dead_run(folder, place):
    parent = processes.status(os.getppid())
    path = make(folder, original(place), pid=os.getppid(), pid_start=parent.start - 1)
    assert recover_journal(path) is not None
    assert place.read_text() == "60\n"


def test_after_a_restart_nothing_is_written(folder, place):
    """Values below /proc do not outlive a boot, and the pid means nothing either."""
    own = processes.status(os.getpid())
    header = {"boot_id": "another", "pid": os.getpid(), "pid_start": own.start}
    recovery = recover_journal(make(folder, original(place), **header))
    assert recovery is not None
    assert "restarted" in recovery.note
    assert place.read_text() == "10\n"
    assert leftover_journals(folder) == []


def service(folder):
    """An undo of a service that copies its file when it is told, and the file."""
    path = folder / "service.conf"
    path.write_text("original")
    shown = folder / "running"
    copy = {"argv": ["cp", str(path), str(shown)], "environment": {}, "timeout_s": 10.0}
    check = {"argv": ["cat", str(shown)], "environment": {}, "timeout_s": 1.0, "expected": "original"}
    undo = {"name": "service", "writes": [], "expected": [], "files": [whole_files.record(str(path))]}
    undo |= {"commands": [copy], "rescue": [], "checks": [check]}
    path.write_text("tuned")
    shown.write_text("tuned")
    return {"kind": "originals", "undos": [undo]}, path, shown


def test_a_service_is_put_back_from_the_journal_alone(folder, tmp_path):
    entry, path, shown = service(tmp_path)
    recovery = recover_journal(make(folder, entry))
    assert recovery is not None
    assert (recovery.changed, recovery.leftovers) == ([(str(path), "other content")], [])
    assert path.read_text() == shown.read_text() == "original"
    assert leftover_journals(folder) == []


def test_after_a_restart_of_the_host_a_file_is_still_put_back(folder, place, tmp_path):
    entry, path, shown = service(tmp_path)
    recovery = recover_journal(make(folder, original(place), entry, boot_id="another"))
    assert recovery is not None
    assert recovery.changed == [(str(path), "other content")]
    assert path.read_text() == shown.read_text() == "original"
    assert place.read_text() == "10\n"
    assert leftover_journals(folder) == []


def test_after_a_restart_of_the_host_a_file_that_cannot_be_put_back_keeps_its_journal(folder, tmp_path):
    entry, path, shown = service(tmp_path)
    shown.unlink()
    path.unlink()
    path.mkdir()
    recovery = recover_journal(make(folder, entry, boot_id="another"))
    assert recovery is not None
    assert [leftover.path for leftover in recovery.leftovers] == [str(path)]
    assert len(leftover_journals(folder)) == 1


def test_a_restart_that_a_dead_tuner_had_begun_is_ended_first(folder, tmp_path):
    """Else it would start the service with the new settings after the old ones were put back."""
    entry, path, shown = service(tmp_path)
    late = f"sleep 2; echo late > {shown}"
    with subprocess.Popen(["/bin/sh", "-c", late], start_new_session=True) as begun:
        start = processes.status(begun.pid).start
        process = {"kind": "process", "pid": begun.pid, "start": start, "marker": ""}
        recovery = recover_journal(make(folder, entry, process))
        begun.wait()
    assert recovery is not None
    assert recovery.ended >= 1
    assert begun.returncode == -signal.SIGKILL
    assert shown.read_text() == path.read_text() == "original"


@pytest.mark.needs("root", "unshare")
def test_a_service_of_another_namespace_is_not_started_in_ours(folder, tmp_path):
    entry, path, shown = service(tmp_path)
    with subprocess.Popen(["unshare", "-n", "sleep", "60"]) as inhabitant:
        try:
            own = files.namespace_identity()
            until(lambda: os.readlink(f"/proc/{inhabitant.pid}/ns/net") != own)
            home = os.readlink(f"/proc/{inhabitant.pid}/ns/net")
            recovery = recover_journal(make(folder, entry, namespace=home))
        finally:
            inhabitant.kill()
    assert recovery is not None
    assert "run recover inside it" in recovery.note
    assert [leftover.path for leftover in recovery.leftovers] == ["service"]
    assert path.read_text() == shown.read_text() == "tuned"


def test_of_a_service_whose_namespace_is_gone_the_file_is_put_back(folder, tmp_path):
    entry, path, shown = service(tmp_path)
    recovery = recover_journal(make(folder, entry, namespace="net:[1]"))
    assert recovery is not None
    assert recovery.leftovers == []
    assert (path.read_text(), shown.read_text()) == ("original", "tuned")


def test_what_was_restored_is_not_written_again(folder, place):
    recovery = recover_journal(make(folder, original(place), {"kind": "restored"}))
    assert recovery is not None
    assert recovery.changed == []
    assert place.read_text() == "10\n"


def test_a_closed_journal_is_only_moved_away(folder, place):
    recovery = recover_journal(make(folder, original(place), {"kind": "closed"}))
    assert recovery is not None
    assert "closed" in recovery.note
    assert place.read_text() == "10\n"
    assert leftover_journals(folder) == []


def test_what_cannot_be_restored_keeps_its_journal_and_is_named(folder, place, tmp_path):
    path = make(folder, original(tmp_path / "gone"), original(place))
    recovery = recover_journal(path)
    assert recovery is not None
    assert [leftover.path for leftover in recovery.leftovers] == [str(tmp_path / "gone")]
    assert place.read_text() == "60\n"
    assert leftover_journals(folder) == [path]
    assert not (tmp_path / "gone").exists()


def test_the_benchmark_is_ended_first(folder, place):
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        entry = {"kind": "process", "pid": process.pid, "start": processes.status(process.pid).start}
        recovery = recover_journal(make(folder, original(place), entry))
        assert recovery is not None
        assert recovery.ended == 1
        assert process.wait(20) == -signal.SIGKILL
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()


def test_the_teardown_is_run_with_its_environment_and_folder(folder, place, tmp_path):
    teardown = ["/bin/sh", "-c", f'echo "$WORD" > mark; cat {place} >> mark']
    environment = {"WORD": "hello", "PATH": os.environ["PATH"]}
    recover_journal(
        make(
            folder,
            original(place),
            teardown=teardown,
            teardown_environment=environment,
            directory=str(tmp_path),
        )
    )
    assert (tmp_path / "mark").read_text() == "hello\n60\n"


@pytest.mark.parametrize("argv", [["/nonexistent/program"], ["/bin/sh", "-c", "exit 3"]])
def test_a_teardown_that_fails_does_not_undo_the_restore(folder, place, argv):
    recovery = recover_journal(make(folder, original(place), teardown=argv))
    assert recovery is not None
    assert recovery.leftovers == []
    assert place.read_text() == "60\n"


def test_values_of_a_throw_away_namespace_went_with_it(folder, place):
    elsewhere = original("/proc/sys/net/core/somaxconn", "128")
    recovery = recover_journal(make(folder, original(place), elsewhere, namespace="net:[1]", throw_away=True))
    assert recovery is not None
    assert "gone" in recovery.note
    assert recovery.leftovers == []
    assert place.read_text() == "60\n"
    assert leftover_journals(folder) == []


def test_values_of_a_living_namespace_are_named_and_not_written_here(folder, place, monkeypatch):
    monkeypatch.setattr(files, "namespace_identity", lambda: "net:[2]")
    home = os.readlink("/proc/self/ns/net")
    elsewhere = original("/proc/sys/net/core/somaxconn", "17")
    recovery = recover_journal(make(folder, original(place), elsewhere, namespace=home))
    assert recovery is not None
    assert [leftover.path for leftover in recovery.leftovers] == ["/proc/sys/net/core/somaxconn"]
    assert place.read_text() == "60\n"
    assert len(leftover_journals(folder)) == 1


def test_a_torn_last_line_does_not_stop_the_rest(folder, place):
    path = make(folder, original(place))
    path.write_bytes(path.read_bytes() + b'1234abcd {"kind":"ori')
    recovery = recover_journal(path)
    assert recovery is not None
    assert recovery.leftovers == []
    assert place.read_text() == "60\n"


def test_a_damaged_journal_is_never_called_fully_recovered(folder, place, tmp_path):
    """An original that cannot be read any more may be missing from what was put back."""
    other = tmp_path / "other"
    other.write_text("5\n")
    path = make(folder, original(other, "1"), original(place))
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b'"1"', b'"2"')
    path.write_bytes(b"\n".join(lines))
    recovery = recover_journal(path)
    assert recovery is not None
    assert place.read_text() == "60\n"
    assert other.read_text() == "5\n"
    assert "damaged" in recovery.note


@pytest.mark.parametrize("how", ["gone", "unreadable"])
def test_one_journal_that_cannot_be_read_does_not_stop_the_others(folder, place, how):
    """Gone: a guardian was faster. Anything else is named."""
    make(folder, original(place), name="r2", run_id="r2")
    strange = folder / "r1.jsonl"
    if how == "gone":
        strange.symlink_to(folder / "nowhere")
    else:
        strange.mkdir()
    recoveries = recover_folder(folder)
    assert place.read_text() == "60\n"
    assert "r2" in [recovery.run_id for recovery in recoveries]
    named = [leftover.path for recovery in recoveries for leftover in recovery.leftovers]
    assert named == ([] if how == "gone" else [str(strange)])


def test_a_guardian_that_finishes_first_is_no_error(folder, place):
    """Both restore from one journal at the same moment; the other one moves it away."""
    path = folder / "r1.jsonl"
    done = ["/bin/sh", "-c", f"mkdir {folder}/closed; mv {path} {folder}/closed/"]
    make(folder, original(place), teardown=done)
    recovery = recover_journal(path)
    assert recovery is not None
    assert recovery.leftovers == []
    assert place.read_text() == "60\n"


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert recover_folder(tmp_path / "nowhere") == []


ELSEWHERE = """
import sys, time
from pathlib import Path
from tactician.system.guarding import RunJournal, run_header
from tactician.ports import Place, Undo
header = run_header("r1", teardown=None, environment={})
journal = RunJournal.create(Path(sys.argv[1]), header)
place = Place(sys.argv[2])
journal.originals([Undo(((place, "60"),), ((place, "60"),))])
Path(sys.argv[2]).write_text("10\\n")
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.needs("unshare", "userns")
def test_a_run_whose_pid_cannot_be_seen_is_left_alone_while_it_lives(folder, place):
    """As in a container with the same state folder: there, its pid is 1 or 2 and means somebody else here."""
    place.write_text("60\n")
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv += [sys.executable, "-c", ELSEWHERE, str(folder), str(place)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert recover_journal(folder / "r1.jsonl") is None
        assert place.read_text() == "10\n"
    finally:
        process.kill()
        process.communicate()
    until(lambda: not journal.is_held(folder / "r1.jsonl"))
    recovery = recover_journal(folder / "r1.jsonl")
    assert recovery is not None
    assert place.read_text() == "60\n"
