"""Journal the originals, write, read back, and restore in reverse whatever happens.

One transaction is one visit to the host: when its ``with`` block ends, every place shows what it
showed before, or RestoreError says which do not.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from tactician.errors import JournalError, KnobReadError, KnobWriteError, Problem, RestoreError
from tactician.interrupts import Interrupts
from tactician.plan import Change, Plan
from tactician.ports import Command, Guardian, Host, Journal, Place, Undo
from tactician.undo.files import same_text
from tactician.undo.foreign import is_theirs
from tactician.undo.restore import restore


class Transaction:
    """Applies plans to a host and takes them back.

    Args:
        host: reads and writes places.
        journal: makes originals durable.
        guardian: restores if we cannot.
        interrupts: holds signals back while the host is half written.
    """

    def __init__(self, host: Host, journal: Journal, guardian: Guardian, interrupts: Interrupts) -> None:
        self._host = host
        self._journal = journal
        self._guardian = guardian
        self._interrupts = interrupts
        self._undos: list[Undo] = []
        self.theirs: list[str] = []
        """What somebody else changed meanwhile in files of services, and was kept."""
        self._holding = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # From here to the end of the restore; a benchmark in between opens it again for itself.
        self._holding.enter_context(self._interrupts.held())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._holding:
            self.restore()

    def apply(self, plan: Plan) -> list[str]:
        """Carry out a plan.

        Returns:
            Names of places that the kernel changed on the side; they will be restored too.

        Raises:
            KnobReadError: an original cannot be read; nothing was written.
            JournalError, GuardianError: originals or guardian are not in place; nothing was written.
            KnobWriteError: the kernel refused a value or shows another; the ``with`` block restores.
        """
        if not plan.changes:
            return []
        undos = [self._undo(change) for change in plan.changes]
        self._guardian.ensure()
        before = self._families(change.place for change in plan.changes)
        with self._interrupts.held():
            self._journal.originals(undos)
            self._undos += undos
            try:
                for change in plan.changes:
                    self._write(change)
                for change in plan.changes:
                    self._compare(change)
            finally:  # also a plan that failed half-way may have moved its neighbours
                moved = self._note_side_effects(before)
        return moved

    def keep(self) -> None:
        """Let everything stay that was applied: the way back is somebody else's from now on."""
        self._undos.clear()

    def restore(self) -> None:
        """Put back everything that was applied, and what putting it back moved on the side.

        Raises:
            RestoreError: some place is not as it was; every other one is.
        """
        if not self._undos:
            return
        with self._interrupts.held():
            before = self._families(place for undo in self._undos for place, _ in undo.expected)
            leftovers = put_back(self._host, self._undos, self.theirs)
            while self._moved(before):  # ends: each round makes more places known
                # Setting a scheduler back sets its neighbours to defaults of its own.
                with contextlib.suppress(JournalError):
                    self._note_side_effects(before)
                leftovers = put_back(self._host, self._undos, self.theirs)
            self._undos.clear()
            if leftovers:
                raise RestoreError(leftovers)
            self._journal.restored()

    def _undo(self, change: Change) -> Undo:
        """Work out how to take one change back before it is made.

        Of a pair such as ``vm.dirty_bytes`` and ``vm.dirty_ratio`` one is zero, and the zero cannot
        be written: it comes back by itself when the other is written.
        """
        told = self._way_back(change)
        if told is not None:
            return told
        coupled = [place for place in change.knobs[0].coupled if place != change.place]
        originals = {place: self._read(place) for place in coupled if self._exists(place)}
        own = (change.place, change.knobs[0].restoring(change.before))
        writes = [own, *originals.items()]
        if originals:
            meaningful = [(place, text) for place, text in writes if text.strip() not in ("", "0")]
            writes = meaningful or writes[:1]
        expected = [(change.place, change.before), *originals.items()]
        return Undo(tuple(writes), tuple(expected))

    def _way_back(self, change: Change) -> Undo | None:
        try:
            return self._host.undo(change.place, change.after)
        except OSError as error:
            raise _unreadable(change.place, error) from error

    def _write(self, change: Change) -> None:
        try:
            self._host.write(change.place, change.after)
        except KnobWriteError:
            raise  # a service, in its own words
        except OSError as error:
            message = f"{change.place.path}: {change.after!r} was refused: {error.strerror}"
            raise KnobWriteError(error.errno, message) from error
        self._compare(change)

    def _compare(self, change: Change) -> None:
        shown = self._read(change.place)
        if not change.holds(shown):
            message = f"{change.place.path}: wrote {change.after!r}, the kernel keeps {shown!r}"
            raise KnobWriteError(22, message)

    def _families(self, places: Iterable[Place]) -> dict[Place, str]:
        shown: dict[Place, str] = {}
        for place in places:
            if place not in shown:
                # What cannot be looked at is not compared; it must not keep the rest from being restored.
                with contextlib.suppress(OSError):
                    shown.update(self._host.family(place))
        return shown

    def _moved(self, before: Mapping[Place, str]) -> list[Place]:
        """Compare the neighbours just around our own writes: nobody else's change is taken for ours."""
        known = {place for undo in self._undos for place, _ in undo.expected}
        after = self._families(before)
        return [
            place
            for place, text in before.items()
            if place not in known and place in after and not same_text(text, after[place])
        ]

    def _note_side_effects(self, before: Mapping[Place, str]) -> list[str]:
        moved = self._moved(before)
        if moved:
            undos = [Undo(((place, before[place]),), ((place, before[place]),)) for place in moved]
            # Restored after the change that moved them, hence before it in a list that is read backwards;
            # and known to us before the journal is, which may be out of space by now.
            self._undos[:0] = undos
            self._journal.originals(undos)
        return [place.path for place in moved]

    def _read(self, place: Place) -> str:
        try:
            return self._host.read(place)
        except OSError as error:
            raise _unreadable(place, error) from error

    def _exists(self, place: Place) -> bool:
        """Whether the place exists; one that exists and cannot be read is an error further on."""
        try:
            self._host.read(place)
        except OSError as error:
            return error.errno != errno.ENOENT
        return True


