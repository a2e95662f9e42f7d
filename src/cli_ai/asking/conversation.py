"""The one exchange of ``tactician ask``: discover, plan, ask what is open, show, wait for a yes, run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import typer

from cli_ai.agent.consent import run_step, script_consent
from cli_ai.asking.answers import answered
from cli_ai.discovery import discover
from cli_ai.strategist.choice import choose_strategist
from cli_ai.strategist.proposal import Proposal
from cli_ai.strategist.showing import plan_lines
from tactician.errors import OperatorError

PLANNED, NOT_PLANNED = 0, 2


class Wishes(NamedTuple):
    """The command line of ``ask``."""

    request: str
    plan: bool
    yes: bool
    save: Path | None
    llm: str
    model: str
    quiet: bool
    as_json: bool


def converse(wishes: Wishes) -> int:
    """Hold the exchange and return the exit status.

    Raises:
        TacticianError: nothing could be begun.
    """
    if not wishes.request.strip():
        raise OperatorError('ask: say what is to be better, such as: tactician ask "make PostgreSQL faster"')
    if wishes.save is not None and wishes.save.exists():
        raise OperatorError(f"--save {wishes.save}: the file exists; choose another name, or remove it first")
    facts = discover()
    propose = choose_strategist(wishes.llm, wishes.model)
    proposal = propose(wishes.request, facts)
    talks = not (wishes.plan or wishes.yes or wishes.as_json) and sys.stdin.isatty()
    if talks and proposal.questions:
        proposal = answered(proposal, facts, propose, _prompt)
    if wishes.save is not None and proposal.experiment is not None:
        _save(wishes.save, proposal.experiment)
    if wishes.as_json and (wishes.plan or not wishes.yes or proposal.experiment is None):
        typer.echo(json.dumps(proposal.model_dump(), indent=2, ensure_ascii=False))
        return PLANNED if proposal.experiment is not None else NOT_PLANNED
    for line in plan_lines(proposal):
        typer.echo(line, err=wishes.as_json)
    if proposal.experiment is None:
        return NOT_PLANNED
    if wishes.plan or not _agreed(wishes, proposal.experiment, talks):
        return PLANNED
    return _run(wishes, proposal)


def _agreed(wishes: Wishes, experiment: dict[str, Any], talks: bool) -> bool:
    step = run_step(experiment)
    for danger in step.dangers:
        typer.echo(f"careful: {danger}", err=wishes.as_json)
    if wishes.yes:
        if not script_consent(step):
            raise OperatorError("--yes does not stand for what disturbs or risks data; say yes in a terminal")
        return True
    if not talks:
        typer.echo("Nothing was run: --yes runs it, --save FILE keeps it for tactician tune.")
        return False
    answer = _prompt("Run it? The host is restored at the end. [y/N] ")
    agreed = answer.strip().lower() in ("y", "yes", "是", "好")
    if not agreed:
        typer.echo("Nothing was run.")
    return agreed


def _prompt(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        return ""


def _run(wishes: Wishes, proposal: Proposal) -> int:
    from tactician import running
    from tactician.experiment import THROW_AWAY
    from tactician.system import namespace

    assert proposal.experiment is not None
    if proposal.experiment.get("network_namespace") == THROW_AWAY and not namespace.inside_throw_away():
        # The namespace is entered by becoming another process, which must find the plan again.
        file = _keep(proposal.experiment)
        flags = [*(["--quiet"] if wishes.quiet else []), *(["--json"] if wishes.as_json else [])]
        namespace.enter(["tune", str(file), *flags])
    result, status = running.run_document(
        proposal.experiment, "ask", {}, quiet=wishes.quiet, as_json=wishes.as_json
    )
    if wishes.as_json:
        typer.echo(json.dumps({**result, "plan": proposal.model_dump()}, indent=2, ensure_ascii=False))
    return status


def _save(file: Path, experiment: dict[str, Any]) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            json.dump(experiment, opened, indent=2, ensure_ascii=False)
            opened.write("\n")
    except OSError as error:
        raise OperatorError(f"--save {file}: {error.strerror}") from error


def _keep(experiment: dict[str, Any]) -> Path:
    import secrets

    from tactician.system.home import Home

    folder = Home.find().path / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"ask-{secrets.token_hex(4)}.json"
    _save(file, experiment)
    return file
