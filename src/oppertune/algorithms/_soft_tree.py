"""The tree of AutoScope as published: each predicate a linear unit, learnt by gradients through its step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oppertune.algorithms._networks import Array, ArrayRMSprop
from oppertune.algorithms._steppers import LARGEST, SGD
from oppertune.core.state import stateful
from oppertune.errors import InvalidArgumentError


@stateful
class SoftTree:
    """The published tree: predicates z = W x + b, binarised, joined by an AND layer, learnt through both.

    Args:
        weights: W, one row for each predicate in level order, shape (2^h - 1, inputs).
        optimizer: for descent on W and b; None keeps them fixed.
    """

    def __init__(self, weights: Array, optimizer: ArrayRMSprop | SGD | None) -> None:
        self.weights = weights
        self.biases = np.zeros(len(weights))
        self.optimizer = optimizer
        self.n_leaves = len(weights) + 1
        self.rounds = [0] * self.n_leaves
        self._and = and_layer(self.n_leaves)

    def leaf(self, x: Array) -> int:
        """The leaf with the largest activation: down from the root, to the left where z >= 0.

        Every leaf's activation is f times the predicates on its path that agree less those that do not, so
        that the largest is found without computing the others.
        """
        z = (self.weights @ x + self.biases).tolist()
        node = 0
        while node < len(z):
            node = 2 * node + (1 if z[node] >= 0 else 2)
        return node - len(z)

    def learn(self, x: Array, gradient: Array) -> None:
        """One step of W and b.

        Args:
            x: the context.
            gradient: of the loss by each leaf's output, shape (leaves,). On the way back the choice of one
                leaf counts as the softmax that it was made from, so that every leaf has a say.
        """
        if self.optimizer is None:
            return
        z = self.weights @ x + self.biases
        scale = np.abs(z).mean()
        activations = self._and @ np.where(z >= 0, scale, -scale)
        softmax = np.exp(activations - activations.max())
        softmax /= softmax.sum()
        by_activation = softmax * (gradient - softmax @ gradient)
        # a = 2 f 1[z >= 0] - f, where d 1[z >= 0] / dz is taken for 1 near 0, and f for a constant.
        by_z = 2.0 * (self._and.T @ by_activation) * (np.abs(z) <= 1.0)
        gradients = [np.clip(g, -LARGEST, LARGEST) for g in (np.outer(by_z, x), by_z)]
        if isinstance(self.optimizer, SGD):
            for parameter, g in zip((self.weights, self.biases), gradients, strict=True):
                parameter -= self.optimizer.eta * g
        else:
            self.optimizer.step((self.weights, self.biases), gradients)
        for parameter in (self.weights, self.biases):
            np.clip(parameter, -LARGEST, LARGEST, out=parameter)


def and_layer(n_leaves: int) -> Array:
    """A[leaf, node] = 1 where the leaf lies left below the node, -1 where it lies right, else 0."""
    layer = np.zeros((n_leaves, n_leaves - 1))
    for leaf in range(n_leaves):
        node = leaf + n_leaves - 1
        while node:
            parent = (node - 1) // 2
            layer[leaf, parent] = 1.0 if node == 2 * parent + 1 else -1.0
            node = parent
    return layer


def predicate_optimizer(name: str, eta: float, given: Mapping[str, Any] | None) -> ArrayRMSprop | SGD:
    """The optimizer of the predicates. Raises InvalidArgumentError."""
    args = {"learning_rate" if key in ("lr", "eta") else key: value for key, value in (given or {}).items()}
    rate = args.pop("learning_rate", eta if given is None else 0.01)
    known = {"rmsprop": {"alpha", "eps", "momentum"}, "sgd": set()}
    if name not in known:
        raise InvalidArgumentError(f"optimizer must be one of {sorted(known)}, not {name!r}")
    if unknown := sorted(set(args) - known[name]):
        raise InvalidArgumentError(f"{name} has no arguments {unknown}")
    if not rate >= 0 or not math.isfinite(rate):
        raise InvalidArgumentError(f"eta must not be negative, {rate=}")
    return ArrayRMSprop(rate, **args) if name == "rmsprop" else SGD(rate)


def soft_rules(tree: SoftTree, names: Sequence[str]) -> list[tuple[str, int]]:
    """Each leaf that was reached with the inequalities that lead to it; ``names`` are of the inputs."""
    rules = []
    for leaf in range(tree.n_leaves):
        if not tree.rounds[leaf]:
            continue
        parts: list[str] = []
        node = leaf + tree.n_leaves - 1
        while node:
            parent = (node - 1) // 2
            terms = [f"{w:+.3g} {n}" for w, n in zip(tree.weights[parent], names, strict=True) if w]
            sign = ">=" if node == 2 * parent + 1 else "<"
            parts.insert(0, f"{' '.join(terms) or '0'} {sign} {0.0 - tree.biases[parent]:.3g}")
            node = parent
        rules.append((" and ".join(parts), leaf))
    return rules
