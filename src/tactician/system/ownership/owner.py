"""One owner of a key as the operator is told of it."""

from __future__ import annotations

from typing import NamedTuple

from tactician.experiment import TunedParameter
from tactician.system.sysctl import file_knob
from tactician.undo.restore import sysctl_name


class Owner(NamedTuple):
    """Somebody or something that may set a key, or hide it.

    Attributes:
        name: who: a daemon, a file, a container.
        found: what was seen.
        keys: which of the asked keys it concerns.
        means: what will be done about it, or what it does to a measurement.
        mend: the command that ends it, empty where there is none.
    """

    name: str
    found: str
    keys: tuple[str, ...]
    means: str
    mend: str = ""

    @property
    def notice(self) -> str:
        """One sentence for the console."""
        about = f" {', '.join(self.keys[:4])}{', ...' if len(self.keys) > 4 else ''}" if self.keys else ""
        return f"{self.found}{about}: {self.means}" + (f"; {self.mend}" if self.mend else "")


def key_of(tuned: TunedParameter) -> str:
    """Return the sysctl name, or the path below /sys, under which owners know a parameter."""
    if tuned.kind not in ("sysctl", "sysfs"):
        return ""
    path = file_knob(tuned).place.path
    return sysctl_name(path) if path.startswith("/proc/sys/") else path
