"""What is recommended in a context has stood there; what fell elsewhere is no argument against it."""

from oppertune.core.values import Real
from oppertune.models.inputs import Inputs
from oppertune.models.recommendation import best_measured
from oppertune.models.surrogate import Surrogate

INPUTS = Inputs([Real("x", 0.2, 0.0, 1.0)])
CALM, BUSY = {"load": "calm"}, {"load": "busy"}


def learnt(*measured):
    surrogate = Surrogate(100)
    for x, reward, context in measured:
        surrogate.add(INPUTS, {"x": x}, reward, context)
    return surrogate


def test_the_best_of_another_context_is_not_taken_over():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    surrogate = learnt(*rising, (0.2, 1.2, BUSY), (0.4, 1.4, BUSY))
    assert best_measured(surrogate, INPUTS, [CALM]) == {"x": 0.9}
    assert best_measured(surrogate, INPUTS, [BUSY]) == {"x": 0.4}


def test_a_fall_counts_where_it_happened():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    surrogate = learnt(*rising, (0.1, 1.1, BUSY), (0.9, 0.001, BUSY))
    assert best_measured(surrogate, INPUTS, [CALM]) == {"x": 0.9}
    assert best_measured(surrogate, INPUTS, [BUSY]) == {"x": 0.1}


def test_in_a_context_without_measurements_that_stood_all_others_count():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7)]
    surrogate = learnt(*rising, (0.9, 0.001, BUSY))
    assert best_measured(surrogate, INPUTS, [BUSY]) == {"x": 0.7}
    assert best_measured(surrogate, INPUTS, [{"load": "new"}]) == {"x": 0.7}
