"""A winner as a TuneD profile: a ``tuned.conf`` with the sections that TuneD's own plug-ins read.

TuneD keeps only active and original values apart by itself: it takes the profile back when another is
chosen. Its parser cuts a value at `` #`` and expands ``${...}``; neither occurs in a value of the kernel.
"""

from __future__ import annotations

import os

from tactician.operations.formats.common import Export, by_hand, head
from tactician.operations.settings import Setting

_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/"
_VM = {"enabled": "transparent_hugepages", "defrag": "transparent_hugepage.defrag"}


def render(export: Export) -> str:
    """Return the profile's ``tuned.conf``."""
    lines = [
        f"# for /etc/tuned/profiles/{export.name}/tuned.conf (before TuneD 2.23: /etc/tuned/{export.name}/)"
    ]
    lines += [f"# tuned-adm profile {export.name}", *head(export.record), *by_hand(export), ""]
    lines += ["[main]", f"summary=Proven by tactician run {export.record.id}"]
    for section, pairs in _sections(export).items():
        if pairs:
            lines += ["", f"[{section}]", *(f"{key}={value}" for key, value in pairs)]
    return "\n".join([*lines, ""])


def _sections(export: Export) -> dict[str, list[tuple[str, str]]]:
    devices = export.of("sysfs")
    huge = [each for each in devices if _vm_option(each)]
    return {
        "sysctl": [(_dotted(each), each.new) for each in export.of("sysctl")],
        "vm": [(_vm_option(each), each.new) for each in huge],
        "sysfs": [(each.path, each.new) for each in devices if each not in huge],
    }


def _vm_option(setting: Setting) -> str:
    """Return the option of the plug-in for huge pages; TuneD wants it used before the general one."""
    if os.path.dirname(setting.path) + "/" != _HUGE_PAGES:
        return ""
    return _VM.get(os.path.basename(setting.path), "")


def _dotted(setting: Setting) -> str:
    """Return the name with dots first, the only spelling that TuneD's plug-in takes."""
    if "/" not in setting.name:
        return setting.name
    return setting.name.translate(str.maketrans("./", "/."))
