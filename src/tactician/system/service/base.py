"""What every kind of service can do, and how all of them start programs."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from tactician.errors import PreflightError, Problem
from tactician.ports import Command, Journal, Undo
from tactician.undo import commands

Settings = Mapping[str, str]
"""Text of each setting, in the service's own units, without units."""


class Setting(NamedTuple):
    """One setting as it is now.

    Attributes:
        value: its text.
        acts: ``at once``, ``reload`` or ``restart``.
        numbers: words of it that stand for a number, such as ``auto``.
    """

    value: str
    acts: str
    numbers: Mapping[str, int] = {}


class Service(Protocol):
    """One running service and the settings of it that are tuned."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def runner(self) -> Runner:
        """What starts programs for it."""

    def inspect(self, setting: str) -> Setting:
        """Look at a setting and count it among the tuned ones. Raises PreflightError where it cannot be."""

    def show(self, setting: str) -> str | None:
        """The text of a setting that is not tuned; None where it has none. Raises OSError."""

    def ready(self, acts: Sequence[str]) -> None:
        """Look for what stands in the way of changes that act so. Raises PreflightError."""

    def read(self) -> Settings:
        """The tuned settings as they are now. Raises OSError."""

    def write(self, changed: Settings) -> None:
        """Change these, make the service take notice, and wait until it works with them.

        Raises:
            KnobWriteError: it refused, kept another value, or did not come back, in its own words.
        """

    def undo(self, changed: Settings) -> Undo:
        """The way back from :meth:`write`, before it. Raises OSError."""


class Runner:
    """Starts programs that change a service; from its journal a guardian knows which to end first."""

    def __init__(self) -> None:
        self.journal: Journal | None = None

    def wrote(self, undo: Undo | None, path: str, content: bytes) -> None:
        """Note what a file is made, so that whoever restores can tell it from somebody else's change.

        Args:
            undo: the way back, whose holder sees the note too; None notes nothing.
            path: of the file.
            content: what it has from now on.

        Raises:
            JournalError: it cannot be noted.
        """
        for kept in undo.files if undo else ():
            if kept["path"] == os.path.realpath(path) and isinstance(kept, dict):
                text = base64.b64encode(content).decode("ascii")
                kept["written"] = [*(kept.get("written") or []), text]
        if undo is not None and self.journal is not None:
            self.journal.originals([undo])

    def run(self, command: Command) -> commands.Said:
        """Run a command to its end. Raises JournalError, and nothing was run."""
        journal = self.journal
        return commands.run(
            command.argv,
            command.environment,
            command.timeout_s,
            inherit=command.inherit,
            on_started=None if journal is None else lambda pid: journal.process_started(pid, ""),
            on_ended=None if journal is None else journal.process_ended,
        )


def render(settings: Settings) -> str:
    """Return settings as the text of a place."""
    return "\n".join(f"{name} = {value}" for name, value in settings.items())


def parse(text: str) -> dict[str, str]:
    """Read the text of a place."""
    pairs = (line.partition(" =") for line in text.splitlines() if line.strip())
    return {name: value.strip() for name, _, value in pairs}


def refuse(*messages: str) -> PreflightError:
    """Return the error that says why a service cannot be tuned."""
    return PreflightError([Problem("", message) for message in messages])


def as_user(uid: int, gid: int) -> tuple[str, ...]:
    """Return what to put before an argv so that it runs as somebody.

    Raises:
        PreflightError: we are neither that user nor root.
    """
    if os.geteuid() == uid:
        return ()
    if os.geteuid() != 0:
        raise refuse(f"only root or the user with id {uid} can do that")
    if shutil.which("setpriv") is None:
        raise refuse("setpriv is needed to act as another user; it belongs to util-linux")
    return ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--")


def refuse_elsewhere(pid: int) -> None:
    """Refuse a service that lives in a network or a container of its own.

    Started again from here it would live in ours. What may not be looked at is told by another question.

    Raises:
        PreflightError: with what to do.
    """
    for kind in ("net", "pid"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                raise refuse(
                    f"process {pid} lives in another {kind} namespace, such as a container's; "
                    f"run tactician inside it: nsenter --target {pid} --net --pid --mount"
                )


def tail(text: str, lines: int = 3) -> str:
    """Return the last lines of what a program said, in one line."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])[-600:]
