"""An improvement is claimed only where an exact test allows it, and each reason to stop is a rule."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tactician import _intervals
from tactician.errors import MisuseError
from tactician.verification import (
    ARMS,
    Comparison,
    Decision,
    plan_looks,
    smallest_provable,
)

Run = Callable[[str], float | None]


def drive(comparison: Comparison, run: Run) -> Decision:
    while not comparison.decision.finished:
        comparison.add_round({arm: run(arm) for arm in comparison.next_order()})
    return comparison.decision


def noisy(seed: int, *, noise: float, gain: float = 1.0) -> Run:
    rng = np.random.default_rng(seed)
    return lambda arm: (
        100.0 * float(np.exp(noise * rng.standard_normal())) * (gain if arm == "candidate" else 1.0)
    )


def compare(
    run: Run, *, rounds: int = 20, maximize: bool = True, seed: int = 1, **options: float
) -> Decision:
    return drive(Comparison(rounds=rounds, maximize=maximize, random_seed=seed, **options), run)


def brute_force(values: np.ndarray) -> tuple[float, float]:
    """The definition itself: every relabelling of every round, each with scores computed anew."""

    def total(labelled: np.ndarray) -> int:
        distances = sorted(
            abs(a - b) for row in labelled.tolist() for a, b in itertools.combinations(row, 2) if a != b
        )
        width = _intervals.CLIP * distances[len(distances) // 2] if distances else math.inf
        first = 0
        for own, *others in labelled.tolist():
            clipped = sum(max(-1.0, min(1.0, (own - other) / width)) for other in others)
            first += round(clipped * _intervals.STEPS)
        return first

    observed = total(values)
    arms = values.shape[1]
    sums = []
    for choice in itertools.product(range(arms), repeat=len(values)):
        relabelled = values.copy()
        for row, chosen in enumerate(choice):
            relabelled[row, [0, chosen]] = relabelled[row, [chosen, 0]]
        sums.append(total(relabelled))
    return float(np.mean([s >= observed for s in sums])), float(np.mean([s <= observed for s in sums]))


class TestExactness:
    @pytest.mark.parametrize("arms", [2, 3])
    @pytest.mark.parametrize("seed", range(6))
    def test_p_values_equal_enumeration(self, arms: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        values = rng.standard_t(2, (4, arms))
        if seed % 2:
            values = np.round(values)  # with ties
        assert _intervals.p_values(values) == pytest.approx(brute_force(values), abs=1e-12)

    def test_over_all_relabellings_no_level_is_exceeded(self) -> None:
        values = np.random.default_rng(3).standard_cauchy((5, 3))
        found = []
        for choice in itertools.product(range(3), repeat=5):
            relabelled = values.copy()
            for row, chosen in enumerate(choice):
                relabelled[row, [0, chosen]] = relabelled[row, [chosen, 0]]
            found.append(_intervals.p_values(relabelled))
        for level in (3.0**-5, 0.01, 0.025, 0.1, 0.5):
            for side in (0, 1):
                assert np.mean([p[side] <= level + 1e-12 for p in found]) <= level + 1e-12

    def test_winning_every_round_has_the_smallest_p_value(self) -> None:
        values = np.random.default_rng(0).standard_normal((7, 3))
        values[:, 0] += 100.0
        assert _intervals.p_values(values) == pytest.approx((3.0**-7, 1.0))

    def test_one_sided_p_values_overlap_only_in_ties(self) -> None:
        greater, less = _intervals.p_values(np.random.default_rng(5).standard_normal((12, 3)))
        assert 1.0 <= greater + less < 1.1

    def test_nothing_varies(self) -> None:
        same = np.ones((6, 3))
        assert _intervals.p_values(same) == (1.0, 1.0)
        assert _intervals.interval(same, 0.025) == (0.0, 0.0)
        assert _intervals.estimate(same) == 0.0


class TestInversion:
    @pytest.mark.parametrize("seed", range(12))
    def test_with_the_clip_held_still_p_values_are_monotone(
        self, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = np.random.default_rng(seed).standard_t(2, (8, 3))
        width = _intervals.clip_width(values)
        monkeypatch.setattr(_intervals, "clip_width", lambda _: width)
        monkeypatch.setattr(_intervals, "STEPS", 4096)  # rounding would shift sums by single steps
        found = [_intervals.p_values(values, effect) for effect in np.linspace(-6.0, 6.0, 80)]
        assert all(b[0] >= a[0] - 1e-3 and b[1] <= a[1] + 1e-3 for a, b in itertools.pairwise(found))

    @pytest.mark.parametrize("seed", range(12))
    @pytest.mark.parametrize(("rounds", "level"), [(5, 3.0**-5 * 1.000001), (8, 0.01), (20, 0.008)])
    def test_ends_separate_what_is_rejected(self, seed: int, rounds: int, level: float) -> None:
        values = np.random.default_rng(seed).standard_t(2, (rounds, 3)) * 0.1
        limits = _intervals.interval(values, level)
        assert limits is not None
        low, high = limits
        assert low < _intervals.estimate(values) < high
        reach = _intervals.clip_width(values)
        assert _intervals.p_values(values, low)[0] <= level
        assert _intervals.p_values(values, high)[1] <= level
        for effect in np.linspace(low + 0.02 * reach, high - 0.02 * reach, 9):
            assert min(_intervals.p_values(values, float(effect))) > level
        for distance in (0.02, 0.1, 0.5, 2.0, 50.0, 1e4):
            assert _intervals.p_values(values, low - distance * reach)[0] <= level
            assert _intervals.p_values(values, high + distance * reach)[1] <= level

    def test_follows_a_shift_of_the_values(self) -> None:
        values = np.random.default_rng(2).standard_normal((10, 3))
        moved = values + np.array([5.0, 0.0, 0.0])
        before, after = _intervals.interval(values, 0.01), _intervals.interval(moved, 0.01)
        assert before is not None and after is not None
        assert np.subtract(after, before) == pytest.approx([5.0, 5.0], abs=0.02)

    def test_too_few_rounds_have_no_interval(self) -> None:
        assert _intervals.interval(np.random.default_rng(0).standard_normal((3, 3)), 0.025) is None

    def test_a_wild_run_moves_little(self) -> None:
        values = np.random.default_rng(4).standard_normal((12, 3)) * 0.03
        wild = values.copy()
        wild[3, 0] -= 50.0
        calm, disturbed = _intervals.interval(values, 0.0125), _intervals.interval(wild, 0.0125)
        assert calm is not None and disturbed is not None
        assert max(abs(a - b) for a, b in zip(calm, disturbed, strict=True)) < 0.03

    def test_is_fast(self) -> None:
        values = np.random.default_rng(4).standard_normal((20, 3))
        taken = []
        for _ in range(5):
            begin = time.process_time()
            _intervals.interval(values, 0.0077)
            taken.append(time.process_time() - begin)
        assert min(taken) < 0.05


class TestLooks:
    @pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
    @pytest.mark.parametrize("rounds", [1, 4, 5, 6, 7, 8, 12, 16, 20, 40, 100])
    def test_levels_use_one_sides_error_fully(self, rounds: int, confidence: float) -> None:
        looks = plan_looks(rounds, confidence)
        assert sum(look.level for look in looks) == pytest.approx((1.0 - confidence) / 2.0, abs=1e-12)
        assert looks[-1].rounds == rounds
        assert [look.rounds for look in looks] == sorted({look.rounds for look in looks})

    @pytest.mark.parametrize("rounds", [4, 5, 6, 8, 12, 20, 40])
    def test_every_look_can_decide(self, rounds: int) -> None:
        assert all(3.0**-look.rounds <= look.level for look in plan_looks(rounds))

    def test_plan_for_the_default(self) -> None:
        assert [look.rounds for look in plan_looks(20)] == [5, 8, 11, 15, 20]
        assert [look.rounds for look in plan_looks(12)] == [5, 8, 12]
        assert [look.rounds for look in plan_looks(5)] == [5]

    def test_between_looks_the_last_one_stands(self) -> None:
        comparison = Comparison(rounds=20, maximize=True, random_seed=1)
        run = noisy(2, noise=0.1)
        seen = [comparison.add_round({arm: run(arm) for arm in comparison.next_order()}) for _ in range(10)]
        assert [decision.rounds for decision in seen] == list(range(1, 11))
        assert all(decision.interval is None for decision in seen[:4])
        assert seen[4].interval == seen[5].interval == seen[6].interval != seen[7].interval
        assert not any(decision.finished for decision in seen)


class TestHonesty:
    def simulate(self, noise: Callable[[np.random.Generator], np.ndarray], rounds: int) -> tuple[int, int]:
        claims = missed = 0
        for number in range(100):
            rng = np.random.default_rng([rounds, number])
            series: Iterator[float] = iter(noise(rng).tolist())
            decision = compare(lambda _, series=series: next(series), rounds=rounds, seed=number)
            claims += decision.significant
            assert decision.interval is not None
            missed += not decision.interval[0] <= 0.0 <= decision.interval[1]
        return claims, missed

    @pytest.mark.parametrize("rounds", [5, 12])
    @pytest.mark.parametrize(
        "noise",
        [
            lambda rng: np.exp(0.04 * rng.standard_normal(60)),
            lambda rng: np.exp(0.03 * rng.standard_cauchy(60)),
            lambda rng: np.exp(np.cumsum(0.05 * rng.standard_normal(60))),
        ],
        ids=["Gaussian", "Cauchy", "random walk"],
    )
    def test_useless_candidates_are_not_claimed(
        self, noise: Callable[[np.random.Generator], np.ndarray], rounds: int
    ) -> None:
        claims, missed = self.simulate(noise, rounds)
        # 2.5 and 5 % nominal; binomial(100) exceeds these with chances of 0.3 and 0.4 %
        assert claims <= 7
        assert missed <= 11

    def test_a_true_gain_is_claimed(self) -> None:
        claims = covered = 0
        for number in range(60):
            decision = compare(noisy(number, noise=0.04, gain=1.1), rounds=12, seed=number)
            claims += decision.significant
            assert decision.interval is not None
            covered += decision.interval[0] <= 10.0 <= decision.interval[1]
        assert claims >= 54
        assert covered >= 53

    @pytest.mark.parametrize(("noise", "rounds"), [(0.02, 4), (0.04, 8), (0.10, 12), (0.04, 20)])
    def test_smallest_provable_is_claimed_in_four_of_five(self, noise: float, rounds: int) -> None:
        gain = 1.0 + smallest_provable(noise, rounds)
        claims = sum(
            compare(noisy(number, noise=noise, gain=gain), rounds=rounds, seed=number).significant
            for number in range(100)
        )
        assert 0.68 <= claims / 100 <= 0.94

    def test_smallest_provable_falls_with_rounds_and_grows_with_noise(self) -> None:
        assert smallest_provable(0.04, 20) < smallest_provable(0.04, 8) < smallest_provable(0.1, 8)
        assert smallest_provable(0.0, 8) == 0.0
        assert smallest_provable(0.04, 3) == math.inf


class TestStopRules:
    def test_better(self) -> None:
        decision = compare(noisy(1, noise=0.01, gain=1.3))
        assert decision.finished and decision.significant
        assert decision.rounds == 5
        assert "better" in decision.reason
        assert decision.interval is not None and 0.0 < decision.interval[0] < 30.0 < decision.interval[1]

    def test_worse(self) -> None:
        decision = compare(noisy(1, noise=0.01, gain=0.7))
        assert (decision.finished, decision.significant, decision.rounds) == (True, False, 5)
        assert "worse" in decision.reason
        assert decision.interval is not None and decision.interval[1] < 0.0

    def test_futile(self) -> None:
        decision = compare(noisy(1, noise=0.002))
        assert (decision.finished, decision.significant, decision.rounds) == (True, False, 5)
        assert "worth having" in decision.reason

    def test_what_is_worth_having_is_the_callers(self) -> None:
        assert compare(noisy(1, noise=0.05), min_effect=0.5).rounds == 5
        assert "no difference shown" in compare(noisy(1, noise=0.002), min_effect=0.0).reason

    def test_rounds_spent(self) -> None:
        decision = compare(noisy(3, noise=0.25))
        assert (decision.finished, decision.significant, decision.rounds) == (True, False, 20)
        assert "no difference shown" in decision.reason

    def test_identical_values_are_no_improvement(self) -> None:
        decision = compare(lambda _: 42.0)
        assert decision == Decision(True, False, 0.0, (0.0, 0.0), (0.0, 0.0), decision.reason, 5)

    def test_too_few_rounds_prove_nothing(self) -> None:
        decision = compare(noisy(1, noise=0.01, gain=60.0), rounds=3)
        assert (decision.finished, decision.significant, decision.interval) == (True, False, None)
        assert "too few" in decision.reason

    @pytest.mark.parametrize("rounds", [4, 5, 6, 8, 12])
    def test_small_caps_find_large_gains(self, rounds: int) -> None:
        decision = compare(noisy(1, noise=0.02, gain=1.5), rounds=rounds)
        assert decision.significant
        assert decision.rounds == min(rounds, 5)


class TestControl:
    def test_a_control_that_differs_takes_the_claim_back(self) -> None:
        factor = {"candidate": 1.5, "reference": 1.0, "control": 1.4}
        run = noisy(1, noise=0.01)
        decision = compare(lambda arm: (run("reference") or 0.0) * factor[arm])
        assert not decision.significant
        assert "control differs" in decision.reason
        assert decision.control_interval is not None and decision.control_interval[0] > 30.0

    def test_a_gain_within_the_control_spread_is_not_claimed(self) -> None:
        factor = {"candidate": 1.5, "reference": 1.0, "control": 1.45}
        run = noisy(1, noise=0.01)
        decision = compare(lambda arm: (run("reference") or 0.0) * factor[arm], rounds=5)
        assert not decision.significant
        assert "no larger than" in decision.reason

    def test_seldom_stops_an_honest_claim(self) -> None:
        decisions = [
            compare(noisy(number, noise=0.04, gain=1.08), seed=number, rounds=8) for number in range(100)
        ]
        assert sum("control" in decision.reason for decision in decisions) <= 5

    def test_reports_its_own_interval(self) -> None:
        decision = compare(noisy(8, noise=0.04, gain=1.3))
        assert decision.control_interval is not None
        assert decision.control_interval[0] < 0.0 < decision.control_interval[1]


class TestScale:
    @pytest.mark.parametrize("maximize", [True, False])
    def test_sixtyfold(self, maximize: bool) -> None:
        decision = compare(noisy(1, noise=0.1, gain=60.0 if maximize else 1 / 60.0), maximize=maximize)
        assert decision.significant and decision.rounds == 5
        assert decision.interval is not None
        assert decision.estimate == pytest.approx(5900.0 if maximize else 98.33, rel=0.2)
        assert decision.interval[0] < decision.estimate < decision.interval[1]

    def test_sixtyfold_worse_when_minimizing(self) -> None:
        decision = compare(noisy(1, noise=0.1, gain=60.0), maximize=False)
        assert not decision.significant
        assert decision.estimate == pytest.approx(-5900.0, rel=0.2)

    def test_half_as_long_is_fifty_percent(self) -> None:
        decision = compare(noisy(1, noise=0.01, gain=0.5), maximize=False)
        assert decision.significant
        assert decision.estimate == pytest.approx(50.0, abs=1.0)

    def test_the_units_size_does_not_matter(self) -> None:
        plain, run = noisy(1, noise=0.05, gain=1.1), noisy(1, noise=0.05, gain=1.1)
        large = compare(lambda arm: (run(arm) or 0.0) * 1e9)
        small = compare(plain)
        assert large.estimate == pytest.approx(small.estimate)
        assert large.interval == pytest.approx(small.interval)

    @pytest.mark.parametrize("maximize", [True, False])
    @pytest.mark.parametrize("values", [(1e300, 1e-300), (1e-300, 1e300), (-1e308, 1e308), (1e308, -1e308)])
    def test_nothing_is_infinite(self, maximize: bool, values: tuple[float, float]) -> None:
        decision = compare(lambda arm: values[0] if arm == "candidate" else values[1], maximize=maximize)
        text = json.dumps([decision.estimate, decision.interval, decision.control_interval], allow_nan=False)
        assert json.loads(text)

    def test_negative_metrics_compare_by_difference(self) -> None:
        rng = np.random.default_rng(1)
        decision = compare(lambda arm: (-5.0 if arm == "candidate" else -10.0) + 0.1 * rng.standard_normal())
        assert decision.significant
        assert decision.estimate == pytest.approx(50.0, abs=3.0)

    def test_zero_is_a_value_where_less_is_better(self) -> None:
        rng = np.random.default_rng(1)
        decision = compare(
            lambda arm: 0.0 if arm == "candidate" else 10.0 + rng.standard_normal(), maximize=False
        )
        assert decision.significant
        assert decision.estimate == pytest.approx(100.0, abs=8.0)

    def test_zero_is_a_failure_where_more_is_better(self) -> None:
        decision = compare(lambda arm: 0.0 if arm == "candidate" else 10.0)
        assert "unstable" in decision.reason

    def test_a_reference_of_zero_has_no_percentage(self) -> None:
        decision = compare(lambda arm: 1.0 if arm == "candidate" else 0.0, maximize=False)
        assert (decision.finished, decision.significant, decision.interval) == (True, False, None)
        assert "median is zero" in decision.reason


class TestFailures:
    def failing(self, arm: str, rounds: set[int], gain: float = 1.02) -> Run:
        values = noisy(1, noise=0.04, gain=gain)
        seen = dict.fromkeys(ARMS, 0)

        def run(name: str) -> float | None:
            seen[name] += 1
            return None if name == arm and seen[name] in rounds else values(name)

        return run

    @pytest.mark.parametrize("wrong", [None, math.nan, math.inf])
    def test_an_unstable_candidate_is_not_claimed(self, wrong: float | None) -> None:
        run = self.failing("candidate", {2, 4}, gain=1.5)
        decision = compare(lambda arm: wrong if (value := run(arm)) is None else value)
        assert (decision.finished, decision.significant, decision.rounds) == (True, False, 4)
        assert "unstable" in decision.reason

    @pytest.mark.parametrize("arm", ["reference", "control"])
    def test_the_third_lost_round_ends_it(self, arm: str) -> None:
        decision = compare(self.failing(arm, {1, 2, 6}))
        assert (decision.finished, decision.significant, decision.rounds) == (True, False, 6)
        assert "3 rounds of 6 lost" in decision.reason

    def test_lost_rounds_count_but_are_not_used(self) -> None:
        decision = compare(self.failing("candidate", {2}, gain=1.5))
        assert decision.significant
        assert decision.rounds == 6

    def test_a_cap_reached_with_lost_rounds_still_spends_everything(self) -> None:
        decision = compare(self.failing("reference", {2}, gain=1.5), rounds=5)
        assert decision.significant
        assert decision.rounds == 5

    def test_no_complete_round(self) -> None:
        decision = compare(lambda _: None, rounds=1)
        assert (decision.finished, decision.interval) == (True, None)
        assert "no round was complete" in decision.reason

    def test_the_rest_of_a_failed_round_need_not_run(self) -> None:
        comparison = Comparison(rounds=5, maximize=True, random_seed=1)
        comparison.next_order()
        assert comparison.add_round({"control": None}).rounds == 1


class TestOrderOfCalls:
    def test_the_seed_decides_the_orders(self) -> None:
        def orders(seed: int) -> list[tuple[str, ...]]:
            comparison = Comparison(rounds=20, maximize=True, random_seed=seed)
            drawn: list[tuple[str, ...]] = []
            run = noisy(1, noise=0.5)
            while not comparison.decision.finished:
                drawn.append(comparison.next_order())
                comparison.add_round({arm: run(arm) for arm in ARMS})
            return drawn

        assert orders(7) == orders(7) != orders(8)

    def test_the_same_data_give_the_same_decision(self) -> None:
        assert compare(noisy(5, noise=0.1, gain=1.05)) == compare(noisy(5, noise=0.1, gain=1.05))

    def test_all_orders_are_equally_likely(self) -> None:
        drawn = [Comparison(rounds=5, maximize=True, random_seed=seed).next_order() for seed in range(1200)]
        counts = [drawn.count(order) for order in itertools.permutations(ARMS)]
        assert min(counts) > 150 and max(counts) < 250

    def test_an_order_cannot_be_redrawn(self) -> None:
        comparison = Comparison(rounds=5, maximize=True, random_seed=1)
        assert len({comparison.next_order() for _ in range(50)}) == 1

    def test_a_round_needs_an_order(self) -> None:
        with pytest.raises(MisuseError, match="next_order"):
            Comparison(rounds=5, maximize=True, random_seed=1).add_round(dict.fromkeys(ARMS, 1.0))

    def test_a_round_needs_all_arms(self) -> None:
        comparison = Comparison(rounds=5, maximize=True, random_seed=1)
        comparison.next_order()
        with pytest.raises(MisuseError, match="control"):
            comparison.add_round({"candidate": 1.0, "reference": 1.0})

    def test_nothing_follows_the_end(self) -> None:
        comparison = Comparison(rounds=5, maximize=True, random_seed=1)
        drive(comparison, noisy(1, noise=0.1))
        with pytest.raises(MisuseError, match="finished"):
            comparison.next_order()

    @pytest.mark.parametrize("wrong", [{"rounds": 0}, {"confidence": 1.0}, {"min_effect": -0.1}])
    def test_impossible_arguments(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Comparison(**{"rounds": 5, "maximize": True, "random_seed": 1, **wrong})  # type: ignore[arg-type]
