"""What the calls of one conversation share: the host's facts, the plans made so far, the runs under way."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cli_ai.strategist.proposal import Proposal
from tactician.errors import OperatorError
from tactician.system.home import Home

if TYPE_CHECKING:
    from cli_ai.discovery.facts import HostFacts
    from cli_ai.tools.jobs import Job

_MOST_PLANS = 64
_MOST_ENDED = 16


Propose = Callable[[str, "HostFacts"], Proposal]
"""Words and facts in, a plan out; it starts nothing."""


class Workbench:
    """One conversation's memory. It may be used from several threads.

    Args:
        home: the state folder; the usual one where it is None.
        propose: the strategist; the rules where it is None.
        discover: finds out about the host; the real discovery where it is None.
    """

    def __init__(
        self,
        home: Home | None = None,
        propose: Propose | None = None,
        discover: Callable[[], HostFacts] | None = None,
    ) -> None:
        self.home = home if home is not None else Home.find()
        self._propose = propose
        self._discover = discover
        self._facts: HostFacts | None = None
        self._plans: dict[str, Proposal] = {}
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def facts(self, *, fresh: bool = False) -> HostFacts:
        """What is known of this host; looked up once, or again where that is asked for."""
        with self._lock:
            if fresh or self._facts is None:
                self._facts = (self._discover or _discovered)()
            return self._facts

    def propose(self, request: str) -> tuple[str, Proposal]:
        """Make a plan and keep it; return its name for later calls, and the plan."""
        plan = (self._propose or _by_rules)(request, self.facts())
        return self.keep(plan), plan

    def keep(self, plan: Proposal) -> str:
        """Keep a plan, and return the name by which it can be run."""
        name = f"plan-{secrets.token_hex(4)}"
        with self._lock:
            self._plans[name] = plan
            while len(self._plans) > _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
        return name

    def plan(self, name: str) -> Proposal:
        """Return a plan that was kept.

        Raises:
            OperatorError: there is none of this name.
        """
        with self._lock:
            found = self._plans.get(name)
            known = ", ".join(self._plans) or "none"
        if found is None:
            raise OperatorError(f"there is no plan {name!r}; known are: {known}; propose makes one")
        return found

    def experiment(self, name: str) -> dict[str, Any]:
        """Return a copy of a plan's experiment.

        Raises:
            OperatorError: no such plan, or a plan without an experiment.
        """
        document = self.plan(name).experiment
        if document is None:
            raise OperatorError(f"plan {name} has no experiment; its questions, or what is missing, say why")
        copy: dict[str, Any] = json.loads(json.dumps(document))
        return copy

    def watch(self, job: Job) -> None:
        """Remember a run under way."""
        with self._lock:
            self._jobs[job.id] = job
            over = [one for one in self._jobs.values() if one.progress().over]
            for old in over[:-_MOST_ENDED]:
                del self._jobs[old.id]
                old.forget()

    def jobs(self) -> Mapping[str, Job]:
        """The runs that this conversation began, by their own names."""
        with self._lock:
            return dict(self._jobs)

    def job(self, name: str) -> Job | None:
        """The run of this name or run id, if this conversation began it."""
        return next((job for job in self.jobs().values() if name in (job.id, job.progress().run_id)), None)

    def close(self) -> None:
        """End every run under way and wait until the host is restored."""
        for job in self.jobs().values():
            job.stop()
            job.forget()


def _discovered() -> HostFacts:
    from cli_ai import discovery

    found: HostFacts = discovery.discover()
    return found


def _by_rules(request: str, facts: HostFacts) -> Proposal:
    from cli_ai.strategist import rules

    made: Proposal = rules.propose(request, facts)
    return made
