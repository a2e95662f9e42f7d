"""Every module begins with a sentence that says what it is for."""

from __future__ import annotations

import ast
import re

import pytest

from support_project import MODULES, name_of, tree


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_begins_with_a_sentence(path):
    docstring = ast.get_docstring(tree(path))
    if path.stem == "__init__" and not tree(path).body:
        return
    assert docstring, "no docstring"
    first = docstring.partition("\n\n")[0]
    # A table or a block of commands may follow, announced by a colon.
    assert re.search(r"[.!?]$|::?$", first), f"no sentence: {first!r}"
    assert first[0].isupper() or first[0] in "`*", first
    words = set(re.findall(r"[a-z]+", first.lower()))
    named = set(re.findall(r"[a-z]+", path.stem.lower())) | {"module", "the", "a", "of", "for", "this"}
    assert len(words - named) >= 3, f"says no more than its name: {first!r}"


def test_no_two_modules_say_the_same():
    seen = {}
    for path in MODULES:
        first = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0]
        if first:
            assert first not in seen, (name_of(path), seen.get(first))
            seen[first] = name_of(path)
