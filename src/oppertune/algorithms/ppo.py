"""Proximal policy optimisation, because many people ask for it by name; here the caller drives and the
learner waits.

Schulman et al., "Proximal policy optimization algorithms" (2017), equation numbers of that paper, with
generalised advantage estimation (Schulman et al., 2016) and the implementation choices of stable-baselines3.
``predict`` acts, ``set_reward`` stores the transition, and every ``n_steps`` rewarded transitions the policy
learns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from oppertune.algorithms._networks import MLP, Adam, Array, clip_by_global_norm
from oppertune.algorithms._policies import ActionHeads
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import to_unit
from oppertune.core.state import stateful
from oppertune.core.types import Context
from oppertune.core.values import Parameter
from oppertune.errors import InvalidArgumentError

_LARGEST_REWARD = 1e75  # squares of returns stay finite
_LARGEST_LOG_RATIO = 50.0


@stateful
class RunningNormaliser:
    """Mean and variance of the features seen so far (Welford, 1962), to measure features by."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.squares = np.zeros(size)

    def update(self, features: Array) -> None:
        """Take one row in, shape (size,)."""
        self.count += 1
        before = features - self.mean
        self.mean = self.mean + before / self.count
        self.squares = self.squares + before * (features - self.mean)

    def normalise(self, features: Array) -> Array:
        """The features in standard deviations from their mean, clipped to +-10, shape (size,)."""
        variance = self.squares / self.count if self.count > 1 else np.ones_like(self.mean)
        result: Array = np.clip((features - self.mean) / np.sqrt(variance + 1e-8), -10.0, 10.0)
        return result


def advantages(
    rewards: Array, values: Array, ends: Array, last_value: float, gamma: float, gae_lambda: float
) -> Array:
    """Generalised advantage estimation, shape (n,) like the first three arguments.

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lambda A_{t+1} (eqs. 11 and 12), both
    without what follows where an episode ends.

    Args:
        rewards: r_t.
        values: V(s_t) as estimated when acting.
        ends: whether the episode ended with step t.
        last_value: V of the state after the last step.
        gamma: discount.
        gae_lambda: lambda.
    """
    result = np.zeros(len(rewards))
    following, next_value = 0.0, last_value
    for t in reversed(range(len(rewards))):
        if ends[t]:
            following, next_value = 0.0, 0.0
        delta = rewards[t] + gamma * next_value - values[t]
        following = delta + gamma * gae_lambda * following
        result[t] = following
        next_value = values[t]
    return result


