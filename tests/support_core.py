"""Small fakes for the core: a kernel of a few files that react, a journal and a guardian that keep a log."""

from __future__ import annotations

import errno
import itertools
import os

from oppertune.core.values import Integer
from tactician.experiment import Budget, Experiment, Metric, TunedParameter, Verification, Workload
from tactician.interrupts import Interrupts
from tactician.ports import BenchmarkRun, Place
from tactician.session import Session
from tactician.simulated.host import SimulatedBenchmark, SimulatedMonitor
from tactician.simulated.surfaces import Surface, gaussian
from tactician.system.sysctl import file_knob
from tactician.trial import Bench


def refusal(number=errno.EINVAL):
    return OSError(number, os.strerror(number))


class FakeKernel:
    """A host of files in one folder.

    Args:
        texts: path -> text.
        reactions: path -> ``reaction(kernel, text)``, called instead of a plain write.
        log: takes ("write", path, text) for every attempt.
    """

    def __init__(self, texts, reactions=None, log=None):
        self.texts = {Place(path): text for path, text in texts.items()}
        self.reactions = {Place(path): reaction for path, reaction in (reactions or {}).items()}
        self.unreadable = {}
        self.log = [] if log is None else log

    def __getitem__(self, path):
        return self.texts[Place(path)]

    def __setitem__(self, path, text):
        self.texts[Place(path)] = text

    def shown(self):
        return {place.path: text for place, text in self.texts.items()}

    def read(self, place):
        if place in self.unreadable:
            raise refusal(self.unreadable[place])
        if place not in self.texts:
            raise refusal(errno.ENOENT)
        return self.texts[place]

    def write(self, place, text):
        self.log.append(("write", place.path, text))
        if place not in self.texts:
            raise refusal(errno.ENOENT)
        reaction = self.reactions.get(place)
        if reaction is None:
            self.texts[place] = text
        else:
            reaction(self, text)

    def undo(self, place, text):
        return None

    def family(self, place):
        folder = os.path.dirname(place.path)
        return {
            other: text
            for other, text in self.texts.items()
            if os.path.dirname(other.path) == folder and other not in self.unreadable
        }


DIRTY = {
    "/proc/sys/vm/dirty_ratio": "20",
    "/proc/sys/vm/dirty_bytes": "0",
    "/proc/sys/vm/swappiness": "60",
}


def dirty_pair(**texts):
    """The pair of the kernel: writing one zeroes the other, and 0 cannot be written to the bytes."""
    ratio, bytes_ = "/proc/sys/vm/dirty_ratio", "/proc/sys/vm/dirty_bytes"

    def write_ratio(kernel, text):
        if not 0 <= int(text) <= 100:
            raise refusal()
        kernel[ratio], kernel[bytes_] = text, "0"

    def write_bytes(kernel, text):
        if int(text) < 8192:
            raise refusal()
        kernel[bytes_], kernel[ratio] = text, "0"

    start = {**DIRTY, **{f"/proc/sys/vm/{name}": text for name, text in texts.items()}}
    return FakeKernel(start, {ratio: write_ratio, bytes_: write_bytes})


class LoggedJournal:
    """Keeps what it is told; ``fails_at`` names the calls of originals() that raise, counted from 0."""

    def __init__(self, log, fails_at=(), error=None):
        self.log = log
        self.undos = []
        self._calls = itertools.count()
        self._fails_at = fails_at
        self._error = error

    def originals(self, undos):
        if next(self._calls) in self._fails_at:
            raise self._error
        self.log.append(("originals", tuple(place.path for undo in undos for place, _ in undo.expected)))
        self.undos += undos

    def process_started(self, pid, marker):
        self.log.append(("process", pid))

    def process_ended(self, pid):
        self.log.append(("ended", pid))

    def restored(self):
        self.log.append(("restored",))
        self.undos.clear()


