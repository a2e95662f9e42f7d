"""Only the console and the command lines print; everything else emits events."""

from __future__ import annotations

import ast

import pytest

from support_project import MODULES, name_of, tree

MAY_PRINT = (
    "tactician.observers.console",
    "tactician.observers._",
    "tactician.cli",
    "tactician.workloads",
    # Programs of the way back, whose answer is what they print.
    "tactician.undo.answering",
    "tactician.undo.redis",
    "tactician.undo.reloading",
    "cli_ai",
)


def prints(path):
    """The lines of calls of print() and of writes to a standard stream."""
    found = []
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("print", "pprint", "pprint.pprint", "sys.stdout.write", "sys.stderr.write"):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "path", [path for path in MODULES if not name_of(path).startswith(MAY_PRINT)], ids=name_of
)
def test_a_module_does_not_print(path):
    assert prints(path) == []


def test_the_search_finds_a_print():
    assert any(prints(path) for path in MODULES)
