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


def test_what_a_context_has_shown_itself_counts_more():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    surrogate = learnt(*rising, (0.1, 1.9, BUSY), (0.3, 1.7, BUSY), (0.5, 1.5, BUSY), (0.7, 1.3, BUSY))
    assert best_measured(surrogate, INPUTS, [CALM]) == {"x": 0.9}
    assert best_measured(surrogate, INPUTS, [BUSY]) == {"x": 0.1}


def test_a_fall_counts_where_it_happened():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    surrogate = learnt(*rising, (0.1, 1.1, BUSY), (0.9, 0.001, BUSY))
    assert best_measured(surrogate, INPUTS, [CALM]) == {"x": 0.9}
    assert best_measured(surrogate, INPUTS, [BUSY]) == {"x": 0.1}


def test_a_context_never_seen_gets_what_is_best_in_the_others():
    surrogate = learnt(*[(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7, 0.9)], (0.1, 1.1, BUSY))
    assert best_measured(surrogate, INPUTS, [{"load": "new"}]) == {"x": 0.9}


def test_one_poor_measurement_in_a_context_does_not_hide_what_the_others_show():
    rising = [(x, 1.0 + x, load) for x in (0.1, 0.3, 0.5, 0.7, 0.9) for load in (CALM, BUSY)]
    surrogate = learnt(*rising, (0.1, 1.1, {"load": "new"}))
    assert best_measured(surrogate, INPUTS, [{"load": "new"}])["x"] > 0.5


def test_what_fell_in_a_context_is_not_recommended_there():
    rising = [(x, 1.0 + x, CALM) for x in (0.1, 0.3, 0.5, 0.7)]
    surrogate = learnt(*rising, (0.9, 1.9, CALM), (0.9, 0.001, BUSY))
    assert best_measured(surrogate, INPUTS, [BUSY])["x"] < 0.9
