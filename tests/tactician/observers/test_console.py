"""What people read: the seed's form, lines that fit, no codes in pipes, and no claim without proof."""

from __future__ import annotations

import io
import os
import pty
import re
from typing import Any

import event_streams as streams
import pytest
from event_streams import DECLARED, MIXED, RUN, experiment, outcome, result, started, verdict, whole
from rich.cells import cell_len
from rich.console import Console

from tactician.events import (
    BenchmarkStarted,
    Event,
    Notice,
    RunFinished,
    TrialFinished,
    TrialStarted,
    VerificationRun,
    VerificationStarted,
)
from tactician.experiment import THROW_AWAY, Budget, Workload
from tactician.observers.console import ConsoleObserver, make_console
from tactician.outcomes import Outcome

CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LOST = verdict(significant=False)
OWN_LOST = verdict(significant=False, reference="kernel defaults")


class Pipe(io.TextIOWrapper):
    """Text as a pipe with this encoding gets it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    @property
    def text(self) -> str:
        self.seek(0)
        return self.read()


def piped(events: list[Event], *, encoding: str = "utf-8", **more: Any) -> str:
    pipe = Pipe(encoding)
    with ConsoleObserver(pipe, **more) as observer:
        for event in events:
            observer(event)
    return pipe.text


def on_terminal(events: list[Event], *, live: bool = True, **more: Any) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=80, highlight=False, markup=False, **more
    )
    with ConsoleObserver(console=console, live=live) as observer:
        for event in events:
            observer(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


STREAMS = {
    "won": whole(verdict()),
    "lost": whole(LOST),
    "two": whole(verdict(), OWN_LOST, what=experiment(DECLARED)),
    "unverified": whole(),
    "dry": whole(verdict(), dry_run=True),
    "throw-away": whole(verdict(), what=experiment(network_namespace=THROW_AWAY)),
}

STEP = """\
--- Step 1 ---
Action (parameters to apply):
  net.core.somaxconn: 3584
  net.core.netdev_max_backlog: 7800
  ✓ Applied net.core.somaxconn=3584
  ✓ Applied net.core.netdev_max_backlog=7800
  Running benchmark: wrk -t12 -c400 -d30s --latency http://localhost:80/a/rather/long/path/to/show
  ✓ Benchmark completed in 31.2s: requests_per_second=1523.5
  🎯 New best reward: 1.007
  Reward: 1.007 (perf: 1.123, stab: 0.89)
  This run against the baseline: +12.3 % (one noisy run)
"""

BANNER = f"""\
{"=" * 80}
RL Autotuner Environment Initialized
{"=" * 80}
Workload: High-Throughput Web Server
Reward Metric: requests_per_second
Action Space: 2 parameters
State Space: 6 metrics
{"=" * 80}
"""

CLOSING = f"""\
{"=" * 80}
Optimization Complete!
{"=" * 80}
Workload: High-Throughput Web Server
Total Episodes: 1
Total Trials: 2 (1 failed)
Gradient Steps: 12
Baseline Performance: 1356.2 1/s
Best Performance: 1789.3 1/s (verified, 9 rounds; baseline 1550.2 1/s)
Stability: 0.97 (baseline 0.96)
Improvement: +15.4 % [+13.9, +16.8]

Optimal Configuration:
  net.core.somaxconn = 3584
  net.core.netdev_max_backlog = 7800

To apply this configuration permanently, run:
  sudo sysctl -w net.core.somaxconn=3584
  sudo sysctl -w net.core.netdev_max_backlog=7800
This holds until the next boot; exported files hold for longer (see below).

Restored: every value is as it was: net.core.somaxconn=4096 net.core.netdev_max_backlog=1000

