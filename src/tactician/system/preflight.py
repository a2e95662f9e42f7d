"""Read-only questions before the first write: does it exist, can it be read, may it be written.

Mode bits lie: below a locked-down kernel's debugfs root gets EPERM from files of mode 0644. So
every place is read, and opened for writing without a byte written.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from oppertune.core.values import Categorical, Value
from tactician import catalogue
from tactician.errors import PreflightError, Problem
from tactician.experiment import Experiment, TunedParameter, with_value
from tactician.ports import Knob, Place
from tactician.system import facts, namespace
from tactician.system.bounding import bound
from tactician.system.command import minimal_environment
from tactician.system.files import RealHost
from tactician.system.service.base import Service
from tactician.system.service.looking import ServiceLook
from tactician.system.sysctl import FileKnob, file_knob, path_of, split_field

_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
# The shell's own words; a command that starts with one says nothing about programs.
_SHELL_WORDS = """
. alias bg break case cd command continue do done elif else esac eval exec exit export fg fi for
function getopts hash if jobs local read readonly return select set shift source test then time
times trap type ulimit umask unalias unset until wait while
"""
# VARIABLE=value assignments may come first; anything with quotes or expansions is not plain to see.
_FIRST_WORD = re.compile(r"\s*(?:[A-Za-z_]\w*=[\w.,:/+-]*\s+)*([\w/.][\w.+/-]*)(?=\s|$|[;|&])")
_PACKAGES = {
    "ab": "apache2-utils",
    "pgbench": "postgresql-contrib",
    "h2load": "nghttp2-client",
    "hackbench": "rt-tests",
    "cyclictest": "rt-tests",
    "redis-benchmark": "redis-tools",
    "memcslap": "libmemcached-tools",
    "perf": "linux-perf",
}


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the host answers.

    Attributes:
        experiment: with the parameters that can be tuned, their starting values read from the host.
        knobs: of the parameters that live on the host.
        original: what every parameter has now.
        absent: parameters that this kernel does not have, with the reason.
        problems: everything else that stands in the way.
        notices: what the operator should know.
        services: those whose settings are tuned, by name.
    """

    experiment: Experiment
    knobs: tuple[Knob, ...]
    original: dict[str, Value]
    absent: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]
    services: Mapping[str, Service] = field(default_factory=dict)


def inspect(experiment: Experiment, host: RealHost, netns: str = "", *, will_write: bool = True) -> Preflight:
    """Look at everything that the experiment names, and touch nothing.

    Args:
        experiment: as read from its file.
        host: where the places are.
        netns: network namespace of the places; empty for ours.
        will_write: whether the right to write is needed too.
    """
    look = _Look(host, netns, will_write, ServiceLook(experiment.services))
    kept = []
    positions = []
    for index, tuned in enumerate(experiment.parameters):
        found = look.at(f"action_space[{index}].param", tuned)
        if found is not None:
            kept.append(found)
            positions.append(index)
    look.services.finish()
    names = {tuned.name for tuned in kept}
    own = tuple(c for c in experiment.constraints if set(c.names) <= names)
    bounded = bound(kept, own, look.text_of, positions)
    seen = [*look.problems, *look.services.problems, *bounded.problems]
    problems = [*seen, *_denied(look.denied), *_absent_tool(experiment)]
    return Preflight(
        replace(experiment, parameters=bounded.parameters, constraints=(*own, *bounded.constraints)),
        tuple(look.knobs),
        look.original,
        tuple(look.absent),
        tuple(problems),
        (*look.notices, *look.services.notices, *bounded.notices),
        look.services.services,
    )


def misfits(seen: Preflight, configuration: Mapping[str, Value]) -> list[Problem]:
    """Say what of a configuration of an earlier run does not fit what the host has by now.

    Args:
        seen: what the host answers now.
        configuration: values by parameter.
    """
    found = []
    for tuned in seen.experiment.parameters:
        value = configuration.get(tuned.name)
        if tuned.on_host and value is not None and not tuned.parameter.contains(value):
            why = "; ".join(notice for notice in seen.notices if notice.startswith(f"{tuned.name} "))
            found.append(Problem(tuned.name, f"{value} does not fit this host as it is now: {why}"))
    return found


def place_exists(key: str, host: RealHost, network_namespace: str | None) -> bool:
    """Whether the host, or the namespace of an experiment, has a place; yes where that cannot be told.

    Args:
        key: a path, or a sysctl's name.
        host: where the place may be.
        network_namespace: as an experiment names it.
    """
    try:
        netns = "" if key.startswith("/") else namespace.path_of(network_namespace)
        host.read(Place(key if key.startswith("/") else path_of(key), netns))
    except OSError as error:
        return error.errno not in _ABSENT
    except PreflightError:
        return True
    return True


