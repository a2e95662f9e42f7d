"""The tools that hand a proven winner over, put it in place, keep it, or take it back."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from cli_ai.tools.jobs import ask_tactician
from cli_ai.tools.looking import RUN, WhichRun, record_of
from cli_ai.tools.registry import Caller, Data, Tool
from cli_ai.tools.workbench import Workbench
from tactician.errors import OperatorError


class ExportThis(Data):
    """Which run, and in which form."""

    run: str = Field(default="last", max_length=64, description=RUN)
    format: str = Field(default="sysctl", max_length=20, description="sysctl, sh, tuned, atune or ansible.")


class Exported(Data):
    """A winner as text."""

    run_id: str
    format: str
    text: str


class ApplyThis(Data):
    """Which winner, and whether it goes back by itself unless it is confirmed."""

    run: str = Field(default="last", max_length=64, description=RUN)
    confirm_within: str = Field(
        default="",
        pattern=r"^(\d{1,6}[smh]?)?$",
        description="Such as 5m: everything goes back unless confirm is called in this time.",
    )


class AppliedRun(Data):
    """What a run's winner did or would do to this host.

    Attributes:
        would: true where nothing was done yet.
        changes: name to what it was when the run began, and what it becomes.
    """

    run_id: str
    would: bool = False
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    details: dict[str, Any] = Field(default_factory=dict)


class RevertThis(Data):
    """Which applied run to take back; the latest where none is named."""

    run: str = Field(
        default="", max_length=64, description="A run's id or its beginning; empty for the latest."
    )


class Done(Data):
    """What the command said."""

    details: dict[str, Any]


def preview(bench: Workbench, run: str) -> AppliedRun:
    """What apply would change, without doing it.

    Raises:
        OperatorError: there is no such run, or it proved nothing.
    """
    record = record_of(bench, run)
    if record.result is None or not record.result.get("significant"):
        raise OperatorError(f"run {record.id} proved no improvement; there is nothing to apply")
    best, before = dict(record.result["best_config"]), dict(record.original)
    changes = {
        name: {"was": before.get(name), "becomes": value}
        for name, value in best.items()
        if before.get(name) != value
    }
    details = {"improvement": record.result["improvement"], "interval": record.result["improvement_interval"]}
    return AppliedRun(run_id=record.id, would=True, changes=changes, details=details)


def _export(bench: Workbench, given: ExportThis, caller: Caller) -> Exported:
    record = record_of(bench, given.run)
    text = ask_tactician(["export", record.id, "--format", given.format], bench.home)
    return Exported(run_id=record.id, format=given.format, text=text)


def _apply(bench: Workbench, given: ApplyThis, caller: Caller) -> AppliedRun:
    shown = preview(bench, given.run)
    arguments = ["apply", shown.run_id, "--json"]
    arguments += ["--confirm-within", given.confirm_within] if given.confirm_within else []
    details = _document(ask_tactician(arguments, bench.home))
    return AppliedRun(run_id=shown.run_id, changes=shown.changes, details=details)


def _confirm(bench: Workbench, given: WhichRun, caller: Caller) -> Done:
    record = record_of(bench, given.run)
    return Done(details=_document(ask_tactician(["confirm", record.id, "--json"], bench.home)))


def _revert(bench: Workbench, given: RevertThis, caller: Caller) -> Done:
    # After a double dash, so that a name cannot be taken for an option.
    named = ["--", given.run] if given.run else []
    return Done(details=_document(ask_tactician(["revert", "--json", *named], bench.home)))


def _document(said: str) -> dict[str, Any]:
    found = json.loads(said)
    if not isinstance(found, dict):
        raise OperatorError("the command said something that is no JSON object")
    return found


TOOLS = (
    Tool(
        "export",
        "Write a run's proven winner as text: a sysctl.d file, a script with its undo, ... Changes nothing.",
        "look",
        ExportThis,
        Exported,
        _export,
    ),
    Tool(
        "apply",
        "Put a run's proven winner in place on this host, until it is reverted or the host boots.",
        "apply",
        ApplyThis,
        AppliedRun,
        _apply,
        destructive=True,
    ),
    Tool(
        "confirm",
        "Keep what apply put in place with a time limit.",
        "apply",
        WhichRun,
        Done,
        _confirm,
    ),
    Tool(
        "revert",
        "Take back what apply put in place.",
        "apply",
        RevertThis,
        Done,
        _revert,
        destructive=True,
    ),
)
