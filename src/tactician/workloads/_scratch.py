"""A folder on a real disk that is gone when its benchmark is, even if the benchmark was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "tactician-sqlite-"

_IN_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")


def default_directory() -> Path:
    """Return the usual place for temporary files, or /var/tmp where the usual place is in memory.

    In memory a commit costs nothing, whatever the settings.
    """
    usual = Path(tempfile.gettempdir())
    lasting = Path("/var/tmp")
    if _in_memory(usual) and os.access(lasting, os.W_OK) and not _in_memory(lasting):
        return lasting
    return usual


@contextlib.contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """Make a folder, yield it, and remove it with everything in it.

    The folder is locked while its owner lives. SIGKILL leaves it behind without the lock, and the next
    run removes it.
    """
    _sweep(directory)
    folder, lock = _locked_folder(directory)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(directory: Path) -> tuple[Path, int]:
    """Make a folder and lock it; return it and the lock's file descriptor."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory))
        # Before it is locked another run may take the folder for a leftover.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(directory: Path) -> None:
    """Remove the folders of runs that were killed."""
    for folder in directory.glob(f"{PREFIX}*"):
        # Another run may be sweeping too, and other users' folders are theirs.
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)


def _in_memory(directory: Path) -> bool:
    try:
        device = directory.stat().st_dev
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        front, _, back = line.partition(" - ")
        if front.split()[2] == wanted:
            return back.split()[0] in _IN_MEMORY
    return False
