"""AutoScope: the published tree to the last digit, scopes that grow, and what it does with its leaves."""

from __future__ import annotations

import io
import itertools
import math
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.algorithms._scopes import Scopes, plan, round_between
from oppertune.algorithms._soft_tree import SoftTree, and_layer
from oppertune.algorithms.all import ALGORITHMS, create_tuning_instance, load_tuning_instance
from oppertune.algorithms.autoscope import AutoScope, AutoScopeFeature
from oppertune.algorithms.base import Algorithm, _PredictResponse
from oppertune.core.types import Context
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError, InvalidContextError, InvalidTypeError, UnknownRequestError
from oppertune.testing import contract

NUMBERS = (
    Integer("n", val=10, min=0, max=40),
    Real("x", val=0.3, min=-1.0, max=2.0),
    Integer("s", val=20, min=4, max=36, step=4),
)
CATEGORIES = (
    Categorical("mode", val="a", categories=("a", "b", "c")),
    Categorical("policy", val="on", categories=("on", "off")),
)
KINDS = tuple("01234567")
BY_KIND = (AutoScopeFeature("kind", values=KINDS),)
LOAD = (AutoScopeFeature("load"), AutoScopeFeature("phase", values=("day", "night")))
TWO_POINT = {"feedback": 2, "eta": 0.02, "delta": 0.1}


def told(algorithm, context, reward):
    """One round; the reward is a number or a function of the prediction."""
    prediction, request_id = algorithm.predict(context)
    algorithm.set_reward(reward(prediction) if callable(reward) else reward, request_id=request_id)
    return prediction


# The published tree, from the formulas.


def reward_of(prediction, features):
    target = {"n": 12 + 20 * features["load"], "x": 0.5 - features["load"], "s": 24}
    return 1.0 - sum(
        ((prediction[k] - target[k]) / width) ** 2 for k, width in (("n", 40), ("x", 3), ("s", 32))
    )


class PlainLeaf:
    """One- or two-point bandit gradient with RMSprop, straight from the formulas."""

    def __init__(self, seed, feedback, eta, delta):
        self.rng = np.random.default_rng(seed)
        self.feedback, self.eta, self.delta = feedback, eta, delta
        self.w = np.clip([10 / 40, 1.3 / 3, 4 / 8], delta, 1 - delta)
        self.s = np.zeros(3)
        self.plus = None
        self.turn()

    def turn(self):
        g = self.rng.normal(size=3)
        self.u = g / np.linalg.norm(g)

    def play(self):
        sign = 1 if self.plus is None else -1
        n, x, s = (self.w + sign * self.delta * self.u) * [40, 1, 8]
        return {"n": round(n), "x": x * 3 - 1, "s": 4 + 4 * round(s)}

    def learn(self, reward):
        """The gradient, or None after the first end of a pair."""
        if self.feedback == 2:
            if self.plus is None:
                self.plus = reward
                return None
            difference = (self.plus - reward) / max(abs(self.plus), abs(reward)) / 2
            self.plus = None
        else:
            difference = reward
        g = 3 * difference / self.delta * self.u
        self.s = 0.99 * self.s + 0.01 * g * g
        self.w = np.clip(self.w + self.eta * g / (np.sqrt(self.s) + 1e-8), self.delta, 1 - self.delta)
        self.turn()
        return g


