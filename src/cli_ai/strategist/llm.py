"""The strategist that asks a language model, checks what it chose, and falls back on the rules."""

from __future__ import annotations

from typing import Any

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist import rules
from cli_ai.strategist.llm_answer import Answer, answer_schema, parse_answer
from cli_ai.strategist.llm_asking import Asks
from cli_ai.strategist.llm_endpoint import Endpoint
from cli_ai.strategist.llm_errors import AnswerError, EndpointError
from cli_ai.strategist.llm_intent import merged
from cli_ai.strategist.llm_menu import Menu, mending, menu_for, messages_for
from cli_ai.strategist.llm_reflection import edits_by
from cli_ai.strategist.llm_settings import Settings
from cli_ai.strategist.llm_text import clean
from cli_ai.strategist.proposal import Proposal, Reason
from cli_ai.strategist.reflection import ProposeEdits
from cli_ai.strategist.rules.intent import Intent
from tactician.errors import Problem

MENDINGS = 3
"""So often a model is told what is wrong with its answer before the rules take over."""

_REPEATED = 2000


class LanguageModel:
    """Makes plans from words with a model behind an OpenAI-compatible endpoint.

    The model chooses names and may narrow ranges. The experiment is built by the same code as the rules',
    with its templates, and passes the same checks. What the rules refuse stays refused, and a limit that the
    words set can only become tighter.

    Args:
        settings: where the model is.
        endpoint: asks it; made from the settings where it is None.

    Raises:
        SettingsError: the package ``openai`` is not installed.
    """

    def __init__(self, settings: Settings, endpoint: Asks | None = None) -> None:
        self._name = clean(settings.model, 60)
        self._endpoint: Asks = Endpoint(settings) if endpoint is None else endpoint

    @property
    def edits(self) -> ProposeEdits:
        """Proposes edits between two rounds of a run, for :func:`~cli_ai.strategist.reflection.reflect`."""
        return edits_by(self._endpoint)

    def propose(self, request: str, facts: HostFacts) -> Proposal:
        """Make a plan from words; never raises for what a model says or does not say.

        Args:
            request: in any language that the model reads.
            facts: of the host that is to be tuned.
        """
        intent = rules.understand(request)
        if intent.refused_whole:
            return rules.propose(request, facts)
        menu = menu_for(intent, facts)
        schema = answer_schema(menu.knobs, menu.benchmarks)
        messages = messages_for(request, facts, menu)
        trouble = ""
        for _ in range(1 + MENDINGS):
            try:
                text = self._endpoint.ask(messages, schema)
            except EndpointError as error:
                trouble = str(error)
                break
            try:
                return self._built(request, intent, parse_answer(text), menu, facts)
            except AnswerError as error:
                listed = "\n".join(f"- {problem}" for problem in error.problems)
                trouble = f"its last answer could not be used: {error.problems[0]}"
            said = {"role": "assistant", "content": text[:_REPEATED]}
            # The first question and the last answer are enough, and keep the conversation short.
            messages = [*messages[:2], said, mending(listed)]
        note = (
            f"The model {self._name} gave no usable answer ({clean(trouble, 300)}); the rules made this plan."
        )
        plan = rules.propose(request, facts)
        return plan.model_copy(update={"notes": (note, *plan.notes)})

    def _built(self, request: str, intent: Intent, answer: Answer, menu: Menu, facts: HostFacts) -> Proposal:
        """The plan that an answer leads to.

        Raises:
            AnswerError: it chooses what does not exist here, or leads to no experiment.
        """
        if problems := menu.problems(answer):
            raise AnswerError(problems)
        chosen = {one.name: (one.low, one.high) for one in answer.parameters}
        plan = rules.propose_for(
            request, merged(intent, answer.intent), facts, chosen=chosen or None, benchmark=answer.benchmark
        )
        if plan.experiment is None:
            why = [*(one.why for one in plan.refused), *plan.missing, *plan.notes]
            said = clean("; ".join(why), 400) or "the words name no class of workload"
            raise AnswerError([Problem("intent", f"leads to no experiment here: {said}")])
        return plan.model_copy(
            update={
                "strategist": self._name,
                "reasons": tuple(_with_words(reason, answer) for reason in plan.reasons),
                "notes": (*plan.notes, *_overruled(answer, plan.experiment)),
            }
        )


def _with_words(reason: Reason, answer: Answer) -> Reason:
    """A reason with what the model said about the same knob, as a quotation."""
    said = next((clean(one.why) for one in answer.parameters if one.name == reason.choice), "")
    return reason.model_copy(update={"why": f'{reason.why} The model: "{said}"'}) if said else reason


def _overruled(answer: Answer, experiment: dict[str, Any]) -> list[str]:
    """Where the plan is not what the model chose."""
    items = {str(item["param"]): item for item in experiment["action_space"]}
    notes = []
    for one in answer.parameters:
        item = items.get(one.name)
        if item is None:
            notes.append(f"The model chose {one.name}; the limits, or the benchmark, leave it out.")
            continue
        wanted = [(one.low, item.get("min")), (one.high, item.get("max"))]
        if any(asked is not None and taken is not None and asked != taken for asked, taken in wanted):
            notes.append(
                f"The model chose another range for {one.name}; {item['min']} to {item['max']} is safe here, "
                "and holds what the host has."
            )
    return notes
