"""Recorded hosts of the evaluation set, and short ways to a plan."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

from cli_ai.discovery.facts import HostFacts

ROOT = Path(__file__).parents[1]
EVALUATION = ROOT / "benchmarks" / "strategist"
HOSTS = sorted(path.stem for path in (EVALUATION / "hosts").glob("*.json"))


@functools.cache
def host(name: str) -> HostFacts:
    """The facts of a recorded host."""
    return HostFacts.model_validate_json((EVALUATION / "hosts" / f"{name}.json").read_text(encoding="utf-8"))


def cases() -> list[dict[str, Any]]:
    """Every request of the evaluation set."""
    files = sorted((EVALUATION / "requests").glob("*.json"))
    return [case for file in files for case in json.loads(file.read_text(encoding="utf-8"))]


def scripts() -> tuple[Any, Any]:
    """The modules ``score`` and ``judging`` of the evaluation set."""
    if str(EVALUATION) not in sys.path:
        sys.path.insert(0, str(EVALUATION))
    import judging
    import score

    return score, judging


def tuned(experiment: dict[str, Any] | None) -> list[str]:
    """The names of an experiment's parameters."""
    return [item["param"] for item in (experiment or {}).get("action_space", [])]
