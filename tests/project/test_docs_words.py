"""The repository's own text names no machine, leaves nothing for later, and points to no registry."""

from __future__ import annotations

import re

import pytest

from support_project import ROOT, own_files

# Put together here, so that this file does not hold what it looks for.
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
REGISTRIES = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "proxy.golang" + ".org",
    "crates" + ".io",
)
MACHINE = re.compile(
    "(?<![\\w.])/(?:wo" + "rk|tmp/d" + "ev|ho" + "me/[a-z]|roo" + "t/[a-z]|Us" + "ers/[a-z])[\\w/-]*"
)
RECORDED = ("tests/cases/parse/",)
"""Outputs of real tools, kept as they were."""


def text_of(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def found(pattern):
    """Every line that matches, as ``file:line: text``."""
    hits = []
    for path in own_files():
        name = str(path.relative_to(ROOT))
        if name.startswith(RECORDED):
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{name}:{number}: {line.strip()[:100]}")
    return hits


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_for_later(word):
    assert found(rf"\b{word}\b") == []


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_package_registry_is_named(host):
    assert found(re.escape(host)) == []


def test_no_path_of_a_machine_is_named():
    assert found(MACHINE) == []


def test_the_search_finds_what_it_looks_for():
    assert found(r"\bdef found\b")
    assert MACHINE.search("see /" + "work/main")
    assert not MACHINE.search("/sys/kernel/debug and http://a/work/b")
