"""Modules and functions stay small enough to be read at a sitting."""

from __future__ import annotations

import ast
import statistics

import pytest

from support_project import MODULES, name_of, tree

LONGEST_MODULE, LONGEST_FUNCTION, LARGEST_MEDIAN = 500, 60, 120


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_and_its_functions_are_not_too_long(path):
    assert lines(path) <= LONGEST_MODULE
    functions = [
        node for node in ast.walk(tree(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    too_long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in functions
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert too_long == {}


def test_the_median_module_is_short(record_property):
    median = statistics.median(map(lines, MODULES))
    record_property("median_module_lines", median)
    assert median <= LARGEST_MEDIAN, f"the median module has {median} lines"