def published(seeds, weights, height, eta, optimizer, feedback, fixed, contexts):
    """Predictions, chosen leaves, and W and b after each round."""
    leaves = [PlainLeaf(seed, feedback, 0.02, 0.1) for seed in seeds]
    w, b = np.array(weights, dtype=float), np.zeros(len(weights))
    sw, sb = np.zeros_like(w), np.zeros_like(b)
    signs = np.zeros((2**height, 2**height - 1))
    for level in range(height):
        for k in range(2**level):
            size = 2 ** (height - level)
            signs[k * size : k * size + size // 2, 2**level - 1 + k] = 1
            signs[k * size + size // 2 : (k + 1) * size, 2**level - 1 + k] = -1
    for features in contexts:
        x = np.array(
            [features["load"], features["phase"] == "day", features["phase"] == "night"], dtype=float
        )
        z = w @ x + b
        f = np.abs(z).mean()
        e = np.exp(signs @ (2 * f * (z >= 0) - f))
        p = e / e.sum()
        leaf = int(p.argmax())
        prediction = leaves[leaf].play()
        centers = np.array([one.w for one in leaves])
        g = leaves[leaf].learn(reward_of(prediction, features))
        if g is not None and not fixed:
            by_leaf = -(centers @ g)
            jacobian = np.diag(p) - np.outer(p, p)  # of the softmax
            by_z = 2 * (signs.T @ (jacobian @ by_leaf)) * (np.abs(z) <= 1)
            for parameter, square, gradient in ((w, sw, np.outer(by_z, x)), (b, sb, by_z)):
                if optimizer == "sgd":
                    parameter -= eta * gradient
                else:
                    square[...] = 0.99 * square + 0.01 * gradient**2
                    parameter -= eta * gradient / (np.sqrt(square) + 1e-8)
        yield prediction, leaf, w, b


@pytest.mark.parametrize("feedback", [1, 2])
@pytest.mark.parametrize(("optimizer", "eta"), [("rmsprop", 0.01), ("sgd", 0.003)])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_published_tree_is_that_of_the_formulas(feedback, optimizer, eta, fixed):
    rng = np.random.default_rng(3)
    weights = rng.uniform(-0.6, 0.6, (3, 3)).tolist()
    contexts = [
        {"load": round(float(rng.uniform(-1, 1)), 2), "phase": str(rng.choice(["day", "night"]))}
        for _ in range(400)
    ]
    seeds = (11, 12, 13, 14)
    algorithm = AutoScope(
        NUMBERS,
        LOAD,
        leaf_algorithm_args=[{"feedback": feedback, "eta": 0.02, "random_seed": seed} for seed in seeds],
        height=2,
        eta=eta,
        optimizer=optimizer,
        internal_weights=weights,
        fix_internal_weights=fixed,
    )
    reached = set()
    expected = published(seeds, weights, 2, eta, optimizer, feedback, fixed, contexts)
    for features, (prediction, leaf, w, b) in zip(contexts, expected, strict=True):
        assert algorithm.leaf_of(features) == leaf
        got = told(algorithm, features, lambda p, features=features: reward_of(p, features))
        assert (got["n"], got["s"]) == (prediction["n"], prediction["s"])
        assert got["x"] == pytest.approx(prediction["x"], rel=1e-9, abs=1e-9)
        # Where all centres are equal the gradient is zero but for rounding, which RMSprop divides by 1e-8.
        np.testing.assert_allclose(algorithm.internal_weights, w, rtol=1e-9, atol=3e-8)
        np.testing.assert_allclose(algorithm.internal_biases, b, rtol=1e-9, atol=3e-8)
        reached.add(leaf)
    assert len(reached) >= 3
    assert fixed == bool(np.array_equal(algorithm.internal_weights, weights))


def test_random_predicates_are_uniform():
    algorithm = AutoScope(NUMBERS, BY_KIND, height=5, random_seed=1, initial_predicates="random")
    weights = algorithm.internal_weights
    assert weights.shape == (31, 8)
    assert np.abs(weights).max() <= 1 / math.sqrt(8)
    assert weights.std() == pytest.approx(1 / math.sqrt(24), rel=0.15)
    assert not algorithm.internal_biases.any()
    again = AutoScope(NUMBERS, BY_KIND, height=5, random_seed=1, initial_predicates="random")
    np.testing.assert_array_equal(weights, again.internal_weights)


@pytest.mark.parametrize("height", [1, 2, 4])
def test_the_leaf_on_the_path_is_the_one_with_the_largest_activation(height):
    rng = np.random.default_rng(height)
    tree = SoftTree(rng.normal(size=(2**height - 1, 5)), None)
    tree.biases[:] = rng.normal(size=2**height - 1)
    for _ in range(200):
        x = rng.normal(size=5)
        z = tree.weights @ x + tree.biases
        f = np.abs(z).mean()
        assert tree.leaf(x) == int((and_layer(2**height) @ (2 * f * (z >= 0) - f)).argmax())


def test_nothing_is_learnt_where_the_context_has_moved_to_another_leaf():
    algorithm = AutoScope(
        NUMBERS,
        BY_KIND,
        height=1,
        optimizer="sgd",
        eta=0.5,
        internal_weights=[[0.05] * 8],
        leaf_algorithm_args=TWO_POINT,
        random_seed=0,
    )
    context = {"kind": "0"}
    late = algorithm.predict(context, fresh=True)
    for reward in itertools.count(1):
        before = algorithm.leaf_of(context)
        told(algorithm, {"kind": "0", "round": reward}, float(reward % 5))
        if algorithm.leaf_of(context) != before == 0:
            break
    learnt = algorithm.internal_weights, [leaf.iteration for leaf in algorithm.leaves]
    algorithm.set_reward(1.0, request_id=late.request_id)
    np.testing.assert_array_equal(algorithm.internal_weights, learnt[0])
    assert [leaf.iteration for leaf in algorithm.leaves] == learnt[1]
    assert algorithm.iteration == reward + 1


# Scopes that grow.


def quadratic(prediction, optimum):
    return 1.0 - (prediction["n"] / 40 - optimum) ** 2 - (prediction["x"] / 3 + 1 / 3 - optimum) ** 2


def test_as_many_contexts_as_scopes_are_separate_tuners_to_the_last_digit():
    """From the first round: each context meets a leaf that nobody else has taught."""
    seeds = list(range(20, 28))
    args = [{**TWO_POINT, "random_seed": seed} for seed in seeds]
    algorithm = AutoScope(NUMBERS, BY_KIND, leaf_algorithm_args=args, height=3)
    owners = {}
    rng = random.Random(1)
    for _ in range(600):
        kind = rng.choice(KINDS)
        if kind not in owners:
            owners[kind] = create_tuning_instance("bluefin", NUMBERS, args[len(owners)])
        reward = lambda p, kind=kind: quadratic(p, 0.2 + int(kind) / 12)  # noqa: E731
        assert told(algorithm, {"kind": kind}, reward) == told(owners[kind], None, reward)
    assert len(algorithm.leaves) == len(owners) == 8


CASES = [
    pytest.param(NUMBERS, "bluefin", TWO_POINT, id="numbers"),
    pytest.param(CATEGORIES, "exponential_weights_slates", {}, id="categories"),
]


@pytest.mark.parametrize(("parameters", "leaf", "args"), CASES)
def test_eight_contexts_are_learnt_as_well_as_by_separate_tuners(parameters, leaf, args):
    """And better than by one shared tuner; the contexts are combinations of three features."""
    features = [AutoScopeFeature(name, values=("lo", "hi")) for name in ("cpu", "net", "disk")]
    contexts = [
        dict(zip(("cpu", "net", "disk"), values, strict=True))
        for values in itertools.product(("lo", "hi"), repeat=3)
    ]
    rounds = 2400

    def reward(which, prediction):
        if "n" in prediction:
            return quadratic(prediction, (0.2, 0.8, 0.4, 0.6, 0.8, 0.2, 0.7, 0.3)[which])
        return (
            0.2
            + 0.5 * (prediction["mode"] == "abcabcab"[which])
            + 0.3 * (prediction["policy"] == ("on", "off")[which % 2])
        )

    def mean(make, is_told):
        algorithms = make()
        rng = random.Random(5)
        late = []
        for t in range(rounds):
            which = rng.randrange(8)
            algorithm = algorithms[which % len(algorithms)]
            prediction = told(
                algorithm, contexts[which] if is_told else None, lambda p, which=which: reward(which, p)
            )
            if 4 * t >= 3 * rounds:
                late.append(reward(which, prediction))
        return sum(late) / len(late)

    scoped = mean(lambda: [AutoScope(parameters, features, leaf, args, random_seed=1)], True)
    separate = mean(
        lambda: [create_tuning_instance(leaf, parameters, args, random_seed=i) for i in range(8)], False
    )
    shared = mean(lambda: [create_tuning_instance(leaf, parameters, args, random_seed=1)], False)
    assert scoped >= 0.95 * separate
    assert scoped > 1.05 * shared


@settings(max_examples=40, deadline=None)
@given(data=st.data(), height=st.integers(1, 4))
def test_a_plan_leads_every_context_to_its_own_scope(data, height):
    """Whatever the contexts are, as long as there are no more of them than scopes."""
    kind = st.sampled_from(["a", "b", "c", None])
    number = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([0.0, 0.5, 1.0]))
    contexts = data.draw(st.lists(st.tuples(kind, number, kind), min_size=1, max_size=2**height, unique=True))
    root = plan([(values, i) for i, values in enumerate(contexts)], (False, True, False), height)

    def depth(node):
        return 0 if isinstance(node, int) else 1 + max(depth(node.yes), depth(node.no))

    scopes = Scopes((False, True, False), 1, height)
    scopes.root = root
    assert [scopes.walk(values) for values in contexts] == list(range(len(contexts)))
    assert depth(root) <= height


@given(low=st.floats(-1e9, 1e9), high=st.floats(-1e9, 1e9))
def test_a_threshold_lies_between(low, high):
    if low < high:
        assert low <= round_between(low, high) < high
    assert round_between(0.3712, 0.4418) == 0.4
    assert round_between(119.0, 180.5) in (130.0, 140.0, 150.0, 100.0 + 50.0)


def test_a_threshold_is_found_and_said():
    """Only the load matters, and it matters at 40: the other feature is left alone."""
    rng = random.Random(2)
    algorithm = AutoScope(NUMBERS, LOAD, leaf_algorithm_args=TWO_POINT, height=2, random_seed=0)
    for _ in range(1500):
        load = rng.uniform(0, 100)
        context = {"load": load, "phase": rng.choice(("day", "night"))}
        told(algorithm, context, lambda p, load=load: quadratic(p, 0.2 if load <= 40 else 0.8))
    rules = algorithm.rules().splitlines()
    first = re.fullmatch(r"(?:.* and )?load > ([\d.]+)(?: and .*)? -> leaf \d \(\d+ rounds\)", rules[0])
    assert first, rules
    cuts = [float(cut) for cut in re.findall(r"load (?:<=|>) ([\d.]+)", algorithm.rules())]
    assert min(abs(cut - 40) for cut in cuts) < 6
    low, high = ({"load": load, "phase": "day"} for load in (10, 80))
    assert algorithm.leaf_of(low) != algorithm.leaf_of(high)
    assert algorithm.recommend(low)["n"] < 16 < 24 < algorithm.recommend(high)["n"]


def test_what_does_not_matter_makes_no_scopes():
    rng = random.Random(3)
    algorithm = AutoScope(NUMBERS, LOAD, leaf_algorithm_args=TWO_POINT, random_seed=0)
    for _ in range(600):
        context = {"load": rng.random(), "phase": rng.choice(("day", "night"))}
        # The level of the reward differs, what is best does not.
        level = 5.0 if context["phase"] == "day" else 0.0
        told(algorithm, context, lambda p, level=level: level + quadratic(p, 0.6) + rng.gauss(0, 0.03))
    assert algorithm.rules().count("\n") <= 1


def test_few_numbers_that_come_back_get_scopes_of_their_own():
    algorithm = AutoScope(NUMBERS, LOAD[:1], leaf_algorithm_args=TWO_POINT, height=2, random_seed=0)
    for i in range(80):
        told(algorithm, {"load": (1, 2, 8)[i % 3]}, 0.5)
    assert algorithm.rules().splitlines()[0].startswith("load")
    assert len({algorithm.leaf_of({"load": load}) for load in (1, 2, 8)}) == 3
    told(algorithm, {"load": 5}, 0.5)
    assert algorithm.leaf_of({"load": 5}) in {algorithm.leaf_of({"load": load}) for load in (1, 2, 8)}


def test_rules_are_said_as_people_would():
    features = [
        AutoScopeFeature("workload", values=("light", "heavy")),
        AutoScopeFeature("hour", values=("am", "pm")),
    ]
    algorithm = AutoScope(NUMBERS, features, height=2, random_seed=0)
    assert algorithm.rules() == ""
    for workload, hour in itertools.product(("light", "heavy"), ("am", "pm")):
        for _ in range(3):
            told(algorithm, {"workload": workload, "hour": hour}, 1.0)
    assert sorted(algorithm.rules().splitlines()) == [
        "workload = heavy and hour = am -> leaf 2 (3 rounds)",
        "workload = heavy and hour = pm -> leaf 3 (3 rounds)",
        "workload = light and hour = am -> leaf 0 (3 rounds)",
        "workload = light and hour = pm -> leaf 1 (3 rounds)",
    ]
    kinds = AutoScope(
        NUMBERS, BY_KIND, height=1, internal_weights=[[1, 1, 1, 1, -1, -1, -1, -1]], random_seed=0
    )
    assert kinds.rules().splitlines() == [
        "kind in {0, 1, 2, 3} -> leaf 0 (0 rounds)",
        "kind in {4, 5, 6, 7} -> leaf 1 (0 rounds)",
    ]
    linear = AutoScope(NUMBERS, LOAD, height=1, internal_weights=[[1, 0, -0.5]], random_seed=0)
    told(linear, {"load": 2.0, "phase": "night"}, 1.0)
    assert re.fullmatch(r"\+\S+ load \S+ \[phase = \w+\].* >= \S+ -> leaf 0 \(1 rounds\)", linear.rules())


# Leaves.


def test_kinds_of_parameters_choose_the_leaves():
    mixed = (*NUMBERS, *CATEGORIES)
    names = [
        type(AutoScope(parameters, BY_KIND, random_seed=0).leaves[0]).__name__
        for parameters in (NUMBERS, CATEGORIES, mixed)
    ]
    assert names == ["BlueFin", "ExponentialWeightsSlates", "HybridSolver"]
    hybrid = AutoScope(mixed, BY_KIND, leaf_algorithm_args={"delta": 0.2, "eta": 0.05}).leaves[0]
    assert (hybrid.numerical_tuning_instance.delta, hybrid.numerical_tuning_instance.eta) == (0.2, 0.05)
    with pytest.raises(InvalidTypeError):
        AutoScope(NUMBERS, BY_KIND, leaf_algorithm="exponential_weights")


def test_a_hybrid_leaf_teaches_the_published_tree():
    algorithm = AutoScope((*NUMBERS, *CATEGORIES), BY_KIND, random_seed=2, initial_predicates="random")
    before = algorithm.internal_weights
    for i in range(40):
        told(algorithm, {"kind": KINDS[i % 8]}, lambda p: quadratic(p, 0.7))
    assert not np.array_equal(before, algorithm.internal_weights)


@pytest.mark.parametrize("leaf", ["uniform_random", "identity", "ppo", "exponential_weights_slates"])
@pytest.mark.parametrize("predicates", ["grown", "random"])
def test_leaves_without_a_gradient(leaf, predicates):
    parameters = CATEGORIES if leaf == "exponential_weights_slates" else (*NUMBERS, *CATEGORIES)
    algorithm = AutoScope(parameters, BY_KIND, leaf, random_seed=2, initial_predicates=predicates)
    for i in range(24):
        told(algorithm, {"kind": KINDS[i % 8]}, 1.0)
    assert sum(one.iteration for one in algorithm.leaves) == algorithm.iteration == 24


def test_seeds_and_steps_of_the_leaves():
    def first(**args):
        algorithm = AutoScope(NUMBERS, BY_KIND, initial_predicates="random", height=2, **args)
        return [leaf.predict().prediction["x"] for leaf in algorithm.leaves], algorithm

    derived, algorithm = first(random_seed=3, delta=0.3)
    seeds = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(3).spawn(4)]
    assert {leaf.delta for leaf in algorithm.leaves} == {0.3}
    assert len(set(derived)) == 4
    alone = [
        create_tuning_instance("bluefin", NUMBERS, {"delta": 0.3}, random_seed=s).predict().prediction["x"]
        for s in seeds
    ]
    assert derived == alone
    same, _ = first(random_seed=3, leaf_algorithm_args={"random_seed": 8})
    assert len(set(same)) == 1
    own = {"delta": 0.2, "eta": 0.5}
    _, algorithm = first(delta=0.3, leaf_algorithm_args=[own, {}, {}, {}])
    assert [leaf.delta for leaf in algorithm.leaves] == [0.2, 0.3, 0.3, 0.3]
    assert algorithm.leaves[0].eta == 0.5


