"""Finds what hides a value: a container's view of the host, and control groups with values of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tactician.system.ownership.owner import Owner
from tactician.undo.files import is_per_namespace

NAMESPACE = "network namespace"
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
_MARKS = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman", "/run/systemd/container": "systemd-nspawn"}
# Kept per host: a network namespace other than the first does not show it.
_FIRST_ONLY = "/proc/sys/net/core/netdev_max_backlog"
_GROUPS = "/sys/fs/cgroup/memory"


def owners(keys: Sequence[str], root: str = "") -> list[Owner]:
    """Return what hides one of these keys from us, or its value from the workload."""
    return [*_read_only(keys, root), *_other_network(keys, root), *_groups(keys, root)]


def container(root: str = "") -> str:
    """Say in what container we are; empty on a host of our own."""
    try:
        if os.readlink(f"{root}/proc/self/ns/pid") == _FIRST_PID_NAMESPACE:
            return ""  # whatever marks an image has left in this file system
    except OSError:
        return ""
    for mark, name in _MARKS.items():
        if os.path.exists(root + mark):
            return name
    return "a process namespace of its own"


def read_only_mounts(root: str = "") -> list[str]:
    """Return which of /proc/sys and /sys cannot be written because they are mounted so."""
    found: dict[str, bool] = {}
    try:
        lines = Path(f"{root}/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[4] in ("/proc", "/proc/sys", "/sys"):
            found[fields[4]] = "ro" in fields[5].split(",")
    hidden = [place for place in ("/proc/sys", "/sys") if found.get(place)]
    if found.get("/proc") and "/proc/sys" not in found:
        hidden.insert(0, "/proc/sys")
    return hidden


def first_network(root: str = "") -> bool:
    """Whether net.* here is the host's own, and not that of a container or a namespace."""
    return os.path.exists(root + _FIRST_ONLY)


def own_swappiness(root: str = "") -> list[str]:
    """Return the memory control groups (version 1) that have a swappiness of their own."""
    try:
        general = Path(f"{root}/proc/sys/vm/swappiness").read_text(encoding="ascii").strip()
    except OSError:
        return []
    found = []
    for folder, _, names in os.walk(root + _GROUPS):
        if "memory.swappiness" in names and folder != root + _GROUPS:
            try:
                own = Path(folder, "memory.swappiness").read_text(encoding="ascii").strip()
            except OSError:
                continue
            found.append(
                f"{folder.removeprefix(root)} ({own}{'' if own == general else ', and not ' + general})"
            )
    return sorted(found)


def _read_only(keys: Sequence[str], root: str) -> list[Owner]:
    found = []
    for mount in read_only_mounts(root):
        hidden = tuple(
            key for key in keys if (key if key.startswith("/") else "/proc/sys/").startswith(mount)
        )
        if hidden:
            where = container(root)
            said = f"{mount} is mounted read-only{f' ({where})' if where else ''} and hides"
            found.append(
                Owner(
                    mount, said, hidden, "nothing can be written there; run on the host itself, or privileged"
                )
            )
    return found


def _other_network(keys: Sequence[str], root: str) -> list[Owner]:
    theirs = tuple(key for key in keys if is_per_namespace("/proc/sys/" + key.replace(".", "/")))
    if not theirs or first_network(root):
        return []
    means = "what is tuned here are its values, not the host's, and they end with it"
    return [Owner(NAMESPACE, "this is a network namespace of its own for", theirs, means)]


def _groups(keys: Sequence[str], root: str) -> list[Owner]:
    if "vm.swappiness" not in keys:
        return []
    groups = own_swappiness(root)
    if not groups:
        return []
    means = (
        "vm.swappiness acts on new groups and on what is in none; a workload that runs in one of these "
        "does not feel it"
    )
    said = f"{len(groups)} memory control groups, such as {groups[0]}, keep their own value beside"
    return [Owner("control groups", said, ("vm.swappiness",), means)]
