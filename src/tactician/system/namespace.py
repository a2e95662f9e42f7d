"""Throw-away network namespaces: real kernel parameters that end with the run, often without root."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shlex
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from tactician.errors import PreflightError, Problem
from tactician.system.command import run_detached
from tactician.system.home import VARIABLE, Home, is_real_root
from tactician.undo import files

_INSIDE = "TACTICIAN_INSIDE"
_TIED = "TACTICIAN_TIED"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_PR_SET_PDEATHSIG = 1


def inside_throw_away() -> bool:
    """Whether this process was started inside a throw-away namespace of ours."""
    return os.environ.get(_INSIDE) == "throw-away"


def why_unavailable() -> str:
    """Say why no throw-away namespace can be made here; empty if one can."""
    if shutil.which("unshare") is None:
        return "unshare(1) of util-linux is not installed"
    done = run_detached(shlex.join([*_unshare(), "true"]), timeout_s=10.0)
    return "" if done.status == 0 else f"the kernel does not allow it here ({done.stderr.strip()})"


def entering_command(arguments: Sequence[str]) -> list[str]:
    """Return the argv that runs ``tactician`` with these arguments in a new namespace.

    Raises:
        PreflightError: no namespace can be made here.
    """
    reason = why_unavailable()
    if reason:
        remedy = "sudo sysctl -w user.max_user_namespaces=10000 allows it on most kernels"
        message = f"a throw-away namespace cannot be made: {reason}; {remedy}"
        raise PreflightError([Problem("network_namespace", message)])
    return [*_unshare(), "--", sys.executable, "-m", "cli_ai.main", *arguments]


def entering_environment(*, tied: bool = False) -> dict[str, str]:
    """Return the environment for :func:`entering_command`.

    Args:
        tied: end the run (restored) when the process that starts it dies.
    """
    # Root of a user namespace is not root: the state folder is chosen out here.
    added = {_INSIDE: "throw-away", VARIABLE: str(Home.find().path)}
    if tied:
        added[_TIED] = "1"
    return {**os.environ, **added}


def settle() -> None:
    """Make a new namespace usable: bring up its loopback, and follow our parent if we are tied to it."""
    raise_loopback()
    follow_parent()


def follow_parent() -> None:
    """End, restored, when the process that started us dies, if it asked for that."""
    tied = os.environ.get(_TIED, "")
    if tied:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if tied != "1" and os.getppid() != int(tied):  # it died before we could ask to be told
            os.kill(os.getpid(), signal.SIGTERM)


def tied_environment() -> dict[str, str]:
    """Return the environment for a run of our own that ends when the thread that starts it does."""
    return {**os.environ, VARIABLE: str(Home.find().path), _TIED: str(os.getpid())}


def raise_loopback() -> None:
    """Bring up ``lo``, which is down in a new namespace. Raises OSError without the right to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        if not flags & _IFF_UP:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def path_of(namespace: str | None) -> str:
    """Return the file of a namespace given by name or path; empty for our own.

    Raises:
        PreflightError: there is no such namespace.
    """
    if namespace is None or namespace == "throw-away":
        return ""
    path = Path(namespace) if namespace.startswith("/") else Path("/run/netns") / namespace
    if not path.exists():
        message = f"there is no network namespace {path}; ip netns list shows those with a name"
        raise PreflightError([Problem("network_namespace", message)])
    if os.geteuid() != 0 and f"net:[{path.stat().st_ino}]" == files.namespace_identity():
        return ""  # we are in it, and need no right to enter
    try:
        with files.entered(str(path)):
            pass
    except OSError as error:
        message = (
            f"{path} cannot be entered: {error.strerror}; it takes root, and a namespace. Root can start you "
            f"in it: sudo ip netns exec {path.name} sudo -u $USER tactician tune ..."
        )
        raise PreflightError([Problem("network_namespace", message)]) from error
    return str(path)


def _unshare() -> list[str]:
    return ["unshare", "--net"] if is_real_root() else ["unshare", "--user", "--map-root-user", "--net"]


def enter(arguments: Sequence[str]) -> None:
    """Become ``tactician`` with these arguments in a new namespace; same pid, so signals still reach us.

    Raises:
        PreflightError: no namespace can be made here.
    """
    argv = entering_command(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(argv[0], argv, entering_environment())
