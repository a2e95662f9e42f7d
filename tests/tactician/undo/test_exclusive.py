"""Guardian and recover at one journal: one after the other, and the second finds nothing left to do."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time

import pytest

from tactician.undo import files, whole_files
from tactician.undo.journal import JournalFile
from tactician.undo.recover import recover_folder

# A guardian whose tuner is dead, and that takes its time before every change of the journal.
GUARDIAN = """
import sys
from tactician.testing.faults import Trip, hang, system_calls
from tactician.undo import guardian
with system_calls(Trip(int(sys.argv[2]), hang(1.0))):
    sys.exit(guardian.main(["guardian", sys.argv[1]]))
"""


@pytest.fixture
def service(tmp_path):
    """A journal with one service to restart, which logs when that begins and when it ends."""
    conf, log = tmp_path / "service.conf", tmp_path / "log"
    conf.write_text("original\n")
    script = f"echo begin >> {shlex.quote(str(log))}; sleep 0.5; echo end >> {shlex.quote(str(log))}"
    restart = {"argv": ["/bin/sh", "-c", script], "environment": {}, "timeout_s": 20.0}
    header = {"run_id": "r", "pid": 1 << 22, "pid_start": 1, "boot_id": files.boot_identity()}
    undo = {
        "name": "service", "writes": [], "expected": [], "files": [whole_files.record(str(conf))],
        "commands": [restart], "checks": [],
    }  # fmt: skip
    file = JournalFile.create(tmp_path / "journals" / "r.jsonl", header)
    file.append({"kind": "originals", "undos": [undo]})
    file.release()
    conf.write_text("tuned\n")
    return file.path, conf, log


@pytest.mark.parametrize("step", [1, 4])
def test_the_second_waits_for_the_first_and_restarts_nothing(service, step):
    path, conf, log = service
    argv = [sys.executable, "-c", GUARDIAN, str(path), str(step)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guardian:
        while not (log.exists() or guardian.poll() is not None):
            time.sleep(0.01)
        assert recover_folder(path.parent) == []
        assert guardian.wait() == 0
    assert log.read_text().split() == ["begin", "end"]
    assert conf.read_text() == "original\n"
    assert not path.exists()


def test_one_that_could_not_finish_leaves_it_to_the_second(service):
    """The first is killed in the middle: its lock goes with it."""
    path, conf, log = service
    argv = [sys.executable, "-c", GUARDIAN, str(path), "1"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guardian:
        assert guardian.stdout.read(6) == b"ready\n"
        guardian.kill()
        guardian.wait()
    (recovery,) = recover_folder(path.parent)
    assert recovery.leftovers == []
    assert conf.read_text() == "original\n"
    assert log.read_text().split()[-1] == "end"
