"""What trajectories say: regrets by the peer's own choice and by a posterior mean, paired with a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from oppertune.algorithms.base import _PredictResponse, _TuningRequest
from oppertune.algorithms.bayesian_optimization import BayesianOptimization
from oppertune.core.values import Parameter, Value
from peers.instances import CHECKPOINTS, instance_of
from peers.play import Line

OFFSET = 0.02
Key = tuple[str, int]
"""Class and seed of an instance."""
Regrets = npt.NDArray[np.float64]
"""After 20, 50 and 100 rounds; nan where the run was shorter."""


class Fed(BayesianOptimization):
    """Our model with somebody else's measurements: it is shown where they were made and recommends."""

    _next: Mapping[str, Value]

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        return _PredictResponse(dict(self._next))

    def watch(self, values: Mapping[str, Value], reward: float) -> None:
        self._next = values
        _, request = self.predict()
        self.set_reward(reward, request_id=request)


def posterior_choices(
    parameters: Sequence[Parameter], measured: Iterable[tuple[Mapping[str, Value], float]]
) -> Iterable[dict[str, Value]]:
    """After 20, 50 and 100 measurements, the measured configuration of the highest posterior mean."""
    model = Fed(parameters, random_seed=0)
    for count, (values, reward) in enumerate(measured, start=1):
        model.watch(values, reward)
        if count in CHECKPOINTS:
            yield dict(model.recommend())


def own_regrets(line: Line) -> Regrets:
    return np.array([line["regret_own_choice"].get(str(n), np.nan) for n in CHECKPOINTS])


def posterior_regrets(line: Line) -> Regrets:
    instance = instance_of(line["landscape"], line["seed"])
    configurations = [dict(zip(line["names"], values, strict=True)) for values in line["values"]]
    measured = zip(configurations, line["rewards"], strict=True)
    found = [max(0.0, instance.regret(choice)) for choice in posterior_choices(instance.parameters, measured)]
    return np.array(found + [np.nan] * (len(CHECKPOINTS) - len(found)))


def ratio(regrets: Mapping[Key, Regrets], baseline: Mapping[Key, Regrets]) -> Regrets:
    """Geometric mean over the instances that both have of (regret + .02) / (the baseline's + .02)."""
    shared = [key for key in regrets if key in baseline]
    logs = [np.log((regrets[key] + OFFSET) / (baseline[key] + OFFSET)) for key in shared]
    found: Regrets = np.exp(np.mean(logs, axis=0))
    return found


def in_class(regrets: Mapping[Key, Regrets], name: str | None) -> dict[Key, Regrets]:
    """The instances of one class; of all for None."""
    return {key: value for key, value in regrets.items() if name in (None, key[0])}


def milliseconds(lines: Iterable[Mapping[str, Any]]) -> float:
    """Of processor time per round, over all rounds."""
    return 1e3 * float(np.mean([np.mean(line["cpu"]) for line in lines]))