def test_many_requests_in_many_contexts_rewarded_in_any_order():
    """Every reward reaches the leaf that made the prediction, and no other."""
    algorithm = AutoScope(NUMBERS, BY_KIND, leaf_algorithm_args=TWO_POINT, random_seed=0)
    for kind in KINDS:
        told(algorithm, {"kind": kind}, 0.5)
    taught = dict.fromkeys(KINDS, 1)
    rng = random.Random(4)
    waiting = []
    for i in range(400):
        kind = rng.choice(KINDS)
        waiting.append((kind, algorithm.predict({"kind": kind, "client": i}, fresh=True).request_id))
        if len(waiting) > 60:
            rng.shuffle(waiting)
            kind, request_id = waiting.pop()
            algorithm.set_reward(rng.random(), request_id=request_id)
            taught[kind] += 1
    for kind, rounds in taught.items():
        leaf = algorithm.leaf_of({"kind": kind})
        assert f"kind = {kind} -> leaf {leaf} ({rounds} rounds)" in algorithm.rules()
        assert len(algorithm.leaves[leaf].get_tuning_requests()) == sum(k == kind for k, _ in waiting)


def test_requests_that_lapse_do_so_in_the_leaves_too():
    algorithm = AutoScope(NUMBERS, BY_KIND, random_seed=0, max_open_requests=3)
    for i in range(50):
        algorithm.predict({"kind": KINDS[i % 8]}, fresh=True)
    assert sum(len(leaf.get_tuning_requests()) for leaf in algorithm.leaves) <= 4
    for _ in range(50):
        algorithm.predict({"kind": "1"}, fresh=True)
        last = algorithm.predict({"kind": "1"}, fresh=True)
        algorithm.set_reward(1.0, Context({"kind": "1"}).id)
    with pytest.raises(UnknownRequestError):
        algorithm.set_reward(1.0, Context({"kind": "1"}).id)
    algorithm.predict({"kind": "1"})
    assert last.request_id and sum(len(leaf.get_tuning_requests()) for leaf in algorithm.leaves) <= 4


