"""Apply, revert and export over files: only what was proven, and always with a way back."""

from __future__ import annotations

import functools
import subprocess

import pytest

from support_operations import (
    HERE,
    ID,
    RMEM,
    SWAP,
    THERE,
    record_of,
    shown,
)
from tactician import wiring
from tactician.config import parse_experiment
from tactician.errors import KnobWriteError, LockHeldError, OperatorError, RefusedError, RestoreError
from tactician.operations import apply_run, applying, export, exporting, recover_everywhere, revert
from tactician.system.guarding import run_header
from tactician.system.hostlock import HostLock
from tactician.undo import journal
from tactician.undo.journal import JournalFile


def test_the_winner_is_put_in_place_and_its_originals_are_kept(home, root):
    applied = apply_run(record_of(), home, str(root))
    assert shown(root) == ["0", "4096 131072 16777216"]
    assert applied.changed == THERE
    assert (applied.unchanged, applied.by_hand) == ((), {})
    pending = journal.read(home.applied / f"{ID}.jsonl").pending()
    assert {(path, text) for undo in pending for path, _, text in undo["expected"]} == {
        (f"{root}/proc/sys/vm/swappiness", "60"),
        (f"{root}/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456"),
    }


def test_an_applied_run_is_nobodys_leftover(home, root):
    apply_run(record_of(), home, str(root))
    assert [found for found in recover_everywhere(home) if found.run_id == ID] == []


def test_what_has_its_value_already_is_said_and_leaves_no_journal(home, root):
    applied = apply_run(record_of(best=HERE), home, str(root))
    assert set(applied.unchanged) == {SWAP, RMEM}
    assert applied.changed == {}
    assert not (home.applied / f"{ID}.jsonl").exists()


def test_an_argument_is_named_to_be_set_by_hand(home, root):
    items = [
        {"param": SWAP, "type": "int", "min": 0, "max": 100},
        {"param": "clients", "type": "int", "min": 1, "max": 9},
    ]
    best = {SWAP: 0, "clients": 4}
    record = record_of(items, best, {SWAP: 60, "clients": 5}, {"benchmark_command": "true {clients}"})
    assert apply_run(record, home, str(root)).by_hand == {"clients": 4}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"throw_away": True}, "throw-away"),
        ({"dry_run": True}, "dry run"),
        ({"significant": False}, "no improvement"),
        ({"no_result": True, "state": "running"}, "no result"),
    ],
)
def test_what_cannot_be_applied_is_refused_with_the_reason(home, root, changes, reason):
    with pytest.raises(RefusedError, match=reason):
        apply_run(record_of(**changes), home, str(root))
    assert shown(root) == ["60", "4096 131072 6291456"]
    assert not home.applied.exists()


def test_a_throw_away_run_offers_the_export(home, root):
    with pytest.raises(RefusedError, match=f"tactician export {ID}"):
        apply_run(record_of(throw_away=True), home, str(root))


def test_a_run_is_applied_once(home, root):
    apply_run(record_of(), home, str(root))
    with pytest.raises(RefusedError, match=f"tactician revert {ID}"):
        apply_run(record_of(), home, str(root))


def test_a_value_that_is_refused_leaves_everything_as_it_was(home, root):
    """The second file cannot be written: it is a folder's dangling name by then."""
    record = record_of()

    class Stubborn(applying.RealHost):
        def write(self, place, text):
            if place.path.endswith("tcp_rmem"):
                raise OSError(22, "Invalid argument")
            super().write(place, text)

    original = applying.RealHost
    applying.RealHost = Stubborn
    try:
        with pytest.raises(KnobWriteError):
            apply_run(record, home, str(root))
    finally:
        applying.RealHost = original
    assert shown(root) == ["60", "4096 131072 6291456"]
    assert list(home.applied.glob("*.jsonl")) == []


def test_while_a_tuner_is_at_work_nothing_is_applied(home, root, lock_of_its_own):
    lock = HostLock(name=lock_of_its_own)
    lock.acquire()
    try:
        with pytest.raises(LockHeldError):
            apply_run(record_of(), home, str(root))
    finally:
        lock.release()
    assert shown(root) == ["60", "4096 131072 6291456"]
    apply_run(record_of(), home, str(root))


def applied_journal(home, run_id, *places):
    header = {**run_header(run_id, teardown=None, environment={}), "pid": None, "pid_start": None}
    file = JournalFile.create(home.applied / f"{run_id}.jsonl", header)
    undos = [{"writes": [[str(p), "", text]], "expected": [[str(p), "", text]]} for p, text in places]
    file.append({"kind": "originals", "undos": undos})
    file.release()
    return file.path


