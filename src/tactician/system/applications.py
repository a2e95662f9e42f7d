"""What stands in this home's ``applied`` folder, and what it means for whoever wants to begin something."""

from __future__ import annotations

import os
import shlex

from tactician.errors import Problem
from tactician.system.home import SYSTEM_HOME, VARIABLE, Home, is_real_root, recorded_homes
from tactician.undo.applied import Application, look_at_all, take_back_overdue
from tactician.undo.files import namespace_identity
from tactician.undo.recover import Recovery


def settle(home: Home) -> list[Recovery]:
    """Take back what was cut short, or was to be confirmed and was not in time."""
    return take_back_overdue(home.applied)


def unconfirmed(home: Home) -> list[Application]:
    """Return what still awaits its confirmation in this home."""
    return [found for found in look_at_all(home.applied) if found.phase == "unconfirmed"]


def awaiting(home: Home) -> list[Problem]:
    """Say of each unconfirmed application what to do about it: nothing else may begin meanwhile."""
    return [
        Problem(
            "",
            f"run {found.run_id} is applied and awaits its confirmation {until(found)}; "
            f"keep it: {command(place, 'confirm', found.run_id)}; "
            f"take it back: {command(place, 'revert', found.run_id)}",
        )
        for place in _homes(home)
        for found in unconfirmed(place)
        if place is home or found.namespace == namespace_identity()
    ]


def note_name(run_id: str) -> str:
    """Return the name under which the home of an application is recorded."""
    return f"applied-{run_id}"


def _homes(home: Home) -> list[Home]:
    """Return this home and, for root, those that others recorded; each once."""
    others = {other.path: other for other, _ in recorded_homes()}
    return [home, *(other for path, other in others.items() if path != home.path)]


def until(found: Application) -> str:
    """Say when the time is over: by the operator's clock, and from now, should that clock have been set."""
    return f"until {found.stated} ({spoken(found.remaining_s)} from now)"


def spoken(seconds: float) -> str:
    """Return a span of time in the two units that matter."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def command(home: Home, verb: str, run_id: str) -> str:
    """Return what to type, in a shell that may know neither our environment nor our rights."""
    words = ["tactician", verb, run_id]
    default = SYSTEM_HOME if is_real_root() else None
    if home.path != default and (os.environ.get(VARIABLE) or is_real_root()):
        words.insert(0, f"{VARIABLE}={home.path}")
        if os.environ.get("SUDO_USER"):
            words.insert(0, "env")
    if os.environ.get("SUDO_USER"):
        words.insert(0, "sudo")
    return shlex.join(words).replace(f"'{VARIABLE}={home.path}'", f"{VARIABLE}={shlex.quote(str(home.path))}")
