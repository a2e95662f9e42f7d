"""The machine itself: distribution, kernel, processors, memory, and what this process may use of them."""

from __future__ import annotations

import os
import platform
import shlex
from typing import NamedTuple

from cli_ai.discovery.facts import Distribution
from cli_ai.discovery.tree import Tree, clean, whole

_FAMILIES = {
    "openeuler": ("openeuler", "hce", "kylin", "uos", "bclinux", "euleros"),
    "rhel": ("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "anolis", "alinux"),
    "debian": ("debian", "ubuntu", "linuxmint", "raspbian"),
    "suse": ("suse", "opensuse", "sles", "opensuse-leap", "opensuse-tumbleweed"),
    "arch": ("arch", "archarm", "manjaro"),
    "alpine": ("alpine",),
}


class Resources(NamedTuple):
    """What there is to work with.

    Attributes:
        cores, memory_bytes: what processes here may use.
        notes: where that is less than the machine has.
    """

    cores: int
    numa_nodes: int
    memory_bytes: int
    swap_bytes: int
    notes: tuple[str, ...]


def distribution(tree: Tree) -> Distribution:
    """Read os-release."""
    fields: dict[str, str] = {}
    text = tree.read("/etc/os-release") or tree.read("/usr/lib/os-release")
    for line in text.splitlines()[:200]:
        name, _, value = line.strip().partition("=")
        try:
            fields[name] = clean(" ".join(shlex.split(value)))
        except ValueError:  # an unbalanced quote
            fields[name] = clean(value)
    own = fields.get("ID", "")
    named = [own.lower(), *fields.get("ID_LIKE", "").lower().split()]
    families = (family for word in named for family, words in _FAMILIES.items() if word in words)
    return Distribution(
        id=own,
        name=fields.get("PRETTY_NAME", "") or fields.get("NAME", ""),
        version=fields.get("VERSION_ID", ""),
        family=next(families, "other"),
    )


def kernel(tree: Tree) -> str:
    """Return the running kernel's release."""
    return clean(tree.read("/proc/sys/kernel/osrelease"))


def architecture(tree: Tree) -> str:
    """Return the processor's architecture, such as ``x86_64`` or ``aarch64``."""
    told = tree.read("/proc/sys/kernel/arch")  # since Linux 6.1
    return clean(told) or (platform.machine() if tree.real else "")


def lockdown(tree: Tree) -> str:
    """Return the kernel's lockdown mode, empty where it has none."""
    return clean(tree.read("/sys/kernel/security/lockdown").partition("[")[2].partition("]")[0])


def resources(tree: Tree) -> Resources:
    """Return processors and memory, cut to this control group's limits."""
    memory = _meminfo(tree)
    online = len(cpu_list(tree.read("/sys/devices/system/cpu/online"))) or _counted(tree)
    nodes = len(cpu_list(tree.read("/sys/devices/system/node/online"))) or 1
    total = memory.get("MemTotal", 0)
    notes = []
    limit, quota = _limits(tree)
    if limit is not None and 0 < limit < total:
        notes.append(
            f"This control group may use {limit / 2**20:.0f} MiB of the machine's {total / 2**20:.0f} MiB; "
            "ranges follow the smaller."
        )
        total = limit
    allowed = online
    if tree.real:
        allowed = min(allowed, len(os.sched_getaffinity(0)))
    if quota is not None:
        allowed = min(allowed, max(1, -int(-quota // 1)))
    if allowed < online:
        notes.append(f"This process may use {allowed} of {online} processors.")
    return Resources(allowed, nodes, total, memory.get("SwapTotal", 0), tuple(notes))


def cpu_list(text: str) -> list[int]:
    """Read the kernel's lists, such as ``0-3,8``."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        low, high = whole(first), whole(last or first)
        if low is not None and high is not None and 0 <= low <= high < 65536:
            found += range(low, high + 1)
    return found


def _counted(tree: Tree) -> int:
    lines = tree.read("/proc/stat", 1 << 20).splitlines()
    counted = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
    return counted or (os.cpu_count() or 1 if tree.real else 1)


def _meminfo(tree: Tree) -> dict[str, int]:
    found = {}
    for line in tree.read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        size = whole(rest.partition("kB")[0])
        if size is not None:
            found[name] = size * 1024
    return found


def _limits(tree: Tree) -> tuple[int | None, float | None]:
    """Return the tightest memory limit (bytes) and quota (cores) of our groups and their parents."""
    memory: list[int] = []
    quotas: list[float] = []
    for line in tree.read("/proc/self/cgroup").splitlines()[:64]:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/") or ".." in path.split("/"):
            continue
        base = "/sys/fs/cgroup" + (f"/{controllers}" if controllers else "")
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            folder = "/".join([base, *parts[:depth]])
            limit = tree.number(f"{folder}/memory.max") or tree.number(f"{folder}/memory.limit_in_bytes")
            if limit:
                memory.append(limit)
            quota = _quota(tree, folder)
            if quota:
                quotas.append(quota)
    return min(memory, default=None), min(quotas, default=None)


def _quota(tree: Tree, folder: str) -> float | None:
    words = tree.read(f"{folder}/cpu.max", 64).split()
    if len(words) == 2:
        quota, period = whole(words[0]), whole(words[1])
    else:
        quota = tree.number(f"{folder}/cpu.cfs_quota_us")
        period = tree.number(f"{folder}/cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 and period > 0 else None
