"""Runs the workload's command once and reads the metric out of what it printed, also while it runs."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping

from oppertune.core.values import Value
from tactician.errors import BenchmarkError, TacticianError
from tactician.experiment import Experiment
from tactician.outcomes import Configuration
from tactician.pacing.series import Series
from tactician.ports import BenchmarkRun, Journal, Watch
from tactician.system import command
from tactician.system.benchmark_user import User
from tactician.system.parsers import MetricNotFoundError, ParsedOutput, find_metric, parse_output
from tactician.system.parsers.progress import ProgressReader

# Not ${name}: that is a variable of the shell.
_BRACES = re.compile(r"(?<!\$)\{([^{}]*)\}")
_TAIL = 2000
_NOT_FOUND = 127
_SETUP_SECONDS = 600.0
_CLOCKS_APART = 2.0


class CommandBenchmark:
    """The ``Benchmark`` port on a shell command.

    Args:
        experiment: command, metric, time limit.
        journal: told of every process group, so that it can be ended without us.
        marker: value of the variable that all benchmark processes carry.
        netns: network namespace to run in; empty for ours.
        user: who runs it; None for ourselves.
        halt: asked all the time while it runs; True ends it.
    """

    def __init__(
        self,
        experiment: Experiment,
        journal: Journal,
        marker: str,
        netns: str = "",
        user: User | None = None,
        halt: Callable[[], bool] | None = None,
    ) -> None:
        self._experiment = experiment
        self._journal = journal
        self._marker = marker
        self._netns = netns
        self._halt = halt
        self._prefix = user.prefix if user else ()
        self._environment = {**(user.environment if user else {}), **experiment.workload.environment}

    def run(
        self, configuration: Configuration, watch: Watch | None = None, share: float = 1.0
    ) -> BenchmarkRun:
        """Run once. Whatever goes wrong is told in ``problem``."""
        workload = self._experiment.workload
        progress = _Progress(self._experiment, watch)
        try:
            result = command.run(
                render(self._experiment, configuration, share),
                timeout_s=workload.timeout_s,
                marker=self._marker,
                environment={**self._environment, **_variables(self._experiment, configuration)},
                netns=self._netns,
                prefix=self._prefix,
                on_started=lambda pid: self._journal.process_started(pid, self._marker),
                on_ended=self._journal.process_ended,
                on_line=progress.take,
                until=self._halt,
            )
        except OSError as error:
            if isinstance(error, TacticianError):
                raise
            return _void(0.0, f"the benchmark could not be started: {error.strerror}", "")
        return self._judge(result, progress.series)

    def setup(self) -> None:
        """Run the setup command. Raises BenchmarkError with what it said."""
        line = self._experiment.workload.setup_command
        if line is None:
            return
        result = self._run_beside(line)
        if result.status != 0:
            raise BenchmarkError(f"setup_command failed ({_ending(result)}): {_tail(result.stderr)}")

    def teardown(self) -> None:
        """Run the teardown command."""
        line = self._experiment.workload.teardown_command
        if line is not None:
            self._run_beside(line)

    def _run_beside(self, line: str) -> command.Result:
        return command.run_detached(
            line,
            timeout_s=_SETUP_SECONDS,
            environment=self._environment,
            netns=self._netns,
            prefix=self._prefix,
        )

    def _judge(self, result: command.Result, series: Series) -> BenchmarkRun:
        text = result.stdout if result.stderr == "" else f"{result.stdout}\n{result.stderr}"
        tail = _tail(text)
        if result.stopped:
            # It was cut off and so has no result, but what it said until then may be that it failed.
            problems = parse_output(text).problems
            why = "; ".join(problems) or "enough was seen"
            return _void(result.seconds, why, tail)._replace(stopped=not problems)
        if result.timed_out:
            limit = self._experiment.workload.timeout_s
            return _void(result.seconds, f"the benchmark was ended after {limit:g} s without finishing", tail)
        output = parse_output(text)
        if result.status != 0:
            said = f": {_last_line(result.stderr) or _last_line(result.stdout)}".rstrip(": ")
            problem = f"the benchmark {_ending(result)}{said}"
            return _void(result.seconds, problem, tail)._replace(tool_absent=result.status == _NOT_FOUND)
        if output.problems:
            return _void(result.seconds, "; ".join(output.problems), tail)
        try:
            found = find_metric(output, text, self._experiment.metric)
        except MetricNotFoundError as error:
            return _void(result.seconds, str(error), tail)
        if not math.isfinite(found.value):
            return _void(result.seconds, f"{found.name} is {found.value}, which is no measurement", tail)
        goal = self._experiment.metric.goal or found.direction or "maximize"
        metrics = {metric.name: metric.value for metric in output.metrics if math.isfinite(metric.value)}
        if beyond := _beyond(self._experiment.limits, output):
            return _void(result.seconds, beyond, tail)
        kept = series.kept(cut=self._experiment.pacing.cut_warmup)
        return BenchmarkRun(
            found.value * kept.factor,
            found.unit,
            goal == "maximize",
            {**metrics, **kept.metrics},
            result.seconds,
            output_tail=tail,
            notes=(kept.note,) if kept.note else (),
        )


class _Progress:
    """Reads the intervals of one run out of its lines, and passes them on."""

    def __init__(self, experiment: Experiment, watch: Watch | None) -> None:
        self.series = Series()
        self._reader = ProgressReader(experiment.metric, experiment.workload.progress_pattern)
        self._watch = watch
        self._own_clock: bool | None = None

    def take(self, line: str, elapsed_s: float) -> bool:
        """Take a line, and say whether the run may end."""
        interval = self._reader.read(line)
        if interval is None:
            return False
        seconds = interval.seconds
        if self._own_clock is None:
            # It may not say, or say what time of day it is; then our clock is the better one.
            self._own_clock = seconds is not None and seconds <= elapsed_s + _CLOCKS_APART
        if seconds is None or not self._own_clock:
            seconds = elapsed_s
        self.series.add(seconds, interval.value)
        return self._watch is not None and self._watch(seconds, interval.value)


def render(experiment: Experiment, configuration: Configuration, share: float = 1.0) -> str:
    """Return the command with ``{duration}`` and the arguments' values in place, shell-quoted.

    Everything else in braces stays as it is: shells and awk have braces of their own. ``share`` is of the
    duration, which stays a whole number where it was one.
    """
    arguments: dict[str, Value] = {
        tuned.name: configuration[tuned.name] for tuned in experiment.parameters if tuned.kind == "argument"
    }
    duration = experiment.workload.duration_s
    if duration is not None:
        arguments.setdefault("duration", duration if share == 1.0 else _shortened(duration, share))

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return shlex.quote(_plain(arguments[name])) if name in arguments else match[0]

    return _BRACES.sub(replaced, experiment.workload.command)


def _shortened(duration: float, share: float) -> float:
    return max(1, round(duration * share)) if float(duration).is_integer() else duration * share


def _variables(experiment: Experiment, configuration: Configuration) -> dict[str, str]:
    return {
        tuned.target: _plain(configuration[tuned.name])
        for tuned in experiment.parameters
        if tuned.kind == "environment"
    }


def _plain(value: Value) -> str:
    """Return a value as tools read it: whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _beyond(limits: Mapping[str, float], output: ParsedOutput) -> str:
    """Say which limit a run broke, or could not be held against; empty where it kept them all."""
    values = {name: each.value for each in output.metrics for name in (each.name, *each.aliases)}
    for name, most in limits.items():
        if name not in values:
            return f"the output holds no {name}, so its limit of {most:g} cannot be checked"
        if not values[name] <= most:
            return f"{name} is {values[name]:g}, above its limit of {most:g}"
    return ""


def _void(seconds: float, problem: str, tail: str) -> BenchmarkRun:
    return BenchmarkRun(None, "", True, {}, seconds, problem, tail)


def _ending(result: command.Result) -> str:
    if result.timed_out:
        return "took too long"
    if result.status < 0:
        return f"was ended by signal {-result.status}"
    if result.status == _NOT_FOUND:
        return "was not found (exit 127)"
    return f"ended with exit {result.status}"


def _tail(text: str) -> str:
    return text[-_TAIL:].strip()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
