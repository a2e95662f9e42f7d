"""The agent as a library: a request becomes a plan, a run with progress, a result, and maybe a change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from cli_ai.agent.consent import Consent, Step, run_step, script_consent
from cli_ai.agent.events import AgentEvent, HostChanged, PlanDeclined, PlanMade, RunEnded, RunProgressed
from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.all import default_registry
from cli_ai.tools.changing import preview
from cli_ai.tools.jobs import Job
from cli_ai.tools.registry import Registry, StoppedError
from cli_ai.tools.running import Planned
from cli_ai.tools.workbench import Workbench
from tactician.errors import OperatorError


def _unheard(event: AgentEvent) -> None:
    """Nobody listens."""


class Agent:
    """Does what a person would do with the tools, and asks before each step that matters.

    Args:
        bench: the conversation's memory; a new one where it is None.
        consent: asked before each run and each change; by default what ``--yes`` agrees to.
        listen: told everything that happens.
        registry: the tools; all of them where it is None.
    """

    def __init__(
        self,
        bench: Workbench | None = None,
        consent: Consent = script_consent,
        listen: Callable[[AgentEvent], None] = _unheard,
        registry: Registry | None = None,
    ) -> None:
        self.bench = bench if bench is not None else Workbench()
        self.tools = registry if registry is not None else default_registry()
        self._consent = consent
        self._listen = listen

    def plan(self, request: str) -> tuple[str, Proposal]:
        """Make a plan from words; nothing runs. Returns its name and the plan."""
        made = self.tools["propose"].call(self.bench, {"request": request})
        assert isinstance(made, Planned)
        self._listen(PlanMade(made.plan, made.proposal))
        return made.plan, made.proposal

    def run(
        self, plan: str, *, dry_run: bool = False, stop: threading.Event | None = None
    ) -> Mapping[str, Any] | None:
        """Run a plan once there is a yes; None where there is none.

        Args:
            plan: its name.
            dry_run: simulate host and benchmark.
            stop: set by another thread to end the run; the host is restored first.

        Raises:
            OperatorError: the plan has no experiment, or the run could not be begun.
            StoppedError: ``stop`` was set.
            KeyboardInterrupt: the user's; the host is restored first.
        """
        document = self.bench.experiment(plan)
        if not dry_run and not self._consent(run_step(document)):
            self._listen(PlanDeclined(plan))
            return None
        job = Job(document, self.bench.home, dry_run=dry_run)
        self.bench.watch(job)
        gone = stop if stop is not None else threading.Event()
        try:
            result = job.follow(lambda now: self._listen(RunProgressed(now)), gone)
        finally:
            job.stop()
            job.forget()
        self._listen(RunEnded(result, can_be_applied(result)))
        if gone.is_set():
            raise StoppedError("the run was ended and the host restored")
        return result

    def apply(self, run_id: str, confirm_within: str = "") -> Mapping[str, Any] | None:
        """Put a run's winner in place once a person said yes; None where nobody did.

        Args:
            run_id: of the run.
            confirm_within: such as ``5m``: it goes back unless it is confirmed in this time.

        Raises:
            OperatorError: it proved nothing, or cannot be applied here.
        """
        shown = preview(self.bench, run_id)
        changes = ", ".join(f"{name} = {change['becomes']}" for name, change in shown.changes.items())
        arguments = {"run": shown.run_id, "confirm_within": confirm_within}
        step = Step("apply", f"put in place: {changes}", ("it stays until it is reverted",))
        return self._change(step, arguments)

    def confirm(self, run_id: str) -> Mapping[str, Any] | None:
        """Keep what was applied with a time limit, once a person said yes."""
        return self._change(
            Step("confirm", f"keep what run {run_id} put in place", ("it stays",)), {"run": run_id}
        )

    def revert(self, run_id: str = "") -> Mapping[str, Any] | None:
        """Take back what was applied, once a person said yes."""
        what = f"take back what run {run_id} put in place" if run_id else "take back what was applied last"
        return self._change(Step("revert", what, ("it changes the host",)), {"run": run_id})

    def tell(self, request: str, *, dry_run: bool = False) -> Mapping[str, Any] | None:
        """The whole story: plan, yes, run, result. None where there is no experiment, or no yes."""
        name, proposal = self.plan(request)
        if proposal.experiment is None:
            return None
        return self.run(name, dry_run=dry_run)

    def _change(self, step: Step, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not self._consent(step):
            return None
        details = self.tools[step.kind].call(self.bench, arguments).model_dump(mode="json")
        self._listen(HostChanged(step.kind, details))
        return details


def can_be_applied(result: Mapping[str, Any]) -> bool:
    """Whether ``tactician apply`` would take this result: proven, for real, and on this host itself."""
    return bool(
        result.get("significant") and not result.get("dry_run") and result.get("network_namespace") is None
    )


def edited(proposal: Proposal, document: Mapping[str, Any], note: str) -> Proposal:
    """The same plan with another experiment, which was checked like anyone's file.

    Raises:
        OperatorError: the experiment cannot be used.
    """
    from tactician.config import parse_experiment
    from tactician.options import Options
    from tactician.wiring import check

    copy: dict[str, Any] = json.loads(json.dumps(document))
    check(parse_experiment(copy, "the edited plan"), Options())
    for key in _COMMANDS:
        if proposal.experiment is None or copy.get(key) != proposal.experiment.get(key):
            raise OperatorError(f"an edit cannot change {key}")
    return proposal.model_copy(update={"experiment": copy, "notes": (*proposal.notes, note)})


_COMMANDS = ("benchmark_command", "setup_command", "teardown_command", "environment")
