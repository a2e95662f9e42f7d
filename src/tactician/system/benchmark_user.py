"""As whom the benchmark runs: root tunes, but the workload belongs to whoever called sudo."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import NamedTuple

from tactician.errors import PreflightError, Problem
from tactician.system.home import is_real_root


class User(NamedTuple):
    """Somebody else than us who runs the benchmark.

    Attributes:
        name: of the account.
        prefix: argv before a command that makes it theirs.
        environment: what differs from ours.
    """

    name: str
    prefix: tuple[str, ...]
    environment: Mapping[str, str]


def find_user(wanted: str | None) -> User | None:
    """Return who runs the benchmark; None where that is ourselves.

    Root leaves it to the user who called sudo, unless ``wanted`` names another account, such as root.

    Raises:
        PreflightError: there is no such account, or only root could run something as it.
    """
    if not is_real_root():
        if wanted is None or wanted in (_own_name(), str(os.geteuid())):
            return None
        raise _refusal(f"only root can run a benchmark as {wanted}; leave it out")
    name = wanted or _caller()
    if name is None:
        return None
    try:
        account = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        raise _refusal(f"there is no account {name} on this host") from None
    if account.pw_uid == 0:
        return None
    prefix = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups", "--")
    environment = {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell,
        "XDG_RUNTIME_DIR": f"/run/user/{account.pw_uid}",
    }
    return User(account.pw_name, prefix, environment)


def explain(user: User | None, wanted: str | None) -> str:
    """Say who runs the benchmark, where that is not simply whoever runs the tuner; else empty."""
    commands = "the benchmark and its setup and teardown run as"
    if user is not None:
        why = "" if wanted else "; --benchmark-user root would run them as root"
        return f"{commands} {user.name}{why}"
    if wanted and is_real_root():
        return f"{commands} root, as asked"
    return ""


def _caller() -> str | None:
    """Return the uid that called sudo, None where nobody did."""
    uid = os.environ.get("SUDO_UID", "")
    return uid if uid.isdigit() and uid != "0" else None


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


def _refusal(message: str) -> PreflightError:
    return PreflightError([Problem("benchmark_user", message)])
