"""No bytes make a reader fail: the kept inputs, and some that nobody has seen before."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import support_fuzz as properties

KEPT = [
    pytest.param(name, data, id=f"{name}-{number}")
    for name in properties.TARGETS
    if (properties.CORPUS / name).is_dir()
    for number, data in enumerate(path.read_bytes() for path in sorted((properties.CORPUS / name).iterdir()))
]


@pytest.mark.parametrize(("name", "data"), KEPT)
def test_kept_inputs_hold(name, data):
    properties.TARGETS[name](data)


@pytest.mark.parametrize("name", list(properties.TARGETS))
def test_cases_of_other_tests_hold(name):
    for data in properties.corpus(name):
        properties.TARGETS[name](data)


@pytest.mark.parametrize("name", list(properties.TARGETS))
def test_nonsense_holds(name):
    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(properties.inputs(name))
    def holds(data):
        properties.TARGETS[name](data)

    holds()


def test_a_failing_input_is_found_and_kept(monkeypatch, tmp_path):
    def broken(data):
        assert b"{" not in data

    monkeypatch.setattr(properties, "CORPUS", tmp_path)
    monkeypatch.setitem(properties.TARGETS, "config", broken)
    assert "AssertionError" in properties.round_of("config", 1, 200)
    (kept,) = (tmp_path / "config").iterdir()
    assert b"{" in kept.read_bytes()
