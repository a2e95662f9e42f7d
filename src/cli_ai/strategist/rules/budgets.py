"""How many trials of which length, within the time that is allowed, and what that can prove."""

from __future__ import annotations

from dataclasses import dataclass

from cli_ai.strategist.rules.benches import Bench
from cli_ai.strategist.rules.limits import Limits

TRIALS = 30
BASELINE = 3
_ROUNDS, _FEWEST_ROUNDS, _MOST_ROUNDS = 20, 6, 40
_WORTH_PROVING = 0.03
_FEWEST_TRIALS = 4
_SHORTEST_S = 2.0
_AROUND_S = 0.7
"""Writing, reading back and restoring around each run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will cost.

    Attributes:
        duration: seconds of one run where the benchmark takes a duration.
        minutes: for the trials alone, where time is limited.
        total_minutes: everything, baselines and proof included, at most.
        notes: where the words asked for more than fits.
    """

    trials: int
    rounds: int
    duration: float | None
    minutes: float | None
    total_minutes: float
    power: str
    notes: tuple[str, ...] = ()


def plan(bench: Bench, limits: Limits, *, maximize: bool) -> Plan:
    """Fit a run into what is allowed.

    Args:
        bench: what is run.
        limits: time and trials that the words allow.
        maximize: whether more of the metric is better.
    """
    # Imported on call: the power calculation brings numpy, which a refused request need not wait for.
    from tactician.power import provable, rounds_for

    trials = limits.trials or TRIALS
    rounds = max(
        _ROUNDS, min(_MOST_ROUNDS, rounds_for(bench.noise, _WORTH_PROVING, maximize=maximize) or _MOST_ROUNDS)
    )
    seconds = bench.seconds
    minutes: float | None = None
    notes: tuple[str, ...] = ()
    if limits.minutes is not None:
        seconds, rounds, minutes, notes = _within(bench, limits.minutes, trials, rounds)
    duration = None if bench.duration is None else _duration(bench, seconds)
    fixed = (BASELINE + 3 * rounds) * (seconds + _AROUND_S) / 60
    total = fixed + (minutes if minutes is not None else trials * (seconds + _AROUND_S) / 60)
    least = 100 * provable(bench.noise, rounds, maximize=maximize)
    proof = f"the proof of a {least:.2g} % improvement" if least < 1000 else "no proof, for want of rounds"
    power = (
        f"Assuming {100 * bench.noise:.2g} % noise (a guess for {bench.name}; measured at preflight), "
        f"{trials} trials of {seconds:.3g} s and {proof} in at most {rounds} rounds: about {_time(total)}."
    )
    return Plan(trials, rounds, duration, minutes, total, power, notes)


def _duration(bench: Bench, seconds: float) -> float:
    """What stands for ``{duration}``: whole where it was, since most tools take nothing else."""
    assert bench.duration is not None
    wanted = bench.duration - bench.seconds + seconds
    return float(max(1, int(wanted))) if float(bench.duration).is_integer() else max(1.0, round(wanted, 1))


def _within(
    bench: Bench, allowed: float, trials: int, rounds: int
) -> tuple[float, int, float, tuple[str, ...]]:
    """Shorten the proof first, then the runs, until both parts fit into the minutes that are allowed."""
    seconds = bench.seconds
    shortest = min(seconds, _SHORTEST_S) if bench.duration is not None else seconds
    while _fixed(rounds, seconds) > 0.5 * allowed and rounds > _FEWEST_ROUNDS:
        rounds -= 1
    while (
        _fixed(rounds, seconds) + _FEWEST_TRIALS * (seconds + _AROUND_S) / 60 > allowed and seconds > shortest
    ):
        seconds = max(shortest, seconds * 0.8)
    if bench.duration is not None:
        while _fixed(rounds, seconds) + trials * (seconds + _AROUND_S) / 60 > allowed and seconds > shortest:
            seconds = max(shortest, seconds * 0.9)
    left = max(allowed - _fixed(rounds, seconds), allowed * 0.2)
    fits = int(left * 60 // (seconds + _AROUND_S))
    notes: tuple[str, ...] = ()
    if bench.duration is None:
        notes = (f"{bench.name} does a fixed amount of work: how long that takes here is a guess.",)
    if fits < trials:
        notes = (
            *notes,
            f"In {allowed:g} minutes about {fits} of {trials} trials fit; the run ends with its time.",
        )
    return round(seconds, 1), rounds, round(left, 2), notes


def _fixed(rounds: int, seconds: float) -> float:
    return (BASELINE + 3 * rounds) * (seconds + _AROUND_S) / 60


def _time(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{60 * minutes:.0f} seconds"
