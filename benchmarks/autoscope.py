"""Whether AutoScope learns contexts as well as tuners that are told them, and what one of its rounds costs.

    python benchmarks/autoscope.py [--seeds 10] [--rounds 4000]

Reward is base * exp(-loss), with an optimum of its own in each context (or in each range of a number), a
base that differs by up to a factor of 2 between contexts, and 3 % noise. Every learner sees the same contexts
in the same order. Figures are mean noise-free rewards over the last quarter of the rounds, relative to
separate tuners, one for each context, that are told which it is: mean over the seeds, the worst in brackets.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance
from oppertune.algorithms.autoscope import AutoScope, AutoScopeFeature
from oppertune.algorithms.base import Algorithm
from oppertune.core.encoding import to_unit
from oppertune.core.values import Categorical, Parameter, Real

NUMBERS: tuple[Parameter, ...] = tuple(Real(f"x{i}", val=0.3, min=0.0, max=1.0) for i in range(5))
CATEGORIES: tuple[Parameter, ...] = tuple(
    Categorical(f"c{i}", val="a", categories=("a", "b", "c")) for i in range(3)
)
MIXED: tuple[Parameter, ...] = (*NUMBERS[:3], *CATEGORIES[:2])

Context = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        name: what it is called.
        parameters: what is tuned.
        leaf: the algorithm of every learner in this row.
        leaf_args: its arguments.
        features: of the contexts.
        contexts: what may come; separate tuners are told the index.
        sample: the context of one round, from its index and a generator.
    """

    name: str
    parameters: tuple[Parameter, ...]
    leaf: str
    leaf_args: dict[str, Any]
    features: tuple[AutoScopeFeature, ...]
    contexts: tuple[Context, ...]
    sample: Callable[[Context, np.random.Generator], Context] = lambda context, rng: context


def product_case(name: str, kinds: Sequence[int], **rest: Any) -> Case:
    """Contexts that are all combinations of features with so many values each."""
    features = tuple(
        AutoScopeFeature(f"f{i}", values=tuple(f"v{k}" for k in range(count)))
        for i, count in enumerate(kinds)
    )
    combinations = itertools.product(*(feature.values or () for feature in features))
    contexts = tuple({f.name: v for f, v in zip(features, values, strict=True)} for values in combinations)
    return Case(name, features=features, contexts=contexts, **rest)


def ranges_case(name: str, count: int, **rest: Any) -> Case:
    """A number in [0, 100), whose range falls into equal parts, beside one that means nothing."""
    width = 100 / count

    def sample(context: Context, rng: np.random.Generator) -> Context:
        return {"load": round(width * (context["part"] + rng.random()), 2), "noise": float(rng.random())}

    contexts = tuple({"part": i} for i in range(count))
    return Case(
        name,
        features=(AutoScopeFeature("load"), AutoScopeFeature("noise")),
        contexts=contexts,
        sample=sample,
        **rest,
    )


TWO_POINT = {"feedback": 2, "eta": 0.01, "delta": 0.1}
HYBRID = {
    "categorical_algorithm": "exponential_weights_slates",
    "numerical_algorithm": "bluefin",
    "numerical_algorithm_args": TWO_POINT,
}
BLUEFIN: dict[str, Any] = {"parameters": NUMBERS, "leaf": "bluefin", "leaf_args": TWO_POINT}
ONE_POINT: dict[str, Any] = {"parameters": NUMBERS, "leaf": "bluefin", "leaf_args": {"feedback": 1}}
SLATES: dict[str, Any] = {"parameters": CATEGORIES, "leaf": "exponential_weights_slates", "leaf_args": {}}
BOTH: dict[str, Any] = {"parameters": MIXED, "leaf": "hybrid_solver", "leaf_args": HYBRID}

REQUIRED = (
    product_case("8 kinds; numbers", (8,), **BLUEFIN),
    product_case("2 x 2 x 2 kinds; numbers", (2, 2, 2), **BLUEFIN),
    product_case("2 x 4 kinds; numbers, one-point", (2, 4), **ONE_POINT),
    product_case("8 kinds; categories", (8,), **SLATES),
    product_case("2 x 4 kinds; categories", (2, 4), **SLATES),
    product_case("8 kinds; numbers and categories", (8,), **BOTH),
)
BEYOND = (
    product_case("3 x 3 kinds; numbers", (3, 3), **BLUEFIN),
    product_case("3 x 3 x 3 kinds; numbers", (3, 3, 3), **BLUEFIN),
    ranges_case("load in 2 ranges; numbers", 2, **BLUEFIN),
    ranges_case("load in 4 ranges; numbers", 4, **BLUEFIN),
    ranges_case("load in 4 ranges; both", 4, **BOTH),
)


