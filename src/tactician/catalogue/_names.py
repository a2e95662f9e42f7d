"""One spelling for every place: the catalogue is asked by whatever spelling an operator chose.

Pure text: symlinks are for whoever can see the host.
"""

from __future__ import annotations

import posixpath
import re

SYSCTL_ROOT = "/proc/sys/"

_FIELD = re.compile(r"\[\d+\]$")
_SWAP = str.maketrans("./", "/.")
# Other ways to the same file of sysfs; the last also where processors share a policy, which have one range.
_ALIASES = (
    (re.compile(r"/sys/(?:devices/.+|class/block)/([^/]+)/(queue/.+)"), r"/sys/block/\1/\2"),
    (re.compile(r"/sys/devices/.+/net/([^/]+)/(.+)"), r"/sys/class/net/\1/\2"),
    (re.compile(r"/sys/devices/virtual/bdi/([^/]+)/(.+)"), r"/sys/class/bdi/\1/\2"),
    (
        re.compile(r"/sys/devices/system/cpu/cpu(\d+)/cpufreq/(.+)"),
        r"/sys/devices/system/cpu/cpufreq/policy\1/\2",
    ),
)


def canonical(name: str) -> str:
    """Return the catalogue's spelling of a name, without a field index.

    Args:
        name: a sysctl with dots or slashes, a path below ``/proc/sys`` or ``/sys``, or a service's setting;
            ``..`` and repeated separators are worked out.

    Returns:
        A sysctl with dots (a dot inside one of its parts is a slash), a setting as it is, or an absolute
        path. A path that is neither below ``/proc/sys`` nor below ``/sys`` is nothing that may be tuned.
    """
    bare = _FIELD.sub("", name.strip())
    path = _normal(bare if bare.startswith("/") else SYSCTL_ROOT + _with_slashes(bare))
    if path.startswith(SYSCTL_ROOT):
        return path.removeprefix(SYSCTL_ROOT).translate(_SWAP)
    for pattern, replacement in _ALIASES:
        match = pattern.fullmatch(path)
        if match:
            return match.expand(replacement)
    return path


def shape(pattern: str) -> re.Pattern[str]:
    """Return what matches the names that a pattern such as ``/sys/block/{disk}/queue/x`` stands for.

    ``{group}``, a control group, may be several folders deep; everything else is one part of a name.
    """
    part = "[^/]+" if pattern.startswith("/") else r"[^.]+"
    texts = []
    for number, piece in enumerate(re.split(r"\{(\w+)\}", pattern)):
        inside = ".+" if piece == "group" else part
        texts.append(f"(?P<{piece}>{inside})" if number % 2 else re.escape(piece))
    return re.compile("".join(texts))


def _with_slashes(key: str) -> str:
    """Return a sysctl as a relative path: the separator that comes first decides, as in sysctl(8)."""
    first = next((sign for sign in key if sign in "./"), ".")
    return key.translate(_SWAP) if first == "." else key


def _normal(path: str) -> str:
    return "/" + posixpath.normpath(path).lstrip("/")
