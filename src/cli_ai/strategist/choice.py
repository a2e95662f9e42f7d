"""Which strategist answers: the model where one is set up, the rules everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cli_ai.discovery.facts import HostFacts
    from cli_ai.strategist.proposal import Proposal
    from cli_ai.strategist.reflection import ProposeEdits


class Strategist(NamedTuple):
    """Who makes plans, and who proposes edits between two rounds of a run.

    Attributes:
        edits: None for the rules.
    """

    propose: Callable[[str, HostFacts], Proposal]
    edits: ProposeEdits | None = None


def choose_strategist(
    url: str = "", model: str = "", key_file: str = ""
) -> Callable[[str, HostFacts], Proposal]:
    """Return what makes a plan from words and facts; as :func:`find_strategist`."""
    return find_strategist(url, model, key_file).propose


def find_strategist(url: str = "", model: str = "", key_file: str = "") -> Strategist:
    """Return the model's strategist where one is set up, else the rules'.

    Args:
        url, model, key_file: as given on the command line; empty ones are looked up.

    Raises:
        SettingsError: a model is half set up, or its package is missing.
    """
    from cli_ai.strategist import rules
    from cli_ai.strategist.llm_settings import find_settings

    settings = find_settings(url, model, key_file)
    if settings is None:
        return Strategist(rules.propose)
    from cli_ai.strategist.llm import LanguageModel

    model_strategist = LanguageModel(settings)
    return Strategist(model_strategist.propose, model_strategist.edits)
