"""Reads which keys the active TuneD profile sets, includes followed: only those are called its own."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from pathlib import Path

_FOLDERS = ("etc/tuned/profiles", "etc/tuned", "usr/lib/tuned/profiles", "usr/lib/tuned")
_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/"
_OPTIONS = {
    ("vm", "transparent_hugepages"): _HUGE_PAGES + "enabled",
    ("vm", "transparent_hugepage"): _HUGE_PAGES + "enabled",
    ("vm", "transparent_hugepage.defrag"): _HUGE_PAGES + "defrag",
    ("disk", "readahead"): "/sys/block/*/queue/read_ahead_kb",
    ("disk", "elevator"): "/sys/block/*/queue/scheduler",
    ("cpu", "governor"): "/sys/devices/system/cpu/*",
}


def active(root: str = "") -> list[str]:
    """Return the names of the active profiles; several are merged by TuneD."""
    try:
        return Path(f"{root}/etc/tuned/active_profile").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return []


def keys(profiles: Sequence[str], root: str = "") -> tuple[str, ...]:
    """Return what these profiles set: sysctl names, and paths or patterns below /sys."""
    found: dict[str, None] = {}
    waiting, read = list(profiles), set()
    while waiting:
        name = waiting.pop(0)
        if name in read:
            continue
        read.add(name)
        for section, options in _sections(name, root).items():
            if section == "main":
                waiting += [part for part in re.split(r"[,;\s]+", options.get("include", "")) if part]
            kind = options.get("type", section.partition(".")[0])
            for option in options:
                found |= dict.fromkeys(_keys(kind, option))
    return tuple(found)


def _keys(kind: str, option: str) -> list[str]:
    if kind in ("sysctl", "sysfs"):
        return [option]
    known = _OPTIONS.get((kind, option))
    return [known] if known else []


def _sections(name: str, root: str) -> dict[str, dict[str, str]]:
    for folder in _FOLDERS:
        parser = configparser.RawConfigParser(
            delimiters=("=",), inline_comment_prefixes=("#",), strict=False, allow_no_value=True
        )
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            if parser.read(f"{root}/{folder}/{name}/tuned.conf", encoding="utf-8"):
                return {
                    section: {k: v or "" for k, v in parser[section].items()} for section in parser.sections()
                }
        except (configparser.Error, ValueError):
            return {}
    return {}
