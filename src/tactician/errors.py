"""Every error that Tactician raises on purpose, and whose fault it was.

The tree::

    TacticianError
    ├── OperatorError               something to correct before anything is touched (exit 2)
    │   ├── ConfigurationError      problems in an experiment file, all at once, by path
    │   ├── PreflightError          this host cannot run the experiment as it stands
    │   ├── LockHeldError           another tuner is at work on this host or namespace
    │   ├── RefusedError            a request that safety does not allow
    │   └── UnknownRunError         no such run in the history
    ├── HostError                   something that the host did
    │   ├── KnobReadError           a value cannot be read, so it will not be written
    │   ├── KnobWriteError          the kernel refused a value, or keeps another one
    │   ├── RestoreError            the host is not as it was (exit 4)
    │   ├── JournalError            originals could not be made durable, so nothing was written
    │   ├── BenchmarkError          no baseline could be measured (exit 1)
    │   ├── GuardianError           the guardian did not start, so nothing was written
    │   └── GuardrailError          a service or the operator's way in stopped answering (exit 3)
    └── MisuseError (RuntimeError)  a call out of order; our bug or the caller's

``Interrupted`` is no ``Exception``: it must pass through every handler on its way to the restore.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to correct: where it is, and what to do about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class TacticianError(Exception):
    """Base of every error of this package.

    Attributes:
        code: a stable word for ``--json``.
        exit_status: what the process ends with when nobody handles the error.
    """

    code = "error"
    exit_status = 1

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, one entry each; the message alone where there is only one thing."""
        return (Problem("", str(self)),)


class OperatorError(TacticianError):
    """Something that the operator can correct; nothing was touched."""

    code = "usage"
    exit_status = 2


class ListedError(OperatorError):
    """An operator's error that carries all its problems at once."""

    headline = "cannot go on"

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self._problems = tuple(problems)
        self.source = source
        count = len(self._problems)
        noun = "problem" if count == 1 else "problems"
        where = f" in {source}" if source else ""
        lines = "\n".join(f"  {problem}" for problem in self._problems)
        super().__init__(f"{self.headline}: {count} {noun}{where}\n{lines}")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them, in the order in which they were found."""
        return self._problems


class ConfigurationError(ListedError):
    """An experiment file that cannot be used; every mistake is listed, by path."""

    code = "configuration"
    headline = "the configuration cannot be used"


class PreflightError(ListedError):
    """This host cannot run the experiment: no rights, no tool, no such key."""

    code = "preflight"
    headline = "this host cannot run the experiment"


class RefusedError(ListedError):
    """A request outside what is safe; each refusal says the range and the reason."""

    code = "refused"
    headline = "refused"


class LockHeldError(OperatorError):
    """Another tuner holds this host or network namespace."""

    code = "locked"


class UnknownRunError(OperatorError):
    """The history holds no such run."""

    code = "unknown-run"


class HostError(TacticianError):
    """Something that the host did, as opposed to the operator."""

    code = "host"


class KnobReadError(HostError, OSError):
    """A value could not be read; what cannot be read is not written."""

    code = "read"


class KnobWriteError(HostError, OSError):
    """The kernel refused a value, or accepted it and shows another one."""

    code = "write"


class RestoreError(HostError):
    """The host is not as it was.

    Attributes:
        leftovers: one problem per key; the message holds the command that sets it right.
    """

    code = "not-restored"
    exit_status = 4

    def __init__(self, leftovers: Sequence[Problem]) -> None:
        self.leftovers = tuple(leftovers)
        lines = "\n".join(f"  {problem}" for problem in self.leftovers)
        super().__init__(f"the host is not fully restored; set these by hand:\n{lines}")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The leftovers."""
        return self.leftovers


class JournalError(HostError, OSError):
    """The journal could not be written, so the change it should protect was not made."""

    code = "journal"


class BenchmarkError(HostError):
    """The benchmark gave no usable baseline."""

    code = "benchmark"


class GuardianError(HostError):
    """The guardian did not start, so nothing was written."""

    code = "guardian"


class GuardrailError(HostError):
    """A service, or the operator's way in, stopped answering; the host is restored and the run is over."""

    code = "safety"
    exit_status = 3


class MisuseError(TacticianError, RuntimeError):
    """A call that makes no sense at this point, such as ``step`` on a closed environment."""

    code = "misuse"


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived; no ``except Exception`` may swallow it.

    Attributes:
        signal_number: which signal it was.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(f"interrupted by signal {signal_number}")