class LoggedGuardian:
    def __init__(self, log, error=None):
        self.log = log
        self.error = error

    def ensure(self):
        if self.error is not None:
            raise self.error
        self.log.append(("guardian",))


def integer(key, low=0, high=10**9, start=None, step=1):
    val = low if start is None else start
    return TunedParameter(Integer(key, val, low, high, step), "sysctl", key, start)


SWAPPINESS, DIRTY_RATIO = "vm.swappiness", "vm.dirty_ratio"


def make_experiment(parameters=None, **changes):
    """Two keys of the host; verification short."""
    chosen = parameters or (integer(SWAPPINESS, 0, 200), integer(DIRTY_RATIO, 1, 90))
    given = {
        "budget": Budget(trials=5, source="budget"),
        "verification": Verification(rounds=6, own_rounds=0),
        "random_seed": 1,
        **changes,
    }
    return Experiment("test", Metric("ops"), Workload("true"), tuple(chosen), **given)


class Scripted:
    """A benchmark that answers from a function of (configuration, number of the run)."""

    def __init__(self, answer, log=None, tool_absent=False):
        self.answer = answer
        self.log = [] if log is None else log
        self.runs = 0
        self.tool_absent = tool_absent

    def run(self, configuration):
        self.runs += 1
        self.log.append(("benchmark", self.runs))
        value = self.answer(configuration, self.runs)
        if isinstance(value, str):
            return BenchmarkRun(None, "", True, {}, 1.0, value, f"tail of {value}", self.tool_absent)
        return BenchmarkRun(float(value), "1/s", True, {"ops": float(value)}, 1.0)

    def setup(self):
        self.log.append(("setup",))

    def teardown(self):
        self.log.append(("teardown",))


def flat(level=0.03, seed=1):
    """A benchmark on which nothing has an effect."""
    return SimulatedBenchmark(Surface(lambda configuration: 100.0, gaussian(level)), random_seed=seed)


class Fixture:
    """A session on a fake kernel, with everything that happened in one log."""

    def __init__(
        self, experiment=None, benchmark=None, kernel=None, clock=lambda: 0.0, observers=(), **ports
    ):
        self.log = []
        self.events = []
        self.experiment = experiment or make_experiment()
        self.kernel = kernel or dirty_pair()
        self.kernel.log = self.log
        self.start = self.kernel.shown()
        self.released = []
        self.knobs = [file_knob(tuned) for tuned in self.experiment.parameters if tuned.on_host]
        self.original = {knob.name: knob.decode(self.kernel.read(knob.place)) for knob in self.knobs}
        for tuned in self.experiment.parameters:
            self.original.setdefault(tuned.name, tuned.parameter.val)
        self.benchmark = benchmark or flat()
        self.bench = Bench(
            self.kernel,
            self.knobs,
            self.benchmark,
            ports.get("monitor") or SimulatedMonitor(1),
            ports.get("journal") or LoggedJournal(self.log),
            ports.get("guardian") or LoggedGuardian(self.log),
            ports.get("interrupts") or Interrupts(),
            lambda configuration, share=1.0: "true",
        )
        self.session = Session(
            self.experiment,
            self.bench,
            run_id="20260101-000000-0000",
            original=self.original,
            observers=[self.events.append, *observers],
            clock=clock,
            release=self.released.append,
        )

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class Listed:
    """An algorithm that predicts what it was given, in turn, and remembers its rewards."""

    def __init__(self, configurations, learner_throws=False):
        self._next = itertools.cycle(configurations)
        self._ids = itertools.count(1)
        self.rewards = []
        self._throws = learner_throws

    def predict(self, context=None, *, fresh=False):
        return dict(next(self._next)), f"request-{next(self._ids)}"

    def set_reward(self, reward, context_id="", *, request_id=None, reward_data=None):
        if self._throws:
            raise ArithmeticError("the learner broke")
        self.rewards.append((request_id, reward))
