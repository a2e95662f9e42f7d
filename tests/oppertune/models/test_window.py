"""The window is bounded, forgets neither the newest nor the best, and keeps its rows together."""

import numpy as np
import pytest

from oppertune.errors import InvalidArgumentError
from oppertune.models.window import Window


def filled(limit, n, seed=0):
    window = Window(limit)
    rng = np.random.default_rng(seed)
    for i in range(n):
        reward = float(rng.normal())
        window.add(np.array([i / n, reward]), reward, {"i": i}, {"i": i} if i % 2 else None)
    return window


def test_it_is_bounded():
    for n in (1, 40, 45, 46, 500):
        window = filled(40, n)
        assert len(window) <= 45
        assert window.count == n
        assert all(len(kept) == len(window) for kept in (window.rows, window.configurations, window.contexts))


def test_the_newest_and_the_best_stay_and_rows_stay_together():
    window = filled(40, 500)
    numbers = [configuration["i"] for configuration in window.configurations]
    assert numbers == sorted(numbers)
    assert numbers[-20:] == list(range(480, 500))
    everything = filled(1000, 500)
    assert max(everything.rewards) in window.rewards
    for i, row, reward, context in zip(numbers, window.rows, window.rewards, window.contexts, strict=True):
        assert row == [i / 500, reward]
        assert context == ({"i": i} if i % 2 else None)


def test_the_rest_is_spread_over_time():
    numbers = [configuration["i"] for configuration in filled(80, 400).configurations]
    assert sum(i < 200 for i in numbers) >= 10


def test_a_tiny_window_is_refused():
    with pytest.raises(InvalidArgumentError, match="at least 8"):
        Window(7)
