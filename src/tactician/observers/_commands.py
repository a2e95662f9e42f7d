"""The shell commands that set a configuration by hand, exactly as somebody may paste them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from tactician.experiment import Experiment, TunedParameter
from tactician.system.sysctl import path_of, split_field

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def host_commands(experiment: Experiment, configuration: Mapping[str, Any]) -> list[str]:
    """One command for each parameter of the kernel, in declaration order; services have no such words."""
    prefix = _entering(experiment)
    return [
        _host_command(tuned, configuration[tuned.name], prefix)
        for tuned in experiment.parameters
        if tuned.on_host and tuned.kind != "service" and tuned.name in configuration
    ]


def benchmark_command(experiment: Experiment, configuration: Mapping[str, Any]) -> str | None:
    """The benchmark's command with its own parameters filled in; None where it has none."""
    own = [tuned for tuned in experiment.parameters if not tuned.on_host and tuned.name in configuration]
    if not own:
        return None
    values = {
        tuned.target: shlex.quote(str(configuration[tuned.name])) for tuned in own if tuned.kind == "argument"
    }
    if experiment.workload.duration_s is not None:
        values["duration"] = f"{experiment.workload.duration_s:g}"
    command = _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), experiment.workload.command)
    variables = [
        f"{tuned.target}={shlex.quote(str(configuration[tuned.name]))}"
        for tuned in own
        if tuned.kind == "environment"
    ]
    return " ".join([*variables, " ".join(command.split())])


def _entering(experiment: Experiment) -> str:
    namespace = experiment.network_namespace
    if namespace is None or experiment.throw_away:
        return "sudo "
    if namespace.startswith("/"):
        return f"sudo nsenter --net={shlex.quote(namespace)} "
    return f"sudo ip netns exec {shlex.quote(namespace)} "


def _host_command(tuned: TunedParameter, value: Any, prefix: str) -> str:
    if tuned.kind == "sysfs":
        return f"echo {shlex.quote(str(value))} | sudo tee {shlex.quote(tuned.target)}"
    key, index = split_field(tuned.target)
    if index is None:
        return f"{prefix}sysctl -w {shlex.quote(f'{key}={value}')}"
    # One field of several: the others are to stay as they are on the day when it is pasted.
    path = shlex.quote(path_of(key))
    changed = f"awk '{{${index + 1}={value}; print}}' {path}"
    if prefix == "sudo ":
        return f"{changed} | sudo tee {path}"
    return f"{prefix}sh -c {shlex.quote(f'{changed} > {path}')}"
