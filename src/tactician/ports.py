"""What the core asks of the world, as small Protocols; ``system`` and ``simulated`` fulfil them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from oppertune.core.values import Value
from tactician.events import Event
from tactician.outcomes import Configuration


class Place(NamedTuple):
    """Where a value lives on the host.

    Attributes:
        path: absolute path of a file below ``/proc/sys`` or ``/sys``; or the name of a service, whose text is
            a line ``setting = value`` for each setting that is tuned.
        netns: path of the network namespace to enter first (``/run/netns/x``); empty for our own.
    """

    path: str
    netns: str = ""

    @property
    def of_service(self) -> bool:
        """Whether it is a service, as opposed to a file of the kernel."""
        return not self.path.startswith("/")


class Command(NamedTuple):
    """A recorded way to start a program.

    Attributes:
        argv: no shell is involved.
        environment: all that it sees, beside PATH.
        timeout_s: after so many seconds it is ended and has failed.
        inherit: variables taken from the environment of whoever runs it: secrets, which no journal holds.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    timeout_s: float = 60.0
    inherit: tuple[str, ...] = ()


class Check(NamedTuple):
    """A command whose answer tells that something is as it was; repeated until its time is over.

    Attributes:
        command: what to ask.
        expected: what it prints then; None where its exit status says enough.
    """

    command: Command
    expected: str | None = None


class Undo(NamedTuple):
    """A self-contained way back: what to write, in order, and what must be read afterwards.

    Attributes:
        writes: each place with the text that restores it.
        expected: each place with the text that it must show at the end.
        service: the name of the service that the rest is about; empty for a file of the kernel.
        files: as :func:`tactician.undo.whole_files.record` keeps them.
        commands: run once the files are back.
        rescue: run instead when that did not help.
        checks: hold at the end.
    """

    writes: tuple[tuple[Place, str], ...] = ()
    expected: tuple[tuple[Place, str], ...] = ()
    service: str = ""
    files: tuple[Mapping[str, Any], ...] = ()
    commands: tuple[Command, ...] = ()
    rescue: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()


class Host(Protocol):
    """Reads and writes places. Raises OSError with its errno kept."""

    def read(self, place: Place) -> str:
        """The current text, without the final newline."""

    def write(self, place: Place, text: str) -> None:
        """Write the text in one ``write`` call."""

    def family(self, place: Place) -> Mapping[Place, str]:
        """What a write to ``place`` may change on the side: its readable, stable neighbours."""

    def undo(self, place: Place, text: str) -> Undo | None:
        """The way back from writing ``text``; None where it is to write what the place shows now."""


class Knob(Protocol):
    """One parameter's place on the host and the translation between its text and its value."""

    @property
    def name(self) -> str:
        """The parameter's name."""

    @property
    def place(self) -> Place:
        """Where it lives."""

    @property
    def acts(self) -> str:
        """How a change takes effect: ``at once``, or by a ``reload`` or ``restart`` of what lives there."""

    @property
    def coupled(self) -> Sequence[Place]:
        """Places that a write here changes too, in the order in which they are restored after it."""

    def decode(self, text: str) -> Value:
        """The value that this text shows. Raises ValueError where it shows none."""

    def encode(self, current: str, value: Value) -> str:
        """The text to write for ``value``, keeping the other fields of ``current``."""

    def shows(self, text: str, value: Value) -> bool:
        """Whether a place that reads ``text`` has ``value``."""

    def restoring(self, text: str) -> str:
        """The text to write so that the place reads ``text`` again."""


class Journal(Protocol):
    """Makes originals durable before the first write. Raises JournalError."""

    def originals(self, undos: Sequence[Undo]) -> None:
        """Return only when these are on disk."""

    def process_started(self, pid: int, marker: str) -> None:
        """A benchmark runs as the leader of its own process group."""

    def process_ended(self, pid: int) -> None:
        """The group is gone."""

    def restored(self) -> None:
        """Everything journalled so far is as it was."""


class Guardian(Protocol):
    """A second process that restores when we cannot."""

    def ensure(self) -> None:
        """Return only when a guardian is alive. Raises GuardianError."""


class BenchmarkRun(NamedTuple):
    """One run of the workload, before anybody judged it.

    Attributes:
        value: the metric in ``unit``, or None with the reason in ``problem``.
        problem: why the run does not count; empty when it does.
        tool_absent: the program to run does not exist; no repetition can help.
        stopped: whoever watched it had seen enough; there is no value then.
        notes: what the operator should know of it.
    """

    value: float | None
    unit: str
    maximize: bool
    metrics: Mapping[str, float]
    seconds: float
    problem: str = ""
    output_tail: str = ""
    tool_absent: bool = False
    stopped: bool = False
    notes: tuple[str, ...] = ()


Watch = Callable[[float, float], bool]
"""Takes the seconds into a benchmark and the metric over the interval that just ended; True ends the run."""


class Benchmark(Protocol):
    """Runs the workload once. Raises only ``Interrupted`` and misuse; a failure is a result."""

    def run(
        self, configuration: Configuration, watch: Watch | None = None, share: float = 1.0
    ) -> BenchmarkRun:
        """Run it with this configuration's arguments and environment in place.

        Args:
            watch: told of every interval that the benchmark reports while it runs; may be ignored.
            share: of the usual ``{duration}``.
        """

    def setup(self) -> None:
        """Run ``setup_command``. Raises BenchmarkError."""

    def teardown(self) -> None:
        """Run ``teardown_command``; a failure is reported in the log only."""


class Crossing(NamedTuple):
    """A guardrail that a run crossed.

    Attributes:
        reason: in words.
        control: the operator's way in, or a service, does not answer: the run must not go on.
    """

    reason: str
    control: bool = False


class Guard(Protocol):
    """Watches the host beside a benchmark, which asks :meth:`crossed` whether it has to end."""

    @property
    def crossing(self) -> Crossing | None:
        """What the run that is being watched, or was watched last, has crossed."""

    def prepare(self) -> None:
        """Find out what holds before the run. Raises PreflightError where a check fails already."""

    def crossed(self) -> bool:
        """Whether the benchmark has to end."""

    def watching(self, purpose: str) -> AbstractContextManager[None]:
        """Watch for as long as the block lasts; the end of the block waits for nothing."""


class SystemMonitor(Protocol):
    """CPU, I/O wait, memory and pressure as differences over an interval."""

    def start(self) -> None:
        """Begin the interval."""

    def so_far(self) -> Mapping[str, float]:
        """The same as :meth:`stop`, and the interval goes on."""

    def stop(self) -> Mapping[str, float]:
        """End it: each metric as a share in [0, 1]; a metric that this kernel lacks is left out."""


class Observer(Protocol):
    """Receives every event of a run. An observer that throws is dropped, not the run."""

    def __call__(self, event: Event) -> None:
        """Take one event."""


class Search(Protocol):
    """The part of ``oppertune.algorithms.base.Algorithm`` that the loop uses."""

    def predict(self, context: Any = None, *, fresh: bool = False) -> Any:
        """Return ``(prediction, request_id)``."""

    def set_reward(
        self,
        reward: float | None,
        context_id: str = "",
        *,
        request_id: str | None = None,
        reward_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Learn from the reward of one request; ``reward_data`` says where it is only an estimate."""

    def recommend(self) -> dict[str, Value]:
        """The configuration to keep, by all that was learnt."""


Emit = Callable[[Event], None]
Clock = Callable[[], float]
Knobs = Iterable[Knob]
