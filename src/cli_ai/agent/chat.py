"""A conversation about one host: plans refined sentence by sentence, run on a yes, applied on another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cli_ai.agent.edits import Edit
from cli_ai.agent.showing import result_view
from cli_ai.agent.story import Agent, can_be_applied, edited
from cli_ai.agent.words import Meant, read_words
from cli_ai.strategist.proposal import Proposal
from cli_ai.strategist.reflection import ProposeEdits, reflect
from cli_ai.strategist.showing import plan_lines
from cli_ai.tools.looking import KnobExplained, record_of
from tactician.errors import OperatorError, TacticianError

HELP = """Say what you want of this host, such as: my nginx drops connections under bursts
Then refine it: don't touch the network; only 10 trials; without vm.swappiness; no restarts
  why net.core.somaxconn   the reason for a choice, and what the knob does
  show                     the plan again
  dry run                  simulate it; nothing is written
  run it                   real trials; the host is restored after each
  result                   what the last run proved
  apply, revert            put the proven winner in place, take it back
  go on                    another round with what the last one taught
  quit"""

Say = Callable[[RenderableType], None]


class Chat:
    """Takes sentences and answers them.

    Args:
        agent: does the work.
        say: shows something.
        edits: proposes what the next round should change; the rules where it is None.

    Attributes:
        plan: the name of the present plan; empty before the first.
    """

    def __init__(self, agent: Agent, say: Say, edits: ProposeEdits | None = None) -> None:
        self.plan = ""
        self._agent = agent
        self._say = say
        self._propose_edits = edits
        self._request = ""
        self._edits: list[Edit] = []
        self._run_id = ""
        self._applied = ""

    def turn(self, sentence: str) -> bool:
        """Answer one sentence; False once the conversation is over. An error is said, not raised."""
        if not sentence.strip():
            return True
        meant = read_words(sentence)
        if meant.kind == "quit":
            return False
        try:
            self._answer(meant)
        except TacticianError as error:
            self._say(Text(str(error), style="red"))
        except KeyboardInterrupt:  # of a run: it was ended, and restored the host, on the way here
            self._say(Text("interrupted; the host is as it was"))
        return True

    def _answer(self, meant: Meant) -> None:
        # Before there is a plan, "why is my server slow" is a wish and no question about one.
        if not self.plan and meant.kind in ("why", "trials", "drop", "show", "go_on") and not self._run_id:
            meant = meant._replace(kind="words")
        actions: Mapping[str, Callable[[Meant], None]] = {
            "help": lambda meant: self._say(Text(HELP)),
            "show": lambda meant: self._say(self._plan()),
            "why": self._why,
            "trials": self._edit,
            "drop": self._edit,
            "run": lambda meant: self._run(dry_run=False),
            "dry_run": lambda meant: self._run(dry_run=True),
            "result": self._result,
            "apply": self._apply,
            "confirm": self._confirm,
            "revert": self._revert,
            "go_on": self._go_on,
            "words": self._refine,
        }
        actions[meant.kind](meant)

    def _proposal(self) -> Proposal:
        if not self.plan:
            raise OperatorError("there is no plan yet; say what you want of this host, or help")
        return self._agent.bench.plan(self.plan)

    def _plan(self) -> Text:
        return Text("\n".join(plan_lines(self._proposal())))

    def _refine(self, meant: Meant) -> None:
        request = f"{self._request}; {meant.text}" if self._request else meant.text
        name, proposal = self._agent.plan(request[-4000:])
        if proposal.experiment is None and self._request:
            # A second wish may be about something else altogether.
            other, alone = self._agent.plan(meant.text)
            if alone.experiment is not None:
                request, name, proposal, self._edits = meant.text, other, alone, []
        self._request, self.plan = request, name
        for edit in self._edits:
            try:
                self._make(edit)
            except OperatorError:
                continue  # the new plan has nothing that it could change
        self._say(self._plan())
        if self._proposal().experiment is not None:
            self._say(Text("run it, dry run, why ..., or say what to change"))

    def _edit(self, meant: Meant) -> None:
        edit = Edit(meant.knobs if meant.kind == "drop" else (), meant.trials, meant.factor)
        self._make(edit)
        self._edits.append(edit)
        self._say(self._plan())

    def _make(self, edit: Edit) -> None:
        proposal = self._proposal()
        if proposal.experiment is None:
            raise OperatorError("the plan has no experiment that could be changed")
        self.plan = self._agent.bench.keep(edited(proposal, edit.made(proposal.experiment), edit.note))

    def _why(self, meant: Meant) -> None:
        proposal = self._proposal()
        reasons = [one for one in proposal.reasons if not meant.knobs or one.choice in meant.knobs]
        for reason in reasons:
            source = f" ({reason.source})" if reason.source else ""
            self._say(Text(f"{reason.choice}: {reason.why}{source}"))
        for knob in meant.knobs:
            found = self._agent.tools["explain_knob"].call(self._agent.bench, {"name": knob})
            assert isinstance(found, KnobExplained)
            self._say(Text(_explained(found)))
        if not reasons and not meant.knobs:
            self._say(Text("the plan gives no reasons"))

    def _run(self, *, dry_run: bool) -> None:
        self._proposal()
        result = self._agent.run(self.plan, dry_run=dry_run)
        if result is None:
            self._say(Text("not run; nothing was changed"))
            return
        self._run_id = str(result.get("run_id", ""))
        self._show_result(result)

    def _result(self, meant: Meant) -> None:
        record = record_of(self._agent.bench, self._run_id or "last")
        if record.result is None:
            raise OperatorError(f"run {record.id} has no result")
        self._show_result(record.result)

    def _show_result(self, result: Mapping[str, Any]) -> None:
        original = result.get("original", {})
        changes = [
            (name, original.get(name), value)
            for name, value in result.get("best_config", {}).items()
            if value != original.get(name)
        ]
        self._say(result_view(result, changes))
        if can_be_applied(result):
            self._say(Text("apply puts it in place; go on searches further with what was learnt"))

    def _apply(self, meant: Meant) -> None:
        run_id = self._run_id or record_of(self._agent.bench, "last").id
        done = self._agent.apply(run_id)
        if done is None:
            self._say(Text("not applied; nothing was changed"))
            return
        self._applied = run_id
        self._say(Text("in place; revert takes it back"))

    def _confirm(self, meant: Meant) -> None:
        done = self._agent.confirm(self._applied or self._run_id or "last")
        self._say(Text("not confirmed" if done is None else "kept"))

    def _revert(self, meant: Meant) -> None:
        done = self._agent.revert(self._applied)
        self._say(Text("nothing was changed" if done is None else "taken back"))

    def _go_on(self, meant: Meant) -> None:
        record = record_of(self._agent.bench, self._run_id or "last")
        learnt = reflect(record, self._propose_edits)
        for line in learnt.lines():
            self._say(Text(line))
        if not learnt.kept:
            self._say(Text("nothing was learnt that would make another round better than the last one"))
            return
        base = Proposal(
            request=self._request or record.summary.workload_name, experiment=dict(record.document)
        )
        name = self._agent.bench.keep(edited(base, learnt.document, f"from run {record.id}"))
        self.plan = name
        self._say(self._plan())


def _explained(knob: KnobExplained) -> str:
    if knob.never:
        return f"{knob.name} is never tuned: {knob.never}"
    if not knob.known or not knob.what:
        return f"{knob.name}: {knob.gone or 'not in the catalogue'}"
    where = (
        f" Safe here: {knob.low:g} to {knob.high:g}."
        if knob.low is not None and knob.high is not None
        else ""
    )
    acts = f" A change acts {knob.acts}." if knob.acts else ""
    return f"{knob.name}: {knob.what}{where}{acts} ({knob.source})"
