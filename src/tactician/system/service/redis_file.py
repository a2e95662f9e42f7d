"""The settings file of a running Redis: where it is, and how a setting is made to decide in it.

Redis reads its file from top to bottom, an ``include`` where it stands; of two lines the later one counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tactician.system.service.base import refuse

_SEVERAL = frozenset(("save", "client-output-buffer-limit", "rename-command", "loadmodule", "user"))
"""Their lines add up, so that one line does not say it all."""

_WORDS = re.compile(r"[ \t]*(?P<key>[^\s#]\S*)")


def located(about: str) -> str:
    """Return the file with which the server was started.

    Args:
        about: what it says to ``INFO server``.

    Raises:
        PreflightError: it has none, or lives where its file is not ours to change.
    """
    lines = dict(line.partition(":")[::2] for line in about.splitlines())
    path, pid = lines.get("config_file", "").strip(), lines.get("process_id", "").strip()
    if not path:
        raise refuse(
            "the server was started without a file and forgets what it is told at run time; "
            "start it with one (redis-server /etc/redis/redis.conf), or apply without --persist"
        )
    try:
        same = Path(f"/proc/{pid}/root{path}").samefile(path)
    except PermissionError:
        same = True  # of another user: the right to replace the file decides
    except OSError:
        same = False
    if not same:
        raise refuse(f"its file {path} is not one of this host; write the settings there, where it runs")
    real = os.path.realpath(path)
    if not os.access(real, os.R_OK) or not os.access(os.path.dirname(real), os.W_OK):
        raise refuse(f"no right to replace {path}; be root, or its owner, or apply without --persist")
    return path


def edited(text: str, settings: Mapping[str, str]) -> str:
    """Return the file with other settings, all else as it was.

    The line that sets a key is changed where it decides: the last one, with no ``include`` after it.
    Otherwise a line is added at the end.
    """
    lines = text.splitlines(keepends=True)
    ending = "\r\n" if "\r\n" in text else "\n"
    keys = _keys(lines)
    decided_after = max((index for index, key in enumerate(keys) if key == "include"), default=-1)
    for name, value in settings.items():
        places = [index for index, key in enumerate(keys) if key == name and index > decided_after]
        if places:
            old = lines[places[-1]]
            head = _WORDS.match(old)
            bare = old.rstrip("\r\n")
            lines[places[-1]] = f"{head[0] if head else name} {_written(value)}{old[len(bare) :]}"
        else:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += ending
            lines.append(f"{name} {_written(value)}{ending}")
    return "".join(lines)


def objections(settings: Mapping[str, str]) -> list[str]:
    """Return why some of these cannot be written as one line each."""
    return [
        f"{name} takes several lines of the file; write it there by hand, or apply without --persist"
        for name in settings
        if name in _SEVERAL
    ]


def overruled(path: str, settings: Mapping[str, str]) -> list[str]:
    """Return the settings that an ``include`` after their line may set otherwise. Raises OSError."""
    keys = _keys(Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    last = max((index for index, key in enumerate(keys) if key == "include"), default=-1)
    return [name for name in settings if name in keys[: last + 1] and name not in keys[last + 1 :]]


def _keys(lines: list[str]) -> list[str]:
    """Return what each line sets, in the lower case that Redis does not insist on; empty for comments."""
    found = (_WORDS.match(line) for line in lines)
    return [match["key"].lower() if match else "" for match in found]


def _written(value: str) -> str:
    return value if value.strip() else '""'
