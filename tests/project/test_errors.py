"""Every error class derives from one base per package."""

from __future__ import annotations

import importlib
import inspect

import pytest

from oppertune.errors import OppertuneError
from support_project import MODULES, name_of
from tactician.errors import Interrupted, TacticianError
from tactician.testing.contract import LawBrokenError

BASES = {"oppertune": (OppertuneError,), "tactician": (TacticianError,), "cli_ai": (TacticianError,)}
EXEMPT = {
    Interrupted: "must pass through every handler of exceptions",
    LawBrokenError: "is a test's assertion",
}


def errors_of(path):
    module = importlib.import_module(name_of(path))
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, BaseException) and cls.__module__ == module.__name__
    ]


# The way back imports nothing of the project, so its few errors cannot have the base; they stay inside.
OUTSIDE_UNDO = [
    path for path in MODULES if path.stem != "__main__" and not name_of(path).startswith("tactician.undo.")
]


@pytest.mark.parametrize("path", OUTSIDE_UNDO, ids=name_of)
def test_an_error_has_the_base_of_its_package(path):
    bases = BASES[name_of(path).partition(".")[0]]
    strays = [cls.__name__ for cls in errors_of(path) if cls not in EXEMPT and not issubclass(cls, bases)]
    assert strays == []


def test_the_exemptions_are_counted():
    assert len(EXEMPT) == 2


def test_the_walk_finds_errors():
    found = [cls for path in MODULES for cls in errors_of(path)]
    assert TacticianError in found
    assert len(found) > 20
