"""Proximal policy optimisation, because many people ask for it by name; here the caller drives and the
learner waits.

Schulman et al., "Proximal policy optimization algorithms" (2017), equation numbers of that paper, with
generalised advantage estimation (Schulman et al., 2016) and the implementation choices of stable-baselines3.

As published it learns after every ``n_steps`` real trials and needs thousands of them. So by default it
learns in a model of the rewards instead (:mod:`oppertune.algorithms._world_model`), which is fitted to the
trials as they come: after each of them the policy plays some imagined ones and learns from these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from oppertune.algorithms._arguments import count, positive, share
from oppertune.algorithms._networks import MLP, Adam, Array, clip_by_global_norm
from oppertune.algorithms._observations import (
    TEXT_COLUMNS,
    RunningNormaliser,
    feature_names,
    numbers_of,
    signs_of,
)
from oppertune.algorithms._pending import pending
from oppertune.algorithms._policies import ActionHeads
from oppertune.algorithms._proposals import proposals
from oppertune.algorithms._world_model import WorldModel
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import to_unit
from oppertune.core.rewards import RobustScaler
from oppertune.core.types import Context
from oppertune.core.values import Parameter, Value
from oppertune.models.contexts import ContextData
from oppertune.models.inputs import Inputs

__all__ = ("PPO", "RunningNormaliser", "advantages")

_LARGEST_REWARD = 1e75  # squares of returns stay finite
_LARGEST_LOG_RATIO = 50.0

_LOG_STD, _LOG_STD_MODEL_BASED = 0.0, -1.0
_PROPOSALS = 200
_PLACES, _REMEMBERED_PLACES = 4, 64  # contexts that imagined steps are spread over, of so many
_MOST_IMAGINED, _IMAGINED_PER_NEWS = 256, 2048


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

    Model-based, which is the default, the parameters' own values are tried first. Every reward re-fits the
    model; then the policy plays one-step episodes in it, in contexts that there were, and learns from them.
    Imagined rewards are a lower bound. What is tried next is, of many proposals around the policy's preferred
    action and around the best configuration so far, the one with the highest upper bound that is unlikely to
    be worse than the parameters' own values. Observed are the context (numbers in standard deviations, texts
    as signs of their own), the last reward and the best one, and how much of the budget is used.

    Classical, the observation is the running-normalised context features, then the unit-encoded values of the
    configuration that was rewarded last; a new episode starts from the parameters' own values.

    Args:
        parameters: what to tune; numbers get a Gaussian each, categoricals a softmax.
        learning_rate: Adam's.
        n_steps: rewarded transitions per rollout. Model-based they are imagined, and a rollout is spread over
            several trials: 256 steps after each of the first few, later fewer, and then one batch after every
            few trials, since a further trial changes the model less and less.
        batch_size: transitions per gradient step; one batch where it exceeds ``n_steps``.
        n_epochs: passes over a rollout.
        gamma, gae_lambda: discount per step, and lambda of generalised advantage estimation. Imagined
            episodes have one step, where neither matters.
        clip_range: epsilon of eq. 7.
        ent_coef, vf_coef: c2 and c1 of eq. 9.
        max_grad_norm: gradients are clipped to this joint norm.
        normalize_advantage: standardise advantages within each batch.
        log_std_init: initial log standard deviation, in halves of each parameter's range; by default -1
            model-based and 0 classical.
        max_steps_per_episode: a classical episode ends after so many rewarded steps.
        net_arch: widths of the hidden layers.
        state_features: names of context features that the policy observes. None takes those of the first
            context; a context that lacks one counts as 0 there.
        start_at_default: begin around the parameters' own values rather than in the middle of the ranges.
        model_based: learn in a model, or from real trials only.
        state_in_model: whether the model takes ``state_features`` in, as it does every other feature. Leave
            them out where they follow from earlier configurations, or are mostly noise.
        total_timesteps: how many trials there will be, for the policy to see how many are left.
        window: so many measurements the model is fitted to, which bounds the cost of a round.
        normalize_rewards: for the classical algorithm; the model standardises rewards itself.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    model_based: bool = False  # of the class, for states saved when there was no model
    _world: WorldModel | None = None

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
        log_std_init: float | None = None,
        max_steps_per_episode: int = 50,
        net_arch: Sequence[int] = (64, 64),
        state_features: Iterable[str] | None = None,
        start_at_default: bool = True,
        *,
        model_based: bool = True,
        state_in_model: bool = True,
        total_timesteps: int = 10000,
        window: int = 200,
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=normalize_rewards and not model_based, **options)
        self.learning_rate = positive("learning_rate", learning_rate)
        self.n_steps = count("n_steps", n_steps)
        self.batch_size = count("batch_size", batch_size)
        self.n_epochs = count("n_epochs", n_epochs)
        self.gamma = share("gamma", gamma)
        self.gae_lambda = share("gae_lambda", gae_lambda)
        self.clip_range = positive("clip_range", clip_range)
        self.ent_coef = float(ent_coef)
        self.vf_coef = float(vf_coef)
        self.max_grad_norm = positive("max_grad_norm", max_grad_norm)
        self.normalize_advantage = bool(normalize_advantage)
        self.max_steps_per_episode = count("max_steps_per_episode", max_steps_per_episode)
        self.net_arch = tuple(count("net_arch", width) for width in net_arch)
        self.start_at_default = bool(start_at_default)
        self.model_based = bool(model_based)
        self.state_in_model = bool(state_in_model)
        self.total_timesteps = count("total_timesteps", total_timesteps)
        self.state_features = None if state_features is None else tuple(state_features)
        self._begin(log_std_init, window)

    def _begin(self, log_std_init: float | None, window: int) -> None:
        """Everything that learning changes."""
        seeds = np.random.SeedSequence(self._random_seed).spawn(4)
        rngs = [np.random.default_rng(seed) for seed in seeds]
        self._initial_rng, self._rng, self._shuffle_rng, self._imagination_rng = rngs
        self._heads = ActionHeads(self.params)
        if log_std_init is None:
            log_std_init = _LOG_STD_MODEL_BASED if self.model_based else _LOG_STD
        self._log_std = np.full(self._heads.n_numbers, float(log_std_init))
        self._optimizer = Adam(self.learning_rate, eps=1e-5)
        self._features: RunningNormaliser | None = None
        self._steps: list[tuple[Array, Array, float, float, float, bool]] = []
        self._start = [to_unit(p, p.val) for p in self.params]
        self._previous = list(self._start)
        self._episode_steps = 0
        self._gradient_steps = 0
        self._rollouts = 0
        self._world = WorldModel(window) if self.model_based else None
        self._places: deque[dict[str, Any] | None] = deque(maxlen=_REMEMBERED_PLACES)
        self._recent = RobustScaler()
        self._progress = np.zeros(3)  # last reward, best reward, share of the budget
        self._imagined = self._due = 0
        if self.state_features is not None:
            self._build()

    @property
    def gradient_steps(self) -> int:
        """Optimizer steps taken so far."""
        return self._gradient_steps

    @property
    def rollouts(self) -> int:
        """Full rollouts learnt from so far."""
        return self._imagined // self.n_steps if self.model_based else self._rollouts

    @property
    def measurements(self) -> list[tuple[dict[str, Value], float]]:
        """The (configuration, reward) pairs that the model is fitted to; none without a model."""
        with self._lock:
            return [] if self._world is None else self._world.measurements

    def recommend(self, context: Context | Mapping[str, Any] | None = None) -> dict[str, Value]:
        """The measured configuration that the model expects most of; without a model as the base class does.

        Args:
            context: where it will be used; None averages over the contexts seen last.
        """
        with self._lock:
            if self._world is None or len(self._world) < 2:
                return super().recommend()
            data = None if context is None else self._modelled(Context.of(context).data)
            return self._world.best(Inputs(self.params), data, anywhere=context is None)

    def _build(self) -> None:
        """Make the networks, once it is known how many features there are."""
        size = len(self.state_features or ())
        self._features = RunningNormaliser(size)
        more = TEXT_COLUMNS + len(self._progress) if self.model_based else len(self.params)
        self._policy = MLP(self._initial_rng, (size + more, *self.net_arch, self._heads.n_outputs), 0.01)
        self._critic = MLP(self._initial_rng, (size + more, *self.net_arch, 1), 1.0)
        if self.start_at_default:
            self._policy.parameters[-1] += self._heads.default_bias()

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        data = tuning_request.context.data
        if self._features is None:
            self.state_features = feature_names(data)
            self._build()
        if self._world is not None:
            return _PredictResponse(self._most_promising(self._world, data))
        features = numbers_of(data, self.state_features or ())
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
        if self._world is not None:
            self._learn_in_model(self._world, tuning_request)
        else:
            self._learn_from_steps(tuning_request)

    def _learn_from_steps(self, tuning_request: _TuningRequest) -> None:
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
        self._improve(observations, actions, log_probs, advantage, advantage + values)
        self._rollouts += 1

    def _state(self, data: ContextData) -> Array:
        """The context, and how the run is going, shape (inputs,)."""
        names = self.state_features or ()
        numbers = numbers_of(data, names, texts=False)
        if self._features is not None:
            numbers = self._features.normalise(numbers)
        return np.concatenate([numbers, signs_of(data, names), self._progress])

    def _modelled(self, data: ContextData) -> ContextData:
        """What the model takes in of a context."""
        if data is None or self.state_in_model:
            return data
        return {
            name: value for name, value in data.items() if name not in (self.state_features or ())
        } or None

    def _most_promising(self, world: WorldModel, data: ContextData) -> dict[str, Value]:
        """What to try next, before there is a model what the policy draws."""
        inputs = Inputs(self.params)
        waiting = pending(self._ledger, inputs)
        if not len(world) and not len(waiting[0]):
            return {p.name: p.val for p in self.params}
        outputs = self._policy.forward(self._state(data)[None])[0][0]
        if not world.knows_enough:
            return self._heads.values(self._heads.sample(self._rng, outputs, self._log_std))
        waiting = waiting[0], [self._modelled(other) for other in waiting[1]]
        outlook = world.outlook(inputs, self._modelled(data), waiting)
        incumbent = self._heads.of_units(outlook.incumbent)
        actions = proposals(self._heads, self._rng, outputs, self._log_std, incumbent, _PROPOSALS)
        return inputs.decode(outlook.choose(self._space, inputs.snap(self._heads.units(actions))))

    def _learn_in_model(self, world: WorldModel, tuning_request: _TuningRequest) -> None:
        inputs, data = Inputs(self.params), tuning_request.context.data
        reward = tuning_request.reward or 0.0
        world.add(inputs, tuning_request.prediction, reward, self._modelled(data))
        self._places.append(None if data is None else dict(data))
        if self._features is not None:
            self._features.update(numbers_of(data, self.state_features or (), texts=False))
        last = self._recent.standardise(reward)
        used = min(1.0, (self._iteration + 1) / self.total_timesteps)
        self._progress = np.array([last, max(last, self._progress[1]), used])
        if world.knows_enough:
            self._imagine(world, inputs)

    def _imagine(self, world: WorldModel, inputs: Inputs) -> None:
        """Learn from one-step episodes that begin as the run stands now, in contexts that there were."""
        # A further trial changes the model less and less, so that a batch may have to wait for several.
        self._due = min(_MOST_IMAGINED, self._due + max(1, _IMAGINED_PER_NEWS // len(world)))
        if self._due < min(self.batch_size, self.n_steps, _MOST_IMAGINED):
            return
        each = max(1, min(self.n_steps, self._due) // _PLACES)
        self._due = 0
        others = self._imagination_rng.integers(len(self._places), size=_PLACES - 1)
        places = [self._places[-1], *(self._places[int(i)] for i in others)]
        states = np.repeat([self._state(data) for data in places], each, axis=0)
        outputs, _ = self._policy.forward(states)
        actions = self._heads.draw(self._imagination_rng, outputs, self._log_std)
        log_probs = self._heads.evaluate(outputs, self._log_std, actions).log_prob
        values = self._critic.forward(states)[0][:, 0]
        rows = inputs.snap(self._heads.units(actions))
        rewards = world.imagine(inputs, [self._modelled(data) for data in places], rows)
        self._improve(states, actions, log_probs, rewards - values, rewards)
        self._imagined += len(rewards)

    def _improve(
        self, observations: Array, actions: Array, old_log_probs: Array, advantage: Array, returns: Array
    ) -> None:
        """Pass over some steps ``n_epochs`` times, in batches."""
        for _ in range(self.n_epochs):
            order = self._shuffle_rng.permutation(len(returns))
            for start in range(0, len(order), self.batch_size):
                at = order[start : start + self.batch_size]
                batch = observations[at], actions[at], old_log_probs[at], advantage[at], returns[at]
                _, gradients = self._loss(*batch)
                self._optimizer.step(self._weights(), clip_by_global_norm(gradients, self.max_grad_norm))
                self._gradient_steps += 1

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
