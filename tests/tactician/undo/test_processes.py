"""A benchmark's processes are ended, all of them, and nobody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tactician.undo import processes
from tactician.undo.processes import MARKER, end, is_alive, status

PATIENCE_S = 20.0


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def started():
    """Start a group leader; whatever is left of it at the end is killed by its own pid."""
    running = []

    def start(argv, marker=""):
        environment = {**os.environ, **({MARKER: marker} if marker else {})}
        process = subprocess.Popen(argv, start_new_session=True, env=environment, stdout=subprocess.PIPE)
        running.append(process)
        return process

    yield start
    for process in running:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def gone(pid):
    found = status(pid)
    return found is None or found.state in "ZX"


def test_a_status_is_what_proc_says():
    own = status(os.getpid())
    assert own is not None
    assert (own.group, own.session) == (os.getpgrp(), os.getsid(0))
    assert is_alive(os.getpid(), own.start)
    assert not is_alive(os.getpid(), own.start + 1)


def test_a_name_with_blanks_and_parentheses_is_read(tmp_path, started):
    program = tmp_path / "a ) S 1 (b"
    program.symlink_to("/bin/sleep")
    process = started([str(program), "60"])
    until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"))
    found = status(process.pid)
    assert found is not None
    assert found.group == process.pid


def test_the_whole_group_is_ended(started):
    process = started(["/bin/sh", "-c", "sleep 60 & echo $!; wait"])
    child = int(process.stdout.readline())
    assert end(process.pid, status(process.pid).start, "") == 2
    until(lambda: gone(process.pid) and gone(child))


LEAVER = (
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    print(os.getpid(), flush=True)\ntime.sleep(60)"
)


def test_a_child_that_left_its_group_is_found_by_its_marker(started):
    process = started([sys.executable, "-I", "-S", "-c", LEAVER], marker="run-1")
    child = int(process.stdout.readline())
    assert os.getsid(child) == child
    assert end(process.pid, status(process.pid).start, "run-1") == 2
    until(lambda: gone(process.pid) and gone(child))


def test_a_child_of_a_leader_that_is_gone_is_ended(started):
    process = started(["/bin/sh", "-c", "sleep 60 & echo $!"])
    child = int(process.stdout.readline())
    process.wait()
    until(lambda: status(process.pid) is None)
    assert end(process.pid, 1, "") == 1
    until(lambda: gone(child))


def test_another_marker_is_left_alone(started):
    mine = started(["sleep", "60"], marker="run-1")
    until(lambda: MARKER.encode() in Path(f"/proc/{mine.pid}/environ").read_bytes())
    assert end(1 << 22, 1, "run-10") == 0
    assert end(1 << 22, 1, "run-") == 0
    assert mine.poll() is None


def test_a_reused_pid_is_left_alone(started):
    stranger = started(["sleep", "60"])
    assert end(stranger.pid, status(stranger.pid).start - 1, "") == 0
    assert stranger.poll() is None


def test_a_zombie_is_neither_alive_nor_worth_a_signal(started):
    process = started(["true"])
    began = status(process.pid)
    until(lambda: status(process.pid).state == "Z")
    assert not is_alive(process.pid, status(process.pid).start)
    assert end(process.pid, began.start, "") == 0


def test_patience_lets_a_process_end_by_itself(started, tmp_path):
    farewell = tmp_path / "farewell"
    script = f"trap 'echo bye > {farewell}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    process = started(["/bin/sh", "-c", script])
    process.stdout.readline()
    end(process.pid, status(process.pid).start, "", patience_s=PATIENCE_S)
    until(lambda: gone(process.pid))
    assert farewell.read_text() == "bye\n"


def test_one_that_ignores_sigterm_is_killed_after_the_patience(started):
    process = started(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    process.stdout.readline()
    assert end(process.pid, status(process.pid).start, "", patience_s=0.1) >= 1
    until(lambda: gone(process.pid))


def test_a_pid_that_never_was_is_no_process():
    assert status(1 << 22) is None
    assert not processes.is_alive(1 << 22, 1)
