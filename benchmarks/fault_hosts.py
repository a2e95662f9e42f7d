"""Random experiments against simulated hosts that clamp, refuse, couple and move things on the side.

Every experiment goes the way of a real one: its document is parsed, refused where safety refuses, and
tried through session, trial, plan and transaction. The host notes each write, so that afterwards two
things can be said: it shows what it showed at the start, and nothing dangerous was ever written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tactician import catalogue, safety
from tactician.config import parse_experiment
from tactician.errors import ConfigurationError, JournalError, TacticianError
from tactician.interrupts import Interrupts
from tactician.ports import BenchmarkRun, Place, Undo
from tactician.session import Session
from tactician.simulated.host import SimulatedMonitor
from tactician.system import facts
from tactician.system.guarding import NoGuardian
from tactician.system.sysctl import file_knob
from tactician.testing.faults import FaultyJournal, Trip, fail
from tactician.trial import Bench
from tactician.undo.files import same_text

BEHAVIOURS = ("plain", "plain", "clamps", "refuses", "deaf", "rounds", "moves", "moves and refuses", "pair")
DANGEROUS = (
    "kernel.core_pattern",
    "kernel.panic",
    "vm.overcommit_memory",
    "net.ipv4.ip_forward",
    "fs.file-max",
)
FACTS = facts.numbers()


class Journal:
    """Knows which places have their originals noted."""

    def __init__(self) -> None:
        self.known: set[Place] = set()

    def originals(self, undos: Any) -> None:
        self.known |= {place for undo in undos for place, _ in undo.expected}

    def process_started(self, pid: int, marker: str) -> None:
        pass

    def process_ended(self, pid: int) -> None:
        pass

    def restored(self) -> None:
        pass


class FailingJournal(FaultyJournal):
    """Fails in the way that the port promises."""

    def originals(self, undos: Any) -> None:
        try:
            super().originals(undos)
        except OSError as error:
            raise JournalError(error.errno, str(error)) from error

    def restored(self) -> None:
        with contextlib.suppress(OSError):
            super().restored()


class HostileHost:
    """Small integers below /proc/sys that behave as kernels do, and worse.

    Args:
        texts: what each place shows.
        journal: a write to a place that it does not know is noted as a fault.
        rng: chooses manners.
    """

    def __init__(self, texts: Mapping[Place, str], journal: Journal, rng: random.Random) -> None:
        self.texts = dict(texts)
        self.start = dict(texts)
        self.writes: list[tuple[Place, str]] = []
        self.unjournalled: list[Place] = []
        self._journal = journal
        order = list(texts)
        self._manners = {place: rng.choice(BEHAVIOURS) for place in order}
        # What one moves comes later in this order, so that putting things back has an end.
        self._victims = {place: order[index + 1 :] for index, place in enumerate(order)}
        self._rng = rng

    def read(self, place: Place) -> str:
        if place not in self.texts:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), place.path)
        return self.texts[place]

    def write(self, place: Place, text: str) -> None:
        self.read(place)
        self.writes.append((place, text))
        how, own = self._manners[place], same_text(text, self.start[place])
        if place not in self._journal.known and not own:
            self.unjournalled.append(place)
        if "refuses" in how and not own and self._rng.random() < 0.5:
            if "moves" in how:
                self._move(place)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), place.path)
        if how == "deaf" and not own:
            return
        if how in ("clamps", "rounds") and not own and text.lstrip("-").isdigit():
            number = int(text)
            text = str(min(number, 100) if how == "clamps" else number // 4 * 4)
        self.texts[place] = text
        if "moves" in how or how == "pair":
            self._move(place)

    def family(self, place: Place) -> Mapping[Place, str]:
        folder = os.path.dirname(place.path)
        return {other: text for other, text in self.texts.items() if os.path.dirname(other.path) == folder}

    def undo(self, place: Place, text: str) -> Undo | None:
        return None

    def _move(self, place: Place) -> None:
        near = [other for other in self._victims[place] if other in self.family(place)]
        for other in near[:2]:
            self.texts[other] = str(self._rng.randrange(1000))


class Benchmark:
    """Fails, answers, or answers nonsense."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def run(self, configuration: Any, watch: Any = None, share: float = 1.0) -> Any:
        value = self._rng.choice([100.0, 100.0, 0.0, -1.0, 1e300, None])
        problem = "" if value is not None else "it failed"
        return BenchmarkRun(value, "1/s", True, {}, 1.0, problem)

    def setup(self) -> None:
        pass

    def teardown(self) -> None:
        pass


