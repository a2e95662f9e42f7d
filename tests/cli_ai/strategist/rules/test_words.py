"""Requests as words: clauses, whole phrases, misspelt words, and ordinary words that are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_ai.strategist.rules.vocabulary import common_words, phrases
from cli_ai.strategist.rules.words import LONGEST_REQUEST, read, split


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ngnix", "nginx"),
        ("postgress", "postgres"),
        ("throughtput", "throughput"),
        ("latancy", "latency"),
        ("mysqll", "mysql"),
        ("netwrok", "network"),
        ("kafak", "kafka"),
        ("databse", "database"),
    ],
)
def test_a_misspelt_word_is_mended_and_said(wrong: str, right: str) -> None:
    request = read(f"my {wrong} is slow")
    assert request.has([right])
    assert request.mended.get(wrong, right) == right


@pytest.mark.parametrize("word", ["server", "write", "script", "second", "trials", "weather", "production"])
def test_an_ordinary_word_is_left_alone(word: str) -> None:
    assert read(f"a {word} here").mended == {}


def test_no_word_of_the_vocabulary_is_mended() -> None:
    for phrase in (*phrases(), *common_words()):
        assert read(phrase).mended == {}, phrase


def test_chinese_is_found_inside_a_sentence() -> None:
    request = read("Redis 尾延迟太高，帮我调优")
    assert request.has(["尾延迟"]) == "尾延迟"
    assert request.has(["redis"]) == "redis"
    assert not request.has(["延迟尾"])


def test_a_phrase_is_whole_words_of_one_clause() -> None:
    request = read("tune the disk, scheduler is fine. vm.swappiness stays at 1.5")
    assert not request.has(["disk scheduler"])
    assert not request.has(["sched"])
    assert request.has(["vm.swappiness"])


def test_plural_and_possessive_are_the_same_word() -> None:
    assert read("neighbour's databases").has(["database"])


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    request = read(text)
    assert all(clause.words for clause in request.clauses)
    assert all(word == word.lower() for clause in request.clauses for word in clause.words)


def test_a_huge_request_is_cut() -> None:
    assert len(read("nginx " * 1_000_000).text) <= LONGEST_REQUEST


def test_a_stop_at_the_end_is_no_part_of_a_word() -> None:
    assert split("touch net.core.somaxconn.") == ("touch", "net.core.somaxconn")
