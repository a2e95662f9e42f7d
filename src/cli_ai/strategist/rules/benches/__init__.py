"""The only commands that a strategist can propose: templates, filled in from what discovery found."""

from cli_ai.strategist.rules.benches.bench import Bench, Site
from cli_ai.strategist.rules.benches.choice import available, best, packages, ranked, template_names

__all__ = ["Bench", "Site", "available", "best", "packages", "ranked", "template_names"]
