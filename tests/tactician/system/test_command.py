"""The one place that starts processes: whole groups end, output is bounded, nothing of ours leaks in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tactician.errors import Interrupted
from tactician.interrupts import Interrupts
from tactician.system import command
from tactician.system.command import Result, run, run_detached
from tactician.undo import processes


def alive(pid: int) -> bool:
    found = processes.status(pid)
    return found is not None and found.state not in "ZX"


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids_in(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def quick(line: str, **further: object) -> Result:
    return run(line, **{"timeout_s": 20.0, "marker": f"test-{os.getpid()}", **further})  # type: ignore[arg-type]


def test_what_was_printed_and_the_exit_status_come_back() -> None:
    found = quick("echo out; echo err >&2; exit 7")
    assert (found.status, found.stdout, found.stderr) == (7, "out\n", "err\n")
    assert not found.timed_out
    assert found.stayed == 0
    assert 0 <= found.seconds < 20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_a_negative_status(number: signal.Signals) -> None:
    assert quick(f"kill -{number.value} $$").status == -number


def test_a_missing_program_is_127_as_in_every_shell() -> None:
    assert quick("no-such-program-anywhere").status == 127


def test_the_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    line = f"sleep 4322 & echo $! >>{noted}; setsid sleep 4322 & echo $! >>{noted}; echo $$ >>{noted}; wait"
    found = quick(line, timeout_s=1.0)
    assert found.timed_out
    assert len(pids_in(noted)) == 3
    assert gone(pids_in(noted))


def test_the_time_limit_ends_who_ignores_a_polite_signal(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    found = quick(f"trap '' TERM; echo $$ >{noted}; while :; do sleep 0.1; done", timeout_s=0.5)
    assert found.timed_out
    assert gone(pids_in(noted))


def test_what_was_printed_before_the_time_limit_is_kept() -> None:
    assert quick("echo so far; sleep 4322", timeout_s=0.5).stdout == "so far\n"


def test_a_child_that_stays_and_holds_the_pipe_does_not_hold_us_up(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    found = quick(f"setsid sleep 4322 & echo $! >{noted}; echo done")
    assert found.status == 0
    assert found.stdout == "done\n"
    assert not found.timed_out
    assert found.stayed == 1
    assert found.seconds < 10
    assert gone(pids_in(noted))


def test_a_child_that_stays_with_closed_pipes_is_ended_too(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    found = quick(f"setsid sleep 4322 </dev/null >/dev/null 2>&1 & echo $! >{noted}; sleep 0.2")
    assert found.stayed == 1
    assert gone(pids_in(noted))


def test_of_a_gigabyte_the_beginning_and_the_end_are_kept_in_bounded_memory() -> None:
    code = (
        "from pathlib import Path\n"
        "from tactician.system.command import KEPT_BYTES, run\n"
        "line = \"echo first; head -c 1G /dev/zero | tr '\\\\0' x; echo; echo last\"\n"
        "found = run(line, timeout_s=60, marker='gigabyte')\n"
        "assert found.status == 0, found\n"
        "assert found.stdout.startswith('first\\nxxx')\n"
        "assert found.stdout.endswith('xxx\\nlast\\n')\n"
        "assert len(found.stdout) <= KEPT_BYTES\n"
        # Not ru_maxrss, which a child takes over from whoever started it.
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150 * 1024


def test_output_that_is_no_utf8_becomes_text_all_the_same() -> None:
    found = quick("printf 'a\\377\\376b\\000c\\n'; printf '\\303' >&2")
    assert found.stdout == "a\ufffd\ufffdb\0c\n"
    assert found.stderr == "\ufffd"


def test_a_benchmark_sees_a_minimal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("TACTICIAN_HOME", "/ours")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("PGHOST", "/run/here")
    found = quick("env", environment={"THREADS": "4"})
    seen = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
    assert "secret" not in found.stdout
    assert "TACTICIAN_HOME" not in seen
    assert seen["LC_ALL"] == seen["LANG"] == "C"
    assert seen["PGHOST"] == "/run/here"
    assert seen["THREADS"] == "4"
    assert seen[processes.MARKER] == f"test-{os.getpid()}"


def test_the_experiments_variables_win_over_ours() -> None:
    assert quick("echo $LC_ALL", environment={"LC_ALL": "de_DE"}).stdout == "de_DE\n"


def test_standard_input_is_empty() -> None:
    found = quick("wc -c; readlink /proc/self/fd/0")
    assert found.stdout.split() == ["0", "/dev/null"]


def test_nothing_of_the_command_runs_before_on_started_returned(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    seen: list[bool] = []

    def started(pid: int) -> None:
        assert alive(pid)
        time.sleep(0.3)
        seen.append(sign.exists())

    assert quick(f"touch {sign}", on_started=started).status == 0
    assert seen == [False]
    assert sign.exists()


def test_when_on_started_raises_nothing_was_run(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    pids: list[int] = []

    def refuses(pid: int) -> None:
        pids.append(pid)
        raise OSError(28, "the journal's disk is full")

    with pytest.raises(OSError, match="disk is full"):
        quick(f"touch {sign}", on_started=refuses)
    assert gone(pids)
    assert not sign.exists()


def test_on_ended_is_told_when_the_group_is_gone(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    seen: list[tuple[int, bool]] = []
    quick(
        f"setsid sleep 4322 & echo $! >{noted}",
        on_ended=lambda pid: seen.append((pid, any(map(alive, [pid, *pids_in(noted)])))),
    )
    assert [still for _, still in seen] == [False]


def test_an_interrupt_in_the_middle_ends_the_group_first(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    line = f"setsid sleep 4322 & echo $! >>{noted}; echo $$ >>{noted}; wait"
    with pytest.raises(Interrupted), Interrupts().installed(), signal_when(lambda: len(pids_in(noted)) == 2):
        quick(line)
    assert not any(map(alive, pids_in(noted)))


class signal_when:  # noqa: N801 - reads as the sentence that it is
    """Sends SIGTERM to this process from a thread as soon as something holds."""

    def __init__(self, holds: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=self._wait, args=(holds,))

    def _wait(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def test_a_daemon_that_a_setup_starts_stays(tmp_path: Path) -> None:
    noted = tmp_path / "pids"
    began = time.monotonic()
    found = run_detached(f"setsid sleep 4322 & echo $! >{noted}; echo said >&2", timeout_s=20.0)
    try:
        assert (found.status, found.stderr) == (0, "said\n")
        assert time.monotonic() - began < 10
        assert all(map(alive, pids_in(noted)))
    finally:
        for pid in pids_in(noted):
            os.kill(pid, signal.SIGKILL)


def test_a_setup_that_never_ends_is_ended() -> None:
    found = run_detached("sleep 4322", timeout_s=0.5)
    assert found.timed_out
    assert found.status != 0


def test_an_unknown_namespace_is_an_error_of_the_command_and_nothing_hangs() -> None:
    found = quick("echo inside", netns="/run/netns/tactician-no-such")
    assert found.status != 0
    assert "inside" not in found.stdout


def test_our_own_command_is_waited_for_and_its_status_kept() -> None:
    line = [sys.executable, "-c", "print('seen'); raise SystemExit(3)"]
    assert command.run_in_foreground(line, os.environ) == (3, "seen\n")