class PPO(Algorithm):
    """Clipped-surrogate policy gradient with a separate value network.

    The observation is the running-normalised context features, then the unit-encoded values of the
    configuration that was rewarded last; a new episode starts from the parameters' own values.

    Args:
        parameters: what to tune; numbers get a Gaussian each, categoricals a softmax.
        learning_rate: Adam's.
        n_steps: rewarded transitions per rollout.
        batch_size: transitions per gradient step; one batch where it exceeds ``n_steps``.
        n_epochs: passes over a rollout.
        gamma: discount per step.
        gae_lambda: lambda of generalised advantage estimation.
        clip_range: epsilon of eq. 7.
        ent_coef, vf_coef: c2 and c1 of eq. 9.
        max_grad_norm: gradients are clipped to this joint norm.
        normalize_advantage: standardise advantages within each batch.
        log_std_init: initial log standard deviation, in halves of each parameter's range.
        max_steps_per_episode: an episode ends after so many rewarded steps.
        net_arch: widths of the hidden layers.
        state_features: names of context features to observe. None takes those of the first context; a
            context that lacks one counts as 0 there. A text feature is observed as one number per text.
        start_at_default: begin around the parameters' own values rather than in the middle of the ranges.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        learning_rate: float = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float = 0.2,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        normalize_advantage: bool = True,
        log_std_init: float = 0.0,
        max_steps_per_episode: int = 50,
        net_arch: Sequence[int] = (64, 64),
        state_features: Iterable[str] | None = None,
        start_at_default: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        self.learning_rate = _positive("learning_rate", learning_rate)
        self.n_steps = _count("n_steps", n_steps)
        self.batch_size = _count("batch_size", batch_size)
        self.n_epochs = _count("n_epochs", n_epochs)
        self.gamma = _share("gamma", gamma)
        self.gae_lambda = _share("gae_lambda", gae_lambda)
        self.clip_range = _positive("clip_range", clip_range)
        self.ent_coef = float(ent_coef)
        self.vf_coef = float(vf_coef)
        self.max_grad_norm = _positive("max_grad_norm", max_grad_norm)
        self.normalize_advantage = bool(normalize_advantage)
        self.max_steps_per_episode = _count("max_steps_per_episode", max_steps_per_episode)
        self.net_arch = tuple(_count("net_arch", width) for width in net_arch)
        self.start_at_default = bool(start_at_default)
        self.state_features = None if state_features is None else tuple(state_features)
        seeds = np.random.SeedSequence(self._random_seed).spawn(3)
        self._initial_rng, self._rng, self._shuffle_rng = (np.random.default_rng(seed) for seed in seeds)
        self._heads = ActionHeads(self.params)
        self._log_std = np.full(self._heads.n_numbers, float(log_std_init))
        self._optimizer = Adam(self.learning_rate, eps=1e-5)
        self._features: RunningNormaliser | None = None
        self._steps: list[tuple[Array, Array, float, float, float, bool]] = []
        self._start = [to_unit(p, p.val) for p in self.params]
        self._previous = list(self._start)
        self._episode_steps = 0
        self._gradient_steps = 0
        self._rollouts = 0
        if self.state_features is not None:
            self._build()

    @property
    def gradient_steps(self) -> int:
        """Optimizer steps taken so far."""
        return self._gradient_steps

    @property
    def rollouts(self) -> int:
        """Full rollouts learnt from so far."""
        return self._rollouts

    def _build(self) -> None:
        """Make the networks, once it is known how many features there are."""
        size = len(self.state_features or ())
        self._features = RunningNormaliser(size)
        inputs = size + len(self.params)
        self._policy = MLP(self._initial_rng, (inputs, *self.net_arch, self._heads.n_outputs), 0.01)
        self._critic = MLP(self._initial_rng, (inputs, *self.net_arch, 1), 1.0)
        if self.start_at_default:
            self._policy.parameters[-1] += self._heads.default_bias()

    def _observed(self, context: Context) -> Array:
        """The context's features as numbers, shape (features,)."""
        data = context.data or {}
        return np.array(
            [_feature(data.get(name, 0.0)) for name in self.state_features or ()], dtype=np.float64
        )

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        if self._features is None:
            data = tuning_request.context.data or {}
            self.state_features = tuple(name for name, value in data.items() if _is_feature(value))
            self._build()
        features = self._observed(tuning_request.context)
        observation = self._observation(features)
        outputs = self._policy.forward(observation[None])[0]
        action = self._heads.sample(self._rng, outputs[0], self._log_std)
        log_prob = self._heads.evaluate(outputs, self._log_std, action[None]).log_prob[0]
        metadata = [features, observation, action, float(log_prob), self._value(observation)]
        return _PredictResponse(self._heads.values(action), metadata)

    def _observation(self, features: Array) -> Array:
        if self._features is None:
            return np.array(self._previous)
        return np.concatenate([self._features.normalise(features), self._previous])

    def _value(self, observation: Array) -> float:
        return float(self._critic.forward(observation[None])[0][0, 0])

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        features, observation, action, log_prob, value = tuning_request.metadata
        reward = min(max(tuning_request.reward or 0.0, -_LARGEST_REWARD), _LARGEST_REWARD)
        self._episode_steps += 1
        ended = self._episode_steps >= self.max_steps_per_episode
        # The action as it was drawn, with the probability it had then: what clipping, the grid and repairs
        # made of it belongs to the environment.
        self._steps.append((observation, action, log_prob, value, reward, ended))
        if self._features is not None:
            self._features.update(features)
        self._previous = [to_unit(p, tuning_request.prediction[p.name]) for p in self.params]
        if ended:
            self._previous = list(self._start)
            self._episode_steps = 0
        if len(self._steps) >= self.n_steps:
            # The next context is not known yet; the last one stands in for it in V of what follows.
            self._learn_rollout(0.0 if ended else self._value(self._observation(features)))
            self._steps = []

    def _learn_rollout(self, last_value: float) -> None:
        observations, actions = (np.array([step[i] for step in self._steps]) for i in (0, 1))
        log_probs, values, rewards = (np.array([step[i] for step in self._steps]) for i in (2, 3, 4))
        ends = np.array([step[5] for step in self._steps])
        advantage = advantages(rewards, values, ends, last_value, self.gamma, self.gae_lambda)
        returns = advantage + values
        for _ in range(self.n_epochs):
            order = self._shuffle_rng.permutation(len(rewards))
            for start in range(0, len(order), self.batch_size):
                at = order[start : start + self.batch_size]
                batch = observations[at], actions[at], log_probs[at], advantage[at], returns[at]
                _, gradients = self._loss(*batch)
                self._optimizer.step(self._weights(), clip_by_global_norm(gradients, self.max_grad_norm))
                self._gradient_steps += 1
        self._rollouts += 1

    def _weights(self) -> list[Array]:
        return [*self._policy.parameters, *self._critic.parameters, self._log_std]

    def _loss(
        self, observations: Array, actions: Array, old_log_probs: Array, advantage: Array, returns: Array
    ) -> tuple[float, list[Array]]:
        """The loss (eq. 9, its sign turned for descent) and its gradients, ordered as :meth:`_weights`."""
        n = len(observations)
        if self.normalize_advantage and n > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
        outputs, policy_inputs = self._policy.forward(observations)
        predicted, critic_inputs = self._critic.forward(observations)
        now = self._heads.evaluate(outputs, self._log_std, actions)
        # L^CLIP, eq. 7: min(ratio A, clip(ratio, 1 - eps, 1 + eps) A)
        ratio = np.exp(np.clip(now.log_prob - old_log_probs, -_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO))
        clipped = np.clip(ratio, 1.0 - self.clip_range, 1.0 + self.clip_range)
        surrogate = np.minimum(ratio * advantage, clipped * advantage)
        error = predicted[:, 0] - returns
        loss = -surrogate.mean() + self.vf_coef * (error * error).mean() - self.ent_coef * now.entropy.mean()
        # Where the clipped term is smaller it is constant, and nothing flows back.
        by_log_prob = np.where(ratio * advantage <= clipped * advantage, -ratio * advantage, 0.0) / n
        by_output = (
            by_log_prob[:, None] * now.log_prob_by_output - (self.ent_coef / n) * now.entropy_by_output
        )
        by_log_std = (by_log_prob[:, None] * now.log_prob_by_log_std).sum(axis=0) - self.ent_coef
        by_value = (2.0 * self.vf_coef / n) * error[:, None]
        gradients = self._policy.backward(policy_inputs, by_output)
        gradients += self._critic.backward(critic_inputs, by_value)
        return float(loss), [*gradients, by_log_std]

    def _get_state(self) -> dict[str, Any]:
        state = super()._get_state()
        del state["attributes"]["_heads"]  # follows from the parameters
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self._heads = ActionHeads(self.params)


def _is_feature(value: object) -> bool:
    return isinstance(value, int | float | str)


def _feature(value: object) -> float:
    """A number as it is, a text as a number in [-1, 1] that is its own, anything else as 0."""
    if isinstance(value, str):
        return crc32(value.encode()) / 0x7FFFFFFF - 1.0
    return min(max(float(value), -1e100), 1e100) if isinstance(value, int | float) else 0.0


def _positive(what: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise InvalidArgumentError(f"{what} must be positive, not {value}")
    return float(value)


def _share(what: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise InvalidArgumentError(f"{what} must lie in [0, 1], not {value}")
    return float(value)


def _count(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{what} must be a positive whole number, not {value!r}")
    return value
