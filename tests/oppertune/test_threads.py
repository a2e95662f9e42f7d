"""Eight threads at once, each with a ledger of its own, which must agree with what was learnt."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "stress_requests.py"
spec = importlib.util.spec_from_file_location("stress_requests", PATH)
stress_requests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stress_requests)


@pytest.fixture
def hurried():
    """Threads change places often, so that what could go wrong has the chance to."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("name", ["WatchedRandom", "WatchedBlueFin"])
def test_no_reward_is_lost_paired_wrongly_or_kept(name, hurried):
    parameters = stress_requests.EVERYTHING if name == "WatchedRandom" else stress_requests.NUMBERS
    found = stress_requests.stress(getattr(stress_requests, name), parameters, threads=8, requests=800)
    assert found["rewarded"] > 0.9 * found["requests"]
    # What is never rewarded lapses once there is no room for it.
    assert found["still open"] <= 200


def test_a_ledger_that_loses_a_reward_is_caught():
    class Loses(stress_requests.WatchedRandom):
        def _set_reward(self, tuning_request):
            if self.iteration != 7:
                super()._set_reward(tuning_request)

    with pytest.raises(AssertionError, match="lost"):
        stress_requests.stress(Loses, stress_requests.EVERYTHING, threads=2, requests=50)
