"""Confirmation tokens: for one call, with what was shown, for a while."""

from __future__ import annotations

import pytest

from cli_ai.mcp_server.confirmation import LASTS_S, Confirmations

SHOWN = {"changes": {"vm.swappiness": {"was": 60, "becomes": 10}}}


def issued(clock=lambda: 0.0):
    confirmations = Confirmations(clock)
    return confirmations, confirmations.issue("apply", {"run": "r"}, SHOWN)


def test_a_token_allows_what_was_shown_once():
    confirmations, token = issued()
    assert confirmations.redeem(token, "apply", {"run": "r"}, SHOWN)
    assert not confirmations.redeem(token, "apply", {"run": "r"}, SHOWN)


@pytest.mark.parametrize(
    ("tool", "arguments", "shown"),
    [("revert", {"run": "r"}, SHOWN), ("apply", {"run": "s"}, SHOWN), ("apply", {"run": "r"}, {})],
)
def test_a_token_allows_nothing_else_and_is_spent_by_the_attempt(tool, arguments, shown):
    confirmations, token = issued()
    assert not confirmations.redeem(token, tool, arguments, shown)
    assert not confirmations.redeem(token, "apply", {"run": "r"}, SHOWN)


@pytest.mark.parametrize("guess", ["", "x", "\udcff", "é", "0" * 10_000])
def test_a_guess_allows_nothing_and_spends_nothing(guess):
    confirmations, token = issued()
    assert not confirmations.redeem(guess, "apply", {"run": "r"}, SHOWN)
    assert confirmations.redeem(token, "apply", {"run": "r"}, SHOWN)


def test_a_token_ends():
    now = [0.0]
    confirmations, token = issued(lambda: now[0])
    now[0] = LASTS_S
    assert not confirmations.redeem(token, "apply", {"run": "r"}, SHOWN)


def test_tokens_are_many_and_all_different():
    confirmations = Confirmations()
    tokens = [confirmations.issue("apply", {}, {}) for _ in range(100)]
    assert len(set(tokens)) == 100
    assert all(len(token) >= 20 for token in tokens)
    assert confirmations.redeem(tokens[-1], "apply", {}, {})
    assert not confirmations.redeem(tokens[0], "apply", {}, {}), "only the newest are kept"
