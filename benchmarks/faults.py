"""Faults on real knobs: a SIGKILL at every step, SIGKILLs at random, and experiments on hostile hosts.

    python benchmarks/faults.py --steps              every step of one trial over six knobs (root)
    python benchmarks/faults.py --kills 1000         random moments of whole runs over the same knobs (root)
    python benchmarks/faults.py --hostile 10000      random experiments on simulated hosts that misbehave

The six knobs are a sysctl of a namespace, a harmless one of the host (vm.page-cluster), a settings file,
and settings of a PostgreSQL, a Redis and an nginx that are started for this; `--no-services` leaves the
servers out and takes more of the kernel. After each kill everything must be as it was, files byte for
byte. Every second kill takes the guardian along; `tactician recover` must mend that, all others the
guardian alone. A trial that the run had reported and its history does not have is a lost one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import fault_hosts
from fault_stage import HOST_KEY, HOST_KEYS, Stage, guardians
from tactician.config import parse_experiment
from tactician.errors import LockHeldError, RefusedError
from tactician.interrupts import Interrupts
from tactician.options import Options
from tactician.storage.history import History
from tactician.system.home import Home
from tactician.testing import faults
from tactician.undo import journal
from tactician.undo.recover import leftover_journals, recover_folder
from tactician.wiring import wire

PATIENCE_S = 30.0
LOCKED, FAILED = 98, 99
UNCATALOGUED = "service.cache_size"
WANTED = {
    "net.core.somaxconn": 1111, "service.cache_size": 2222, "postgresql.work_mem": 3333,
    "redis.maxmemory-samples": 7, "nginx.worker_connections": 777, "net.ipv4.tcp_keepalive_intvl": 44,
    "net.ipv4.tcp_rmem[1]": 77777, "net.ipv4.tcp_rmem[2]": 2222222,
}  # fmt: skip


@dataclass
class Tally:
    """What became of the kills."""

    counts: Counter[str] = field(default_factory=Counter)
    mending_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", action="store_true", help="kill at every step of one trial")
    parser.add_argument("--kills", type=int, default=0, help="so many random kills of whole runs")
    parser.add_argument("--hostile", type=int, default=0, help="so many experiments on hostile hosts")
    parser.add_argument("--no-services", action="store_true", help="leave PostgreSQL, Redis and nginx out")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no further kill after so many")
    parser.add_argument("--every", type=int, default=1, help="of the steps, only every n-th")
    parser.add_argument("--first", type=int, default=1, help="of the steps, begin with this one")
    parser.add_argument("--last", type=int, default=10**6, help="of the steps, end with this one")
    parser.add_argument(
        "--host-key", default=HOST_KEY, choices=sorted(HOST_KEYS), help="harmless, of the host"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all is cleared away
    status = 0
    if arguments.hostile:
        status |= fault_hosts.play(arguments.hostile, arguments.seed)
    if arguments.steps or arguments.kills:
        with tempfile.TemporaryDirectory(prefix="tactician-faults-") as folder:
            os.chmod(folder, 0o755)  # noqa: PTH101
            with Stage(Path(folder), not arguments.no_services, arguments.host_key) as stage:
                deadline = time.monotonic() + 60 * arguments.minutes
                if arguments.steps:
                    status |= kill_at_steps(stage, arguments, deadline)
                if arguments.kills:
                    status |= kill_at_random(stage, arguments.kills, arguments.seed, deadline)
    return status


# -- at every step ------------------------------------------------------------------------------------------


def kill_at_steps(stage: Stage, arguments: argparse.Namespace, deadline: float) -> int:
    """Count the steps of one trial, then die at each of them."""
    before, tally = stage.shown(), Tally()
    status, steps = visit(stage, "count", 0)
    if status != 0 or stage.shown() != before:
        print(f"a trial without a fault ended with {status}")
        return 1
    print(f"{len(stage.space())} knobs: {len(steps)} kill points")
    points = range(arguments.first, min(arguments.last, len(steps)) + 1, arguments.every)
    for at in points:
        if time.monotonic() > deadline:
            break
        alone = at % 2 == 1
        status, _ = visit(stage, f"step-{at}", at, guardian_too=not alone)
        tally.counts["killed" if status == -signal.SIGKILL else "not killed"] += 1
        tally.counts["detuned"] += stage.shown() != before
        mend(stage, stage.folder / f"step-{at}", alone, before, f"step {at} ({steps[at - 1]})", tally)
        if at % 20 == 0:
            print(f"{at} of {len(steps)}: {dict(tally.counts)}", file=sys.stderr, flush=True)
    tried = tally.counts["killed"]
    print(f"{tried} of {len(steps)} kill points tried: {dict(tally.counts)}")
    return report(tally)


def visit(
    stage: Stage, name: str, at: int, *, guardian_too: bool = False, patience: int = 120
) -> tuple[int, list[str]]:
    """Try one configuration in a process of its own, which dies at a step; 0 only counts them."""
    home, listed = stage.folder / name, stage.folder / f"{name}.steps"
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            os.environ["TACTICIAN_HOME"] = str(home)
            steps = one_trial(stage, Home(home), at, guardian_too)
            listed.write_text(json.dumps(steps))
            status = 0
        except (LockHeldError, RefusedError) as error:
            status = LOCKED
            print(f"{name} waits: {error}", file=sys.stderr)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(status)
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:  # we are interrupted: the journal must not go before it was used
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        recover_folder(home / "journals")
        raise
    if status >= LOCKED and patience:  # others are at work on this host, or did not let it begin
        time.sleep(1.0)
        return visit(stage, name, at, guardian_too=guardian_too, patience=patience - 1)
    return status, json.loads(listed.read_text()) if listed.exists() else []


def one_trial(stage: Stage, home: Home, at: int, guardian_too: bool) -> list[str]:
    """Wire a run, rig its bench after the baseline, and try one configuration."""
    document = stage.document("sleep 0.05; echo ops: 5", budget={"trials": 1}, pacing={"abort_trials": False})
    wired = wire(parse_experiment(document), Options(allow_uncatalogued=(UNCATALOGUED,)), home=home)
    session = wired.session
    with Interrupts().installed():
        session.start()

        def act(step: str) -> None:
            for guardian in guardians(home.journals) if guardian_too else ():
                os.kill(guardian, signal.SIGKILL)
            faults.die(step)

        trip = faults.Trip(at, act)
        faults.rig(session._bench, trip)
        wanted = {**WANTED, stage.host_key: stage.space()[1]["min"]}
        names = {knob["param"] for knob in stage.space()}
        with faults.system_calls(trip):
            outcome = session.trial(
                {name: value for name, value in wanted.items() if name in names}, whole=True
            )
            session.close()
    if not outcome.ok:
        raise SystemExit(outcome.reason)
    return trip.steps


# -- at random ----------------------------------------------------------------------------------------------


def kill_at_random(stage: Stage, runs: int, seed: int, deadline: float) -> int:
    """Kill whole runs at random moments, and look for lost trials."""
    rng, before, tally = random.Random(seed), stage.shown(), Tally()
    done = 0
    for number in range(runs):
        if time.monotonic() > deadline:
            break
        one_kill(stage, number, rng, before, tally)
        done += 1
        if done % 20 == 0:
            print(f"{done} kills: {dict(tally.counts)}", file=sys.stderr, flush=True)
    print(f"{done} runs killed: {dict(tally.counts)}")
    if tally.counts["inside"] * 2 < done:
        print("fewer than half of the kills fell between first write and last restore: not a fair test")
        return 1
    return report(tally)


def one_kill(stage: Stage, number: int, rng: random.Random, before: dict[str, str], tally: Tally) -> None:
    """Start a tuner, kill it at a random moment, and look at everything."""
    home, events = stage.folder / f"home-{number}", stage.folder / f"{number}.jsonl"
    config = stage.folder / f"{number}.json"
    mark = f"{os.getpid()}{number:05d}"
    benchmark = f"sleep {mark} & setsid sleep {mark} & sleep 0.1; echo ops: 5"
    config.write_text(json.dumps(stage.document(benchmark)))
    argv = [sys.executable, "-m", "cli_ai.main", "tune", str(config), "--quiet", "--events", str(events)]
    argv += ["--allow-uncatalogued", UNCATALOGUED]
    tuner = subprocess.Popen(
        argv, env={**os.environ, "TACTICIAN_HOME": str(home)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        begun = begins_to_write(home, tuner)
        time.sleep(rng.uniform(0.0, 3.0))
    except BaseException:  # we are interrupted: the run must end, restored, before its state goes
        tuner.terminate()
        tuner.communicate()
        raise
    if not begun:
        one_kill(stage, number, rng, before, tally)
        return
    alone = number % 2 == 0
    detuned = stage.shown() != before
    watching = [] if alone else list(guardians(home / "journals"))
    for guardian in watching:
        os.kill(guardian, signal.SIGKILL)
    os.kill(tuner.pid, signal.SIGKILL)
    tuner.wait()
    if tuner.stderr is not None:
        tuner.stderr.close()
    tally.counts["runs"] += 1
    tally.counts["with guardian killed"] += bool(watching)
    tally.counts["detuned"] += detuned
    tally.counts["inside"] += is_inside(home)
    mend(stage, home, alone, before, f"run {number}", tally)
    if alive := survivors(mark):
        tally.failures.append(f"run {number}: still alive {alive}")
    reported, kept = trials_reported(events), trials_kept(home)
    tally.counts["trials"] += reported
    tally.counts["trials lost"] += max(0, reported - kept)
    if kept < reported:
        tally.failures.append(f"run {number}: {reported} trials reported, {kept} in the history")


def begins_to_write(home: Path, tuner: subprocess.Popen[bytes]) -> bool:
    """Wait until the run journals its first change, so that kills do not all fall into the start-up.

    False where another tuner is at work on this host.
    """
    deadline = time.monotonic() + 120
    while not is_inside(home):
        if tuner.poll() is not None:
            said = tuner.stderr.read().decode() if tuner.stderr else ""
            if "another tuner is at work" in said or "awaits its confirmation" in said:
                return False
            raise SystemExit(f"the tuner ended before it began: {said}")
        if time.monotonic() > deadline:
            raise SystemExit("the tuner did not begin within two minutes")
        time.sleep(0.01)
    return True


def is_inside(home: Path) -> bool:
    """Whether the run had begun to write."""
    for path in [*home.glob("journals/*.jsonl"), *home.glob("journals/closed/*.jsonl")]:
        return any(entry["kind"] == "originals" for entry in journal.read(path).entries)
    return False


def trials_reported(events: Path) -> int:
    """Trials that the run had told of; the last line may be cut."""
    return events.read_text(encoding="utf-8").count('{"event": "trial_finished"') if events.exists() else 0


def trials_kept(home: Path) -> int:
    history = History(home / "history.sqlite")
    return sum(len(history.trials(summary.id)) for summary in history.runs())


def survivors(mark: str) -> list[int]:
    """Benchmark processes of this run that still live."""
    found = subprocess.run(["pgrep", "-f", f"^sleep {mark}$"], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


# -- both ---------------------------------------------------------------------------------------------------


def mend(stage: Stage, home: Path, alone: bool, before: dict[str, str], what: str, tally: Tally) -> None:
    """Let guardian or recovery do its work, and compare."""
    began = time.monotonic()
    journals = home / "journals"
    if alone:
        while list(guardians(journals)) and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.02)
        tally.mending_s.append(time.monotonic() - began)
    else:
        recover_folder(journals)
    wrong = differences(stage, before)
    if wrong:
        tally.failures.append(f"{what}, {'guardian' if alone else 'recovery'}: {wrong}")
    # A guardian that had nothing to guard yet leaves the journal to the next start.
    left = [leftover for found in recover_folder(journals) for leftover in found.leftovers]
    if left or leftover_journals(journals):
        tally.failures.append(f"{what}: left over {left} {leftover_journals(journals)}")


def differences(stage: Stage, before: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What differs, once workers of nginx that are being replaced are gone."""
    deadline = time.monotonic() + 5.0
    while True:
        after = stage.shown()
        wrong = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
        if set(wrong) - {"nginx workers"} or not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.1)


def report(tally: Tally) -> int:
    mending = sorted(tally.mending_s)
    if mending:
        middle, slowest = mending[len(mending) // 2], mending[-1]
        print(f"mended by the guardian alone: median {1000 * middle:.0f} ms, slowest {1000 * slowest:.0f} ms")
    print(f"left changed, with survivors or with lost trials: {len(tally.failures)}")
    for failure in tally.failures:
        print(f"  {failure}")
    return 1 if tally.failures or tally.counts["not killed"] else 0


if __name__ == "__main__":
    sys.exit(main())
