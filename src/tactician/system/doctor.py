"""What is possible on this host, what is missing, and the command that mends it; read-only."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from typing import NamedTuple

from tactician.errors import OperatorError
from tactician.ports import Place
from tactician.system import facts, namespace
from tactician.system.applications import command, until
from tactician.system.files import RealHost
from tactician.system.helper_client import VARIABLE, find_helper
from tactician.system.home import Home, is_real_root, recorded_homes
from tactician.system.hostlock import HostLock
from tactician.system.ownership import confinement, daemons
from tactician.undo.applied import look_at_all
from tactician.undo.recover import leftover_journals

_TOOLS = {
    "pgbench": "postgresql-contrib",
    "wrk": "wrk",
    "ab": "apache2-utils",
    "sysbench": "sysbench",
    "redis-benchmark": "redis-tools",
    "fio": "fio",
    "iperf3": "iperf3",
    "hackbench": "rt-tests",
    "stress-ng": "stress-ng",
}
_TRIED = ("vm.swappiness", "net.core.somaxconn")


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is as one would wish; None where it is only information.
        detail: what was found.
        mend: the command that changes it, empty if there is none.
    """

    name: str
    ok: bool | None
    detail: str
    mend: str = ""


def examine(home: Home) -> list[Finding]:
    """Look at everything that a run may need."""
    return [
        Finding("kernel", None, f"{facts.kernel_version()}, {facts.distribution()}"),
        Finding("python", sys.version_info >= (3, 11), platform.python_version()),
        Finding("machine", None, f"{os.cpu_count()} cores, {facts.memory_bytes() / 2**30:.1f} GiB"),
        _rights(),
        _helper(),
        _namespaces(),
        _lockdown(),
        _pressure(),
        _state(home),
        _lock(),
        _leftovers(home),
        *_applied(home),
        *_owners(),
        *_tools(),
    ]


def _rights() -> Finding:
    host = RealHost()
    denied = []
    for name in _TRIED:
        try:
            host.probe_write(Place("/proc/sys/" + name.replace(".", "/")))
        except OSError as error:
            denied.append(f"{name}: {error.strerror}")
    if not denied:
        return Finding("kernel parameters", True, "can be written")
    return Finding("kernel parameters", False, "; ".join(denied), "sudo tactician tune ...")


def _helper() -> Finding:
    try:
        path = find_helper()
    except OperatorError as error:
        return Finding("root helper", False, str(error), f"unset {VARIABLE}")
    if path:
        return Finding("root helper", True, f"{path}; catalogued values can be tuned without root")
    if is_real_root():
        return Finding("root helper", None, "not needed by root")
    return Finding("root helper", None, "absent", "tactician units --install /etc/systemd/system")


def _namespaces() -> Finding:
    reason = namespace.why_unavailable()
    if not reason:
        return Finding(
            "throw-away namespaces", True, "can be made, so net.* can be tuned without touching the host"
        )
    return Finding("throw-away namespaces", False, reason, "sudo sysctl -w user.max_user_namespaces=10000")


def _lockdown() -> Finding:
    mode = facts.lockdown()
    if mode in ("", "none"):
        return Finding("lockdown", True, "off")
    return Finding("lockdown", None, f"{mode}: debugfs, and the scheduler's settings there, cannot be used")


def _pressure() -> Finding:
    if os.path.exists("/proc/pressure/memory"):
        return Finding("pressure figures", True, "/proc/pressure is there")
    return Finding(
        "pressure figures",
        False,
        "absent; stability then goes by I/O wait and memory alone",
        "boot with psi=1",
    )


def _state(home: Home) -> Finding:
    folder = home.path
    while not os.path.exists(folder):  # unlike Path.exists, False for what we may not look at
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        free = shutil.disk_usage(folder).free / 2**20
        return Finding("state folder", free > 10, f"{home.path} ({free:.0f} MiB free)")
    return Finding(
        "state folder", False, f"{home.path} cannot be written", "export TACTICIAN_HOME=~/tactician"
    )


def _lock() -> Finding:
    holder = HostLock().holder()
    if holder is None:
        return Finding("host lock", True, "free")
    return Finding("host lock", False, f"held by pid {holder}", f"kill {holder}")


def _leftovers(home: Home) -> Finding:
    homes = [home, *(recorded for recorded, _ in recorded_homes())]
    left = [path.stem for place in homes for path in leftover_journals(place.journals)]
    if not left:
        return Finding("leftovers", True, "none")
    return Finding("leftovers", False, f"journals of {', '.join(left)}", "tactician recover")


def _applied(home: Home) -> list[Finding]:
    """Say what is applied, and of what is overdue or waiting, what to do."""
    found = []
    for place in look_at_all(home.applied):
        keep, back = command(home, "confirm", place.run_id), command(home, "revert", place.run_id)
        if place.phase == "unconfirmed":
            held = f"held by pid {place.guardian}" if place.guardian else "its guardian is gone"
            detail = f"run {place.run_id} awaits its confirmation {until(place)}, {held}"
            found.append(Finding("applied", False, detail, f"{keep}, or {back}"))
        elif place.phase in ("half", "expired"):
            what = "was cut short" if place.phase == "half" else "was not confirmed in time"
            found.append(Finding("applied", False, f"run {place.run_id} {what}", "tactician recover"))
        else:
            found.append(Finding("applied", None, f"run {place.run_id}", back))
    return found


def _owners() -> list[Finding]:
    """Name the daemons that may set what a run tunes, and what hides values from us."""
    found = [
        Finding(seen.daemon.name, None, f"{daemons.describe(seen)}; it sets values {seen.daemon.manner}",
                daemons.stop_command(seen))
        for seen in daemons.running()
    ]  # fmt: skip
    if where := confinement.container():
        found.append(
            Finding("container", None, f"{where}: the values of the host are not all to be seen here")
        )
    found += [
        Finding("read-only", False, f"{mount} is mounted read-only")
        for mount in confinement.read_only_mounts()
    ]
    if not confinement.first_network():
        found.append(Finding("network", None, "a network namespace of its own: net.* is not the host's"))
    if groups := confinement.own_swappiness():
        detail = f"{len(groups)} memory groups keep their own swappiness, such as {groups[0]}"
        found.append(Finding("control groups", None, detail))
    return found


def _tools() -> list[Finding]:
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    found = []
    for tool, package in _TOOLS.items():
        where = shutil.which(tool, path=path)
        if where:
            found.append(Finding(tool, True, where))
        else:
            found.append(Finding(tool, None, "not installed", facts.package_command(package)))
    if is_real_root():
        return found
    return [finding._replace(mend=f"sudo {finding.mend}" if finding.mend else "") for finding in found]
