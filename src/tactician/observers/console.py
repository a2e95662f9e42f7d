"""Shows a run to the person who waits for it, in the form that the seed document fixes.

On a terminal there are colours, lines that fit, and a live line at the bottom; in a pipe there is
plain text that programs can cut. A trial's number is never called an improvement: one run of the best
of many noisy ones is no evidence, and only verification says the word.
"""

from __future__ import annotations

import contextlib
import dataclasses
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.text import Text

from tactician.events import (
    Applied,
    BaselineMeasured,
    BenchmarkFinished,
    BenchmarkStarted,
    Event,
    Notice,
    PowerAssessed,
    RunFinished,
    RunStarted,
    TrialFinished,
    TrialStarted,
    VerificationRun,
    VerificationStarted,
    Verified,
)
from tactician.observers._findings import power_lines
from tactician.observers._live import LiveLine, Progress
from tactician.observers._opening import opening
from tactician.observers._summary import closing, reference_name, verdict, verified
from tactician.observers._terminal import is_plain, make_console, width_of
from tactician.observers._text import (
    Line,
    broken,
    clean,
    counted,
    number,
    percent,
    setting,
    settings,
    shortened,
    spelled,
)
from tactician.outcomes import Outcome

__all__ = ["ConsoleObserver", "make_console"]

_ARMS = ("candidate", "reference", "control")


