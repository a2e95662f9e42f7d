"""Confirm or revert: real guardians hold the timer, and whoever comes next does its work if it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support_operations import ID, end_guardians, record_of, rewrite_header, shown, until
from tactician import wiring
from tactician.errors import GuardianError, HostError, OperatorError, RefusedError, RestoreError
from tactician.operations import apply_run, confirm, recover_everywhere, revert
from tactician.system import guarding
from tactician.system.applications import unconfirmed
from tactician.undo import applied, journal, processes

BEFORE, AFTER = ["60", "4096 131072 6291456"], ["0", "4096 131072 16777216"]
TESTS = str(Path(__file__).parents[2])
OTHER = "20260102-000000-bbbb"


def path_of(home, run_id=ID):
    return home.applied / f"{run_id}.jsonl"


def recovered(home):
    """What recover found in this home; as root it looks into those of other tuners too."""
    return [found for found in recover_everywhere(home) if found.run_id in (ID, OTHER)]


def guardian_of(home):
    (found,) = unconfirmed(home)
    assert found.guardian is not None
    return found.guardian


def test_what_is_confirmed_stays_and_its_guardian_goes(home, root):
    done = apply_run(record_of(), home, str(root), confirm_within_s=300)
    assert shown(root) == AFTER
    assert done.confirm.within_s == 300
    assert done.confirm.command.endswith(f"tactician confirm {ID}")
    guardian = guardian_of(home)
    kept = confirm(home)
    assert (kept.run_id, kept.files) == (ID, ())
    assert 290 < kept.remaining_s <= 300
    assert until(lambda: processes.status(guardian) is None or processes.status(guardian).state in "ZX")
    assert shown(root) == AFTER
    assert recovered(home) == []
    revert(home)
    assert shown(root) == BEFORE


def test_without_a_word_everything_comes_back_by_itself(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=1)
    assert until(lambda: shown(root) == BEFORE)
    assert until(lambda: not path_of(home).exists())
    with pytest.raises(OperatorError, match=r"taken back already.*apply"):
        confirm(home, ID)


def test_the_guardian_is_an_orphan_in_a_session_of_its_own(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    pid = guardian_of(home)
    found = processes.status(pid)
    assert found.session == pid != os.getsid(0)
    with open(f"/proc/{pid}/stat", "rb") as file:
        parent = int(file.read().rpartition(b")")[2].split()[1])
    assert parent != os.getpid()
    targets = {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    assert targets == {"/dev/null"}
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    time.sleep(0.1)
    assert processes.is_alive(pid, found.start)


@pytest.mark.parametrize("whoever", ["recover", "apply", "tune", "confirm"])
def test_whoever_comes_next_does_the_work_of_a_guardian_that_was_killed(home, root, whoever):
    apply_run(record_of(), home, str(root), confirm_within_s=2)
    guardian = guardian_of(home)
    os.kill(guardian, signal.SIGKILL)
    assert until(lambda: not unconfirmed(home))
    assert shown(root) == AFTER, "nobody came yet"
    if whoever == "recover":
        (recovery,) = recovered(home)
        assert [found for _, found in recovery.changed] == ["0", "4096 131072 16777216"]
    elif whoever == "apply":
        apply_run(
            record_of(id=OTHER, best={"vm.swappiness": 60, "net.ipv4.tcp_rmem[2]": 6291456}), home, str(root)
        )
    elif whoever == "tune":
        wiring.recover(home)
    else:
        with pytest.raises(HostError, match="that is over, and everything is as it was") as caught:
            confirm(home)
        assert caught.value.exit_status == 1
    assert shown(root) == BEFORE
    assert not path_of(home).exists()


def test_while_one_waits_nothing_else_begins(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    for begin in (
        lambda: apply_run(record_of(), home, str(root)),
        lambda: apply_run(record_of(id=OTHER), home, str(root)),
        lambda: wiring.recover(home),
    ):
        with pytest.raises(RefusedError) as caught:
            begin()
        (problem,) = caught.value.problems
        assert f"tactician confirm {ID}" in problem.message
        assert f"tactician revert {ID}" in problem.message
    assert shown(root) == AFTER
    confirm(home)
    wiring.recover(home)


def test_it_can_be_reverted_while_it_waits(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    guardian = guardian_of(home)
    revert(home)
    assert shown(root) == BEFORE
    assert until(lambda: processes.status(guardian) is None or processes.status(guardian).state in "ZX")


def test_a_jump_of_the_wall_clock_moves_no_deadline(home, root, monkeypatch):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    now = time.time()
    for jump in (1e6, -1e6):
        monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
        assert 290 < unconfirmed(home)[0].remaining_s <= 300


def test_what_is_not_waiting_cannot_be_confirmed(home, root):
    with pytest.raises(OperatorError, match="nothing to confirm"):
        confirm(home)
    apply_run(record_of(), home, str(root))
    with pytest.raises(OperatorError, match="awaits no confirmation"):
        confirm(home)
    with pytest.raises(OperatorError, match="awaits no confirmation"):
        confirm(home, ID[:8])


def test_a_second_confirmation_is_told_so(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    confirm(home)
    with pytest.raises(OperatorError, match="awaits no confirmation"):
        confirm(home)


def test_a_restart_of_the_host_ends_the_time(home, root):
    """The values are gone with it, and the journal must not block the next run."""
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    end_guardians(home.applied)
    rewrite_header(path_of(home), boot_id="another")
    assert applied.look(path_of(home)).phase == "expired"
    (recovery,) = recovered(home)
    assert (recovery.changed, recovery.leftovers) == ([], [])
    assert "restarted" in recovery.note
    assert shown(root) == AFTER, "whoever set it after the boot is not overruled"


def test_what_was_kept_until_a_restart_is_no_news_after_it(home, root):
    apply_run(record_of(), home, str(root))
    rewrite_header(path_of(home), boot_id="another")
    assert applied.look(path_of(home)).phase == "gone"
    assert recovered(home) == []
    assert not path_of(home).exists()


def test_what_cannot_be_taken_back_is_named_and_blocks(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=2)
    os.kill(guardian_of(home), signal.SIGKILL)
    (root / "proc/sys/vm/swappiness").unlink()
    assert until(lambda: not unconfirmed(home))
    for attempt in (
        lambda: confirm(home),
        lambda: wiring.recover(home),
        lambda: apply_run(record_of(), home),
    ):
        with pytest.raises(RestoreError) as caught:
            attempt()
        assert [left.path for left in caught.value.leftovers] == [f"{root}/proc/sys/vm/swappiness"]
    assert path_of(home).exists()


def test_without_a_timer_nothing_stays(home, root, monkeypatch):
    def dies(self):
        raise GuardianError("it does not hold the timer")

    monkeypatch.setattr(guarding.GuardianProcess, "arm", dies)
    with pytest.raises(GuardianError):
        apply_run(record_of(), home, str(root), confirm_within_s=300)
    assert shown(root) == BEFORE
    assert not path_of(home).exists()


CLIENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from support_operations import record_of
from tactician.operations import apply_run, applying
from tactician.system.home import Home
from pathlib import Path
class Slow(applying.RealHost):
    def write(self, place, text):
        super().write(place, text)
        print("wrote", flush=True)
        time.sleep(60)
applying.RealHost = Slow
import functools
from tactician.system.hostlock import HostLock
applying.HostLock = functools.partial(HostLock, name=chr(0) + sys.argv[4])
apply_run(record_of(), Home(Path(sys.argv[2])), sys.argv[3])
"""


