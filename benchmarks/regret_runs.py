"""Measures one algorithm on one instance of a landscape, still, contextual or drifting, for ``regret.py``."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class
from oppertune.algorithms.base import Algorithm
from oppertune.core.types import Context
from oppertune.core.values import Value
from oppertune.errors import OppertuneError
from oppertune.testing.changing import HORIZON, Contextual, contextual, drifting
from oppertune.testing.landscapes import Landscape, ackley, hartmann6, system_like

CONTEXT_ROUNDS = 100  # over all contexts together
SEPARATE = "; apart"
"""Ends the label of one tuner for each context."""


class Run(NamedTuple):
    """One algorithm on one instance.

    Attributes:
        label: what the algorithm and its options are called in tables.
        name: of the algorithm.
        options: of its constructor.
        landscape: its class, as ``system8/heavy``, ``contextual8x3/gaussian3`` or ``slow8/gaussian3``.
        seed: of the instance, the noise and the algorithm.
        checkpoints: rounds after which regret is asked for.
    """

    label: str
    name: str
    options: dict[str, object]
    landscape: str
    seed: int
    checkpoints: tuple[int, ...]


class Curve(NamedTuple):
    """What came of it.

    Attributes:
        regrets: of the recommended configuration, per checkpoint; with contexts, of what was played in the
            last quarter of the rounds, then of what is recommended, context by context, at the end (NaN where
            the algorithm recommends one configuration for all); with drift, of what was played in all rounds
            and in the second half.
        below: share of trials more than 10 % below the parameters' own values.
        milliseconds: of processor time per round, mean.
    """

    regrets: list[float]
    below: float
    milliseconds: float


class _Driven:
    """A tuner whose rounds are timed and whose rewards have noise."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.spent = 0.0

    def play(
        self, landscape: Landscape, rng: np.random.Generator, context: Context | None = None
    ) -> dict[str, Value]:
        start = time.process_time()
        prediction, request_id = self.algorithm.predict(context)
        self.spent += time.process_time() - start
        reward = landscape.sample(prediction, rng)
        start = time.process_time()
        self.algorithm.set_reward(reward, request_id=request_id)
        self.spent += time.process_time() - start
        return prediction


def landscape_of(name: str, seed: int) -> Landscape:
    """A landscape that stays as it is, by its class."""
    shape, _, noise = name.partition("/")
    if shape == "hartmann6":
        return hartmann6(seed, noise)  # type: ignore[arg-type]
    if shape.startswith("ackley"):
        return ackley(int(shape.removeprefix("ackley")), seed, noise)  # type: ignore[arg-type]
    return system_like(int(shape.removeprefix("system")), seed, noise)  # type: ignore[arg-type]


def _contextual_of(name: str, seed: int) -> Contextual:
    shape, _, noise = name.partition("/")
    n_parameters, n_contexts = map(int, shape.removeprefix("contextual").split("x"))
    return contextual(n_parameters, n_contexts, seed, noise)  # type: ignore[arg-type]


class _NotTakenError(Exception):
    """The algorithm takes neither this space nor these options."""


def _made(run: Run, landscape: Landscape, extra: Mapping[str, Any] | None = None) -> _Driven:
    options = {"random_seed": run.seed, "normalize_rewards": True, **run.options, **(extra or {})}
    try:
        return _Driven(create_tuning_instance(run.name, landscape.parameters, **options))
    except (OppertuneError, TypeError) as error:
        raise _NotTakenError from error


def _is_poor(landscape: Landscape, played: Mapping[str, Value]) -> bool:
    """More than 10 % below the parameters' own values."""
    default = landscape.noise_free({p.name: p.val for p in landscape.parameters})
    return landscape.noise_free(played) < 0.9 * default


def follow(run: Run) -> Curve | None:
    """The learning curve; None where the algorithm does not take this kind of space."""
    warnings.simplefilter("ignore")
    try:
        if run.landscape.startswith("contextual"):
            return _follow_contexts(run)
        if run.landscape.startswith(("slow", "jumps")):
            return _follow_drift(run)
        return _follow_still(run)
    except _NotTakenError:
        return None


def _follow_still(run: Run) -> Curve:
    landscape = landscape_of(run.landscape, run.seed)
    driven = _made(run, landscape)
    rng = np.random.default_rng(run.seed)
    regrets, below = [], 0
    for trial in range(1, run.checkpoints[-1] + 1):
        below += _is_poor(landscape, driven.play(landscape, rng))
        if trial in run.checkpoints:
            regrets.append(max(0.0, landscape.regret(driven.algorithm.recommend())))
    rounds = run.checkpoints[-1]
    return Curve(regrets, below / rounds, 1e3 * driven.spent / rounds)


def _follow_contexts(run: Run) -> Curve:
    """Every context comes equally often, in an order that all algorithms share."""
    landscape = _contextual_of(run.landscape, run.seed)
    contexts = landscape.contexts
    if run.label.endswith(SEPARATE):
        tuners = {c: _made(run, landscape.at(c)) for c in contexts}
        told: dict[str, Context | None] = dict.fromkeys(contexts)
    elif not get_algorithm_class(run.name).Meta.supports_context:  # type: ignore[attr-defined]
        raise _NotTakenError
    else:
        extra = {"features": landscape.features} if run.name == "autoscope" else {}
        tuners = dict.fromkeys(contexts, _made(run, landscape.landscapes[0], extra))
        told = {c: Context({landscape.feature: c}) for c in contexts}
    rng = np.random.default_rng(run.seed)
    order = np.random.default_rng([run.seed, 4])
    regrets: list[float] = []
    below = 0
    while len(regrets) < CONTEXT_ROUNDS:
        for i in order.permutation(len(contexts))[: CONTEXT_ROUNDS - len(regrets)]:
            here = landscape.at(contexts[i])
            played = tuners[contexts[i]].play(here, rng, told[contexts[i]])
            regrets.append(here.regret(played))
            below += _is_poor(here, played)
    spent = sum({id(t): t.spent for t in tuners.values()}.values())
    last = float(np.mean(regrets[-CONTEXT_ROUNDS // 4 :]))
    return Curve(
        [last, _recommended(landscape, tuners, told)], below / len(regrets), 1e3 * spent / len(regrets)
    )


def _recommended(
    landscape: Contextual, tuners: Mapping[str, _Driven], told: Mapping[str, Context | None]
) -> float:
    """Mean regret over contexts; NaN where there is one recommendation for all."""
    chosen = {}
    for context, driven in tuners.items():
        where, recommend = told[context], driven.algorithm.recommend
        if where is None:
            chosen[context] = recommend()
        elif "context" not in inspect.signature(recommend).parameters:
            return float("nan")
        else:
            chosen[context] = recommend(where)  # type: ignore[call-arg]
    return landscape.regret(chosen)


def _follow_drift(run: Run) -> Curve:
    shape, _, noise = run.landscape.partition("/")
    kind = "slow" if shape.startswith("slow") else "jumps"
    landscape = drifting(int(shape.removeprefix(kind)), kind, run.seed, noise)  # type: ignore[arg-type]
    driven = _made(run, landscape.at(0))
    rng = np.random.default_rng(run.seed)
    regrets: list[float] = []
    below = 0
    for t in range(HORIZON):
        now = landscape.at(t)
        played = driven.play(now, rng)
        regrets.append(now.regret(played))
        below += _is_poor(now, played)
    halves = [float(np.mean(regrets)), float(np.mean(regrets[HORIZON // 2 :]))]
    return Curve(halves, below / HORIZON, 1e3 * driven.spent / HORIZON)
