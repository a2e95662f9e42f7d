"""AutoScope, because different circumstances want different configurations and nobody knows how many.

OPPerTune (NSDI 2024), section 5: a decision tree whose leaves are tuners of their own, and which learns from
their rewards which contexts belong together. Its predicates are straight-through binary units in the way of
Karthikeyan et al., "Learning accurate decision trees with bandit feedback via quantized gradient descent"
(2021); the binariser is that of Courbariaux et al. (2016) with the mean-absolute scale of XNOR-Net.

Random predicates merge contexts that have nothing in common, so by default the tree grows out of the contexts
that are seen (``_scopes``); ``initial_predicates="random"`` and ``internal_weights`` give the published tree.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from oppertune.algorithms._leaves import arguments_of_each, climber, copied, for_kinds, listening
from oppertune.algorithms._scope_features import AutoScopeFeature, FeatureEncoder, contexts_said, tree_rules
from oppertune.algorithms._scopes import Array, Features, Scopes
from oppertune.algorithms._soft_tree import SoftTree, predicate_optimizer, soft_rules
from oppertune.algorithms.all import get_algorithm_class
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import to_unit
from oppertune.core.requests import LAPSED
from oppertune.core.state import fingerprint
from oppertune.core.types import NO_CONTEXT, Context, ContextDataType
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidArgumentError, UnknownRequestError

__all__ = ("AutoScope", "AutoScopeFeature")

_HIGHEST = 12

_LISTED = 256
"""Up to so many contexts are listed one by one in rules."""


class AutoScope(Algorithm):
    """A tree over contexts with a tuner in each leaf.

    Args:
        parameters: what to tune.
        features: what is known of contexts, as :class:`AutoScopeFeature` or as dictionaries. A context may
            lack some, and may hold others, which are ignored.
        leaf_algorithm: name of the leaves' algorithm. One that takes numbers only becomes the numerical part
            of ``hybrid_solver`` where there are categories too, and gives way to
            ``exponential_weights_slates`` where there is nothing else.
        leaf_algorithm_args: arguments of the leaves, one mapping for all or a sequence with one for each.
            A leaf without a ``random_seed`` among them gets one derived from ``random_seed``.
        height: there are at most 2**height leaves. Where all features have values and there are no more
            contexts than leaves, each context is sure to get one of its own at once.
        eta: learning rate of the predicates of the published tree; that of leaves is one of their arguments.
        delta: passed on to leaves that take one and are given none.
        optimizer: ``rmsprop`` or ``sgd``, for the predicates of the published tree.
        optimizer_args: its arguments; ``lr`` or ``eta`` among them is its learning rate.
        internal_weights: W of the published tree at the start, shape (2**height - 1, inputs).
        fix_internal_weights: keep W and b as they are.
        initial_predicates: ``grown`` asks about one feature after the other as contexts come in;
            ``random`` is the published tree with W ~ U(-1/sqrt(n), 1/sqrt(n)) for n inputs.
        standardize_features: measure numbers by their running mean and deviation; by default only for grown
            predicates, on whose comparisons it has no effect.
        and_bias_is_learnable: False; the AND layer is fixed.
        over_param: None; there are no hidden layers before the predicates.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`. ``normalize_rewards`` is done by each
            leaf on its own, since contexts may differ in what can be earned at all.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class and the leaves.

    A reward whose context has moved to another leaf since the prediction is recorded but not learnt, since
    neither the old leaf nor the new one has made it its own.
    """

    class Meta:
        """Takes everything, in outside values, and contexts are its purpose."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        features: Iterable[AutoScopeFeature | Mapping[str, Any]],
        leaf_algorithm: str = "bluefin",
        leaf_algorithm_args: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        height: int = 3,
        and_bias_is_learnable: bool = False,
        over_param: None = None,
        eta: float = 0.01,
        delta: float | None = None,
        optimizer: str = "rmsprop",
        optimizer_args: Mapping[str, Any] | None = None,
        internal_weights: Sequence[Sequence[float]] | Array | None = None,
        fix_internal_weights: bool = False,
        random_seed: int | None = None,
        *,
        initial_predicates: str = "grown",
        standardize_features: bool | None = None,
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, random_seed=random_seed, **options)
        declared = tuple(AutoScopeFeature.of(feature) for feature in features)
        _check(declared, height, initial_predicates, and_bias_is_learnable, over_param)
        self.height = height
        self.eta = float(eta)
        self.delta = delta
        published = initial_predicates == "random" or internal_weights is not None
        standardise = not published if standardize_features is None else bool(standardize_features)
        self._inputs = FeatureEncoder(declared, standardise)
        self._tree: SoftTree | Scopes
        if published:
            step = None if fix_internal_weights else predicate_optimizer(optimizer, self.eta, optimizer_args)
            self._tree = SoftTree(self._first_weights(internal_weights), step)
        else:
            counts = [math.inf if f.values is None else len(f.values) for f in declared]
            self._tree = Scopes([f.is_number for f in declared], math.prod(counts), height)
        seeds = np.random.SeedSequence(random_seed).spawn(2**height)
        self._leaf_seeds = [int(seed.generate_state(1)[0]) for seed in seeds]
        self._leaf_recipe = self._recipe(leaf_algorithm, leaf_algorithm_args, normalize_rewards, options)
        self._leaves: list[Algorithm] = []
        self._add_leaves()

    def _first_weights(self, given: Sequence[Sequence[float]] | Array | None) -> Array:
        n, rows = self._inputs.size, 2**self.height - 1
        if given is None:
            bound = 1.0 / math.sqrt(n)
            return np.random.default_rng(self._random_seed).uniform(-bound, bound, size=(rows, n))
        weights = np.array(given, dtype=np.float64)
        if weights.shape != (rows, n) or not np.isfinite(weights).all():
            raise InvalidArgumentError(
                f"internal_weights must be finite and of shape {(rows, n)}, not {weights.shape}"
            )
        return weights

    def _recipe(
        self,
        name: str,
        args: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
        normalize_rewards: bool,
        options: Mapping[str, Any],
    ) -> tuple[str, list[dict[str, Any]]]:
        """The algorithm of the leaves, and the arguments of each."""
        each = arguments_of_each(args, len(self._leaf_seeds))
        cls = get_algorithm_class(name)
        if not cls._flags.supports_single_reward:
            raise InvalidArgumentError(f"{name!r} takes sequences of rewards and cannot be a leaf")
        if self.delta is not None and "delta" in inspect.signature(cls.__init__).parameters:
            each = [{"delta": self.delta, **one} for one in each]
        name, each = for_kinds(name, cls, each, self.params)
        own = {key: value for key, value in options.items() if key not in ("constraints", "conditions")}
        if normalize_rewards:
            own["normalize_rewards"] = True
        # What names a constant is left to the repair of the whole configuration.
        learnable = {p.name for p in self.params}
        if constraints := tuple(c for c in self.constraints if set(c.names) <= learnable):
            own["constraints"] = constraints
        conditions = {
            name: all_of
            for name, all_of in self._space.conditions.items()
            if {name, *(condition.name for condition in all_of)} <= learnable
        }
        if conditions:
            own["conditions"] = conditions
        return name, [
            {**own, "random_seed": seed, **one} for seed, one in zip(self._leaf_seeds, each, strict=True)
        ]

    def _add_leaves(self) -> None:
        """Make the leaves that lack: all of a published tree, else one for each scope and a spare."""
        if not self.params:
            return
        if isinstance(self._tree, SoftTree):
            wanted = self._tree.n_leaves
        else:
            wanted = self._tree.count + self._tree.keeps_spare
        while len(self._leaves) < wanted:
            self._leaves.append(self._fresh_leaf(len(self._leaves)))

    def _fresh_leaf(self, i: int) -> Algorithm:
        name, each = self._leaf_recipe
        return get_algorithm_class(name)(self.params, **each[i])

    @property
    def features(self) -> tuple[AutoScopeFeature, ...]:
        """What is known of contexts."""
        return self._inputs.features

    @property
    def leaves(self) -> tuple[Algorithm, ...]:
        """The tuners by the numbers that :meth:`rules` gives them; the last may still wait for its scope."""
        return tuple(self._leaves)

    @property
    def leaf_tuning_instances(self) -> tuple[Algorithm, ...]:
        """The same as :attr:`leaves`."""
        return self.leaves

    @property
    def internal_weights(self) -> Array | None:
        """A copy of W of the published tree, shape (2**height - 1, inputs); None for grown predicates."""
        return self._tree.weights.copy() if isinstance(self._tree, SoftTree) else None

    @property
    def internal_biases(self) -> Array | None:
        """A copy of b of the published tree, shape (2**height - 1,); None for grown predicates."""
        return self._tree.biases.copy() if isinstance(self._tree, SoftTree) else None

    def leaf_of(self, context: Context | ContextDataType | None) -> int:
        """The number of the leaf that a context belongs to now.

        Raises:
            InvalidContextError: the context holds a value that its feature cannot have.
        """
        with self._lock:
            return self._leaf_of(self._inputs.values(Context.of(context)))

    def forward(self, context: Context | ContextDataType | None) -> Array:
        """One for the leaf that a context belongs to and zero for the others, shape (2**height,)."""
        chosen = np.zeros(2**self.height)
        chosen[self.leaf_of(context)] = 1.0
        return chosen

    def _leaf_of(self, values: Features) -> int:
        if isinstance(self._tree, SoftTree):
            return self._tree.leaf(np.array(self._inputs.inputs(values)))
        return self._tree.of(values)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        number = self._leaf_of(self._inputs.values(tuning_request.context))
        self._close_stale_requests()
        leaf = self._leaves[number]
        context = tuning_request.context if leaf._flags.supports_context else NO_CONTEXT
        prediction, request_id = leaf.predict(context, tuning_request.predict_data, fresh=True)
        return _PredictResponse(prediction, (number, request_id))

    def _close_stale_requests(self) -> None:
        """Close the leaves' requests whose own request lapsed or was cleared, so that they are free again."""
        if sum(len(leaf._ledger) for leaf in self._leaves) <= len(self._ledger):
            return
        alive = {metadata[1] for metadata in self._open_metadata()}
        for leaf in self._leaves:
            for request in list(leaf._ledger):
                if request.id not in alive:
                    leaf._ledger.close(request, LAPSED)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        number, request_id = tuning_request.metadata
        values = self._inputs.values(tuning_request.context)
        leaf = self._leaves[number]
        if self._leaf_of(values) != number:
            with suppress(UnknownRequestError):
                leaf._ledger.close(leaf._ledger.get(request_id), LAPSED)
        elif isinstance(self._tree, SoftTree):
            self._descend(self._tree, values, number, tuning_request)
        else:
            self._teach(leaf, tuning_request)
        self._inputs.observe(values)
        if isinstance(self._tree, Scopes):
            self._grow(self._tree, values, tuning_request)

    @staticmethod
    def _teach(leaf: Algorithm, tuning_request: _TuningRequest) -> None:
        leaf.set_reward(
            tuning_request.reward,
            request_id=tuning_request.metadata[1],
            reward_data=tuning_request.reward_data,
        )

    def _descend(self, tree: SoftTree, values: Features, number: int, tuning_request: _TuningRequest) -> None:
        """Reward a leaf, and let its gradient say which leaf this context would rather have had."""
        tree.rounds[number] += 1
        leaf = self._leaves[number]
        part = None if tree.optimizer is None else climber(leaf)
        before = None if part is None else part.w_center
        with listening(part) as heard:
            self._teach(leaf, tuning_request)
        if heard is None or heard.gradient is None:
            return
        # Leaf i's output is its centre before the update, and only this leaf has moved.
        centers = [before if i == number else climber(other).w_center for i, other in enumerate(self._leaves)]
        # The loss is the reward turned round.
        tree.learn(np.array(self._inputs.inputs(values)), -(np.array(centers) @ np.array(heard.gradient)))

    def _grow(self, scopes: Scopes, values: Features, tuning_request: _TuningRequest) -> None:
        units = self._units(tuning_request.prediction) if scopes.wants_units else ()
        births = scopes.learn(values, units, tuning_request.reward or 0.0)
        for birth in births:
            if birth.parent is not None:
                # Copies come into being only where no spare leaf was kept ready.
                self._leaves.append(copied(self._leaves[birth.parent], self._leaf_seeds[birth.scope]))
        if births:
            self._add_leaves()

    def _units(self, prediction: Mapping[str, Value]) -> tuple[float, ...]:
        """Numbers in [0, 1] and categories one-hot, without the first of each."""
        units: list[float] = []
        for p in self.params:
            value = prediction[p.name]
            if isinstance(p, Categorical):
                units += [float(value == category) for category in p.categories[1:]]
            else:
                units.append(to_unit(p, value))
        return tuple(units)

    def recommend(self, context: Context | ContextDataType | None = None) -> dict[str, Value]:
        """The configuration to keep, for a context or, without one, over everything.

        Raises:
            InvalidContextError: the context holds a value that its feature cannot have.
        """
        if context is None or not self.params:
            return super().recommend()
        with self._lock:
            best = self._leaves[self.leaf_of(context)].recommend()
            full = {p.name: best.get(p.name, p.val) for p in self.parameters}
            return full if self._space.holds(full) else self._space.repair(full)

    def rules(self) -> str:
        """The learnt scopes, a line for each, as ``workload = heavy and load > 0.4 -> leaf 3 (120 rounds)``.

        Rounds are rewards since the scope came into being. A published tree is told by the contexts that its
        leaves hold now, or, where there are too many, by its predicates.
        """
        with self._lock:
            rounds = self._tree.rounds
            if isinstance(self._tree, SoftTree):
                found = self._soft_rules(self._tree)
            else:
                found = tree_rules(self._tree.root, self.features) if self._tree.count else []
            return "\n".join(f"{rule} -> leaf {leaf} ({rounds[leaf]} rounds)" for rule, leaf in found)

    def _soft_rules(self, tree: SoftTree) -> list[tuple[str, int]]:
        """By the contexts that there can be, where they are few, else by the predicates."""
        contexts = self._inputs.all_contexts(_LISTED)
        if not contexts:
            return soft_rules(tree, self._inputs.input_names)
        by_leaf: dict[int, list[Features]] = {}
        for values in contexts:
            by_leaf.setdefault(self._leaf_of(values), []).append(values)
        return [(contexts_said(self.features, by_leaf[leaf]), leaf) for leaf in sorted(by_leaf)]

    def learnt_fingerprint(self) -> str:
        """A digest of everything learnt, which predictions must leave as it is."""
        with self._lock:
            own = {name: vars(self)[name] for name in ("_tree", "_inputs", "_table", "_iteration")}
            return fingerprint({**own, "leaves": [leaf.learnt_fingerprint() for leaf in self._leaves]})

    def _get_state(self) -> dict[str, Any]:
        state = super()._get_state()
        # As files of their own: only a leaf's own class knows what its attributes may be.
        state["attributes"]["_leaves"] = [leaf.dumps() for leaf in self._leaves]
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        cls = get_algorithm_class(self._leaf_recipe[0])
        saved: Any = self._leaves
        self._leaves = [cls.loads(leaf) for leaf in saved]


def _check(
    features: Sequence[AutoScopeFeature],
    height: object,
    initial_predicates: str,
    and_bias_is_learnable: bool,
    over_param: object,
) -> None:
    if not features:
        raise InvalidArgumentError("AutoScope needs at least one feature of the context")
    if len({feature.name for feature in features}) != len(features):
        raise InvalidArgumentError("two features have the same name")
    if isinstance(height, bool) or not isinstance(height, int) or not 1 <= height <= _HIGHEST:
        raise InvalidArgumentError(f"height must be an int from 1 to {_HIGHEST}, not {height!r}")
    if initial_predicates not in ("grown", "random"):
        raise InvalidArgumentError(f"initial_predicates must be grown or random, not {initial_predicates!r}")
    if and_bias_is_learnable or over_param:
        raise InvalidArgumentError("the AND layer is fixed, and no hidden layers lie before the predicates")
