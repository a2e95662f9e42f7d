"""Cuts a request into words, mends misspelt ones, and finds phrases in it, in English and in Chinese."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cli_ai.strategist.rules.vocabulary import common_words, phrases

LONGEST_REQUEST = 4000
"""Characters of a request that are read."""

_TOKEN = re.compile(r"[a-z0-9_][a-z0-9_./*'’+-]*%?|/[a-z0-9_./*-]+|[一-鿿]|<=?|[|&;`]", re.ASCII | re.I)
_CHINESE = re.compile(r"[一-鿿]")
# A full stop ends a clause only before a blank: vm.swappiness and 1.5 have none behind them.
_CLAUSE = re.compile(
    r"[,;:!?，；：！？。、()\n]+|\.(?=\s|$)"
    r"|\b(?:but|however|although|while|as long as|so that)\b|但是|但|不过|然后",
    re.I,
)
_SHORTEST_MENDED = 4
_ALIKE = 0.79


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a request between punctuation, as words.

    Attributes:
        words: lower case, mended; every Chinese sign is a word.
        text: as it was written, in lower case.
    """

    words: tuple[str, ...]
    text: str

    def find(self, phrase: str, begin: int = 0) -> int:
        """Where a phrase begins, -1 if it is not there."""
        return _find(self.words, split(phrase), begin)

    def any_of(self, listed: Sequence[str]) -> str:
        """The first phrase of a list that is there; empty if none is."""
        return next((phrase for phrase in listed if self.find(phrase) >= 0), "")


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request.

    Attributes:
        text: normalised, in lower case, with its punctuation.
        mended: misspelt words and what they were taken for.
    """

    text: str
    clauses: tuple[Clause, ...]
    mended: Mapping[str, str]

    def has(self, listed: Sequence[str]) -> str:
        """The first phrase of a list that some clause holds; empty if none does."""
        return next(iter(self.all_of(listed)), "")

    def all_of(self, listed: Sequence[str]) -> Iterator[str]:
        """Every phrase of a list that some clause holds."""
        for phrase in listed:
            if any(clause.find(phrase) >= 0 for clause in self.clauses):
                yield phrase


def read(request: str) -> Request:
    """Cut a request into clauses of words."""
    text = unicodedata.normalize("NFKC", request[:LONGEST_REQUEST]).lower().replace("’", "'")
    mended: dict[str, str] = {}
    clauses = []
    for part in _CLAUSE.split(text):
        words = tuple(_mend(word, mended) for word in split(part))
        if words:
            clauses.append(Clause(words, part))
    return Request(text, tuple(clauses), mended)


@functools.lru_cache(maxsize=4096)
def split(text: str) -> tuple[str, ...]:
    """The words of a text; a full stop behind a word is no part of it."""
    return tuple(word.rstrip(".'") if word not in "|&;`" else word for word in _TOKEN.findall(text.lower()))


def _find(words: Sequence[str], wanted: Sequence[str], begin: int = 0) -> int:
    if not wanted:
        return -1
    for index in range(begin, len(words) - len(wanted) + 1):
        if all(map(_same, words[index : index + len(wanted)], wanted)):
            return index
    return -1


def _same(word: str, wanted: str) -> bool:
    return word == wanted or (len(word) > 3 and word in (f"{wanted}s", f"{wanted}'s"))


def _mend(word: str, mended: dict[str, str]) -> str:
    if len(word) < _SHORTEST_MENDED or not word.isalpha() or _CHINESE.match(word):
        return word
    known = _known()
    if word in known or word in common_words() or word.removesuffix("s") in known:
        return word
    right = _nearest(word)
    if right:
        mended[word] = right
    return right or word


@functools.lru_cache(maxsize=1024)
def _nearest(word: str) -> str:
    # The first letter is hardly ever the wrong one, and a common word that looks alike is meant.
    near = [
        known
        for known in _known()
        if known[0] == word[0] and abs(len(known) - len(word)) <= 3 and len(known) > _SHORTEST_MENDED
    ]
    found = difflib.get_close_matches(word, near, n=1, cutoff=_ALIKE)
    if not found or difflib.get_close_matches(word, [*common_words(), found[0]], n=1, cutoff=0.9)[:1] not in (
        [],
        found,
    ):
        return ""
    return found[0]


@functools.cache
def _known() -> frozenset[str]:
    """Single words of the vocabulary."""
    return frozenset(
        word
        for phrase in phrases()
        for word in split(phrase)
        if len(word) >= _SHORTEST_MENDED and word.isalpha() and word.isascii()
    ) | {"touch", "change"}