class ConsoleObserver:
    """Prints every event of a run.

    Use it as a context manager, so that the live line goes away whatever happens.

    Args:
        stream: where to; standard output where it is None, standard error for ``--json``.
        quiet: only warnings and the verdict.
        console: instead of a stream, a console that was made elsewhere.
        live: whether a terminal gets a live line.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        console: Console | None = None,
        live: bool = True,
    ) -> None:
        self._console = make_console(stream) if console is None else console
        self._quiet = quiet
        self._started: RunStarted | None = None
        self._in_trial = False
        self._baseline_shown = False
        self._rounds = 0
        self._round: dict[str, str] = {}
        self._round_number = 0
        self._progress = Progress(plain=is_plain(self._console))
        lively = live and not quiet and self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = LiveLine(self._console, self._progress) if lively else None

    def __enter__(self) -> ConsoleObserver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if self._quiet:
            self._quietly(event)
            return
        self._follow(event)
        for line in self._lines(event):
            self._print(line)

    def close(self) -> None:
        """Take the live line away; harmless when there is none."""
        if self._live is not None:
            # The terminal may be gone; that must not hide why we are closed.
            with contextlib.suppress(OSError):
                self._live.close()

    def _quietly(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, Notice) and event.warning:
            self._print(_notice(event))
        elif isinstance(event, RunFinished):
            for line in verdict(event.result, self._started):
                self._print(line)

    def _follow(self, event: Event) -> None:
        """Keep the live line up to date."""
        progress = self._progress
        match event:
            case BenchmarkStarted():
                if event.purpose == "baseline":
                    progress.phase("baseline")
                progress.benchmark_began(event.seconds_estimate)
                if self._live is not None:
                    self._live.open()
            case BenchmarkFinished():
                progress.benchmark_ended()
            case TrialStarted():
                progress.phase(f"trial {event.number}" + (f" of {event.trials}" if event.trials else ""))
                progress.left(event.seconds_left)
            case TrialFinished() if event.outcome.score is not None:
                progress.performance(event.outcome.score.performance)
            case VerificationStarted():
                progress.phase(f"verification, at most {counted(event.rounds, 'round')}")
                progress.left(None)
            case VerificationRun():
                progress.phase(f"verification, round {event.round_number} of at most {self._rounds}")
            case RunFinished():
                self.close()
            case _:
                pass

    def _lines(self, event: Event) -> list[Line]:
        match event:
            case RunStarted():
                self._started = event
                return opening(event)
            case BaselineMeasured():
                return self._baseline(event)
            case PowerAssessed():
                return power_lines(event, self._started)
            case TrialStarted():
                self._in_trial = True
                action = [Line(f"  {name}: {setting(value)}") for name, value in event.configuration.items()]
                header = Line(f"--- Step {event.number} ---", "bold")
                return [Line(""), header, Line("Action (parameters to apply):"), *action]
            case Applied() if self._in_trial:
                return [Line(f"  ✓ Applied {event.name}={setting(event.value)}", "green")]
            case BenchmarkStarted() if self._in_trial:
                return [Line(self._fitting(f"  Running benchmark: {clean(event.command)}"))]
            case TrialFinished():
                self._in_trial = False
                return self._trial(event)
            case VerificationStarted() | VerificationRun() | Verified():
                return self._verification(event)
            case Notice():
                return [_notice(event)]
            case RunFinished():
                return self._end_of_round() + closing(event.result, self._started)
            case _:
                return []

    def _baseline(self, event: BaselineMeasured) -> list[Line]:
        lines = [] if self._baseline_shown else [Line(""), Line("--- Baseline ---", "bold")]
        self._baseline_shown = True
        if event.drift_check:
            lines.append(Line(""))
        said = "Baseline again" if event.drift_check else f"Baseline run {event.number}"
        if event.outcome.ok:
            return [*lines, Line(f"  ✓ {said}: {self._measured(event.outcome)}", "green")]
        return [*lines, Line(f"  ✗ {said}: {event.outcome.reason}", "red")]

    def _trial(self, event: TrialFinished) -> list[Line]:
        outcome = event.outcome
        notes = [Line(f"  Note: {note}") for note in outcome.notes]
        if outcome.estimate is not None:
            return [Line(f"  ■ Ended early: {outcome.reason}", "yellow"), *notes]
        if outcome.measurement is None:
            said = {"refused": "Refused", "aborted": "Stopped early"}.get(outcome.status, "Benchmark failed")
            return [Line(f"  ✗ {said}: {outcome.reason}", "red"), *notes]
        seconds = outcome.measurement.seconds
        metric = self._metric()
        done = f"  ✓ Benchmark completed in {seconds:.1f}s: {metric}={number(outcome.measurement.value)}"
        lines = [Line(done, "green")]
        if outcome.score is not None:
            score = outcome.score
            if event.best:
                lines.append(Line(f"  🎯 New best reward: {score.reward:.3f}", "bold"))
            halves = f"perf: {score.performance:.3f}, stab: {score.stability:.2f}"
            lines.append(Line(f"  Reward: {score.reward:.3f} ({halves})"))
            relative = percent((score.performance - 1.0) * 100.0)
            lines.append(Line(f"  This run against the baseline: {relative} (one noisy run)"))
        return lines + notes

    def _verification(self, event: VerificationStarted | VerificationRun | Verified) -> list[Line]:
        if isinstance(event, VerificationStarted):
            self._rounds = event.rounds
            against = reference_name(event.reference_name, self._started)
            header = Line(f"--- Verification against {against} ---", "bold")
            arms = (("Candidate", event.candidate), ("Reference", event.reference))
            return [Line(""), header, *(Line(f"  {name}: {settings(values)}") for name, values in arms)]
        if isinstance(event, Verified):
            return self._end_of_round() + verified(dataclasses.asdict(event.verdict), self._started)
        lines = self._end_of_round() if event.round_number != self._round_number else []
        self._round_number = event.round_number
        measurement = event.outcome.measurement
        self._round[event.arm] = (
            f"failed ({event.outcome.reason})" if measurement is None else number(measurement.value)
        )
        return lines

    def _end_of_round(self) -> list[Line]:
        """The line of a round: its arms come in random order, and are read side by side."""
        # Known arms in their order, then whatever else there may be.
        arms = [
            *(arm for arm in _ARMS if arm in self._round),
            *(arm for arm in self._round if arm not in _ARMS),
        ]
        said = ", ".join(f"{arm} {self._round[arm]}" for arm in arms)
        self._round = {}
        return [Line(f"  Round {self._round_number}: {said}")] if said else []

    def _metric(self) -> str:
        return "value" if self._started is None else self._started.experiment.metric.name

    def _measured(self, outcome: Outcome) -> str:
        measurement = outcome.measurement
        if measurement is None:
            return outcome.reason
        return f"{self._metric()}={number(measurement.value)} in {measurement.seconds:.1f}s"

    def _fitting(self, text: str) -> str:
        indent = text[: len(text) - len(text.lstrip())]
        width = width_of(self._console)
        return indent + shortened(text, None if width is None else width - len(indent))

    def _print(self, line: Line) -> None:
        console = self._console
        text = "\n".join(clean(part) for part in line.text.splitlines()) if line.text else ""
        for part in text.split("\n"):
            fitting = line._replace(text=spelled(part, console.encoding))
            if width_of(console) is not None and set(part) == {"="}:
                fitting = fitting._replace(text=part[: console.width])
            for piece in broken(fitting, width_of(console)):
                console.print(Text(piece, style=line.style), soft_wrap=True)


def _notice(event: Notice) -> Line:
    return Line(f"Warning: {event.text}", "bold yellow") if event.warning else Line(f"Note: {event.text}")
