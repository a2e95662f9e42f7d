"""Scores a strategist on the evaluation set: ``python benchmarks/strategist/score.py [--frozen|--open]``.

Each request is put to the strategist with the recorded facts of one host. Half of the requests, chosen by a
hash of their names before any rule was written (``frozen.txt``), is never looked at while rules are tuned:
their failures are not printed unless ``--show-frozen`` asks for them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from judging import Verdict, judge

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.choice import choose_strategist
from cli_ai.strategist.proposal import Proposal

HERE = Path(__file__).parent
COLUMNS = ("workload_class", "families", "safe", "runnable", "metric", "limits", "refusals")
TITLES = (
    "class right",
    "families covered",
    "safe",
    "runnable",
    "metric valid",
    "limits honoured",
    "refusals right",
)


def cases(which: str = "all") -> list[dict[str, Any]]:
    """The requests of one half or of both, in a fixed order."""
    frozen = set((HERE / "frozen.txt").read_text(encoding="utf-8").split())
    found = [
        case
        for path in sorted((HERE / "requests").glob("*.json"))
        for case in json.loads(path.read_text(encoding="utf-8"))
    ]
    return [case for case in found if which == "all" or (case["id"] in frozen) == (which == "frozen")]


def host(name: str) -> HostFacts:
    """The recorded facts of a host."""
    return HostFacts.model_validate_json((HERE / "hosts" / f"{name}.json").read_text(encoding="utf-8"))


def verdicts(
    listed: Sequence[Mapping[str, Any]], propose: Callable[[str, HostFacts], Proposal]
) -> tuple[dict[str, Verdict], list[float]]:
    """Judge a strategist on requests; return the verdicts by name, and seconds per request."""
    found, seconds = {}, []
    for case in listed:
        facts = host(case["host"])
        began = time.perf_counter()
        plan = propose(case["request"], facts)
        seconds.append(time.perf_counter() - began)
        found[case["id"]] = judge(case, facts, plan)
    return found, seconds


def shares(found: Mapping[str, Verdict]) -> dict[str, tuple[float, int]]:
    """Per column the share that is right, and of how many."""
    result = {}
    for column in COLUMNS:
        values = [
            float(value) for verdict in found.values() if (value := getattr(verdict, column)) is not None
        ]
        result[column] = (mean(values) if values else 1.0, len(values))
    return result


def _times(seconds: Sequence[float]) -> str:
    return f"{1000 * mean(seconds):.0f} ms each, {1000 * max(seconds):.0f} ms at most"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    half = parser.add_mutually_exclusive_group()
    for name in ("frozen", "open", "all"):
        half.add_argument(f"--{name}", dest="half", action="store_const", const=name)
    parser.add_argument(
        "--llm", default="", metavar="URL", help="an OpenAI-compatible endpoint instead of the rules"
    )
    parser.add_argument("--model", default="")
    parser.add_argument("--show-frozen", action="store_true", help="print failures of the frozen half too")
    options = parser.parse_args()
    propose = choose_strategist(options.llm, options.model)
    which = options.half or "all"
    halves = ("open", "frozen") if which == "all" else (which,)
    for name in halves:
        found, seconds = verdicts(cases(name), propose)
        if name == "open" or options.show_frozen:
            for case, verdict in found.items():
                for why in verdict.why:
                    print(f"  {case}: {why}")
        print(f"{name}: {len(found)} requests, {_times(seconds)}")
        for title, (share, count) in zip(TITLES, shares(found).values(), strict=True):
            print(f"  {title:18} {100 * share:6.1f} %  of {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
