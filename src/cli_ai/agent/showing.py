"""How a result looks in a terminal: what was proven, and what the best configuration changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli_ai.strategist.llm_text import clean


def result_view(result: Mapping[str, Any], changes: Iterable[tuple[str, Any, Any]]) -> RenderableType:
    """What was proven, and what the best configuration changes.

    Args:
        result: as documented for ``tune --json``.
        changes: name, original and best value of what differs.
    """
    low, high = result.get("improvement_interval") or (None, None)
    if result.get("significant") and low is not None:
        said = (
            f"proven: {result['improvement']:+.1f} % [{low:+.1f}, {high:+.1f}] of {result['reward_metric']}"
        )
    else:
        said = f"no improvement of {result.get('reward_metric')} was proven; the original stays best"
    parts: list[RenderableType] = [Text(said, style="bold")]
    if result.get("significant"):
        table = Table(box=None, pad_edge=False)
        for heading in ("setting", "was", "best"):
            table.add_column(heading)
        for name, was, best in changes:
            table.add_row(Text(clean(name)), Text(clean(str(was))), Text(clean(str(best))))
        parts.append(table)
    restored = "yes" if result.get("restored") else "NO: see tactician recover"
    parts.append(_line("host restored", restored))
    return Group(*parts)


def _line(name: str, value: object, style: str = "") -> Text:
    return Text.assemble((f"{name}: ", "dim"), (clean(str(value), 2000), style))
