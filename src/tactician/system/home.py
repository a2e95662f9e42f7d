"""Where state lives: history, journals, applied values and the homes that other tuners recorded."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SYSTEM_HOME = Path("/var/lib/tactician")
VARIABLE = "TACTICIAN_HOME"


class Home:
    """One state folder.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def find(cls) -> Home:
        """Return ``$TACTICIAN_HOME``, else the system's for root, else the user's XDG state folder."""
        chosen = os.environ.get(VARIABLE)
        if chosen:
            return cls(Path(chosen).expanduser().absolute())
        if is_real_root():
            return cls(SYSTEM_HOME)
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        return cls(Path(state).expanduser().absolute() / "tactician")

    @property
    def journals(self) -> Path:
        """Journals of runs; one that lies here and has no living run is a leftover."""
        return self.path / "journals"

    @property
    def applied(self) -> Path:
        """Journals of values that were applied on purpose; ``revert`` reads them."""
        return self.path / "applied"

    @property
    def history(self) -> Path:
        """The history's database."""
        return self.path / "history.sqlite"

    def register(self, name: str = "") -> None:
        """As root, note this home where ``recover`` looks, unless it is the one it looks at anyway.

        Args:
            name: of the note; our pid where it is only about us.
        """
        if not is_real_root() or self.path == SYSTEM_HOME:
            return
        # Only a convenience for whoever recovers without knowing the home; a host without it still can.
        with contextlib.suppress(OSError):
            folder = SYSTEM_HOME / "homes"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / (name or f"{os.getpid()}")).write_text(str(self.path), encoding="utf-8")

    def unregister(self, name: str = "") -> None:
        """Forget the note of :meth:`register`."""
        if is_real_root() and self.path != SYSTEM_HOME:
            with contextlib.suppress(OSError):
                (SYSTEM_HOME / "homes" / (name or f"{os.getpid()}")).unlink(missing_ok=True)


def recorded_homes() -> list[tuple[Home, Path]]:
    """Return the homes that root's tuners recorded, each with the note that says so."""
    folder = SYSTEM_HOME / "homes"
    if not is_real_root() or not folder.is_dir():
        return []
    found = []
    for note in sorted(folder.iterdir()):
        with contextlib.suppress(OSError):  # its tuner ended between our two looks
            if path := note.read_text(encoding="utf-8"):
                found.append((Home(Path(path)), note))
    return found


def is_real_root() -> bool:
    """Whether we are root, and not merely the root of a user namespace of our own."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            inside, outside, _ = file.readline().split()
    except (OSError, ValueError):
        return True
    return inside == outside == "0"
