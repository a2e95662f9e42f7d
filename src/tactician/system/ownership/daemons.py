"""Finds the running daemons that write kernel settings of their own accord, by /proc and systemd's folders.

No bus is asked: a bus may be absent, and root's may not be ours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tactician.system.ownership import tuned_profiles
from tactician.system.ownership.owner import Owner

_GROUPS = (
    "sys/fs/cgroup/system.slice",
    "sys/fs/cgroup/systemd/system.slice",
    "sys/fs/cgroup/unified/system.slice",
)
_WANTS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_INTERPRETERS = ("python", "perl", "sh", "bash")
_COMM = 15


class Known(NamedTuple):
    """A daemon that sets kernel parameters.

    Attributes:
        name: as people call it.
        process: its program.
        unit: of systemd.
        keys: patterns of what it sets.
        manner: when it sets them.
    """

    name: str
    process: str
    unit: str
    keys: tuple[str, ...]
    manner: str


class Running(NamedTuple):
    """A daemon that was seen.

    Attributes:
        daemon: which.
        pids: of its processes; empty where only its unit is active.
        at_boot: whether a unit's folder wants it at a boot.
    """

    daemon: Known
    pids: tuple[int, ...]
    at_boot: bool


_INTERFACES = ("net.ipv4.conf.*", "net.ipv6.conf.*", "net.ipv4.neigh.*", "net.ipv6.neigh.*")
_FREQUENCY = ("/sys/devices/system/cpu/*",)

KNOWN = (
    Known("TuneD", "tuned", "tuned.service", ("*",), "when it starts and when its profile changes"),
    Known("A-Tune", "atuned", "atuned.service", ("*",), "when it chooses a profile"),
    Known("KeenTune", "keentuned", "keentuned.service", ("*",), "when it chooses a profile"),
    Known("bpftune", "bpftune", "bpftune.service", ("net.*",), "at any moment, by what it observes"),
    Known("irqbalance", "irqbalance", "irqbalance.service", ("/proc/irq/*",), "every ten seconds"),
    Known("NetworkManager", "NetworkManager", "NetworkManager.service", _INTERFACES, "when a link comes up"),
    Known("systemd-networkd", "systemd-networkd", "systemd-networkd.service", _INTERFACES,
          "when a link comes up"),
    Known("ksmtuned", "ksmtuned", "ksmtuned.service", ("/sys/kernel/mm/ksm/*",), "every minute"),
    Known("power-profiles-daemon", "power-profiles-daemon", "power-profiles-daemon.service", _FREQUENCY,
          "when a profile is chosen"),
    Known("thermald", "thermald", "thermald.service", _FREQUENCY, "when it gets warm"),
    Known("kubelet", "kubelet", "kubelet.service",
          ("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic*", "kernel.keys.*"), "when it starts"),
    Known("kube-proxy", "kube-proxy", "kube-proxy.service", ("net.netfilter.nf_conntrack_*", "net.ipv4.vs.*"),
          "when it starts"),
)  # fmt: skip


def running(root: str = "") -> list[Running]:
    """Return the known daemons that run here, also those in containers of this host."""
    pids: dict[str, list[int]] = {}
    for pid, program in _programs(root):
        pids.setdefault(program, []).append(pid)
    found = []
    for daemon in KNOWN:
        seen = pids.get(daemon.process, []) or pids.get(daemon.process[:_COMM], [])
        if seen or _unit_active(daemon.unit, root):
            found.append(Running(daemon, tuple(sorted(seen)), wanted_at_boot(daemon.unit, root)))
    return found


def owners(keys: Sequence[str], root: str = "") -> list[Owner]:
    """Return the running daemons that may set one of these keys."""
    found = []
    for seen in running(root):
        sets, profile = _keys_of(seen.daemon, root)
        # An interface's own keys are the link's business; "all" and "default" are nobody's but the kernel's.
        shared = tuple(key for key in keys if any(fnmatchcase(key, pattern) for pattern in sets))
        shared = tuple(key for key in shared if sets is not _INTERFACES or not _is_general(key))
        if shared:
            found.append(_owner(seen, shared, profile))
    return found


def describe(seen: Running) -> str:
    """Say what was seen of a daemon."""
    pids = f"pid {', '.join(map(str, seen.pids))}" if seen.pids else f"{seen.daemon.unit} is active"
    return f"{pids}; {'starts' if seen.at_boot else 'does not start'} at a boot"


def stop_command(seen: Running) -> str:
    """Return the command that ends it until the next boot."""
    return f"systemctl stop {seen.daemon.unit}"


def wanted_at_boot(unit: str, root: str = "") -> bool:
    """Whether some target wants this unit."""
    # The link of a unit whose package is gone, or lies below another root, leads nowhere.
    return any(
        os.path.lexists(wants / unit)
        for folder in _WANTS
        for wants in Path(f"{root}/{folder}").glob("*.wants")
    )


def _owner(seen: Running, shared: tuple[str, ...], profile: str) -> Owner:
    daemon = seen.daemon
    what = f"{daemon.name} is running ({describe(seen)}{profile}) and may set"
    means = f"it sets values {daemon.manner}; it is left alone, and a trial in which it does so is spoilt"
    return Owner(daemon.name, what, shared, means, f"to stop it for the run: {stop_command(seen)}")


def _keys_of(daemon: Known, root: str) -> tuple[tuple[str, ...], str]:
    if daemon.process != "tuned":
        return daemon.keys, ""
    active = tuned_profiles.active(root)
    if not active:
        return daemon.keys, ""
    return tuned_profiles.keys(active, root), f", profile {' '.join(active)}"


def _is_general(key: str) -> bool:
    return key.split(".")[3:4] in (["all"], ["default"])


def _programs(root: str) -> list[tuple[int, str]]:
    """Return pid and program of every process that has a command line."""
    found = []
    for name in _listed(f"{root}/proc"):
        if not name.isdigit():
            continue
        try:
            words = Path(f"{root}/proc/{name}/cmdline").read_bytes().split(b"\0")
            comm = Path(f"{root}/proc/{name}/comm").read_text(errors="replace").strip()
        except OSError:
            continue  # it ended between our looks
        if words[0]:
            found.append((int(name), _program([os.fsdecode(word) for word in words], comm)))
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _program(words: Sequence[str], comm: str) -> str:
    """Return the program of a command line; of an interpreter, its script."""
    first = os.path.basename(words[0])
    if not first.rstrip("0123456789.").startswith(_INTERPRETERS):
        return first if first.startswith(comm) else comm
    script = _script(words[1:])
    return script if script and (script.startswith(comm) or comm == first) else comm


def _script(words: Sequence[str]) -> str:
    """Return the name of the script that an interpreter runs; empty where it runs a text or nothing."""
    for word in words:
        if word in ("-c", "-m", "-"):
            return ""
        if word and not word.startswith("-"):
            return os.path.basename(word)
    return ""


def _unit_active(unit: str, root: str) -> bool:
    """Whether systemd keeps processes for a unit: its control group is not empty."""
    for folder in _GROUPS:
        try:
            if Path(f"{root}/{folder}/{unit}/cgroup.procs").read_text(encoding="ascii").strip():
                return True
        except OSError:
            continue
    return False
