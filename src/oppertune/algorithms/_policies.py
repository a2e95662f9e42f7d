"""What a policy network's outputs mean: a Gaussian per number, a softmax per categorical."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from oppertune.algorithms._networks import Array
from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.values import Categorical, Parameter, Value

_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Evaluation:
    """Actions under a policy, one row each.

    Attributes:
        log_prob: shape (n,).
        entropy: shape (n,).
        log_prob_by_output: derivative of ``log_prob`` by the network's outputs, shape (n, outputs).
        log_prob_by_log_std: the same by the log standard deviations, shape (n, numbers).
        entropy_by_output: derivative of ``entropy`` by the outputs; by each log standard deviation it is 1.
    """

    log_prob: Array
    entropy: Array
    log_prob_by_output: Array
    log_prob_by_log_std: Array
    entropy_by_output: Array


class ActionHeads:
    """How outputs become actions, and actions values.

    Outputs are the means of all numbers, in [-1, 1] and beyond, and then the logits of each categorical in
    turn. An action has one entry per number (not clipped) and one per categorical (the position of the
    category).
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.numbers = [p for p in parameters if not isinstance(p, Categorical)]
        self.categoricals = [p for p in parameters if isinstance(p, Categorical)]
        edges = np.cumsum([len(self.numbers), *(p.n_categories for p in self.categoricals)])
        self.slices = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        self.n_numbers = len(self.numbers)
        self.n_outputs = int(edges[-1])
        self.n_actions = len(self.numbers) + len(self.categoricals)
        is_category = [isinstance(p, Categorical) for p in parameters]
        self._columns = np.argsort(is_category, kind="stable")
        self._n_categories = np.array([p.n_categories for p in self.categoricals], dtype=np.float64)

    def default_bias(self) -> Array:
        """Outputs whose mean is the parameters' own values; a category of one's own has probability 1/2."""
        bias = np.zeros(self.n_outputs)
        bias[: self.n_numbers] = [2.0 * to_unit(p, p.val) - 1.0 for p in self.numbers]
        for p, where in zip(self.categoricals, self.slices, strict=True):
            bias[where][p.encoded_value()] = math.log(p.n_categories - 1.0)
        return bias

    def sample(self, rng: np.random.Generator, outputs: Array, log_std: Array) -> Array:
        """One action, shape (n_actions,), from outputs of shape (n_outputs,)."""
        mean = outputs[: self.n_numbers]
        action = np.empty(self.n_actions)
        action[: self.n_numbers] = mean + np.exp(log_std) * rng.normal(size=self.n_numbers)
        for i, where in enumerate(self.slices):
            p = np.exp(_log_softmax(outputs[where]))
            reached = np.searchsorted(np.cumsum(p), rng.random() * p.sum(), side="right")
            action[self.n_numbers + i] = min(int(reached), len(p) - 1)
        return action

    def draw(self, rng: np.random.Generator, outputs: Array, log_std: Array) -> Array:
        """One action per row of outputs, shape (n, n_actions)."""
        n, k = len(outputs), self.n_numbers
        actions = np.empty((n, self.n_actions))
        actions[:, :k] = outputs[:, :k] + np.exp(log_std) * rng.normal(size=(n, k))
        for i, where in enumerate(self.slices):
            # The largest of Gumbel-perturbed logits is a draw from their softmax (Gumbel, 1954).
            perturbed = outputs[:, where] + rng.gumbel(size=(n, where.stop - where.start))
            actions[:, k + i] = perturbed.argmax(axis=1)
        return actions

    def uniform(self, rng: np.random.Generator, n: int) -> Array:
        """``n`` actions from anywhere in the space, shape (n, n_actions)."""
        u = rng.random((n, self.n_actions))
        k = self.n_numbers
        return np.hstack([2.0 * u[:, :k] - 1.0, np.floor(u[:, k:] * self._n_categories)])

    def preferred(self, outputs: Array) -> Array:
        """The most probable action, shape (n_actions,), within the bounds; outputs of shape (n_outputs,)."""
        categories = [float(outputs[where].argmax()) for where in self.slices]
        return np.concatenate([np.clip(outputs[: self.n_numbers], -1.0, 1.0), categories])

    def of_units(self, units: Array) -> Array:
        """The action, shape (n_actions,), that means these positions in [0, 1], one per parameter."""
        ordered = units[self._columns]
        k = self.n_numbers
        return np.concatenate([2.0 * ordered[:k] - 1.0, np.floor(ordered[k:] * self._n_categories)])

    def units(self, actions: Array) -> Array:
        """Actions as positions in [0, 1], one column per parameter in declaration order."""
        units = np.empty_like(actions)
        units[:, self._columns] = np.hstack(
            [
                np.clip((actions[:, : self.n_numbers] + 1.0) / 2.0, 0.0, 1.0),
                (actions[:, self.n_numbers :] + 0.5) / self._n_categories,
            ]
        )
        return units

    def values(self, action: Array) -> dict[str, Value]:
        """The configuration that an action means; numbers are clipped to [-1, 1] for it."""
        made: dict[str, Value] = {
            p.name: from_unit(p, (float(a) + 1.0) / 2.0)
            for p, a in zip(self.numbers, action[: self.n_numbers], strict=True)
        }
        for p, a in zip(self.categoricals, action[self.n_numbers :], strict=True):
            made[p.name] = p.categories[int(a)]
        return made

    def evaluate(self, outputs: Array, log_std: Array, actions: Array) -> Evaluation:
        """Log-probabilities and entropies of actions, shape (n, n_actions), with their derivatives."""
        n, k = len(outputs), self.n_numbers
        sigma = np.exp(log_std)
        z = (actions[:, :k] - outputs[:, :k]) / sigma
        log_prob = -0.5 * (z * z).sum(axis=1) - log_std.sum() - 0.5 * k * _LOG_2PI
        entropy = np.full(n, log_std.sum() + 0.5 * k * (1.0 + _LOG_2PI))
        by_output = np.zeros_like(outputs)
        by_output[:, :k] = z / sigma
        entropy_by_output = np.zeros_like(outputs)
        rows = np.arange(n)
        for i, where in enumerate(self.slices):
            log_p = _log_softmax(outputs[:, where])
            p = np.exp(log_p)
            chosen = actions[:, k + i].astype(np.intp)
            own_entropy = -(p * log_p).sum(axis=1)
            log_prob = log_prob + log_p[rows, chosen]
            entropy = entropy + own_entropy
            by_output[:, where] = -p
            by_output[rows, where.start + chosen] += 1.0
            entropy_by_output[:, where] = -p * (log_p + own_entropy[:, None])
        return Evaluation(log_prob, entropy, by_output, z * z - 1.0, entropy_by_output)


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
