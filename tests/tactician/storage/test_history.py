"""What the history promises: rows survive the process, come back as they were, and cost no run."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from oppertune.core.values import Integer
from tactician.errors import MisuseError, UnknownRunError
from tactician.events import (
    BaselineMeasured,
    Notice,
    RunFinished,
    RunStarted,
    TrialFinished,
    VerificationRun,
)
from tactician.experiment import THROW_AWAY, Experiment, Metric, TunedParameter, Workload
from tactician.outcomes import Measurement, Outcome, Score
from tactician.storage.errors import HistoryError
from tactician.storage.history import History, new_run_id

EXPERIMENT = Experiment(
    workload_name="Nginx",
    metric=Metric("requests_per_second"),
    workload=Workload("wrk http://localhost/"),
    parameters=(
        TunedParameter(
            Integer(name="net.core.somaxconn", val=128, min=128, max=8192), "sysctl", "net.core.somaxconn"
        ),
    ),
    random_seed=2**70,
    document={"workload_name": "Nginx", "action_space": [{"param": "net.core.somaxconn", "min": 128}]},
)
NUMBERS = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=20)
CONFIGURATIONS = st.dictionaries(TEXTS, NUMBERS | TEXTS, max_size=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
METRICS = st.dictionaries(TEXTS, FINITE, max_size=3)
SCORES = st.none() | st.builds(Score, FINITE, FINITE, FINITE)
MEASURED = st.builds(
    Outcome.measured,
    CONFIGURATIONS,
    st.builds(Measurement, FINITE, TEXTS, st.booleans(), METRICS, METRICS, st.floats(0, 1e6)),
    SCORES,
    st.lists(TEXTS, max_size=2).map(tuple),
)
OUTCOMES = (
    MEASURED
    | st.builds(Outcome.failed, CONFIGURATIONS, st.text(min_size=1), st.floats(0, 1e6), st.text(max_size=50))
    | st.builds(Outcome.refused, CONFIGURATIONS, st.text(min_size=1))
    | st.builds(Outcome.aborted, CONFIGURATIONS, st.text(min_size=1), st.floats(0, 1e6))
)


def measured(value: float = 1000.0, reward: float = 1.0) -> Outcome:
    measurement = Measurement(value, "1/s", True, {"p99": 0.02}, {"io_wait": 0.0}, 31.2)
    return Outcome.measured({"net.core.somaxconn": 2048}, measurement, Score(1.0, 0.9, reward))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "history.sqlite"


@pytest.fixture
def history(path: Path) -> History:
    return History(path)


@pytest.fixture
def run_id(history: History) -> str:
    identity = new_run_id()
    history.create_run(identity, EXPERIMENT, host={"kernel": "6.1", "cores": 2})
    return identity


def test_ids_are_utc_seconds_and_four_hex_digits() -> None:
    identity = new_run_id(datetime(2026, 8, 21, 10, 11, 12, tzinfo=UTC))
    assert identity[:16] == "20260821-101112-"
    assert len(identity) == 20
    int(identity[16:], 16)


def test_the_file_is_for_its_owner_alone(path: Path, run_id: str) -> None:
    for found in path.parent.iterdir():
        assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@settings(max_examples=15, deadline=None)
@given(st.lists(OUTCOMES, min_size=1, max_size=4), METRICS)
def test_outcomes_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcome], context: dict[str, float]
) -> None:
    history = History(tmp_path_factory.getbasetemp() / "round-trip" / "history.sqlite")
    identity = f"{new_run_id()}-{os.urandom(6).hex()}"
    history.create_run(identity, EXPERIMENT)
    for number, outcome in enumerate(outcomes, start=1):
        history.record(TrialFinished(identity, number, outcome, False, f"request-{number}", context))
    found = history.run(identity).outcomes("trial")
    assert [recorded.outcome for recorded in found] == outcomes
    assert [repr(recorded.outcome) for recorded in found] == [repr(outcome) for outcome in outcomes]
    assert [recorded.outcome.output_tail for recorded in found] == [o.output_tail for o in outcomes]
    assert [recorded.request_id for recorded in found] == [f"request-{n + 1}" for n in range(len(outcomes))]
    assert all(dict(recorded.context) == context for recorded in found)


def test_a_run_keeps_everything_that_was_said_of_it(history: History, run_id: str) -> None:
    original, baseline = {"net.core.somaxconn": 4096}, {"net.core.somaxconn": 128}
    history.record(RunStarted(run_id, EXPERIMENT, original, baseline, "by writing them back"))
    history.record(BaselineMeasured(run_id, 1, measured()))
    history.record(TrialFinished(run_id, 1, measured(reward=0.0), True, "r1", {"io_wait": 0.5}))
    history.record(TrialFinished(run_id, 2, Outcome.failed({}, "wrk: 12 socket errors", 3.0), False, "r2"))
    history.record(BaselineMeasured(run_id, 2, measured(), drift_check=True))
    history.record(VerificationRun(run_id, "original", 1, "candidate", measured()))
    history.record(Notice(run_id, "not kept"))
    history.record(
        RunFinished(run_id, {"improvement": 15.4, "significant": True, "stopped_because": "budget"})
    )
    record = history.run(run_id)
    assert record.summary.state == "finished"
    assert (record.summary.trials, record.summary.failed_trials) == (2, 1)
    assert (record.summary.improvement, record.summary.significant) == (15.4, True)
    assert record.document == EXPERIMENT.document
    assert record.random_seed == 2**70
    assert record.host == {"kernel": "6.1", "cores": 2}
    assert (record.original, record.baseline) == (original, baseline)
    assert [m.sequence for m in record.measurements] == [1, 2, 3, 4, 5]
    assert [m.arm for m in record.of("baseline")] == ["", "drift"]
    assert [(m.arm, m.reference) for m in record.of("verification")] == [("candidate", "original")]
    assert record.outcomes("trial")[0].outcome.score == Score(1.0, 0.9, 0.0)
    assert record.summary.started_at.endswith("Z")
    assert history.trials(run_id) == record.of("trial")


@pytest.mark.parametrize(
    ("stopped_because", "state"),
    [
        ("budget", "finished"),
        ("decided", "finished"),
        ("failures", "stopped"),
        ("safety", "stopped"),
        ("interrupted", "interrupted"),
        ("error", "failed"),
    ],
)
def test_the_state_follows_from_why_it_stopped(
    history: History, run_id: str, stopped_because: str, state: str
) -> None:
    history.record(RunFinished(run_id, {"stopped_because": stopped_because}))
    assert history.runs()[0].state == state


def test_numbers_that_json_lacks_and_bytes_that_are_no_text_do_not_break_a_row(
    history: History, run_id: str
) -> None:
    raw = b"\xff\x00".decode("utf-8", "surrogateescape")
    history.record(TrialFinished(run_id, 1, Outcome.failed({}, f"printed {raw}", 1.0, raw), False))
    lost = Measurement(1.0, "", True, {"nan": float("nan"), "good": 2.0}, {}, 1.0)
    history.record(TrialFinished(run_id, 2, Outcome.measured({}, lost, None), False))
    first, second = (recorded.outcome for recorded in history.run(run_id).outcomes("trial"))
    assert "\\udcff" in first.output_tail
    assert second.measurement is not None
    assert dict(second.measurement.metrics) == {"good": 2.0}


def test_runs_are_newest_first_and_limited(path: Path) -> None:
    minutes = iter(range(5))
    history = History(path, lambda: datetime(2026, 1, 1, 0, next(minutes), tzinfo=UTC))
    for minute in range(5):
        history.create_run(f"20260101-000{minute}00-abcd", EXPERIMENT)
    assert [summary.id[:13] for summary in history.runs(2)] == ["20260101-0004", "20260101-0003"]
    assert history.latest().id == "20260101-000400-abcd"
    assert len(history.runs(None)) == 5


def test_a_prefix_is_enough_when_it_is_unique(history: History) -> None:
    with pytest.raises(UnknownRunError, match="holds none"):
        history.run("2026")
    with pytest.raises(UnknownRunError, match="no run yet"):
        history.latest()
    for identity in ("20260101-000000-abcd", "20260101-000001-abce", "20260202-000000-ffff"):
        history.create_run(identity, EXPERIMENT)
    assert history.run("20260101-000000-abcd").id == "20260101-000000-abcd"
    assert history.run("202602").id == "20260202-000000-ffff"
    with pytest.raises(UnknownRunError, match=r"2 runs begin with '202601'.*abcd.*abce"):
        history.run("202601")
    with pytest.raises(UnknownRunError, match=r"nearest: .*20260202-000000-ffff"):
        history.run("20260202-000000-fffe")
    with pytest.raises(UnknownRunError):
        history.run("")
    with pytest.raises(UnknownRunError):
        history.run("%")


def test_calls_that_make_no_sense_say_so(history: History, run_id: str) -> None:
    with pytest.raises(MisuseError, match="already"):
        history.create_run(run_id, EXPERIMENT)
    with pytest.raises(MisuseError, match="does not hold"):
        history.record(TrialFinished("nobody", 1, measured(), False))
    with pytest.raises(MisuseError, match="no run"):
        history.finish_run("nobody", "finished")
    with pytest.raises(MisuseError, match="none of"):
        history.finish_run(run_id, "sleeping")  # type: ignore[arg-type]


def test_a_started_run_that_nobody_created_is_created(history: History) -> None:
    history.record(RunStarted("r", EXPERIMENT, {"a": 1}, {"a": 2}, "somehow", dry_run=True))
    assert history.run("r").summary.dry_run
    assert history.run("r").original == {"a": 1}


def test_a_run_that_goes_on_keeps_its_rows_and_its_first_original(history: History, run_id: str) -> None:
    history.record(RunStarted(run_id, EXPERIMENT, {"a": 1}, {"a": 1}, "undo"))
    history.record(TrialFinished(run_id, 1, measured(), True))
    history.finish_run(run_id, "interrupted", {"improvement": 0.0})
    history.continue_run(run_id)
    history.record(RunStarted(run_id, EXPERIMENT, {"a": 9}, {"a": 9}, "undo", resumed_trials=1))
    history.record(TrialFinished(run_id, 2, measured(), True))
    record = history.run(run_id)
    assert (record.summary.state, record.summary.finished_at, record.result) == ("running", None, None)
    assert record.original == {"a": 1}
    assert [recorded.number for recorded in record.outcomes("trial")] == [1, 2]
    with pytest.raises(UnknownRunError):
        history.continue_run("nobody")


def test_throw_away_runs_are_marked(history: History) -> None:
    throw_away = Experiment(
        "demo", Metric("m"), Workload("true"), EXPERIMENT.parameters, network_namespace=THROW_AWAY
    )
    history.create_run("r", throw_away)
    assert history.run("r").summary.throw_away


CHILD = """
import sys
from pathlib import Path
from tactician.events import TrialFinished
from tactician.outcomes import Outcome
from tactician.storage.history import History
from tactician.experiment import Experiment, Metric, Workload
history = History(Path(sys.argv[1]))
history.create_run("r", Experiment("w", Metric("m"), Workload("true"), ()))
for number in range(1, 100_000):
    history.record(TrialFinished("r", number, Outcome.failed({"n": number}, "x" * 4000), False))
    print(number, flush=True)