def test_two_new_contexts_at_once_share_no_leaf():
    algorithm = AutoScope(NUMBERS, BY_KIND, random_seed=0)
    one, two = (algorithm.predict({"kind": kind}) for kind in "01")
    algorithm.set_reward(1.0, request_id=two.request_id)
    algorithm.set_reward(1.0, request_id=one.request_id)
    assert algorithm.leaf_of({"kind": "0"}) != algorithm.leaf_of({"kind": "1"})


def test_rewards_are_normalised_in_each_leaf():
    algorithm = AutoScope(NUMBERS, BY_KIND, random_seed=0, normalize_rewards=True)
    scaled = AutoScope(NUMBERS, BY_KIND, random_seed=0, normalize_rewards=True)
    for i in range(80):
        kind = KINDS[i % 2]
        context, scale = {"kind": kind}, (1.0, 2.0**-10)[i % 2]
        first = told(algorithm, context, lambda p: quadratic(p, 0.7))
        second = told(scaled, context, lambda p, scale=scale: scale * quadratic(p, 0.7))
        assert first == second


# Contexts.


def test_standardised_numbers():
    def trained(**args):
        algorithm = AutoScope(
            NUMBERS,
            LOAD[:1],
            height=1,
            internal_weights=[[1.0]],
            fix_internal_weights=True,
            random_seed=0,
            **args,
        )
        for load in (1000.0, 1002.0, 998.0, 1001.0, 999.0):
            told(algorithm, {"load": load}, 1.0)
        return [algorithm.leaf_of({"load": load}) for load in (900.0, 999.0, 1001.0)]

    assert trained() == [0, 0, 0]
    assert trained(standardize_features=True) == [1, 1, 0]
    bounded = AutoScope(
        NUMBERS,
        [AutoScopeFeature("load", min=0, max=10)],
        height=1,
        internal_weights=[[1.0]],
        standardize_features=True,
    )
    assert [bounded.leaf_of({"load": load}) for load in (-5, 4.9, 5.1, 99)] == [1, 1, 0, 0]


