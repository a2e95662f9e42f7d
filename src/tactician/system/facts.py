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