"""


@pytest.mark.parametrize("rows", [1, 20])
def test_rows_committed_before_a_kill_are_there(path: Path, rows: int) -> None:
    arguments = [sys.executable, "-c", CHILD, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for _ in range(rows):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        told = [int(line) for line in child.stdout if line.endswith("\n")]
    last = max(told, default=rows)
    record = History(path).run("r")
    numbers = [recorded.number for recorded in record.outcomes("trial")]
    assert numbers in (list(range(1, last + 1)), list(range(1, last + 2)))
    assert record.summary.state == "running"
    assert record.summary.crashed


def test_a_reader_sees_whole_rows_while_another_writes(path: Path, history: History, run_id: str) -> None:
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        reader = History(path)
        while not done.is_set():
            seen.append(len(reader.run(run_id).measurements))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, 40):
        history.record(TrialFinished(run_id, number, measured(), False))
    done.set()
    thread.join()
    assert seen == sorted(seen)
    assert len(history.run(run_id).measurements) == 39


def test_a_history_that_fails_warns_once_and_ends_nothing(path: Path, history: History, run_id: str) -> None:
    warnings: list[str] = []
    observer = history.observer(warnings.append)
    observer(TrialFinished(run_id, 1, measured(), False))
    kept = path.read_bytes()
    path.write_bytes(b"this is not what it was" * 400)
    observer(TrialFinished(run_id, 2, measured(), False))
    observer(TrialFinished(run_id, 3, measured(), False))
    path.write_bytes(kept)
    observer(TrialFinished(run_id, 4, measured(), False))
    assert observer.lost == 2
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert [recorded.number for recorded in history.run(run_id).outcomes("trial")] == [1, 4]


def test_an_observer_without_a_listener_uses_the_log(
    path: Path, history: History, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    observer = history.observer()
    path.write_bytes(b"no database" * 400)
    observer(TrialFinished(run_id, 1, measured(), False))
    assert "the run goes on" in caplog.text


def test_no_space_is_a_clear_error_before_the_run(path: Path, history: History) -> None:
    database = history._database
    with database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @event.listens_for(database._engine, "connect")
    def limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    big = Experiment("w", Metric("m"), Workload("true"), (), document={"x": "y" * 100_000})
    with pytest.raises(HistoryError, match=r"is full; make room .* TACTICIAN_HOME") as raised:
        history.create_run("r", big)
    assert raised.value.exit_status == 2
