"""Small fully connected networks with gradients written out, so that learning needs nothing but numpy.

Batches are rows: inputs have shape (n, inputs), outputs (n, outputs). Parameters and gradients are lists of
arrays in the same order, W and b of each layer in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful

Array = npt.NDArray[np.float64]

HIDDEN_GAIN = math.sqrt(2.0)


def orthogonal(rng: np.random.Generator, rows: int, columns: int, gain: float) -> Array:
    """A (rows, columns) matrix with orthogonal rows or columns of length ``gain`` (Saxe et al., 2014)."""
    tall, short = max(rows, columns), min(rows, columns)
    q, r = np.linalg.qr(rng.normal(size=(tall, short)))
    q *= np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri, 2007)
    return np.ascontiguousarray(gain * (q if rows >= columns else q.T))


@stateful
class MLP:
    """Layers with tanh between them and none after the last.

    Args:
        rng: draws the initial weights; biases start at zero.
        sizes: inputs, hidden widths, outputs.
        output_gain: of the last layer's orthogonal weights; the others have sqrt(2).
    """

    def __init__(self, rng: np.random.Generator, sizes: Sequence[int], output_gain: float) -> None:
        self.parameters: list[Array] = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = output_gain if i == len(sizes) - 2 else HIDDEN_GAIN
            self.parameters += [orthogonal(rng, inputs, outputs, gain), np.zeros(outputs)]

    def forward(self, x: Array) -> tuple[Array, list[Array]]:
        """Outputs (n, outputs), and each layer's input, which :meth:`backward` wants."""
        inputs = []
        last = len(self.parameters) - 2
        for i in range(0, len(self.parameters), 2):
            inputs.append(x)
            x = x @ self.parameters[i] + self.parameters[i + 1]
            if i < last:
                x = np.tanh(x)
        return x, inputs

    def backward(self, inputs: list[Array], gradient: Array) -> list[Array]:
        """Gradients of a loss by the parameters, from its gradient by the outputs, shape (n, outputs)."""
        gradients: list[Array] = []
        for layer in reversed(range(len(inputs))):
            x = inputs[layer]
            gradients[:0] = [x.T @ gradient, gradient.sum(axis=0)]
            if layer:
                # x is tanh of what came before, and tanh' = 1 - tanh^2.
                gradient = (gradient @ self.parameters[2 * layer].T) * (1.0 - x * x)
        return gradients


@stateful
class Adam:
    """Adam for descent (Kingma and Ba, 2015, algorithm 1), changing the parameters in place.

    Args:
        learning_rate: alpha.
        eps: keeps the quotient finite.
        beta1, beta2: decay rates of the two moments.
    """

    def __init__(
        self, learning_rate: float = 3e-4, eps: float = 1e-5, beta1: float = 0.9, beta2: float = 0.999
    ) -> None:
        self.learning_rate = learning_rate
        self.eps = eps
        self.beta1 = beta1
        self.beta2 = beta2
        self.t = 0
        self.m: list[Array] = []
        self.v: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        """One update; both lists in the same order every time."""
        if not self.m:
            self.m = [np.zeros_like(p) for p in parameters]
            self.v = [np.zeros_like(p) for p in parameters]
        self.t += 1
        rate = self.learning_rate / (1.0 - self.beta1**self.t)
        correction = math.sqrt(1.0 - self.beta2**self.t)
        for p, g, m, v in zip(parameters, gradients, self.m, self.v, strict=True):
            m += (1.0 - self.beta1) * (g - m)
            v += (1.0 - self.beta2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) / correction + self.eps)


def clip_by_global_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """The gradients, scaled down together so that their joint Euclidean norm is at most ``limit``."""
    # The largest entry is taken out first, so that squares of huge gradients stay finite.
    largest = max((float(np.abs(g).max(initial=0.0)) for g in gradients), default=0.0)
    if largest == 0.0:
        return list(gradients)
    norm = largest * math.sqrt(sum(float(np.sum((g / largest) ** 2)) for g in gradients))
    scale = min(1.0, limit / (norm + 1e-6))
    return [g * scale for g in gradients]
