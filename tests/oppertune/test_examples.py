"""The example of an algorithm of one's own keeps the contract, and its program runs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class

PATH = Path(__file__).parents[2] / "examples" / "custom_algorithm.py"
spec = importlib.util.spec_from_file_location("custom_algorithm", PATH)
custom_algorithm = importlib.util.module_from_spec(spec)
spec.loader.exec_module(custom_algorithm)
# The table is everybody's; other tests go through all of it.
ALGORITHMS.pop("evolution_strategy")


class TestTheExample(custom_algorithm.TestEvolutionStrategy):
    """Every law, as a third party would check them."""


def test_the_decorator_registers_it(monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "evolution_strategy", custom_algorithm.EvolutionStrategy)
    assert get_algorithm_class("evolution_strategy") is custom_algorithm.EvolutionStrategy


def test_the_program_runs():
    done = subprocess.run(
        [sys.executable, str(PATH)], capture_output=True, text=True, check=True, timeout=120
    )
    assert "recommended: {'pool': " in done.stdout
    assert done.stderr == ""
