"""The laws of the ports, as functions that raise LawBrokenError with the law in words.

Call them from any test runner with your own implementation::

    check_knob(MyKnob(...), text="always [madvise] never", values=("always", "never"))
    check_journal(MyJournal(...), undos)
    check_observer(MyObserver())
    check_host(MyHost(...), place, other_text)
    check_benchmark(MyBenchmark(...), configuration)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

from oppertune.core.values import Integer, Value
from tactician import events
from tactician.experiment import Experiment, Metric, TunedParameter, Workload
from tactician.outcomes import Configuration, Measurement, Outcome, Score, Verdict
from tactician.ports import Benchmark, Host, Journal, Knob, Observer, Place, Undo
from tactician.undo.files import same_text

A_KNOB_SHOWS_WHAT_IT_ENCODES = "a place that was written with encode(text, value) shows value"
A_KNOB_KEEPS_ITS_NEIGHBOURS = "encoding the value that a text shows changes nothing in it"
A_KNOB_IS_RESTORED_BY_ITS_TEXT = "writing restoring(text) shows what text showed"
A_KNOB_REFUSES_NONSENSE = "a text without a value raises ValueError and is never taken for one"
A_HOST_READS_WHAT_WAS_WRITTEN = "a host reads back what was written, blanks apart"
A_HOST_NEVER_CREATES = "writing to a place that does not exist raises OSError and creates nothing"
AN_OBSERVER_TAKES_EVERY_EVENT = "an observer takes every event, in any order, and returns"
AN_OBSERVER_CHANGES_NOTHING = "an observer changes nothing of what it is told"
A_BENCHMARK_FAILS_BY_RESULT = "a run has a finite value or a problem, and never both or none"
A_JOURNAL_HOLDS_EVERY_UNDO = "what was journalled is pending until restored() was called, and not longer"


_EXAMPLE_POWER = {
    "noise": 4.1, "noise_interval": [2.0, 8.2], "baseline_runs": 3, "rounds": 20,
    "provable_improvement": 4.08, "worthwhile_improvement": 4.08, "target_improvement": None,
    "suggestion": {"improvement": 2.0, "rounds": 79, "seconds": 237.0},
}  # fmt: skip


class LawBrokenError(AssertionError):
    """An implementation breaks a law of its port."""


def check_knob(knob: Knob, text: str, values: Iterable[Value]) -> None:
    """Check a knob on a text that its place may show and values that it may be given."""
    shown = knob.decode(text)
    _law(knob.shows(text, shown), A_KNOB_SHOWS_WHAT_IT_ENCODES, f"{text!r} shows {shown!r}")
    unchanged = knob.encode(text, shown)
    _law(knob.decode(unchanged) == shown, A_KNOB_KEEPS_ITS_NEIGHBOURS, f"{text!r} became {unchanged!r}")
    back = knob.restoring(text)
    _law(knob.shows(back, shown), A_KNOB_IS_RESTORED_BY_ITS_TEXT, f"{text!r} by {back!r}")
    if not isinstance(shown, float):  # 3 and 3.0 are one value and two texts
        kept = same_text(knob.restoring(unchanged), back)
        _law(kept, A_KNOB_KEEPS_ITS_NEIGHBOURS, f"{text!r} became {unchanged!r}")
    for value in values:
        written = knob.encode(text, value)
        _law(knob.shows(written, value), A_KNOB_SHOWS_WHAT_IT_ENCODES, f"{value!r} as {written!r}")
        _law(knob.decode(written) == value, A_KNOB_SHOWS_WHAT_IT_ENCODES, f"{value!r} as {written!r}")
    if isinstance(shown, int):
        for nonsense in ("", "none", "1e"):
            _law(not _decodes(knob, nonsense), A_KNOB_REFUSES_NONSENSE, repr(nonsense))


def check_host(host: Host, place: Place, other: str) -> None:
    """Check a host on a place that may be written with ``other``; its text is put back."""
    before = host.read(place)
    host.write(place, other)
    _law(same_text(host.read(place), other), A_HOST_READS_WHAT_WAS_WRITTEN, repr(other))
    host.write(place, before)
    _law(same_text(host.read(place), before), A_HOST_READS_WHAT_WAS_WRITTEN, repr(before))
    missing = Place(place.path + "-that-does-not-exist", place.netns)
    for attempt in (lambda: host.write(missing, other), lambda: host.read(missing)):
        try:
            attempt()
        except OSError:
            continue
        raise LawBrokenError(f"{A_HOST_NEVER_CREATES}: {missing.path}")


def check_journal(journal: Journal, undos: Sequence[Undo], pending: Iterable[Undo]) -> None:
    """Check a journal. ``pending`` is read anew at each iteration over it."""
    journal.originals(undos)
    _law(list(pending) == list(undos), A_JOURNAL_HOLDS_EVERY_UNDO, "after originals()")
    journal.process_started(1 << 22, "nobody")
    journal.process_ended(1 << 22)
    _law(list(pending) == list(undos), A_JOURNAL_HOLDS_EVERY_UNDO, "after a process")
    journal.restored()
    _law(list(pending) == [], A_JOURNAL_HOLDS_EVERY_UNDO, "after restored()")


def check_observer(observer: Observer) -> None:
    """Tell an observer every kind of event, also out of order, and see that it leaves them alone."""
    for story in (example_events(), reversed(example_events())):
        for event in story:
            before = copy.deepcopy(event)
            try:
                observer(event)
            except Exception as error:
                raise LawBrokenError(
                    f"{AN_OBSERVER_TAKES_EVERY_EVENT}: {type(event).__name__}: {error}"
                ) from error
            _law(event == before, AN_OBSERVER_CHANGES_NOTHING, type(event).__name__)


def check_benchmark(benchmark: Benchmark, configuration: Configuration, runs: int = 3) -> None:
    """Check that a benchmark tells its failures by result."""
    for _ in range(runs):
        run = benchmark.run(configuration)
        counted = run.value is not None and math.isfinite(run.value)
        _law(counted != bool(run.problem), A_BENCHMARK_FAILS_BY_RESULT, repr(run))
        _law(run.seconds >= 0, A_BENCHMARK_FAILS_BY_RESULT, f"{run.seconds=}")


def example_events() -> list[events.Event]:
    """Return one event of every kind, as a run would send them."""
    run = "20260101-000000-0000"
    here: Configuration = {"net.core.somaxconn": 128}
    there: Configuration = {"net.core.somaxconn": 4096}
    parameter = TunedParameter(Integer("net.core.somaxconn", 128, 16, 8192), "sysctl", "net.core.somaxconn")
    experiment = Experiment("example", Metric("ops"), Workload("true"), (parameter,))
    measurement = Measurement(100.0, "1/s", True, {"ops": 100.0}, {"io_wait": 0.0}, 1.0)
    measured = Outcome.measured(there, measurement, Score(1.0, 1.0, 1.0))
    verdict = Verdict(
        "original", 12.0, 12.0, (9.0, 15.0), True, (-1.0, 1.0), 112, 100, 1, 1, 5, 15, 15, "decided"
    )
    result = example_result(run, here, there)
    return [
        events.RunStarted(run, experiment, here, here, "all is put back"),
        events.Notice(run, "a word"),
        events.BenchmarkStarted(run, "baseline", "true"),
        events.BenchmarkFinished(run, "baseline", 1.0),
        events.BaselineMeasured(run, 1, measured),
        events.PowerAssessed(run, _EXAMPLE_POWER, 60.0),
        events.TrialStarted(run, 1, there, 30, 30.0),
        events.Applied(run, "net.core.somaxconn", 4096),
        events.TrialFinished(run, 1, measured, True, "request", {"io_wait": 0.0}),
        events.TrialFinished(run, 2, Outcome.failed(there, "no number"), False),
        events.Learned(run, 4),
        events.VerificationStarted(run, there, here, "original", 20),
        events.VerificationRun(run, "original", 1, "candidate", measured),
        events.Verified(run, verdict),
        events.RunFinished(run, result),
    ]


def example_result(run: str, here: Configuration, there: Configuration) -> dict[str, object]:
    """Return the result of a run that proved nothing."""
    return {
        "success": True, "run_id": run, "workload_name": "example", "algorithm": "ppo", "dry_run": False,
        "restored": True, "stopped_because": "budget", "error": None, "trials": 2, "failed_trials": 1,
        "aborted_trials": 0,
        "gradient_steps": 4, "benchmark_seconds": 3.0,
        "baseline": {"median": 100.0, "unit": "1/s", "runs": 1},
        "original": dict(here), "candidate": dict(there), "best_config": dict(here), "improvement": 0.0,
        "improvement_interval": None, "significant": False, "verdicts": [], "reward_metric": "ops",
        "network_namespace": None, "not_restored": [], "notices": [],
        "power": _EXAMPLE_POWER, "decision": None,
        "effects": {"net.core.somaxconn": {"verdict": "unknown", "share": 0.4, "low": 0.0, "high": 0.9}},
        "regressions": {"max_regression": 20.0, "trials": 1, "share": 0.0417}, "guardrail_trials": 0,
    }  # fmt: skip


def _decodes(knob: Knob, text: str) -> bool:
    try:
        knob.decode(text)
    except ValueError:
        return False
    return True


def _law(holds: bool, law: str, found: str) -> None:
    if not holds:
        raise LawBrokenError(f"{law}: {found}")