class World:
    """What one case earns, with one seed: optimum and base by context."""

    def __init__(self, case: Case, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        n, d = len(case.contexts), len(case.parameters)
        common = rng.uniform(0.35, 0.75, d)
        moved = rng.uniform(-0.35, 0.35, (n, d)) * (rng.random((n, d)) < 0.7)
        self.best = np.clip(common + moved, 0.1, 0.9)
        self.base = rng.uniform(1.0, 2.0, n)
        self.weights = rng.permutation(1.0 / (1.0 + np.arange(d)) ** 0.7)
        self.categories = [
            [str(rng.choice(p.categories)) if isinstance(p, Categorical) else "" for p in case.parameters]
            for _ in range(n)
        ]
        self.parameters = case.parameters

    def reward(self, context: int, prediction: Mapping[str, Any]) -> float:
        """The truth, free of noise."""
        loss = 0.0
        for i, p in enumerate(self.parameters):
            value = prediction[p.name]
            if isinstance(p, Categorical):
                loss += 0.3 * (value != self.categories[context][i])
            else:
                loss += 4.0 * float(self.weights[i]) * (to_unit(p, value) - float(self.best[context, i])) ** 2
        return float(self.base[context]) * math.exp(-loss)


def shared(case: Case, seed: int) -> tuple[Algorithm, ...]:
    return (create_tuning_instance(case.leaf, case.parameters, case.leaf_args, random_seed=seed),)


def separate(case: Case, seed: int) -> tuple[Algorithm, ...]:
    return tuple(
        create_tuning_instance(case.leaf, case.parameters, case.leaf_args, random_seed=1000 * seed + i)
        for i in range(len(case.contexts))
    )


def autoscope(case: Case, seed: int) -> tuple[Algorithm, ...]:
    return (AutoScope(case.parameters, case.features, case.leaf, case.leaf_args, height=3, random_seed=seed),)


def published(case: Case, seed: int) -> tuple[Algorithm, ...]:
    return (
        AutoScope(
            case.parameters, case.features, case.leaf, case.leaf_args, height=3, eta=0.001, random_seed=seed,
            initial_predicates="random", standardize_features=case.name.startswith("load"),
        ),
    )  # fmt: skip


LEARNERS: dict[str, Callable[[Case, int], tuple[Algorithm, ...]]] = {
    "separate": separate,
    "AutoScope": autoscope,
    "published": published,
    "shared": shared,
}


def last_quarter(
    case: Case, seed: int, make: Callable[[Case, int], tuple[Algorithm, ...]], rounds: int
) -> float:
    """Mean noise-free reward of one learner over the last quarter."""
    world = World(case, seed)
    rng = np.random.default_rng([seed, 2])
    learners = make(case, seed)
    earned = []
    for t in range(rounds):
        which = int(rng.integers(len(case.contexts)))
        data = case.sample(case.contexts[which], rng)
        learner = learners[which if len(learners) > 1 else 0]
        told = data if isinstance(learner, AutoScope) else None
        prediction, request_id = learner.predict(told)
        truth = world.reward(which, prediction)
        learner.set_reward(truth * (1.0 + 0.03 * float(rng.normal())), request_id=request_id)
        if 4 * t >= 3 * rounds:
            earned.append(truth)
    return statistics.fmean(earned)


def table(cases: Sequence[Case], seeds: int, rounds: int) -> None:
    others = [name for name in LEARNERS if name != "separate"]
    print("| context; parameters | separate | " + " | ".join(others) + " |")
    print("|---|---|" + "---|" * len(others))
    for case in cases:
        results = {
            name: [last_quarter(case, seed, make, rounds) for seed in range(seeds)]
            for name, make in LEARNERS.items()
        }
        base = results["separate"]
        cells = [f"{statistics.fmean(base):.3f}"]
        for name in others:
            ratios = [got / told for got, told in zip(results[name], base, strict=True)]
            cells.append(
                f"{statistics.fmean(results[name]) / statistics.fmean(base):.1%} ({min(ratios):.1%})"
            )
        print(f"| {case.name} | " + " | ".join(cells) + " |", flush=True)


def median_ns(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        action()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def speed(repeats: int = 4000) -> None:
    """Medians of one round of AutoScope, height 3, beside a draw of five normal numbers."""
    draws = np.random.default_rng(0)
    case = REQUIRED[0]
    algorithms: dict[str, tuple[AutoScope, Callable[[], Context]]] = {}
    kinds = iter(itertools.cycle(case.contexts))
    for name, make in (("AutoScope", autoscope), ("published", published)):
        (made,) = make(case, 0)
        assert isinstance(made, AutoScope)
        algorithms[f"{name}, 8 kinds"] = (made, lambda: dict(next(kinds)))
    numbers = ranges_case("", 4, **BLUEFIN)
    (made,) = autoscope(numbers, 0)
    assert isinstance(made, AutoScope)
    rng = np.random.default_rng(0)
    algorithms["AutoScope, two numbers"] = (
        made,
        lambda: numbers.sample(numbers.contexts[int(rng.integers(4))], rng),
    )
    print("\n| predict + set_reward, height 3 | median, us | normal draws | 99 %, us |")
    print("|---|---|---|---|")
    for name, (algorithm, context) in algorithms.items():
        times, references = [], []
        for _ in range(repeats):
            data = context()
            start = time.perf_counter_ns()
            _, request_id = algorithm.predict(data)
            algorithm.set_reward(1.0 + 0.1 * draws.random(), request_id=request_id)
            times.append(time.perf_counter_ns() - start)
            references.append(median_ns(lambda: draws.normal(size=5), 3))
        middle, high = statistics.median(times), statistics.quantiles(times, n=100)[98]
        multiple = middle / statistics.median(references)
        print(f"| {name} | {middle / 1e3:.1f} | {multiple:.0f} | {high / 1e3:.1f} |")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=4000)
    options = parser.parse_args()
    print(f"{options.seeds} seeds, {options.rounds} rounds, height 3\n")
    print("As many contexts as scopes:\n")
    table(REQUIRED, options.seeds, options.rounds)
    print("\nMore contexts than scopes, or numbers:\n")
    table(BEYOND, options.seeds, options.rounds)
    speed()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