def test_a_client_that_is_killed_half_way_leaves_nothing(home, root):
    argv = [sys.executable, "-c", CLIENT, TESTS, str(home.path), str(root), f"test-{os.getpid()}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"wrote\n"
        assert shown(root) != BEFORE
        assert applied.look(path_of(home)).phase == "applying"
        assert recovered(home) == [], "it is alive"
        process.kill()
    assert until(lambda: shown(root) == BEFORE)
    assert until(lambda: not path_of(home).exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_client_that_is_interrupted_puts_everything_back_itself(home, root, number):
    code = CLIENT.replace("time.sleep(60)", "time.sleep(1)")
    argv = [sys.executable, "-c", code, TESTS, str(home.path), str(root), f"test-{os.getpid()}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"wrote\n"
        process.send_signal(number)
        _, said = process.communicate()
    assert b"Interrupted" in said
    assert shown(root) == BEFORE
    assert not path_of(home).exists()


def test_one_that_was_cut_short_is_taken_back_by_recover_where_the_guardian_died_too(home, root):
    apply_run(record_of(), home, str(root))
    lines = path_of(home).read_bytes().splitlines(keepends=True)
    cut = [line for line in lines if b'"kind":"applied"' not in line and b'"kind":"applying"' not in line]
    path_of(home).write_bytes(b"".join(cut))
    applied.append(path_of(home), {"kind": "applying", "pid": 1 << 22, "start": 1})
    assert applied.look(path_of(home)).phase == "half"
    assert len(recovered(home)) == 1
    assert shown(root) == BEFORE


def test_applications_of_the_same_places_come_back_in_order_only(home, root):
    first = {"vm.swappiness": 10, "net.ipv4.tcp_rmem[2]": 6291456}
    apply_run(record_of(best=first), home, str(root))
    rewrite_header(path_of(home), started="2026-01-01T00:00:00Z")
    apply_run(record_of(id=OTHER), home, str(root))
    with pytest.raises(OperatorError, match=f"tactician revert {OTHER}"):
        revert(home, ID)
    assert revert(home).run_id == OTHER
    assert revert(home).run_id == ID
    assert shown(root) == BEFORE


def test_a_reader_of_a_journal_that_was_taken_back_meanwhile_is_told_by_name(home, root):
    apply_run(record_of(), home, str(root), confirm_within_s=300)
    path = path_of(home)
    revert(home)
    for attempt in (applied.look, applied.confirm, applied.take_back):
        with pytest.raises(FileNotFoundError):
            attempt(path)


def test_confirm_and_guardian_wait_for_one_another(home, root):
    """Whoever has the journal's lock finishes; the other then finds a journal that is gone, or confirmed."""
    apply_run(record_of(), home, str(root), confirm_within_s=2)
    with applied.locked(path_of(home)):
        time.sleep(2.5)
        assert shown(root) == AFTER, "the guardian must wait"
        applied.append(path_of(home), {"kind": "confirmed"})
    time.sleep(1.5)
    assert shown(root) == AFTER
    assert journal.read(path_of(home)).pending()
