"""The table of algorithms, the decorator, and entry points of other packages."""

import subprocess
import sys

import pytest

from oppertune.algorithms import all as table
from oppertune.algorithms.all import (
    ALGORITHMS,
    create_tuning_instance,
    get_algorithm_class,
    load_tuning_instance,
    register,
)
from oppertune.algorithms.base import Algorithm
from oppertune.algorithms.identity import Identity
from oppertune.core.values import Integer
from oppertune.errors import AlgorithmError, InvalidTypeError, UnknownAlgorithmError

PARAMETERS = [Integer("n", 4, 0, 9)]
PACKAGE = """
from oppertune.algorithms.identity import Identity

class Elsewhere(Identity):
    pass

nothing = 3
"""


@pytest.fixture
def own_table(monkeypatch):
    monkeypatch.setattr(table, "ALGORITHMS", dict(ALGORITHMS))
    return table.ALGORITHMS


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An installed package that offers two algorithms, one of which is none."""
    (tmp_path / "elsewhere.py").write_text(PACKAGE)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    points = "[oppertune.algorithms]\nelsewhere = elsewhere:Elsewhere\nnothing = elsewhere:nothing\n"
    (info / "entry_points.txt").write_text(points + "identity = elsewhere:Elsewhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("elsewhere", None)


def test_the_decorator_enters_a_class(own_table):
    @register("mine")
    class Mine(Identity):
        pass

    assert get_algorithm_class("mine") is Mine
    assert isinstance(create_tuning_instance("mine", PARAMETERS), Mine)
    # Running a module again is no clash; another class is.
    assert register("mine")(Mine) is Mine
    with pytest.raises(AlgorithmError, match="already"):
        register("bluefin")(Mine)
    with pytest.raises(AlgorithmError, match="no subclass"):
        register("other")(int)
    with pytest.raises(InvalidTypeError):
        register(Mine)


def test_the_table_may_be_changed_by_hand(own_table):
    own_table["changed"] = Identity
    own_table["text"] = "oppertune.algorithms.identity:Identity"
    own_table["wrong"] = "oppertune.algorithms.identity:annotations"
    assert get_algorithm_class("changed") is get_algorithm_class("text") is Identity
    with pytest.raises(AlgorithmError, match="no subclass"):
        get_algorithm_class("wrong")


def test_entry_points_are_found(elsewhere, tmp_path):
    cls = get_algorithm_class("elsewhere")
    assert issubclass(cls, Algorithm)
    assert cls.__module__ == "elsewhere"
    assert get_algorithm_class("identity") is Identity
    with pytest.raises(AlgorithmError, match="no subclass"):
        get_algorithm_class("nothing")
    with pytest.raises(UnknownAlgorithmError, match="did you mean 'elsewhere'"):
        get_algorithm_class("elswhere")
    create_tuning_instance("elsewhere", PARAMETERS).save(tmp_path / "state")
    assert type(load_tuning_instance(tmp_path / "state")) is cls


def test_the_hybrid_solver_is_the_default_as_in_the_original(own_table):
    own_table["hybrid_solver"] = Identity
    assert type(create_tuning_instance(PARAMETERS)) is Identity
    assert type(create_tuning_instance(parameters=PARAMETERS)) is Identity


def test_looking_one_up_imports_one_and_searches_no_entry_points():
    code = (
        "import sys; from oppertune.algorithms.all import get_algorithm_class;"
        "get_algorithm_class('bluefin'); print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    homes = {entry.partition(":")[0] for entry in ALGORITHMS.values()}
    assert loaded & homes == {"oppertune.algorithms.bluefin"}
    assert "importlib.metadata" not in loaded
