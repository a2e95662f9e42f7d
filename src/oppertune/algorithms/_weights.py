"""The weights of one adversarial bandit, kept as logarithms beside probabilities so that no reward overflows.

Auer, Cesa-Bianchi, Freund and Schapire, "The nonstochastic multiarmed bandit problem" (SIAM J. Comput. 2002),
fig. 1 (EXP3), with the decaying rates of OPPerTune (NSDI 2024). Plain floats, because numpy is slower for so
few arms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from oppertune.algorithms._steppers import LARGEST
from oppertune.core.state import stateful

if TYPE_CHECKING:
    import numpy as np

_LARGEST_STEP = 30.0  # of a logarithm
_SMALLEST_SUM = 1e-3
_SMALLEST_P = 1e-250
_LARGEST_ERROR = 1e-11  # of the sum of p


@stateful
class Exp3:
    """EXP3 over K arms; time and memory are proportional to K.

    Args:
        k: K, at least one.

    Attributes:
        t: how many rewards were learnt.
        eta: learning rate of the next update, per unit of reward.
        delta: share of uniform exploration in the next draw.
        p: probabilities by weight alone, of length K.
        p_hat: probabilities of the next draw, of length K.
    """

    def __init__(self, k: int) -> None:
        self.k = k
        self.t = 0
        self.p = [1.0 / k] * k
        # ln p up to a constant: what is left of p where p itself is no longer exact.
        self._log_w = [0.0] * k
        self._smallest_reward: float | None = None
        self._set_rates()

    def _set_rates(self) -> None:
        """Rates and chances of round t."""
        k, n = self.k, self.t + 1
        # eta_t = sqrt(ln K / (K (t + 1))) / max(1, |smallest reward so far|)
        smallest = self._smallest_reward
        self.eta = math.sqrt(math.log(k) / (k * n)) / (1.0 if smallest is None else max(1.0, abs(smallest)))
        # delta_t = min(1, sqrt(K / (t + 1)))
        self.delta = min(1.0, math.sqrt(k / n))
        # p_hat = (1 - delta) p + delta / K, fig. 1, step 1
        share, floor = 1.0 - self.delta, self.delta / k
        self.p_hat = [share * x + floor for x in self.p]

    def draw(self, rng: np.random.Generator) -> tuple[int, float]:
        """An arm, and the probability it had (step 2). The generator alone changes."""
        arm = rng.multinomial(1, self.p_hat).tolist().index(1)
        return arm, self.p_hat[arm]

    def learn(self, arm: int, probability: float, reward: float) -> None:
        """Take the reward of one draw (steps 3 to 5).

        Args:
            arm: which was drawn.
            probability: what it had when it was drawn.
            reward: finite, more is better.
        """
        if self._smallest_reward is None or reward < self._smallest_reward:
            self._smallest_reward = reward
        # p_i *= exp(eta r / p_hat_i)
        step = self.eta * reward / probability
        if not -LARGEST <= step <= LARGEST:
            step = math.copysign(LARGEST, step)
        self._log_w[arm] += step
        self._renormalise(arm, step)
        self.t += 1
        self._set_rates()

    def _renormalise(self, arm: int, step: float) -> None:
        """Scale p to sum to one after a step of one arm.

        As long as floats are exact enough it takes the very operations of the public implementation: between
        arms that nothing has told apart, numpy's multinomial turns on the last bit of p_hat.
        """
        if -_LARGEST_STEP < step < _LARGEST_STEP and min(self.p) > _SMALLEST_P:
            total = 1.0 - self.p[arm]
            moved = self.p[arm] * math.exp(step)
            total += moved
            if total > _SMALLEST_SUM:
                self.p[arm] = moved
                self.p = [x / total for x in self.p]
                # Losses make total < 1, and each of them enlarges the error that the sum already has.
                if abs(sum(self.p) - 1.0) < _LARGEST_ERROR:
                    return
        # The largest goes to zero, where floats are finest.
        top = max(self._log_w)
        self._log_w = [max(x - top, -LARGEST) for x in self._log_w]
        w = [math.exp(x) for x in self._log_w]
        total = sum(w)
        self.p = [x / total for x in w]
