"""Asks in a terminal what a plan left open, once each, and makes the plan again with the answers."""

from __future__ import annotations

from collections.abc import Callable

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Proposal, Question
from cli_ai.strategist.rules import answer, propose_for, understand


def answered(
    proposal: Proposal,
    facts: HostFacts,
    propose: Callable[[str, HostFacts], Proposal],
    prompt: Callable[[str], str],
) -> Proposal:
    """Return the plan with the answers in it; an empty answer leaves what was assumed.

    Args:
        proposal: with its questions.
        facts: of the host.
        propose: the strategist that made it.
        prompt: shows a question and returns what was typed.
    """
    given = {one.about: chosen for one in proposal.questions if (chosen := _answer(one, prompt))}
    if not given:
        return proposal
    if proposal.strategist == "rules":
        intent = understand(proposal.request)
        for about, chosen in given.items():
            intent = answer(intent, about, chosen)
        return propose_for(proposal.request, intent, facts)
    told = "; ".join(f"the {about} is {chosen}" for about, chosen in given.items())
    return propose(f"{proposal.request}; {told}", facts)


def _answer(question: Question, prompt: Callable[[str], str]) -> str:
    choices = f" ({', '.join(question.choices)})" if question.choices else ""
    assumed = f" [{question.assumed}]" if question.assumed else ""
    typed = prompt(f"{question.question}{choices}{assumed} ").strip()
    if not question.choices or typed in question.choices or not typed:
        return typed
    near = [choice for choice in question.choices if choice.startswith(typed.lower())]
    return near[0] if len(near) == 1 else ""