def play(count: int, seed: int) -> int:
    """Run so many experiments; return 0 if no host was left changed and nothing dangerous written."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for number in range(count):
        counts[_one(number, rng, counts, faults)] += 1
        if number % 1000 == 999:
            print(f"{number + 1} experiments: {dict(counts)}", file=sys.stderr, flush=True)
    print(f"{count} random experiments on hostile hosts: {dict(counts)}")
    print(f"left changed, written dangerously or unjournalled: {len(faults)}")
    for fault in faults[:20]:
        print(f"  {fault}")
    return 1 if faults else 0


def _one(number: int, rng: random.Random, counts: Counter[str], faults: list[str]) -> str:
    try:
        experiment = parse_experiment(_document(rng), "random")
    except ConfigurationError:
        return "no configuration"
    if safety.refusals(experiment, facts=FACTS):
        return "refused by safety"
    journal = Journal()
    knobs = [file_knob(tuned) for tuned in experiment.parameters]
    places = {place for knob in knobs for place in (knob.place, *knob.coupled)}
    folders = {os.path.dirname(place.path) for place in places}
    places |= {Place(f"{folder}/bystander{index}") for folder in sorted(folders) for index in range(3)}
    ordered = sorted(places)
    rng.shuffle(ordered)
    host = HostileHost({place: str(rng.randrange(1, 500)) for place in ordered}, journal, rng)
    trip = Trip(rng.choice([0, 0, rng.randrange(1, 20)]), fail(errno.ENOSPC))
    bench = Bench(
        host, knobs, Benchmark(rng), SimulatedMonitor(number), FailingJournal(journal, trip),
        NoGuardian(), Interrupts(), lambda configuration, share=1.0: "true",
    )  # fmt: skip
    _drive(experiment, bench, rng, counts)
    if host.texts != host.start:
        wrong = {p.path: (host.start[p], t) for p, t in host.texts.items() if t != host.start[p]}
        faults.append(f"experiment {number}: left changed {wrong}")
    if host.unjournalled:
        faults.append(f"experiment {number}: unjournalled {host.unjournalled}")
    counts["writes"] += len(host.writes)
    faults += [f"experiment {number}: {place.path} = {text}" for place, text in host.writes
               if _dangerous(place, text, host.start[place])]  # fmt: skip
    return "tried"


def _drive(experiment: Any, bench: Bench, rng: random.Random, counts: Counter[str]) -> None:
    original = {knob.name: knob.decode(bench.host.read(knob.place)) for knob in bench.knobs}
    session = Session(
        experiment, bench, run_id="r", original=original,
        observers=[], clock=lambda: 0.0, release=lambda clean: None,
    )  # fmt: skip
    try:
        session.start()
        for _ in range(rng.randrange(1, 4)):
            if session.exhausted is None:
                outcome = session.trial({t.name: _value(t, rng) for t in experiment.parameters})
                counts[f"trial {outcome.status}"] += 1
    except TacticianError as error:
        counts[type(error).__name__] += 1
    finally:
        session.close()


def _value(tuned: Any, rng: random.Random) -> Any:
    """Mostly within the range, sometimes far outside: an algorithm may be wrong."""
    parameter = tuned.parameter
    if rng.random() < 0.1:
        return rng.choice([-1, 0, 2**31, parameter.max * 10 + 1])
    return rng.randint(parameter.min, parameter.max)


def _document(rng: random.Random) -> dict[str, Any]:
    entries = [entry for entry in _plain_entries() if entry.low is not None]
    chosen = rng.sample(entries, rng.randrange(1, 7))
    space: list[dict[str, Any]] = []
    for entry in chosen:
        low, high = catalogue.limits(entry, FACTS) or (0, 1)
        if rng.random() < 0.15:
            low, high = (low - rng.randrange(1, 100), high) if rng.random() < 0.5 else (low, high * 3 + 7)
        low, high = sorted((int(low), int(high)))
        space.append({"param": entry.name, "min": low, "max": max(high, low + 1), "type": "int"})
    if rng.random() < 0.1:
        space.append({"param": rng.choice(DANGEROUS), "min": 0, "max": 10, "type": "int"})
    return {
        "workload_name": "w", "reward_metric": "ops", "benchmark_command": "true", "action_space": space,
        "budget": {"trials": 5}, "baseline_runs": 1, "algorithm": "uniform_random",
    }  # fmt: skip


def _plain_entries() -> list[catalogue.Entry]:
    whole = [entry for entry in catalogue.entries() if entry.kind == "sysctl" and entry.type == "int"]
    return [entry for entry in whole if not entry.fields and "{" not in entry.name]


def _dangerous(place: Place, text: str, original: str) -> bool:
    """Whether a write was neither the way back nor within what the catalogue calls safe."""
    if same_text(text, original):
        return False
    name = place.path.removeprefix("/proc/sys/").replace("/", ".")
    known = catalogue.entry(name)
    if catalogue.danger(name) is not None or known is None:
        return True
    limits = catalogue.limits(known, FACTS)
    return limits is None or not limits[0] <= int(text) <= limits[1]
