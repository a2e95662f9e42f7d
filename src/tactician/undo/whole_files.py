"""Keeps a file as it is, in a form that a journal can hold, and puts it back byte for byte."""

from __future__ import annotations

import base64
import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST = 4 << 20
"""Bytes. A settings file is small; what is larger is none."""

_MARK = ".tactician-"


def record(path: str) -> dict[str, Any]:
    """Return what a file is now; ``content`` is None where there is none.

    Of a symbolic link the target is kept, so that the link stays one.

    Raises:
        OSError: it cannot be read, is no plain file, or is longer than 4 MiB.
    """
    real = os.path.realpath(path)
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {"path": real, "content": None}
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST:
            raise OSError(22, "is no settings file", real)
        content = file.read(LONGEST + 1)
    return {
        "path": real,
        "content": base64.b64encode(content).decode("ascii"),
        "mode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
        "mtime_ns": found.st_mtime_ns,
        "attributes": _attributes(real),
    }


def is_back(kept: Mapping[str, Any]) -> bool:
    """Whether the file has the recorded content, mode and owner. What cannot be read has not."""
    try:
        now = record(kept["path"])
    except OSError:
        return False
    same = ("content",) if kept["content"] is None else ("content", "mode", "uid", "gid")
    return now["path"] == kept["path"] and all(now.get(key) == kept.get(key) for key in same)


def put_back(kept: Mapping[str, Any]) -> None:
    """Make the file what it was, in one step: at no moment is it half written or absent.

    Raises:
        OSError: the folder is gone or read-only, the disk is full, the owner cannot be given.
    """
    if kept["content"] is None:
        Path(kept["path"]).unlink(missing_ok=True)
        return
    take(write_beside(kept, base64.b64decode(kept["content"])), kept)
    with contextlib.suppress(OSError):
        os.utime(kept["path"], ns=(kept["mtime_ns"], kept["mtime_ns"]))


def write_beside(kept: Mapping[str, Any], content: bytes) -> str:
    """Write a copy with other content into the same folder, durably, and return its path.

    It has the mode and owner of the recorded file. Raises OSError, and no copy is left.
    """
    sweep(kept)
    copy = f"{_copies(kept['path'])}{os.getpid()}"
    forget(copy)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(copy, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            _dress(file.fileno(), kept)
            os.fsync(file.fileno())
    except OSError:
        forget(copy)
        raise
    return copy


def take(copy: str, kept: Mapping[str, Any]) -> None:
    """Put a copy in the place of the recorded file, in one step. Raises OSError, and the copy is gone."""
    try:
        Path(copy).rename(kept["path"])
    except OSError:
        forget(copy)
        raise
    with contextlib.suppress(OSError):  # the name is there; without the sync it only may not outlive a crash
        _sync(os.path.dirname(kept["path"]))


def forget(copy: str) -> None:
    """Remove a copy that is not used."""
    with contextlib.suppress(OSError):
        Path(copy).unlink()


def _dress(descriptor: int, kept: Mapping[str, Any]) -> None:
    if kept["content"] is None:
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (kept["uid"], kept["gid"]):
        os.fchown(descriptor, kept["uid"], kept["gid"])
    os.fchmod(descriptor, kept["mode"])
    for name, value in kept.get("attributes", {}).items():
        with contextlib.suppress(OSError):  # a label that the folder gives is not ours to set
            os.setxattr(descriptor, name, base64.b64decode(value))


def _attributes(path: str) -> dict[str, str]:
    """Return access lists and labels."""
    try:
        return {
            name: base64.b64encode(os.getxattr(path, name)).decode("ascii") for name in os.listxattr(path)
        }
    except OSError:
        return {}


def sweep(kept: Mapping[str, Any]) -> None:
    """Remove the copies that writers left beside a recorded file when they died before their last step."""
    prefix = _copies(kept["path"])
    with contextlib.suppress(OSError):
        for entry in os.scandir(os.path.dirname(prefix)):
            if entry.path.startswith(prefix) and not os.path.exists(f"/proc/{entry.path[len(prefix) :]}"):
                forget(entry.path)


def _copies(path: str) -> str:
    """Return how the copies beside a file begin; the pid of their writer follows."""
    return str(Path(path).with_name(f".{os.path.basename(path)}{_MARK}"))


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
