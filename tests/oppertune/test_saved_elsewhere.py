"""A saved tuner goes on in another process, which has imported nothing of it."""

import json
import subprocess
import sys

import pytest

from oppertune.algorithms.all import ALGORITHMS, create_tuning_instance, get_algorithm_class
from oppertune.algorithms.autoscope import AutoScopeFeature
from oppertune.core.values import Categorical, Integer, Real

NUMBERS = [Integer("a", val=5, min=0, max=50), Real("b", val=0.1, min=0, max=1)]
WORDS = [Categorical("c", val="x", categories=("x", "y"))]
GO_ON = """
import json, sys
from oppertune.algorithms.all import load_tuning_instance
tuner = load_tuning_instance(sys.argv[1])
print(json.dumps([tuner.predict(json.loads(sys.argv[2]), fresh=True)[0] for _ in range(5)]))
"""


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_it_goes_on_in_another_process(name, tmp_path):
    taken = get_algorithm_class(name)._flags.supported_parameter_types
    parameters = [p for p in (*NUMBERS, *WORDS) if isinstance(p, tuple(taken))]
    options = {"features": [AutoScopeFeature("f", ("u", "v"))]} if name == "autoscope" else {}
    context = {"f": "u"} if name == "autoscope" else None
    tuner = create_tuning_instance(name, parameters, random_seed=3, **options)
    for reward in (3.0, -1.0, 0.0, 5.0, 2.0, 4.0, 1.0, 9.0):
        _, request_id = tuner.predict(context)
        tuner.set_reward(reward, request_id=request_id)
    saved = tmp_path / "tuner.state"
    tuner.save(saved)
    expected = [tuner.predict(context, fresh=True)[0] for _ in range(5)]
    elsewhere = subprocess.run(
        [sys.executable, "-c", GO_ON, str(saved), json.dumps(context)], capture_output=True, text=True
    )
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert json.loads(elsewhere.stdout) == expected
