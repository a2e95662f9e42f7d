"""Small changes to a plan that a sentence asks for; each is a new experiment, checked like anyone's file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tactician.errors import OperatorError

_USUAL_TRIALS = 30
_FEWEST, _MOST = 4, 1000


@dataclass(frozen=True, slots=True)
class Edit:
    """One change, which can be made again on the next plan.

    Attributes:
        drop: knobs to leave out.
        trials: how many; None where ``factor`` says it.
        factor: of the number of trials there are.
    """

    drop: tuple[str, ...] = ()
    trials: int | None = None
    factor: float = 1.0

    @property
    def note(self) -> str:
        """It in a few words."""
        parts = [f"without {', '.join(self.drop)}"] if self.drop else []
        parts += [f"{self.trials} trials"] if self.trials is not None else []
        parts += ["fewer trials" if self.factor < 1 else "more trials"] if self.factor != 1.0 else []
        return "as you asked: " + ", ".join(parts)

    def made(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The experiment after the change.

        Raises:
            OperatorError: nothing would be left to tune.
        """
        changed: dict[str, Any] = json.loads(json.dumps(document))
        if self.drop:
            _leave_out(changed, self.drop)
        if self.trials is not None or self.factor != 1.0:
            budget = dict(changed.get("budget") or {})
            wanted = self.trials
            if wanted is None:
                wanted = round((budget.get("trials") or _USUAL_TRIALS) * self.factor)
            changed["budget"] = {**budget, "trials": min(max(wanted, _FEWEST), _MOST)}
        return changed


def _leave_out(document: dict[str, Any], names: Collection[str]) -> None:
    def named(param: str) -> bool:
        return param in names or param.partition("[")[0] in names

    space = document.get("action_space", [])
    kept = [item for item in space if not named(str(item.get("param", "")))]
    if len(kept) == len(space):
        raise OperatorError(f"the plan has no {', '.join(sorted(names))}; 'show' lists what it has")
    if not kept:
        raise OperatorError("nothing would be left to tune")
    gone = {str(item["param"]) for item in space} - {str(item["param"]) for item in kept}
    document["action_space"] = kept
    constraints = document.get("constraints") or []
    left = [one for one in constraints if not any(name in one for name in gone)]
    if left:
        document["constraints"] = left
    else:
        document.pop("constraints", None)
