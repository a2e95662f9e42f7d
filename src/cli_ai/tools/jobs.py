"""Runs of our own in processes of their own: followed by their events, ended by a signal, always restored."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cli_ai.tools.progress import Progress
from tactician.errors import HostError, OperatorError, Problem
from tactician.system import namespace
from tactician.system.command import Background
from tactician.system.home import VARIABLE, Home

RESTORE_S = 60.0
"""So long a run that was told to end may take to restore the host before we say that it did not."""

_LOOK_S = 0.1
# A run ends, restored, when the thread that began it does: so one thread begins all, and lives as long as we.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tactician-runs")


class RunFailedError(OperatorError):
    """A command of ours ended without a result; it carries what that command said.

    Attributes:
        exit_status: the command's own.
    """

    code = "run"

    def __init__(self, message: str, problems: Sequence[Problem] = (), status: int = 1) -> None:
        super().__init__(message)
        self._problems = tuple(problems)
        self.exit_status = status

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the command listed; its message where it listed nothing."""
        return self._problems or super().problems


class Job:
    """One run, from its experiment to its result.

    Args:
        document: the experiment.
        home: where its state lives.
        dry_run: simulate host and benchmark.

    Attributes:
        id: by which it can be named before it has a run id.

    Raises:
        OSError: it could not be started.
    """

    def __init__(self, document: Mapping[str, Any], home: Home, *, dry_run: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tactician-run-"))
        self.id = f"job-{self._folder.name.removeprefix('tactician-run-')}"
        self._progress = Progress()
        self._read = 0
        self._result: dict[str, Any] | RunFailedError | None = None
        self._lock = threading.Lock()
        config = self._folder / "experiment.json"
        config.write_text(json.dumps(document, indent=2), encoding="utf-8")
        arguments = ["tune", str(config), "--json", "--quiet", "--events", str(self._events)]
        arguments += ["--dry-run"] if dry_run else []
        try:
            self._process = _STARTER.submit(self._start, arguments, home).result()
        except BaseException:  # also Ctrl-C while it starts: nobody would remove the folder
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def _events(self) -> Path:
        return self._folder / "events.jsonl"

    def _start(self, arguments: list[str], home: Home) -> Background:
        environment = {**namespace.tied_environment(), VARIABLE: str(home.path)}
        return Background(
            own_command(arguments), environment, self._folder / "result.json", self._folder / "said"
        )

    def progress(self) -> Progress:
        """How far it is at this moment."""
        self._steps()
        return self._progress

    def follow(self, tell: Callable[[Progress], None], gone: threading.Event) -> dict[str, Any]:
        """Wait for its end and return its result; where ``gone`` is set, end it, restored.

        Args:
            tell: is told every step that no other caller of :meth:`progress` has seen.
            gone: ends it.

        Raises:
            RunFailedError: it could not be begun, or ended without a result.
        """
        while self._process.status() is None and not gone.is_set():
            for now in self._steps():
                tell(now)
            gone.wait(_LOOK_S)
        if gone.is_set():
            self.stop()
        for now in self._steps():
            tell(now)
        return self.result()

    def stop(self) -> None:
        """End it, and wait until the host is restored.

        Raises:
            HostError: it has not ended within a minute.
        """
        if self._process.status() is None:
            self._process.interrupt()
        if self._process.wait(RESTORE_S) is None:
            raise HostError(
                f"the run was told to end {RESTORE_S:g} s ago; it restores the host when it does, "
                "and 'tactician recover' does if it is killed"
            )

    def result(self) -> dict[str, Any]:
        """Its result, once it has ended.

        Raises:
            RunFailedError: it runs, could not be begun, or ended without a result.
        """
        if self._result is None:
            self._result = self._read_result()
        if isinstance(self._result, RunFailedError):
            raise self._result
        return self._result

    def forget(self) -> None:
        """Remove the files of a run that is over; its result and its history stay."""
        self.progress()
        with contextlib.suppress(RunFailedError):
            self.result()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_result(self) -> dict[str, Any] | RunFailedError:
        status = self._process.status()
        if status is None:
            raise RunFailedError("the run is not over yet")
        said = (self._folder / "result.json").read_text(encoding="utf-8", errors="replace")
        errors = (self._folder / "said").read_text(encoding="utf-8", errors="replace")
        try:
            return read_result(said, status, errors)
        except RunFailedError as error:
            return error

    def _steps(self) -> list[Progress]:
        """Every step since the last look."""
        with self._lock:
            # Asked first: what it wrote before it ended is then certainly there.
            ended = self._process.status() is not None
            steps = []
            for event in self._new_events():
                now = self._progress.after(event)
                if now != self._progress:
                    steps.append(now)
                self._progress = now
            if ended and not self._progress.over:
                self._progress = self._progress.model_copy(update={"state": "failed"})
                steps.append(self._progress)
            return steps

    def _new_events(self) -> list[dict[str, Any]]:
        try:
            with self._events.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole, newline, _ = data.rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]


def own_command(arguments: Sequence[str]) -> list[str]:
    """The argv of ``tactician`` with these arguments, whatever lies in the current folder."""
    return [sys.executable, "-P", "-m", "cli_ai.main", *arguments]


def ask_tactician(arguments: Sequence[str], home: Home, timeout_s: float = 120.0) -> str:
    """Run one of our own short commands to its end, and return its standard output.

    Raises:
        RunFailedError: it reported an error.
        HostError: it has not ended in time.
    """
    with tempfile.TemporaryDirectory(prefix="tactician-call-") as name:
        folder = Path(name)
        environment = {**os.environ, VARIABLE: str(home.path)}
        process = _STARTER.submit(
            Background, own_command(arguments), environment, folder / "out", folder / "said"
        ).result()
        status = process.wait(timeout_s)
        if status is None:
            process.interrupt()
            raise HostError(f"tactician {' '.join(arguments)} has not ended within {timeout_s:g} s")
        out = (folder / "out").read_text(encoding="utf-8", errors="replace")
        said = (folder / "said").read_text(encoding="utf-8", errors="replace")
    if status:
        read_result(out, status, said)
        raise RunFailedError(said.strip() or f"tactician ended with status {status}", status=status)
    return out


def read_result(said: str, status: int, errors: str) -> dict[str, Any]:
    """Read what a command with ``--json`` said.

    Raises:
        RunFailedError: it is an error, or no JSON.
    """
    try:
        found = json.loads(said)
    except ValueError:
        tail = errors.strip().removeprefix("error: ")[-2000:]
        raise RunFailedError(tail or f"it ended with status {status} and no result", status=status) from None
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, dict):
        problems = [Problem(str(one["path"]), str(one["message"])) for one in error.get("problems", [])]
        raise RunFailedError(str(error.get("message", "")), problems, status)
    result: dict[str, Any] = found
    return result
