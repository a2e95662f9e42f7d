"""A run's winner as settings: which file or service gets which text, and what it had before."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Literal, NamedTuple

from oppertune.core.values import Value
from tactician import catalogue
from tactician.errors import Problem, RefusedError
from tactician.experiment import Experiment, TunedParameter
from tactician.ports import Place
from tactician.storage.records import RunRecord
from tactician.system.files import RealHost
from tactician.system.service.base import parse
from tactician.system.service.knob import ServiceKnob
from tactician.system.sysctl import file_knob, path_of
from tactician.undo.restore import sysctl_name

Kind = Literal["sysctl", "sysfs", "service", "argument"]


class Setting(NamedTuple):
    """One thing to set.

    Attributes:
        kind: a sysctl, a file below /sys, a setting of a service, or an argument of the benchmark.
        name: the sysctl as sysctl.d wants it, the path, ``postgresql.work_mem``, or the argument.
        path: the file to write; empty where it is none.
        new, old: the texts of the winner and of the original.
        service: the name of the service in the configuration; empty where it is none.
    """

    kind: Kind
    name: str
    path: str
    new: str
    old: str
    service: str = ""


def proven(record: RunRecord, done: str) -> Mapping[str, Value]:
    """Return the winner of a run that proved one.

    Args:
        record: the run.
        done: what is not done with it otherwise, such as "exported".

    Raises:
        RefusedError: it was simulated, is not over, or proved nothing.
    """
    reason = ""
    if record.summary.dry_run:
        reason = "it was a dry run: its benchmark was simulated"
    elif record.result is None:
        reason = f"it is {record.summary.state} and has no result"
    elif not record.result.get("significant"):
        reason = "it has no proven winner: it proved no improvement; keep what you have"
    if reason or record.result is None:
        raise RefusedError([Problem("", f"run {record.id} is not {done}: {reason}")])
    best: Mapping[str, Value] = record.result["best_config"]
    return best


def settings_of(
    experiment: Experiment, best: Mapping[str, Value], original: Mapping[str, Value], host: RealHost
) -> list[Setting]:
    """Return one setting per place; fields of one key are joined, the others taken from the host."""
    found: dict[str, Setting] = {}
    for tuned in experiment.parameters:
        if tuned.name not in best:
            continue
        before_value = original.get(tuned.name)
        if tuned.kind == "service":
            found[tuned.name] = _of_service(experiment, tuned, best[tuned.name], before_value)
            continue
        if not tuned.on_host:
            old = "" if before_value is None else str(before_value)
            found[tuned.name] = Setting("argument", tuned.name, "", str(best[tuned.name]), old)
            continue
        knob = file_knob(tuned)
        path = knob.place.path
        try:
            shown = host.read(knob.place)
        except OSError:
            shown = str(original.get(tuned.name, ""))
        before = found.get(path)
        texts = (before.new, before.old) if before else (shown, shown)
        under_proc = path.startswith("/proc/sys/")
        found[path] = Setting(
            "sysctl" if under_proc else "sysfs",
            sysctl_name(path) if under_proc else path,
            path,
            knob.encode(texts[0], best[tuned.name]),
            texts[1] if before_value is None else knob.encode(texts[1], before_value),
        )
    return list(found.values())


def _of_service(experiment: Experiment, tuned: TunedParameter, value: Value, before: Value | None) -> Setting:
    """Return a setting by the service's kind, which is what a command for it depends on."""
    service, _, key = tuned.target.partition(".")
    access = experiment.services.get(service)
    kind = service if access is None else access.type
    known = catalogue.entry(tuned.target)
    # As when it was tuned: other services take their numbers without a unit.
    unit = known.unit if known is not None and kind in ("nginx", "file") else ""
    knob = ServiceKnob(tuned.parameter, service, key, unit)
    new, old = ("" if each is None else parse(knob.encode("", each))[key] for each in (value, before))
    return Setting("service", f"{service if kind == 'file' else kind}.{key}", "", new, old, service)


def way_back(setting: Setting, host: RealHost) -> tuple[str, str]:
    """Return path and text that undo a setting; of a pair whose zero cannot be written, the half that can."""
    known = catalogue.entry(setting.name)
    for name in known.pair if known and setting.old.strip() == "0" else ():
        with contextlib.suppress(OSError):
            other = host.read(Place(path_of(name)))
            if other.strip() not in ("", "0"):
                return path_of(name), other
    return setting.path, setting.old
