"""Facts about this machine: kernel, processors, memory; read-only."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def kernel_version() -> str:
    """Return the running kernel's release, such as ``6.6.0-28.0.0.34.oe2403``."""
    return platform.release()


def distribution() -> str:
    """Return the distribution's own name, or ``Linux``."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def memory_bytes() -> int:
    """Return the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def numbers() -> dict[str, float]:
    """Return what formulas of the catalogue may name, for this machine.

    ``link_mbit`` is the fastest link that says its speed, 1000 where none does.
    """
    return {
        "memory_bytes": memory_bytes(),
        "cores": os.cpu_count() or 1,
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "swap_bytes": _swap_bytes(),
        "link_mbit": max(_link_speeds(), default=1000),
    }


def _swap_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("SwapTotal:")), 0)


def _link_speeds() -> list[int]:
    speeds = []
    for path in Path("/sys/class/net").glob("*/speed"):
        try:
            speeds.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # EINVAL: a link that is down, or has no speed
    return [speed for speed in speeds if speed > 0]


def lockdown() -> str:
    """Return the kernel's lockdown mode: none, integrity, confidentiality, or empty if unknown."""
    try:
        text = Path("/sys/kernel/security/lockdown").read_text(encoding="ascii")
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]


def package_command(package: str) -> str:
    """Return the command that installs a package here."""
    like = ""
    try:
        release = platform.freedesktop_os_release()
        like = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}"
    except OSError:
        pass
    return f"apt-get install {package}" if "debian" in like or "ubuntu" in like else f"dnf install {package}"


def summary() -> dict[str, Any]:
    """Return what the history keeps of the machine that a run was made on."""
    return {
        "kernel": kernel_version(),
        "distribution": distribution(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory_bytes(),
    }
