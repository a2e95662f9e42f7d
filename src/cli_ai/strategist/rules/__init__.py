"""The strategist that needs no model and no network: words to an intent, intent and facts to a plan."""

from cli_ai.strategist.rules.intent import Intent, understand
from cli_ai.strategist.rules.proposing import propose, propose_for
from cli_ai.strategist.rules.questions import answer

__all__ = ["Intent", "answer", "propose", "propose_for", "understand"]
