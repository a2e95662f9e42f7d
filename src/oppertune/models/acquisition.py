"""What a trial may gain, for whoever searches over a model: exact also where improvement is very unlikely."""

from __future__ import annotations

import math

import numpy as np

from oppertune.models.inputs import Array

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


def log_expected_improvement(mean: Array, std: Array, best: float) -> Array:
    """The logarithm of E[max(f - best, 0)] for f ~ N(mean, std^2).

    With z = (mean - best) / std it is log std + log h(z), h(z) = phi(z) + z Phi(z). Below z = -1, where the
    two terms cancel, log h(z) = -z^2/2 - log sqrt(2 pi) + log(1 - |z| sqrt(pi/2) erfcx(|z|/sqrt 2)) (Ament et
    al., "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023, eq. 9).

    Args:
        mean: expected noise-free rewards.
        std: their standard deviations, positive.
        best: what is to be improved on.
    """
    from scipy.special import erfcx, ndtr

    z = (mean - best) / std
    a = np.maximum(-z, 1.0)
    near = np.maximum(z, -1.0)
    direct = np.log(np.exp(-0.5 * near * near - _LOG_SQRT_2PI) + near * ndtr(near))
    # 1 - a sqrt(pi/2) erfcx(a / sqrt 2) tends to 1/a^2, and loses its digits on the way there.
    tail = np.log(np.where(a > 1e3, 1.0, 1.0 - a * _SQRT_HALF_PI * erfcx(a / math.sqrt(2.0))))
    tail = np.where(a > 1e3, -2.0 * np.log(a), tail) - 0.5 * a * a - _LOG_SQRT_2PI
    value: Array = np.log(std) + np.where(z > -1.0, direct, tail)
    return value