def _unreadable(place: Place, error: OSError) -> KnobReadError:
    return KnobReadError(error.errno, f"{place.path}: cannot be read: {error.strerror}")


def put_back(host: Host, undos: Iterable[Undo], theirs: list[str] | None = None) -> list[Problem]:
    """Restore with a host's own reads and writes; return what is still not as it was.

    Args:
        host: to read and write.
        undos: oldest first.
        theirs: gets a sentence for each file that somebody else changed meanwhile.
    """
    recorded = [as_entry(undo) for undo in undos]
    changed, leftovers = restore(
        recorded,
        read=lambda path, netns: host.read(Place(path, netns)),
        write=lambda path, text, netns: host.write(Place(path, netns), text),
        occasion="trial",
    )
    if theirs is not None:
        theirs += [f"{path} has {found}" for path, found in changed if is_theirs(found)]
    return [
        Problem(leftover.path, f"shows {leftover.found!r}, was {leftover.wanted!r}; {leftover.command}")
        for leftover in leftovers
    ]


def as_entry(undo: Undo) -> dict[str, Any]:
    """Return an undo as the journal stores it."""
    entry: dict[str, Any] = {
        "writes": [[place.path, place.netns, text] for place, text in undo.writes],
        "expected": [[place.path, place.netns, text] for place, text in undo.expected],
    }
    if undo.service:
        entry |= {
            "name": undo.service,
            "files": [dict(kept) for kept in undo.files],
            "commands": [_recorded(command) for command in undo.commands],
            "rescue": [_recorded(command) for command in undo.rescue],
            "checks": [{**_recorded(check.command), "expected": check.expected} for check in undo.checks],
        }
    return entry


def _recorded(command: Command) -> dict[str, Any]:
    return {
        "argv": list(command.argv),
        "environment": dict(command.environment),
        "timeout_s": command.timeout_s,
        "inherit": list(command.inherit),
    }
