"""A winner as a file for /etc/sysctl.d; values below /sys become comments with the line that sets them."""

from __future__ import annotations

from tactician.operations.formats.common import Export, by_hand, head
from tactician.system.boot import tmpfiles


def render(export: Export) -> str:
    """Return the file."""
    lines = [*head(export.record), *by_hand(export)]
    devices = export.of("sysfs")
    if devices:
        lines.append(f"# for /etc/tmpfiles.d/{export.name}.conf:")
        lines += [f"# {tmpfiles.line(each.path, each.new)}" for each in devices]
    lines += [f"{each.name} = {each.new}" for each in export.of("sysctl")]
    return "\n".join([*lines, ""])
