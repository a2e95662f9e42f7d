"""The surfaces have the optimum they claim, and noise of the kind they say."""

import numpy as np
import pytest

from oppertune.core.encoding import from_unit
from oppertune.errors import InvalidArgumentError
from oppertune.testing.landscapes import ackley, hartmann6, quadratic, system_like

EVERY = [
    quadratic(3, seed=1),
    ackley(4, seed=1),
    hartmann6(seed=1),
    hartmann6(seed=2),
    *(system_like(n, seed) for n in (3, 8, 20) for seed in range(4)),
]


@pytest.mark.parametrize("landscape", EVERY, ids=lambda landscape: landscape.name)
def test_nothing_is_better_than_the_optimum(landscape):
    rng = np.random.default_rng(0)
    best = landscape.noise_free(landscape.optimum)
    assert landscape.regret(landscape.optimum) == 0.0
    assert landscape.regret({p.name: p.val for p in landscape.parameters}) == pytest.approx(1.0)
    assert all(p.contains(landscape.optimum[p.name]) for p in landscape.parameters)
    for _ in range(300):
        values = {p.name: from_unit(p, float(rng.random())) for p in landscape.parameters}
        assert landscape.noise_free(values) <= best


@pytest.mark.parametrize("n", [3, 8, 20])
def test_the_default_of_a_system_earns_about_half(n):
    for seed in range(6):
        landscape = system_like(n, seed)
        share = landscape.noise_free({p.name: p.val for p in landscape.parameters})
        assert 0.25 < share / landscape.noise_free(landscape.optimum) < 0.7
    again = system_like(n, 3)
    assert again.parameters == system_like(n, 3).parameters
    assert again.optimum == system_like(n, 3).optimum


SIGMAS = [("none", 0.0), ("gaussian3", 0.03), ("gaussian5", 0.05), ("gaussian10", 0.1)]


@pytest.mark.parametrize(("noise", "sigma"), SIGMAS)
def test_noise_is_relative(noise, sigma):
    landscape = system_like(3, 0, noise)
    rng = np.random.default_rng(0)
    samples = [landscape.sample(landscape.optimum, rng) for _ in range(2000)]
    truth = landscape.noise_free(landscape.optimum)
    assert np.std(samples) / truth == pytest.approx(sigma, rel=0.1)
    assert np.mean(samples) / truth == pytest.approx(1.0, abs=0.01)


def test_heavy_tails():
    landscape = system_like(3, 0, "heavy")
    rng = np.random.default_rng(0)
    truth = landscape.noise_free(landscape.optimum)
    ratios = np.array([landscape.sample(landscape.optimum, rng) for _ in range(4000)]) / truth
    assert 0.03 < np.mean(ratios < 0.86) < 0.07
    assert 0.003 < np.mean(ratios > 1.14) < 0.02
    with pytest.raises(InvalidArgumentError):
        system_like(3, 0, "loud")
