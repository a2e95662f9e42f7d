"""The forest knows what it was shown, is unsure elsewhere, and finds the options that count."""

import numpy as np
import pytest

from oppertune.models.forest import Forest


def test_it_finds_the_options_that_count():
    rng = np.random.default_rng(0)
    X = (rng.random((120, 10)) < 0.5).astype(float)
    y = np.where((X[:, 0] == 1.0) & (X[:, 3] == 1.0), 5.0, 0.0) + X[:, 7]
    new = (rng.random((200, 10)) < 0.5).astype(float)
    truth = np.where((new[:, 0] == 1.0) & (new[:, 3] == 1.0), 5.0, 0.0) + new[:, 7]
    mean, std = Forest(X, y, rng).predict(new)
    assert np.corrcoef(mean, truth)[0, 1] > 0.95
    assert (std > 0.0).all()


def test_it_stays_within_what_it_saw_and_is_surest_there():
    rng = np.random.default_rng(1)
    X, new = rng.random((60, 3)), rng.random((300, 3))
    y = X @ [3.0, 1.0, 0.0]
    forest = Forest(X, y, rng)
    mean, std = forest.predict(new)
    assert y.min() <= mean.min() <= mean.max() <= y.max()
    assert forest.predict(X)[1].mean() < std.mean()


@pytest.mark.parametrize("rows", [np.zeros((1, 2)), np.ones((5, 2))])
def test_rows_that_do_not_differ_get_their_mean(rows):
    y = np.arange(float(len(rows)))
    mean, _ = Forest(rows, y, np.random.default_rng(0)).predict(np.array([[0.3, 0.9]]))
    assert y.min() <= mean[0] <= y.max()


def test_equal_generators_grow_equal_forests():
    X = np.random.default_rng(2).random((40, 4))
    y = X.sum(1)
    forests = [Forest(X, y, np.random.default_rng(7)) for _ in range(2)]
    assert (forests[0].predict(X)[0] == forests[1].predict(X)[0]).all()