def test_revert_takes_the_latest_back_or_the_named_one(home, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("9\n")
    applied_journal(home, "20260101-000000-aaaa", (tmp_path / "a", "1"))
    applied_journal(home, "20260102-000000-bbbb", (tmp_path / "b", "2"))
    assert revert(home).run_id == "20260102-000000-bbbb"
    assert [(tmp_path / name).read_text() for name in "ab"] == ["9\n", "2\n"]
    assert revert(home, "20260101").run_id == "20260101-000000-aaaa"
    assert (tmp_path / "a").read_text() == "1\n"
    with pytest.raises(OperatorError, match="applied runs: none"):
        revert(home)


def test_a_revert_that_fails_names_the_place_and_can_be_repeated(home, tmp_path):
    path = applied_journal(home, ID, (tmp_path / "gone", "1"))
    with pytest.raises(RestoreError) as caught:
        revert(home)
    assert [problem.path for problem in caught.value.leftovers] == [str(tmp_path / "gone")]
    assert path.exists()
    (tmp_path / "gone").write_text("9\n")
    revert(home)
    assert (tmp_path / "gone").read_text() == "1\n"


def test_a_run_that_is_not_applied_is_named_beside_those_that_are(home, tmp_path):
    applied_journal(home, ID, (tmp_path / "a", "1"))
    with pytest.raises(OperatorError, match=f"for run 2025; applied runs: {ID}"):
        revert(home, "2025")


def test_no_run_begins_on_a_host_that_a_dead_run_left_and_that_cannot_be_restored(
    home, root, tmp_path, monkeypatch, lock_of_its_own
):
    """Its originals would be the dead run's leftovers."""
    monkeypatch.setattr(wiring, "HostLock", functools.partial(HostLock, name=lock_of_its_own))
    header = {**run_header(ID, teardown=None, environment={}), "pid": 1 << 22, "pid_start": 1}
    file = JournalFile.create(home.journals / f"{ID}.jsonl", header)
    entry = [[str(tmp_path / "gone"), "", "1"]]
    file.append({"kind": "originals", "undos": [{"writes": entry, "expected": entry}]})
    file.release()
    experiment = parse_experiment(dict(record_of().document), "test")
    wired = None
    try:
        with pytest.raises(RestoreError) as caught:
            wired = wiring.wire(experiment, wiring.Options(root=str(root)), home=home)
    finally:
        if wired is not None:
            wired.session.close()
    assert [problem.path for problem in caught.value.leftovers] == [str(tmp_path / "gone")]
    lock = HostLock(name=lock_of_its_own)
    lock.acquire()
    lock.release()


def test_an_export_as_sysctl_is_a_file_of_sysctl_d():
    text = export(record_of(), "sysctl")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "vm.swappiness = 0"
    assert lines[1].startswith("net.ipv4.tcp_rmem = ")
    assert lines[1].endswith(" 16777216")
    assert "+12.0 % [+9.0, +15.0]" in text
    assert "no significant improvement" in text
    assert ID in text
    assert text.endswith("\n")


def test_an_exported_name_with_a_dot_in_it_keeps_its_slashes():
    """sysctl(8) reads every dot as a slash otherwise, and finds no such file."""
    name = "net.ipv4.neigh.eth0/100.delay_first_probe_time"
    items = [{"param": name, "type": "int", "min": 1, "max": 100}]
    text = export(record_of(items, {name: 7}, {name: 5}), "sysctl")
    assert "net/ipv4/neigh/eth0.100/delay_first_probe_time = 7" in text.splitlines()


def test_an_export_as_shell_is_a_script_with_its_own_undo(tmp_path):
    script = tmp_path / "tuned.sh"
    script.write_text(export(record_of(), "sh"))
    (tmp_path / "sysctl").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "sysctl").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    def output(*arguments):
        return subprocess.run(
            ["/bin/sh", str(script), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    forward, backward = output().stdout.splitlines(), output("undo").stdout.splitlines()
    assert forward[0] == "-w vm.swappiness=0"
    assert backward[-1] == "-w vm.swappiness=60"
    assert forward[1].endswith(" 16777216")
    assert backward[0].endswith(" 6291456")
    assert output("nonsense").returncode == 2


def test_the_undo_of_an_exported_pair_can_be_carried_out(monkeypatch, root):
    """The kernel refuses ``vm.dirty_bytes=0``: the way back is the ratio."""
    for name, text in {"dirty_bytes": "0", "dirty_ratio": "20"}.items():
        (root / "proc/sys/vm" / name).write_text(text + "\n")
    monkeypatch.setattr(exporting, "RealHost", functools.partial(exporting.RealHost, str(root)))
    items = [{"param": "vm.dirty_bytes", "type": "int", "min": 2**20, "max": 2**30}]
    text = export(record_of(items, {"vm.dirty_bytes": 2**24}, {"vm.dirty_bytes": 0}), "sh")
    assert "vm.dirty_bytes=16777216" in text
    assert "vm.dirty_bytes=0" not in text
    assert "vm.dirty_ratio=20" in text


@pytest.mark.parametrize(
    ("form", "changes"), [("nonsense", {}), ("sysctl", {"significant": False}), ("sh", {"no_result": True})]
)
def test_what_cannot_be_exported_is_refused(form, changes):
    with pytest.raises(RefusedError):
        export(record_of(**changes), form)
