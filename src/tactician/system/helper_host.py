"""The ports of a tuner that is not root: places through the root helper, processes in its own journal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tactician.errors import GuardianError, JournalError, PreflightError, Problem
from tactician.experiment import Experiment
from tactician.ports import Guardian, Journal, Place, Undo
from tactician.system.files import RealHost
from tactician.system.helper_client import HelperConnection, find_helper
from tactician.system.sysctl import is_per_namespace
from tactician.undo import files


class HelperHost(RealHost):
    """The ``Host`` port on the kernel's files, read by us where that is allowed and written by the helper.

    Args:
        helper: the connection.
        own: what our network namespace is called where the helper is.
    """

    def __init__(self, helper: HelperConnection, own: str = "") -> None:
        super().__init__()
        self._helper = helper
        self._own = own

    def read(self, place: Place) -> str:
        """Return the text of a place. Raises OSError with the kernel's errno."""
        try:
            return super().read(place)
        except PermissionError:
            if not self._helper.alive:
                raise
        return str(self._helper.call("read", **self.address(place))["text"])

    def write(self, place: Place, text: str) -> None:
        """Let the helper write. Raises OSError; ENOTSUP where it refuses."""
        self._helper.call("write", **self.address(place), text=text)

    def probe_write(self, place: Place) -> None:
        """Ask whether a place could be written. Raises OSError."""
        self._helper.call("probe", **self.address(place))

    def family(self, place: Place) -> Mapping[Place, str]:
        """Nothing: the helper itself sees, journals and restores what a write moves on the side."""
        return {}

    def address(self, place: Place) -> dict[str, str]:
        """Return a place as the helper knows it."""
        netns = place.netns or (self._own if files.is_per_namespace(place.path) else "")
        return {"path": place.path, "netns": netns}


class HelperJournal:
    """The ``Journal`` port: what the helper changes is in its journal, all else in ours.

    Args:
        own: ours, which our own guardian reads.
        helper: the connection.
        host: knows what the helper calls a place.
    """

    def __init__(self, own: Journal, helper: HelperConnection, host: HelperHost) -> None:
        self._own = own
        self._helper = helper
        self._host = host

    def originals(self, undos: Sequence[Undo]) -> None:
        """Have every original on disk. The helper reads those of its places itself. Raises JournalError."""
        ours = [undo for undo in undos if undo.service]
        places = [undo.expected[0][0] for undo in undos if not undo.service]
        if ours:
            self._own.originals(ours)
        if places:
            addresses = [self._host.address(place) for place in places]
            try:
                self._helper.call(
                    "originals", places=[[found["path"], found["netns"]] for found in addresses]
                )
            except OSError as error:
                raise JournalError(error.errno, f"the root helper: {error.strerror}") from error

    def process_started(self, pid: int, marker: str) -> None:
        """Note a benchmark in our own journal: it is ours to end. Raises JournalError."""
        self._own.process_started(pid, marker)

    def process_ended(self, pid: int) -> None:
        """Note its end."""
        self._own.process_ended(pid)

    def restored(self) -> None:
        """Note that everything is as it was, after the helper has seen for itself. Raises RestoreError."""
        self._own.restored()
        with contextlib.suppress(OSError):  # it is gone, and its guardian has put everything back
            self._helper.call("restored")


class HelperGuardian:
    """The ``Guardian`` port: two of them, the helper's for its places and ours for our processes.

    Args:
        own: ours.
        helper: the connection.
    """

    def __init__(self, own: Guardian, helper: HelperConnection) -> None:
        self._own = own
        self._helper = helper

    def ensure(self) -> None:
        """Return when both watch. Raises GuardianError."""
        self._own.ensure()
        try:
            self._helper.call("guard")
        except OSError as error:
            raise GuardianError(f"no guardian on the side of the root helper: {error.strerror}") from error


class Helped(NamedTuple):
    """What a run through the helper consists of.

    Attributes:
        connection: to the helper; closing it takes everything back.
        host: on which it writes.
        hold: the namespaces to take hold of.
    """

    connection: HelperConnection
    host: HelperHost
    hold: tuple[str, ...]

    def begin(self, run_id: str) -> None:
        """Take hold of the host, as :meth:`HelperConnection.begin`."""
        self.connection.begin(run_id, self.hold)

    def ports(self, journal: Journal, guardian: Guardian) -> tuple[HelperJournal, HelperGuardian]:
        """Join our own journal and guardian with the helper's."""
        joined = HelperJournal(journal, self.connection, self.host)
        return joined, HelperGuardian(guardian, self.connection)


def find_help(experiment: Experiment) -> Helped | None:
    """Connect to the root helper where this process needs one and one listens.

    Raises:
        PreflightError: it refuses, or cannot do what the experiment asks.
    """
    kernel = [tuned for tuned in experiment.parameters if tuned.kind in ("sysctl", "sysfs")]
    path = find_helper()
    if not path or not kernel or experiment.throw_away:
        return None
    connection = HelperConnection(path)
    try:
        limit = experiment.workload.timeout_s
        if limit > connection.hold_s:
            message = f"{limit:g} s; the root helper keeps changes for {connection.hold_s:g} s only"
            raise PreflightError([Problem("benchmark_timeout", message)])
        own = connection.own_namespace() if any(map(is_per_namespace, kernel)) else ""
    except BaseException:  # also an interrupt: an open connection would hold the helper
        connection.close()
        raise
    wide = [] if all(map(is_per_namespace, kernel)) else [""]
    return Helped(connection, HelperHost(connection, own), tuple(dict.fromkeys([own, *wide])))