def test_contexts_may_lack_features_and_hold_others():
    for predicates in ("grown", "random"):
        algorithm = AutoScope(NUMBERS, LOAD, random_seed=0, initial_predicates=predicates)
        for i in range(200):
            told(algorithm, (None, {}, {"load": i}, {"phase": "day", "other": "x"})[i % 4], i % 3)
        assert algorithm.rules()


@pytest.mark.parametrize("wrong", [{"load": "high"}, {"load": [1]}, {"phase": "noon"}, {"phase": 3}])
def test_values_that_a_feature_cannot_have(wrong):
    algorithm = AutoScope(NUMBERS, LOAD, random_seed=0)
    before = algorithm.learnt_fingerprint()
    with pytest.raises(InvalidContextError, match=next(iter(wrong))):
        algorithm.predict(wrong)
    assert algorithm.learnt_fingerprint() == before


def test_features_as_dictionaries():
    algorithm = AutoScope(
        NUMBERS, [{"name": "kind", "values": ["a", "b"]}, {"name": "load", "values": None}], random_seed=0
    )
    assert algorithm.features[0]["values"] == ("a", "b")
    assert [feature.is_number for feature in algorithm.features] == [False, True]
    assert algorithm.forward({"kind": "a", "load": 1}).tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"name": "", "values": ("a", "b")}, InvalidTypeError),
        ({"name": "k", "values": "ab"}, InvalidTypeError),
        ({"name": "k", "values": ("a",)}, InvalidArgumentError),
        ({"name": "k", "values": ("a", "a")}, InvalidArgumentError),
        ({"name": "k", "values": ("a", "b"), "min": 0}, InvalidArgumentError),
        ({"name": "k", "min": 2, "max": 1}, InvalidArgumentError),
        ({"name": "k", "min": math.nan}, InvalidArgumentError),
        ({"name": "k", "step": 1}, InvalidTypeError),
        ("kind", InvalidTypeError),
    ],
)
def test_features_that_cannot_be(wrong, error):
    with pytest.raises(error):
        AutoScope(NUMBERS, [wrong])


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": ()},
        {"features": (*BY_KIND, *BY_KIND)},
        {"height": 0},
        {"height": 13},
        {"height": 2.0},
        {"initial_predicates": "best"},
        {"and_bias_is_learnable": True},
        {"over_param": [1]},
        {"internal_weights": [[1.0] * 8]},
        {"internal_weights": [[math.nan] * 8] * 7},
        {"leaf_algorithm_args": [{}]},
        {"initial_predicates": "random", "optimizer": "adam"},
        {"initial_predicates": "random", "optimizer_args": {"beta": 1}},
        {"initial_predicates": "random", "eta": -1.0},
    ],
)
def test_options_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        AutoScope(NUMBERS, **{"features": BY_KIND, **wrong})


