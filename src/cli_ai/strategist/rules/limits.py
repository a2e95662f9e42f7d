"""Finds what a request allows and forbids: time, trials, latency, restarts, knobs that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cli_ai.strategist.rules.knob_names import named_knobs
from cli_ai.strategist.rules.vocabulary import section
from cli_ai.strategist.rules.words import Clause, Request, split


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """A latency that no kept configuration may exceed."""

    quantile: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request allows.

    Attributes:
        untouched: patterns of knobs that stay as they are.
        only: patterns of the only knobs that may change; empty for any.
        minutes: for the whole run, proof included; None where no time is named.
        trials: at most so many.
        restart: whether services may be restarted: True, False, or None where the words say nothing.
        latency: a bound on what the benchmark reports.
        max_regression: percent by which a trial may be worse than the baseline.
    """

    untouched: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    minutes: float | None = None
    trials: int | None = None
    restart: bool | None = None
    latency: LatencyLimit | None = None
    max_regression: float | None = None

    def allows(self, knob: str) -> bool:
        """Whether a knob may be tuned under these limits."""
        if any(fnmatchcase(knob, pattern) for pattern in self.untouched):
            return False
        return not self.only or any(fnmatchcase(knob, pattern) for pattern in self.only)


_NUMBER = r"(\d+(?:\.\d+)?)"
_HOURS = re.compile(rf"(?<![a-z0-9_.]){_NUMBER}\s*-?(?:hours?|hrs?|h\b|个?小时)")
_MINUTES = re.compile(rf"(?<![a-z0-9_.]){_NUMBER}\s*-?(?:minutes?|mins?\b|min\b|分钟)")
_SECONDS = re.compile(
    rf"(?:within|at most|max(?:imum)?|for|最多|不超过)\s*{_NUMBER}\s*-?(?:seconds?|secs?\b|s\b|秒)"
)
_HALF = re.compile(r"half an hour|half hour|半个?小时")
_HOUR = re.compile(r"\ban hour\b|\bone hour\b|一个?小时")
_QUARTER = re.compile(r"quarter of an hour|一刻钟")
_HABIT = re.compile(r"(?:every|each|takes?|took|after|per|last|每|花了?)\s*$")
_TRIALS = re.compile(
    r"(?<![a-z0-9_.])(\d+)\s*(?:trials?|runs?|experiments?|tries|attempts?|iterations?|次|轮|组)"
)
_UNITS = {
    "ms": 1e-3,
    "millisecond": 1e-3,
    "毫秒": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "microsecond": 1e-6,
}
_UNITS |= {"微秒": 1e-6, "s": 1.0, "sec": 1.0, "second": 1.0, "秒": 1.0}
_BELOW = (
    r"(?:under|below|less than|lower than|at most|within|no more than|not exceed|smaller than|<=?|≤|"
    r"低于|小于|不超过|不高于|控制在|以内|不能超过)"
)
_TIME_UNIT = r"(ms|milliseconds?|毫秒|[uµμ]s|microseconds?|微秒|seconds?|secs?|s\b|秒)"
_THRESHOLD = re.compile(rf"{_BELOW}\s*{_NUMBER}\s*{_TIME_UNIT}")
_QUANTILE = re.compile(
    r"\bp\s?(\d\d(?:\.\d+)?|999)\b|(\d\d(?:\.\d+)?)\s?(?:th|st|nd|rd)?\s?(?:percentile|百分位)"
)
_LATENCY_WORD = re.compile(r"latenc|response|p\s?\d\d|percentile|delay|延迟|响应|时延|百分位")
_REGRESSION = re.compile(
    rf"{_NUMBER}\s*(?:%|percent)\s*(?:slower|worse|below|regression|下降|更差|变慢)|(?:下降|变慢)不超过\s*{_NUMBER}\s*%"
)
_RESTART = ("restart", "restarts", "restarting", "restarted", "重启", "downtime", "停机")
_NEGATIVE = (
    "no", "not", "never", "without", "can't", "cannot", "don't", "dont", "mustn't", "forbidden", "avoid",
    "不", "别", "勿", "禁止", "无需", "不能", "不要",
)  # fmt: skip


def find_limits(request: Request) -> Limits:
    """Read every limit of a request."""
    untouched = [
        pattern for index in range(len(request.clauses)) for pattern in _untouched(request.clauses, index)
    ]
    only = [pattern for clause in request.clauses for pattern in _only(clause, request)]
    return Limits(
        untouched=tuple(dict.fromkeys(untouched)),
        only=tuple(dict.fromkeys(only)),
        minutes=_minutes(request.text),
        trials=_trials(request.text),
        restart=_restart(request),
        latency=latency_limit(request.text),
        max_regression=_regression(request.text),
    )


