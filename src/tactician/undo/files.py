"""Reads and writes the small text files below /proc/sys and /sys, in a network namespace if need be."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_LONGEST = 1 << 16
_SMALL = 4096
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def read_text(path: str, netns: str = "") -> str:
    """Return what ``path`` shows, without the final newline.

    Raises:
        OSError: with the kernel's errno; EINVAL where the content is longer than 64 KiB.
    """
    with entered(netns):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            chunks = []
            while chunk := os.read(descriptor, _LONGEST):
                chunks.append(chunk)
                if sum(map(len, chunks)) > _LONGEST:
                    raise OSError(22, "too long for a setting", path)
        finally:
            os.close(descriptor)
    return b"".join(chunks).decode("utf-8", "surrogateescape").rstrip("\n")


def write_text(path: str, text: str, netns: str = "") -> None:
    """Write ``text`` and a newline in one ``write`` call, which is what the kernel parses as a value.

    Raises:
        OSError: with the kernel's errno.
    """
    data = text.encode("utf-8", "surrogateescape") + b"\n"
    with entered(netns):
        # No O_CREAT: a name that the kernel does not have must never become a file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
    if written != len(data):
        raise OSError(5, f"only {written} of {len(data)} bytes were taken", path)


def peek(path: str) -> str | None:
    """Return what a small file shows; None where it is long, or cannot be read without waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        data = os.read(descriptor, _SMALL + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if len(data) > _SMALL else data.decode("utf-8", "surrogateescape").rstrip("\n")


def same_text(one: str, other: str) -> bool:
    """Whether two texts show the same value; the kernel turns blanks into tabs."""
    return one.split() == other.split()


@contextlib.contextmanager
def entered(netns: str) -> Iterator[None]:
    """Put the calling thread into another network namespace; ``""`` stays where we are.

    /proc/sys/net shows the namespace of the thread that opens the file, so this is all it takes.

    Raises:
        OSError: the namespace does not exist, or EPERM without CAP_SYS_ADMIN.
    """
    if not netns:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(target, netns)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(own, "/proc/thread-self/ns/net")
    finally:
        os.close(own)


def _setns(descriptor: int, name: str) -> None:
    """``os.setns`` came with Python 3.12; the C library had it long before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def namespace_identity() -> str:
    """Name the network namespace that we are in, such as ``net:[4026531840]``; empty if unknown."""
    try:
        return os.readlink("/proc/thread-self/ns/net")
    except OSError:
        return ""


def boot_identity() -> str:
    """Name this boot of the kernel; values below /proc and /sys do not outlive it."""
    try:
        return read_text(_BOOT_ID)
    except OSError:
        return ""


def is_per_namespace(path: str) -> bool:
    """Whether the file shows the reader's network namespace rather than the whole host."""
    return path.startswith("/proc/sys/net/")
