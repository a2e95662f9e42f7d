"""One tree of errors, each with a code, a status and its problems."""

from __future__ import annotations

import inspect

import pytest

from tactician import errors
from tactician.errors import HostError, ListedError, OperatorError, Problem, TacticianError

CLASSES = [
    cls for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, TacticianError) and cls.__module__ == errors.__name__
]  # fmt: skip
STATUSES = {
    OperatorError: 2,
    HostError: 1,
    errors.RestoreError: 4,
    errors.GuardrailError: 3,
    errors.MisuseError: 1,
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_status_is_that_of_its_branch(cls):
    nearest = next((STATUSES[base] for base in cls.__mro__ if base in STATUSES), 1)
    assert cls.exit_status == nearest


def test_codes_are_words_and_tell_errors_apart():
    codes = {cls: cls.code for cls in CLASSES if cls not in (ListedError,)}
    assert len(set(codes.values())) == len(codes)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if issubclass(cls, ListedError)])
def test_a_listed_error_says_all_its_problems_in_order(cls):
    error = cls([Problem("a.b", "is wrong"), Problem("", "so is this")], "file.json")
    text = str(error)
    assert "2 problems in file.json" in text
    assert text.index("a.b: is wrong") < text.index("so is this")
    assert [str(problem) for problem in error.problems] == ["a.b: is wrong", "so is this"]


def test_any_other_error_is_its_own_only_problem():
    assert errors.BenchmarkError("no baseline").problems == (Problem("", "no baseline"),)


@pytest.mark.parametrize("cls", [errors.KnobReadError, errors.KnobWriteError, errors.JournalError])
def test_an_error_of_the_kernel_keeps_its_errno(cls):
    error = cls(22, "a word")
    assert (error.errno, error.strerror) == (22, "a word")
    assert isinstance(error, OSError)


def test_misuse_is_a_runtime_error():
    assert issubclass(errors.MisuseError, RuntimeError)


def test_the_docstring_draws_every_class():
    for cls in CLASSES:
        if cls is not ListedError:
            assert cls.__name__ in (errors.__doc__ or "")