class _Look:
    """Goes through the parameters and sorts what it finds."""

    def __init__(self, host: RealHost, netns: str, will_write: bool, services: ServiceLook) -> None:
        self.services = services
        self._host = host
        self._netns = netns
        self._will_write = will_write
        self.knobs: list[Knob] = []
        self.original: dict[str, Value] = {}
        self.absent: list[Problem] = []
        self.problems: list[Problem] = []
        self.denied: list[str] = []
        self.notices: list[str] = []

    def at(self, path: str, tuned: TunedParameter) -> TunedParameter | None:
        """Return the parameter as it can be tuned, None if it cannot."""
        if not tuned.on_host:
            start = tuned.start if tuned.start is not None else tuned.parameter.val
            self.original[tuned.name] = start
            return tuned
        if tuned.kind == "service":
            seen = self.services.at(path, tuned)
            return None if seen is None else self._taken(tuned, seen.knob, seen.value)
        knob = file_knob(tuned, self._netns)
        try:
            text = self._host.read(knob.place)
        except OSError as error:
            return self._unreadable(path, tuned, knob, error)
        return self._readable(path, tuned, knob, text)

    def text_of(self, name: str) -> str | None:
        """Return what a place shows that is not tuned itself, None where it cannot be read."""
        if (known := catalogue.entry(name)) is not None and known.kind == "service":
            return self.services.number_of(name)
        path = name if name.startswith("/") else path_of(name)
        try:
            return self._host.read(Place(path, "" if name.startswith("/") else self._netns))
        except OSError:
            return None

    def _readable(self, path: str, tuned: TunedParameter, knob: FileKnob, text: str) -> TunedParameter | None:
        if text == "":
            self.problems.append(Problem(path, f"{tuned.name} reads as empty, so it could not be restored"))
            return None
        try:
            value = knob.decode(text)
        except ValueError as error:
            self.problems.append(
                Problem(path, f"{error}; give the field as {tuned.target}[0], or type categorical")
            )
            return None
        if self._will_write:
            self._probe(path, tuned, knob.place)
        return self._taken(tuned, knob, value)

    def _taken(self, tuned: TunedParameter, knob: Knob, value: Value) -> TunedParameter:
        self.knobs.append(knob)
        self.original[tuned.name] = value
        start = value if tuned.start is None else tuned.start
        nearest = _nearest(tuned, start)
        return replace(tuned, parameter=with_value(tuned.parameter, nearest))

    def _probe(self, path: str, tuned: TunedParameter, place: Place) -> None:
        try:
            self._host.probe_write(place)
        except OSError as error:
            if error.errno in _DENIED:
                self.denied.append(tuned.name)
            else:
                self.problems.append(
                    Problem(path, f"{place.path} cannot be opened for writing: {error.strerror}")
                )

    def _unreadable(
        self, path: str, tuned: TunedParameter, knob: FileKnob, error: OSError
    ) -> TunedParameter | None:
        place = knob.place
        if error.errno in _ABSENT:
            successor = self._successor(tuned)
            if successor is not None:
                return self.at(path, successor)
            self.absent.append(Problem(path, self._why_absent(tuned, place)))
        elif error.errno in _DENIED:
            locked = facts.lockdown()
            why = f" (kernel lockdown: {locked})" if locked not in ("", "none") else ""
            self.problems.append(
                Problem(
                    path,
                    f"{place.path} cannot be read{why}: {error.strerror}; what cannot be read is not written",
                )
            )
        else:
            self.problems.append(Problem(path, f"{place.path} cannot be read: {error.strerror}"))
        return None

    def _successor(self, tuned: TunedParameter) -> TunedParameter | None:
        """Return the parameter at the file that took over its meaning, if that can really be used."""
        known = catalogue.absent(_dotted(tuned.target))
        if known is None or not known.successor:
            return None
        place = Place(known.successor)
        try:
            self._host.read(place)
            self._host.probe_write(place)
        except OSError:
            return None
        self.notices.append(
            f"{tuned.name} is gone since Linux {known.since}; {known.successor} is tuned in its place"
        )
        return replace(tuned, kind="sysfs", target=known.successor)

    def _why_absent(self, tuned: TunedParameter, place: Place) -> str:
        here = f"{tuned.name} does not exist on this kernel ({facts.kernel_version()})"
        known = catalogue.absent(_dotted(tuned.target))
        if known is not None:
            instead = " or ".join(known.instead)
            why = f"since {known.since} {known.reason}"
            return f"{here}: {why}; tune {instead} instead, or leave it out with --skip-absent"
        near = difflib.get_close_matches(os.path.basename(place.path), self._host.neighbours(place), 1)
        if near:
            folder = _dotted(tuned.target).rpartition(".")[0]
            suggestion = (
                f"{folder}.{near[0]}"
                if tuned.kind == "sysctl"
                else f"{os.path.dirname(place.path)}/{near[0]}"
            )
            return f"{here}; did you mean {suggestion}? --skip-absent leaves it out"
        return f"{here}; --skip-absent leaves it out"


def _nearest(tuned: TunedParameter, value: Value) -> Value:
    """Return where learning starts: the host's value, or the nearest that may be tried."""
    parameter = tuned.parameter
    if isinstance(parameter, Categorical) and str(value) not in parameter.categories:
        return parameter.categories[0]
    return parameter.nearest(value)


def _denied(names: Sequence[str]) -> list[Problem]:
    if not names:
        return []
    listed = ", ".join(names)
    ways = [
        "run the same command as root: sudo tactician tune ...",
        "or have root start the helper once: sudo tactician units --install /etc/systemd/system",
        "in a container, give it a writable /proc/sys (--privileged, or on the host itself)",
    ]
    if all(name.startswith("net.") for name in names):
        ways.append('try it on a network of its own: "network_namespace": "throw-away"')
    ways.append("look first without writing: --dry-run")
    return [Problem("", f"no right to write {listed}; ways to get it: " + "; ".join(ways))]


def _absent_tool(experiment: Experiment) -> list[Problem]:
    """Look for the program that the command starts with, where that is plain to see."""
    command = experiment.workload.command
    try:
        shlex.split(command, comments=True)
    except ValueError as error:
        return [Problem("benchmark_command", f"the shell would not understand it: {error}")]
    first = _FIRST_WORD.match(command)
    if first is None or first[1] in _SHELL_WORDS.split():
        return []
    tool = first[1]
    path = minimal_environment(experiment.workload.environment)["PATH"]
    if shutil.which(tool, path=path):
        return []
    package = _PACKAGES.get(tool, tool)
    return [Problem("benchmark_command", f"{tool} is not installed; try: {facts.package_command(package)}")]


def _dotted(target: str) -> str:
    return split_field(target)[0].replace("/", ".")