def latency_limit(text: str) -> LatencyLimit | None:
    """The bound on latency in a text, None without one; ``p99`` where no quantile is named."""
    for match in _THRESHOLD.finditer(text):
        around = text[max(0, match.start() - 60) : match.end() + 40]
        if not _LATENCY_WORD.search(around):
            continue
        unit = match[2] if match[2] in _UNITS else match[2].removesuffix("s")
        quantile = _QUANTILE.search(around)
        named = "" if quantile is None else (quantile[1] or quantile[2]).replace(".", "")
        return LatencyLimit(f"p{named}" if named else "p99", float(match[1]) * _UNITS[unit])
    return None


def without_latency_limit(text: str) -> str:
    """The text without its bound on latency, which is no objective."""
    match = _THRESHOLD.search(text)
    if match is None or latency_limit(text) is None:
        return text
    begin, end = max(0, match.start() - 60), match.end() + 40
    around = text[begin:end]
    for pattern in (
        _THRESHOLD,
        _QUANTILE,
        re.compile(r"latenc(?:y|ies)|response times?|延迟|响应时间|时延|percentile|百分位"),
    ):
        around = pattern.sub(" ", around)
    return text[:begin] + around + text[end:]


def _minutes(text: str) -> float | None:
    found = [float(m[1]) * 60 for m in _HOURS.finditer(text) if not _HABIT.search(text[: m.start()])]
    found += [float(m[1]) for m in _MINUTES.finditer(text) if not _HABIT.search(text[: m.start()])]
    found += [float(m[1]) / 60 for m in _SECONDS.finditer(text) if latency_limit(text) is None]
    for pattern, minutes in ((_HALF, 30.0), (_QUARTER, 15.0), (_HOUR, 60.0)):
        match = pattern.search(text)
        if match and not found and not _HABIT.search(text[: match.start()]):
            found.append(minutes)
    named = [minutes for minutes in found if minutes > 0]
    return min(named) if named else None


def _trials(text: str) -> int | None:
    found = [int(match[1]) for match in _TRIALS.finditer(text) if 0 < int(match[1]) <= 10_000]
    return min(found) if found else None


def _regression(text: str) -> float | None:
    match = _REGRESSION.search(text)
    percent = float(match[1] or match[2]) if match else 0.0
    return percent if 0 < percent < 100 else None


def _restart(request: Request) -> bool | None:
    if request.has(section("allow")["restart"]):
        return True
    for clause in request.clauses:
        if clause.any_of(_RESTART) and clause.any_of(_NEGATIVE):
            return False
    return None


# ---- which knobs -------------------------------------------------------------------------------------------


def _untouched(clauses: Sequence[Clause], index: int) -> Iterator[str]:
    clause = clauses[index]
    if clause.any_of(section("forbid")["after"]):
        # "memory settings (vm.*) are off limits": what is meant may stand a bracket earlier.
        for earlier in reversed(clauses[max(0, index - 2) : index + 1]):
            patterns = tuple(patterns_in(earlier, 0))
            yield from patterns
            if patterns:
                return
        return
    places = [
        clause.find(phrase) + len(split(phrase)) - 1
        for phrase in section("forbid")["before"]
        if clause.find(phrase) >= 0
    ]
    if places:
        yield from patterns_in(clause, min(places) + 1)


def _only(clause: Clause, request: Request) -> Iterator[str]:
    word = clause.any_of(section("forbid")["only"])
    if not word:
        return
    if word == "nothing else":
        for other in request.clauses:
            yield from (_pattern(name) for name in named_knobs(other))
        return
    place = clause.find(word) + len(split(word))
    near = Clause(clause.words[place : place + 6], clause.text)
    yield from patterns_in(near, 0)


def patterns_in(clause: Clause, begin: int) -> Iterator[str]:
    """Patterns of the knobs that a clause names from a word on, as groups, services or single knobs."""
    rest = Clause(clause.words[begin:], clause.text)
    for group in section("group").values():
        if rest.any_of(group["words"]):
            yield from group["patterns"]
    for name, service in section("service").items():
        place = next((rest.find(word) for word in service["words"] if rest.find(word) >= 0), -1)
        # "postgres settings" are knobs; "restart postgres" is not.
        if place >= 0 and rest.any_of(
            ("settings", "setting", "parameters", "config", "configuration", "参数", "配置")
        ):
            yield f"{name}.*"
    yield from (_pattern(name) for name in named_knobs(rest))


def _pattern(name: str) -> str:
    # A bracket in a name is a field, and would be a set in a pattern.
    return name.partition("[")[0] + "*" if "[" in name else name
