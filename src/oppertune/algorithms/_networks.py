"""Small fully connected networks with gradients written out, so that learning needs nothing but numpy.

Batches are rows: inputs have shape (n, inputs), outputs (n, outputs). Parameters and gradients are lists of
arrays in the same order, W and b of each layer in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful

Array = npt.NDArray[np.float64]

Activation: TypeAlias = Literal["tanh", "relu"]

HIDDEN_GAIN = math.sqrt(2.0)


def orthogonal(rng: np.random.Generator, rows: int, columns: int, gain: float) -> Array:
    """A (rows, columns) matrix with orthogonal rows or columns of length ``gain`` (Saxe et al., 2014)."""
    tall, short = max(rows, columns), min(rows, columns)
    q, r = np.linalg.qr(rng.normal(size=(tall, short)))
    q *= np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri, 2007)
    return np.ascontiguousarray(gain * (q if rows >= columns else q.T))


@stateful
class MLP:
    """Layers with an activation between them and none after the last.

    Args:
        rng: draws the initial weights; biases start at zero.
        sizes: inputs, hidden widths, outputs.
        output_gain: of the last layer's orthogonal weights; the others have sqrt(2).
        activation: ``tanh`` or ``relu``.
    """

    activation: Activation = "tanh"  # of the class, for states saved when there was no other

    def __init__(
        self,
        rng: np.random.Generator,
        sizes: Sequence[int],
        output_gain: float,
        activation: Activation = "tanh",
    ) -> None:
        self.activation = activation
        self.parameters: list[Array] = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = output_gain if i == len(sizes) - 2 else HIDDEN_GAIN
            self.parameters += [orthogonal(rng, inputs, outputs, gain), np.zeros(outputs)]

    @classmethod
    def fan_in(
        cls,
        rng: np.random.Generator,
        sizes: Sequence[int],
        output_bound: float,
        activation: Activation = "relu",
    ) -> MLP:
        """A network whose weights and biases are uniform, as DDPG's are (Lillicrap et al., 2015, section 7).

        Args:
            rng: draws the initial weights.
            sizes: inputs, hidden widths, outputs.
            output_bound: the last layer's lie within it, the others within 1/sqrt(inputs of the layer).
            activation: ``tanh`` or ``relu``.
        """
        made = object.__new__(cls)
        made.activation = activation
        made.parameters = []
        for i, (inputs, outputs) in enumerate(pairwise(sizes)):
            bound = output_bound if i == len(sizes) - 2 else 1.0 / math.sqrt(max(inputs, 1))
            made.parameters += [
                rng.uniform(-bound, bound, (inputs, outputs)),
                rng.uniform(-bound, bound, outputs),
            ]
        return made

    def copy(self) -> MLP:
        """A network of its own with equal parameters, such as a target network to begin with."""
        made = object.__new__(type(self))
        made.activation = self.activation
        made.parameters = [p.copy() for p in self.parameters]
        return made

    def follow(self, other: MLP, tau: float) -> None:
        """Move every parameter towards another network's: theta' <- tau theta + (1 - tau) theta'."""
        for own, goal in zip(self.parameters, other.parameters, strict=True):
            own += tau * (goal - own)

    def forward(self, x: Array) -> tuple[Array, list[Array]]:
        """Outputs (n, outputs), and each layer's input, which :meth:`backward` wants."""
        inputs = []
        last = len(self.parameters) - 2
        for i in range(0, len(self.parameters), 2):
            inputs.append(x)
            x = x @ self.parameters[i] + self.parameters[i + 1]
            if i < last:
                x = np.tanh(x) if self.activation == "tanh" else np.maximum(x, 0.0)
        return x, inputs

    def backward(self, inputs: list[Array], gradient: Array) -> list[Array]:
        """Gradients of a loss by the parameters, from its gradient by the outputs, shape (n, outputs)."""
        gradients: list[Array] = []
        for layer in reversed(range(len(inputs))):
            gradients[:0] = [inputs[layer].T @ gradient, gradient.sum(axis=0)]
            if layer:
                gradient = self._through(layer, inputs[layer], gradient)
        return gradients

    def backward_to_inputs(self, inputs: list[Array], gradient: Array) -> Array:
        """Gradient of a loss by the network's inputs, shape (n, inputs), from its gradient by the outputs."""
        for layer in reversed(range(1, len(inputs))):
            gradient = self._through(layer, inputs[layer], gradient)
        result: Array = gradient @ self.parameters[0].T
        return result

    def _through(self, layer: int, x: Array, gradient: Array) -> Array:
        """The gradient by what the activation before a layer took, from the one by the layer's outputs.

        ``x`` is what the activation gave: tanh' = 1 - tanh^2, and relu' = 1 where relu > 0.
        """
        slope = 1.0 - x * x if self.activation == "tanh" else x > 0.0
        result: Array = (gradient @ self.parameters[2 * layer].T) * slope
        return result


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


@stateful
class ArrayRMSprop:
    """RMSprop for descent (Tieleman and Hinton, 2012), changing the parameters in place.

    s = alpha s + (1 - alpha) g^2 and p -= rate g / (sqrt(s) + eps); with momentum the step is
    b = momentum b + g / (sqrt(s) + eps), p -= rate b. For short vectors of plain floats, and for ascent,
    there is ``RMSprop`` in ``_steppers``.

    Args:
        learning_rate: rate.
        alpha: how much of the running mean square is kept.
        eps: keeps the quotient finite.
        momentum: how much of the previous step is kept.
    """

    def __init__(
        self, learning_rate: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0
    ) -> None:
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.square_average: list[Array] = []
        self.buffer: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        """One update; both lists in the same order every time."""
        if not self.square_average:
            self.square_average = [np.zeros_like(p) for p in parameters]
            self.buffer = [np.zeros_like(p) for p in parameters] if self.momentum else []
        for i, (p, g, s) in enumerate(zip(parameters, gradients, self.square_average, strict=True)):
            s += (1.0 - self.alpha) * (g * g - s)
            step = g / (np.sqrt(s) + self.eps)
            if self.momentum:
                self.buffer[i] *= self.momentum
                self.buffer[i] += step
                step = self.buffer[i]
            p -= self.learning_rate * step


def clip_by_global_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """The gradients, scaled down together so that their joint Euclidean norm is at most ``limit``."""
    # The largest entry is taken out first, so that squares of huge gradients stay finite.
    largest = max((float(np.abs(g).max(initial=0.0)) for g in gradients), default=0.0)
    if largest == 0.0:
        return list(gradients)
    norm = largest * math.sqrt(sum(float(np.sum((g / largest) ** 2)) for g in gradients))
    scale = min(1.0, limit / (norm + 1e-6))
    return [g * scale for g in gradients]