Run: {RUN}
Next:
  tactician show {RUN}
  tactician apply {RUN}
  tactician export {RUN} --format sysctl
{"=" * 80}
"""


def test_the_seeds_form_is_kept() -> None:
    text = piped(STREAMS["won"])
    assert text.startswith(BANNER)
    assert STEP in text
    assert text.endswith(CLOSING)


def test_before_anything_is_touched_it_says_what_how_and_how_long() -> None:
    text = piped([started(experiment(DECLARED))])
    assert "  net.core.somaxconn           4096 (declared start: 128) -> 128 .. 8192\n" in text
    assert "  net.core.netdev_max_backlog  1000 -> 1000 .. 50000\n" in text
    assert "How it will be undone: each value is written back and read again\n" in text
    assert "How long it will take: about 14 min; 2 trials" in text
    assert "How long it will take: not known" in piped([started(experiment(), seconds_estimate=None)])
    assert "Taken over from before: 1 trial\n" in piped([started(experiment(), resumed_trials=1)])


def test_days_of_trials_are_said_with_a_way_out() -> None:
    long = experiment(budget=Budget(trials=10_000, source="total_timesteps"))
    text = piped([started(long, seconds_estimate=310_000.0)])
    assert "about 3.6 days; 10000 trials (as total_timesteps says)" in text
    assert "--budget 30 would take about 16 min" in text
    assert "--budget 30" in piped([started(long, seconds_estimate=None)])
    assert "--budget" not in piped([started(long, seconds_estimate=600.0)])


@pytest.mark.parametrize("name", STREAMS)
def test_a_pipe_gets_no_control_codes_and_no_wrapping(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    text = piped(STREAMS[name])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "more than 1 % of its 40,000 requests, so it does not count\n" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("name", STREAMS)
def test_no_line_is_wider_than_a_terminal(name: str, live: bool) -> None:
    text = CODES.sub("", on_terminal(STREAMS[name], live=live))
    assert max(cell_len(line) for line in re.split(r"[\r\n]", text)) <= 80


def test_wrapped_lines_hang_below_their_beginning_and_commands_can_be_pasted() -> None:
    long = experiment(
        MIXED, network_namespace="/run/netns/a-name-that-is-rather-long", workload=Workload("true")
    )
    best = {"net.ipv4.tcp_rmem[2]": 4194304, "thp": "madvise", "threads": 8, "ratio": 0.25}
    text = on_terminal(
        [started(long, best), RunFinished(RUN, result(verdict(), best_config=best))], no_color=True
    )
    text = CODES.sub("", text)
    assert " \\\n      " in text
    pasted = re.sub(r" \\\n +", " ", text)
    assert (
        "  sudo nsenter --net=/run/netns/a-name-that-is-rather-long sh -c "
        "'awk '\"'\"'{$3=4194304; print}'\"'\"' /proc/sys/net/ipv4/tcp_rmem > /proc/sys/net/ipv4/tcp_rmem'\n"
        in pasted
    )


def test_every_kind_of_parameter_has_its_way_to_be_set() -> None:
    best = {"net.ipv4.tcp_rmem[2]": 4194304, "thp": "madvise", "threads": 8, "ratio": 0.25}
    workload = Workload("run --threads {threads} --for {duration} --json '{other}'", duration_s=30.0)
    text = piped(
        [
            started(experiment(MIXED, workload=workload), best),
            RunFinished(RUN, result(verdict(), best_config=best)),
        ]
    )
    path = "/proc/sys/net/ipv4/tcp_rmem"
    assert f"  awk '{{$3=4194304; print}}' {path} | sudo tee {path}\n" in text
    assert "  echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled\n" in text
    assert "  CACHE_RATIO=0.25 run --threads 8 --for 30 --json '{other}'\n" in text
    assert "one of always, madvise, never" in text
    assert "0.1 .. 0.9" in text


def test_values_with_blanks_are_quoted() -> None:
    what = experiment((streams.sysctl("net.ipv4.ip_local_port_range", 0, 1),), network_namespace="blue")
    best = {"net.ipv4.ip_local_port_range": "1024 65535"}
    text = piped([started(what, best), RunFinished(RUN, result(verdict(), best_config=best))])
    assert "  sudo ip netns exec blue sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'\n" in text


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("name", ["lost", "unverified"])
def test_without_proof_no_improvement_is_printed_and_nothing_to_apply(name: str, quiet: bool) -> None:
    text = piped(STREAMS[name], quiet=quiet)
    kept = text.replace("no significant improvement; keep the defaults", "")
    assert kept != text
    assert "sysctl -w" not in text
    assert "tactician apply" not in text
    assert not re.search("improvement", kept.replace("Improvement: \n", ""), re.IGNORECASE)
    assert "+15" not in text


def test_before_verification_the_word_improvement_is_never_printed() -> None:
    events = STREAMS["won"]
    first = next(place for place, event in enumerate(events) if isinstance(event, VerificationStarted))
    assert "mprovement" not in piped(events[:first])


def test_both_comparisons_say_which_they_are() -> None:
    text = piped(STREAMS["two"])
    assert "Improvement: +15.4 % [+13.9, +16.8] against the declared start\n" in text
    assert "Improvement: no significant improvement against this kernel's own defaults; keep them\n" in text
    assert "  Measured against this kernel's own defaults: [-1.2, +2.4] %" in text
    assert (
        "nothing was won: keep what you have here.\nOn a host that has the declared start, run:\n  sudo"
        in text
    )
    won = piped(whole(verdict(), verdict(reference="kernel defaults"), what=experiment(DECLARED)))
    assert "Improvement: +15.4 % [+13.9, +16.8] against this kernel's own defaults\n" in won
    assert "To apply this configuration permanently, run:\n  sudo sysctl -w net.core.somaxconn=3584" in won


def test_throw_away_values_are_called_so() -> None:
    text = piped(STREAMS["throw-away"])
    assert "The values were in a throw-away network namespace that no longer exists.\n" in text
    assert "  sudo sysctl -w net.core.somaxconn=3584\n" in text
    assert "tactician apply" not in text
    assert f"  tactician export {RUN} --format sysctl\n" in text
    assert "this host kept its own values" in text


def test_a_dry_run_offers_nothing_to_apply() -> None:
    text = piped(STREAMS["dry"])
    assert "Dry run: the host is simulated" in text
    assert "This was a dry run" in text
    assert "sysctl -w" not in text
    assert "Restored: nothing was written.\n" in text
    assert "(dry run, simulated)" in piped(STREAMS["dry"], quiet=True)


@pytest.mark.parametrize("quiet", [True, False])
def test_what_is_not_restored_is_said_with_its_command(quiet: bool) -> None:
    leftovers = [
        {"path": "/proc/sys/vm/swappiness", "message": "is 10, was 60: sudo sysctl -w vm.swappiness=60"}
    ]
    text = piped(whole(LOST, restored=False, not_restored=leftovers), quiet=quiet)
    assert "NOT RESTORED" in text
    assert "  /proc/sys/vm/swappiness: is 10, was 60: sudo sysctl -w vm.swappiness=60\n" in text
    assert "as it was:" not in text


@pytest.mark.parametrize(
    ("stopped_because", "title"),
    [("interrupted", "Interrupted"), ("failures", "Stopped"), ("safety", "Stopped"), ("error", "Failed")],
)
def test_runs_that_did_not_complete_are_not_called_complete(stopped_because: str, title: str) -> None:
    text = piped(whole(stopped_because=stopped_because, error="the benchmark gives no baseline"))
    assert f"Optimization {title}" in text
    assert "Complete!" not in text
    assert "Reason: the benchmark gives no baseline\n" in text
    assert "failed: the benchmark gives no baseline" in piped(
        whole(stopped_because=stopped_because, error="the benchmark gives no baseline"), quiet=True
    )


def test_quiet_is_warnings_and_the_verdict() -> None:
    assert piped(STREAMS["won"], quiet=True) == (
        "Warning: the guardian was started again\n"
        "High-Throughput Web Server: +15.4 % [+13.9, +16.8] against what was set before\n"
        f"net.core.somaxconn=3584 net.core.netdev_max_backlog=7800 (tactician show {RUN})\n"
    )
    assert piped(STREAMS["lost"], quiet=True).splitlines()[1:] == [
        f"High-Throughput Web Server: no significant improvement; keep the defaults (tactician show {RUN})"
    ]


def test_quiet_tells_an_interrupted_run_from_a_finished_one() -> None:
    text = piped([RunFinished(RUN, result(stopped_because="interrupted"))], quiet=True)
    assert "Optimization Interrupted; no significant improvement; keep the defaults" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_become_words_where_the_encoding_lacks_them(encoding: str) -> None:
    text = piped([*STREAMS["won"], Notice(RUN, "café ☕")], encoding=encoding)
    assert "  ok Applied net.core.somaxconn=3584\n" in text
    assert "  * New best reward: 1.007\n" in text
    assert "  failed: Benchmark failed: wrk" in text
    assert "\\u2615" in text


def test_names_that_are_no_text_do_not_end_the_output() -> None:
    strange = experiment(workload_name=b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert "Workload: caf\\udce9\n" in piped([started(strange)])


def test_the_other_outcomes_and_notes_have_their_lines() -> None:
    noted = outcome(streams.BEST, 1.0, 0.9, 0.5)
    events: list[Event] = [
        TrialFinished(RUN, 1, Outcome.refused({}, "below the safe range"), False),
        TrialFinished(RUN, 2, Outcome.aborted({}, "throughput fell by half", 2.0), False),
        TrialFinished(RUN, 3, Outcome.measured({}, noted.measurement, noted.score, ("rounded",)), False),  # type: ignore[arg-type]
        VerificationRun(RUN, "original", 4, "candidate", Outcome.failed({}, "timed out")),
        RunFinished(RUN, result()),
    ]
    text = piped(events)
    assert "  ✗ Refused: below the safe range\n" in text
    assert "  ✗ Stopped early: throughput fell by half\n" in text
    assert "  Note: rounded\n" in text
    assert "value=1\n" in text
    assert "(one noisy run)" in text
    assert "New best" not in text
    assert "  Round 4: candidate failed (timed out)\n" in text


def test_no_color_leaves_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    colours = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d(?:;\d+)*m")
    assert not colours.search(on_terminal(STREAMS["won"], live=False))
    monkeypatch.delenv("NO_COLOR")
    assert colours.search(on_terminal(STREAMS["won"], live=False))


def test_a_terminal_has_a_live_line_and_keeps_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = on_terminal(STREAMS["won"])
    shown = CODES.sub("", text)
    assert "trial 1 of 2" in shown
    assert " left" in shown
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert shown.endswith(f"{'=' * 80}\n")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_real_terminal_is_recognised_and_a_dumb_one_spared(
    term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w", encoding="utf-8") as stream, ConsoleObserver(stream) as observer:
        observer(TrialStarted(RUN, 1, {}, 2, 60.0))
        observer(BenchmarkStarted(RUN, "trial", "true", 30.0))
        observer(RunFinished(RUN, result()))
        stream.write("THE END")
        stream.flush()
        text = ""
        while "THE END" not in text:
            text += os.read(leader, 100_000).decode("utf-8", "replace")
    os.close(leader)
    assert ("trial 1 of 2" in text) == (term == "xterm")


def test_a_reader_that_left_does_not_end_the_process() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", buffering=1)
    with pytest.raises(BrokenPipeError):
        ConsoleObserver(stream)(Notice(RUN, "anybody there?"))
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_standard_output_is_where_it_goes_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleObserver()(Notice(RUN, "here"))
    assert capsys.readouterr().out == "Note: here\n"
    closed = io.StringIO()
    closed.close()
    assert not make_console(closed).is_terminal