def test_the_optimizers_own_arguments():
    algorithm = AutoScope(
        NUMBERS, BY_KIND, initial_predicates="random", optimizer_args={"lr": 0.3, "momentum": 0.5}
    )
    assert algorithm._tree.optimizer.learning_rate == 0.3
    assert algorithm._tree.optimizer.momentum == 0.5


# What every algorithm must do.


@pytest.mark.parametrize("how", ["kinds", "load", "random", "hybrid"])
def test_saved_and_loaded_it_goes_on(how):
    parameters = (*NUMBERS, *CATEGORIES) if how == "hybrid" else NUMBERS
    features = LOAD if how == "load" else BY_KIND
    args = {"leaf_algorithm_args": TWO_POINT, "random_seed": 4}
    if how == "random":
        args |= {"initial_predicates": "random", "standardize_features": True}
    algorithm = AutoScope(parameters, features, **args)
    rng = random.Random(6)

    def rounds(one, count, rng):
        made = []
        for _ in range(count):
            load = rng.uniform(0, 100)
            context = {"load": load, "phase": "day", "kind": rng.choice(KINDS)}
            target = 0.2 if load < 50 else 0.8
            made.append(told(one, context, lambda p, target=target: quadratic(p, target)))
        return made

    rounds(algorithm, 400, rng)
    opened = [algorithm.predict({"load": 1.0, "kind": "3", "client": i}, fresh=True) for i in range(3)]
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = AutoScope.load(file)
    assert loaded.rules() == algorithm.rules()
    for one in (algorithm, loaded):
        for _, request_id in opened:
            one.set_reward(0.5, request_id=request_id)
    assert rounds(algorithm, 100, random.Random(7)) == rounds(loaded, 100, random.Random(7))
    assert loaded.learnt_fingerprint() == algorithm.learnt_fingerprint()


