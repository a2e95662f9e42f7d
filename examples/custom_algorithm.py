"""An algorithm of one's own: written, registered, held to the contract, and used.

Run it as ``python examples/custom_algorithm.py``; its laws run with
``python -m pytest examples/custom_algorithm.py``.

A new algorithm implements two methods. ``_predict`` decides on a value for each of ``self.params``;
``_set_reward`` learns from the reward of one earlier decision. Requests, contexts, bounds, steps, special
values, constraints, conditions, saving and threads are the base class's business.
"""

from __future__ import annotations

import numpy as np

from oppertune.algorithms.all import create_tuning_instance, register
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.values import Integer, Real
from oppertune.testing.contract import AlgorithmContract


@register("evolution_strategy")
class EvolutionStrategy(Algorithm):
    """The (1+1) evolution strategy with the one-fifth rule (Rechenberg, 1973).

    Args:
        parameters: integers and reals.
        step: the first standard deviation of a mutation, in units of each parameter's range.
        options: as for every algorithm, such as ``random_seed`` and ``constraints``.
    """

    class Meta:
        """Numbers in the inside representation: 0 .. max, where max is 1 for continuous parameters."""

        supported_parameter_types = (Integer, Real)

    def __init__(self, parameters, step=0.2, **options):
        super().__init__(parameters, **options)
        self.step = float(step)
        self.parent = [float(p.val) for p in self.params]
        self.parent_reward = None
        # A generator of numpy is saved with everything else; so are plain numbers, lists and arrays.
        self.rng = np.random.default_rng(self._random_seed)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        # The first child is the parent itself, so that there is something to be compared with.
        mutation = self.rng.normal(size=len(self.params)) if self.parent_reward is not None else 0.0
        tops = np.array([float(p.max) for p in self.params])
        child = np.clip(self.parent + self.step * tops * mutation, 0.0, tops).tolist()
        # What _set_reward must know of this decision goes along as metadata: many may be open at once.
        return _PredictResponse({p.name: x for p, x in zip(self.params, child, strict=True)}, child)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        first = self.parent_reward is None
        if first or tuning_request.reward >= self.parent_reward:
            self.parent, self.parent_reward = tuning_request.metadata, tuning_request.reward
            success = not first
        else:
            success = False
        if not first:
            # One success in five keeps the step as it is.
            self.step = min(max(self.step * (1.5 if success else 1.5**-0.25), 1e-4), 0.5)


class TestEvolutionStrategy(AlgorithmContract):
    """Every law of the contract, over spaces with everything that spaces can have."""

    parameter_types = (Integer, Real)

    def make(self, parameters, **kwargs):
        """An algorithm for the laws to try."""
        return EvolutionStrategy(parameters, **kwargs)


def main() -> None:
    parameters = [
        Integer("pool", val=4, min=1, max=64),
        Integer("cache_kb", val=1024, min=64, max=2**20, log=True),
        # -1 leaves the choice to the application.
        Integer("threads", val=-1, min=1, max=32, special=((-1, 0.1),)),
    ]
    algorithm = create_tuning_instance(
        "evolution_strategy", parameters, constraints=["threads <= pool"], random_seed=1
    )
    for _ in range(300):
        prediction, request_id = algorithm.predict()
        distance = abs(prediction["pool"] - 40) / 64 + abs(np.log2(prediction["cache_kb"]) - 16) / 14
        distance += 0.5 if prediction["threads"] == -1 else abs(prediction["threads"] - 24) / 32
        algorithm.set_reward(float(-distance), request_id=request_id)
    print("best so far:", algorithm.best, algorithm.best_reward)
    print("recommended:", algorithm.recommend())


if __name__ == "__main__":
    main()
