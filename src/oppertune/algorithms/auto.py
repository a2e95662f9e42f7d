"""Picks an algorithm from what is known before the first measurement, and says which and why.

The table :data:`RULES` is the whole of it: the first rule that holds decides. The guide shows the same table,
and a test compares the two.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.requests import CLEARED
from oppertune.core.state import fingerprint
from oppertune.core.types import Context
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidArgumentError

__all__ = ("RULES", "Auto", "Mode", "Rule", "Situation")

Mode = Literal["trials", "live"]

FEW_TRIALS = 400
"""Up to so many measurements a model of all of them decides what is worth measuring next."""

MANY_TRIALS = 2000
"""Beyond so many, rounds are as cheap as those of a live service."""

FEW_COMBINATIONS = 64
"""So many combinations of categories can be told apart one by one."""


class Situation(NamedTuple):
    """What is known before the first measurement.

    Attributes:
        numbers: how many numeric parameters can vary.
        categories: how many categorical ones.
        combinations: of all categories.
        budget: rounds, or None for no end or an unknown one.
        mode: ``trials`` of a benchmark, or decisions of a ``live`` service.
        contexts: whether features of a context are declared.
        state: whether a state is observed that the best values follow.
        guarded: whether there is a floor that configurations are to keep to.
    """

    numbers: int
    categories: int
    combinations: int
    budget: int | None
    mode: Mode
    contexts: bool
    state: bool
    guarded: bool = False

    @property
    def few(self) -> bool:
        """Whether measurements are so few that a model of them all pays."""
        return self.mode == "trials" and (self.budget is None or self.budget <= FEW_TRIALS)

    @property
    def some(self) -> bool:
        """Whether there are trials enough for many rounds, and too few to waste any."""
        return self.mode == "trials" and (self.budget is None or self.budget <= MANY_TRIALS)


class Rule(NamedTuple):
    """One line of the table.

    Attributes:
        when: the condition in words.
        choice: the algorithm's name.
        reason: why, in words.
        holds: the condition.
        arguments: of the algorithm's constructor.
    """

    when: str
    choice: str
    reason: str
    holds: Callable[[Situation], bool]
    arguments: Mapping[str, Any] = {}


RULES: tuple[Rule, ...] = (
    Rule(
        "no parameter can vary, or one round",
        "identity",
        "there is nothing to choose from",
        lambda s: s.numbers + s.categories == 0 or (s.budget is not None and s.budget <= 1),
    ),
    Rule(
        "a floor to keep to (`max_regression`)",
        "bayesian_optimization",
        "it alone keeps to what is known to be safe",
        lambda s: s.guarded,
    ),
    Rule(
        "trials, at most 400 or a budget in minutes",
        "bayesian_optimization",
        "a measurement costs more than any thought about the next one",
        lambda s: s.few,
    ),
    Rule(
        "trials, at most 2000",
        "tpe",
        "its rounds stay cheap however many trials there are",
        lambda s: s.some,
    ),
    Rule(
        "more trials, and a state is observed",
        "ppo",
        "a policy can follow the state, and there are trials enough to learn one",
        lambda s: s.mode == "trials" and s.state,
    ),
    Rule(
        "contexts, categories only",
        "slates",
        "each choice is valued by the context on its own",
        lambda s: s.contexts and s.numbers == 0,
    ),
    Rule(
        "contexts",
        "autoscope",
        "the best values differ by context, and it finds where",
        lambda s: s.contexts,
        {"leaf_algorithm": "hybrid_solver"},
    ),
    Rule(
        "categories only, at most 64 combinations",
        "exponential_weights",
        "so few combinations can be told apart one by one, also where categories interact",
        lambda s: s.numbers == 0 and s.combinations <= FEW_COMBINATIONS,
    ),
    Rule(
        "categories only",
        "exponential_weights_slates",
        "there are too many combinations to try each, so every category learns for itself",
        lambda s: s.numbers == 0,
    ),
    Rule(
        "numbers only",
        "bluefin",
        "two small steps a pair follow the gradient at constant cost, near the present values",
        lambda s: s.categories == 0,
        {"feedback": 2},
    ),
    Rule(
        "numbers and categories",
        "hybrid_solver",
        "gradient steps suit the numbers, weights the categories",
        lambda s: True,
        {"numerical_algorithm_args": {"feedback": 2}},
    ),
)
"""The first one that holds decides; the last one always does. So the last six are for live services, and for
so many trials that they are as cheap."""


class Auto(Algorithm):
    """Hands everything to the algorithm that suits the situation.

    Args:
        parameters: what to tune.
        budget: how many rounds there will be, if that is known.
        mode: ``trials`` where every round is a run of a benchmark, ``live`` where a service decides; without
            it trials where there is a budget.
        features: of the contexts to come, as :class:`~oppertune.algorithms.autoscope.AutoScope` takes them.
        state_features: names of the numbers in a context that describe a state, as ``ppo`` takes them.
        max_regression: the floor to keep to, and
        change_groups: whose change costs time together, both as
            :class:`~oppertune.algorithms.bayesian_optimization.BayesianOptimization` takes them.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Attributes:
        choice: the name of the chosen algorithm.
        reason: why it was chosen, in words.
        chosen: the algorithm itself.

    Raises:
        InvalidArgumentError: a budget below 1, or no such mode.
        OppertuneError: as the base class and the constructor of the choice.
    """

    class Meta:
        """Takes everything, in outside values, which the choice transforms as it likes."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        budget: int | None = None,
        mode: Mode | None = None,
        features: Iterable[Mapping[str, Any]] = (),
        state_features: Iterable[str] = (),
        max_regression: float | None = None,
        change_groups: Iterable[Collection[str]] = (),
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=False, **options)
        if budget is not None and (type(budget) is not int or budget < 1):
            raise InvalidArgumentError(f"budget must be a positive int or None, not {budget!r}")
        mode = mode or ("live" if budget is None else "trials")
        if mode not in get_args(Mode):
            raise InvalidArgumentError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
        features, state_features = list(features), list(state_features)
        categories = [p.n_categories for p in self.params if isinstance(p, Categorical)]
        numbers = len(self.params) - len(categories)
        situation = Situation(
            numbers,
            len(categories),
            math.prod(categories),
            budget,
            mode,
            bool(features),
            bool(state_features),
            max_regression is not None,
        )
        rule = next(rule for rule in RULES if rule.holds(situation))
        self.choice, self.reason = rule.choice, f"{rule.reason} ({rule.when})"
        offered = {
            "features": features,
            "state_features": state_features or None,
            "budget": budget,
            "max_regression": max_regression,
            "change_groups": [list(group) for group in change_groups] or None,
            **rule.arguments,
            "normalize_rewards": normalize_rewards,
            "random_seed": self._random_seed,
            "constraints": self.constraints,
            "conditions": self.conditions,
        }
        self.chosen = self._made({name: value for name, value in offered.items() if value is not None})

    def _made(self, offered: Mapping[str, Any]) -> Algorithm:
        """The choice, with what its constructor knows of what is offered."""
        known = {*inspect.signature(get_algorithm_class(self.choice)).parameters, *_COMMON}
        arguments = {name: value for name, value in offered.items() if name in known}
        made = create_tuning_instance(self.choice, self.parameters, arguments)
        # A request of the choice lives as long as the one of ours that it belongs to.
        made._ledger.max_open = 2 * self._ledger.max_open + 2
        made._ledger.max_age = None
        return made

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        self._release()
        chosen = self.chosen
        request = chosen._ledger.open(chosen._draw(tuning_request.context, tuning_request.predict_data))
        return _PredictResponse({p.name: request.draw.prediction[p.name] for p in self.params}, request.id)

    def _release(self) -> None:
        """End the choice's requests whose own request here has lapsed or was cleared."""
        ledger = self.chosen._ledger
        if len(ledger):
            needed = set(self._open_metadata())
            for request in [request for request in ledger if request.id not in needed]:
                ledger.close(request, CLEARED)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        if tuning_request.reward is None:
            return
        chosen = self.chosen
        request = chosen._ledger.get(tuning_request.metadata)
        request.reward_data = tuning_request.reward_data
        chosen._ledger.close(request)
        chosen._learn(request, tuning_request.reward)

    def recommend(self, context: Context | Mapping[str, Any] | None = None) -> dict[str, Value]:
        """What the choice recommends; in a context, where it can tell contexts apart."""
        with self._lock:
            if context is not None and "context" in inspect.signature(self.chosen.recommend).parameters:
                recommend: Callable[..., dict[str, Value]] = self.chosen.recommend
                return recommend(context)
            return self.chosen.recommend()

    @property
    def races(self) -> bool:
        """Whether the choice tells its best few apart by itself."""
        return bool(getattr(self.chosen, "races", False))

    @property
    def gradient_steps(self) -> int | None:
        """Of the choice; None where it makes none."""
        return getattr(self.chosen, "gradient_steps", None)

    def learnt_fingerprint(self) -> str:
        """A digest of everything learnt, by the choice too."""
        with self._lock:
            return fingerprint(
                {"own": super().learnt_fingerprint(), "part": self.chosen.learnt_fingerprint()}
            )

    def _get_state(self) -> dict[str, Any]:
        """The base's, with the choice beside it as a file of its own, which only its class can read."""
        state = super()._get_state()
        del state["attributes"]["chosen"]
        return {**state, "chosen": self.chosen.dumps()}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self.chosen = get_algorithm_class(self.choice).loads(state["chosen"])


_COMMON = ("normalize_rewards", "random_seed", "constraints", "conditions")
"""Arguments of the base class, which every algorithm takes."""