def test_loaded_by_name(tmp_path):
    algorithm = AutoScope(NUMBERS, BY_KIND, random_seed=0)
    told(algorithm, {"kind": "3"}, 1.0)
    algorithm.save(tmp_path / "state")
    assert load_tuning_instance(tmp_path / "state").rules() == algorithm.rules()


def test_loaded_by_another_process(tmp_path):
    algorithm = AutoScope(NUMBERS, BY_KIND, random_seed=0)
    told(algorithm, {"kind": "3"}, 1.0)
    algorithm.save(tmp_path / "state")
    program = (
        "import sys; from oppertune.algorithms.autoscope import AutoScope\n"
        "print(AutoScope.load(sys.argv[1]).rules())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "state")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == algorithm.rules()


class Echo(Algorithm):
    """Says the defaults, and keeps what it was told."""

    class Meta:
        requires_untransformed_parameters = True
        supports_context = True

    def _predict(self, tuning_request):
        self.asked = (tuning_request.context.data, tuning_request.predict_data)
        return _PredictResponse({p.name: p.val for p in self.params})

    def _set_reward(self, tuning_request):
        self.told = (tuning_request.reward, tuning_request.reward_data)


def test_leaves_hear_everything(monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "echo", Echo)
    algorithm = AutoScope(NUMBERS, BY_KIND, "echo")
    _, request_id = algorithm.predict({"kind": "1", "other": 2}, {"more": 3})
    algorithm.set_reward(-1.0, request_id=request_id, reward_data={"p99": 4})
    leaf = algorithm.leaves[0]
    assert leaf.asked == ({"kind": "1", "other": 2}, {"more": 3})
    assert leaf.told == (-1.0, {"p99": 4})


def test_no_leaf_may_want_sequences(monkeypatch):
    class Sequences(Echo):
        class Meta:
            supports_single_reward = False
            supports_sequence_of_rewards = True

    monkeypatch.setitem(ALGORITHMS, "sequences", Sequences)
    with pytest.raises(InvalidArgumentError, match="sequences"):
        AutoScope(NUMBERS, BY_KIND, "sequences")


def test_constants_and_constraints():
    parameters = (
        Integer("low", val=10, min=0, max=90, step=5),
        Integer("high", val=20, min=5, max=95, step=5),
        Integer("fixed", val=3, min=3, max=3),
        Categorical("only", val="a", categories=("a",)),
    )
    constraints = ("low < high", "fixed <= high")
    algorithm = AutoScope(parameters, BY_KIND, random_seed=0, constraints=constraints)
    for i in range(60):
        prediction = told(algorithm, {"kind": KINDS[i % 8]}, lambda p: p["low"] - p["high"])
        contract.check_prediction(parameters, constraints, prediction)
    contract.check_prediction(parameters, constraints, algorithm.recommend({"kind": "2"}))
    assert AutoScope(parameters[2:], BY_KIND).predict({"kind": "1"}).prediction == {"fixed": 3, "only": "a"}


class TestGrownScopes(contract.AlgorithmContract):
    """The laws, with contexts of numbers and names."""

    def make(self, parameters, **kwargs):
        features = [AutoScopeFeature("load"), AutoScopeFeature("time", values=("day", "night"))]
        return AutoScope(parameters, features, **kwargs)


class TestScopesAtOnce(contract.AlgorithmContract):
    """The laws, with two-point leaves and one scope for each context."""

    def make(self, parameters, **kwargs):
        hybrid = any(isinstance(p, Categorical) for p in parameters)
        args = {} if hybrid else {"feedback": 2}
        return AutoScope(
            parameters,
            [AutoScopeFeature("time", values=("day", "night"))],
            leaf_algorithm_args=args,
            **kwargs,
        )


class TestPublishedTree(contract.AlgorithmContract):
    """The laws, with random predicates."""

    def make(self, parameters, **kwargs):
        features = [AutoScopeFeature("load"), AutoScopeFeature("time", values=("day", "night"))]
        return AutoScope(parameters, features, initial_predicates="random", height=2, **kwargs)
