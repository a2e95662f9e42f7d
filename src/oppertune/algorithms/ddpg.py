"""Deep deterministic policy gradient, for numbers that depend on a measured state of the system; every reward
is learnt from many times over, because runs are dear and gradient steps are cheap.

Lillicrap et al., "Continuous control with deep reinforcement learning" (2015), equation numbers of that
paper. Departures: the action enters the critic with the observation, not behind its first layer, and there is
neither batch normalisation nor weight decay (as in stable-baselines3); the critic learns from the action that
was carried out, rounded and repaired, not from the one that was drawn (as in Dulac-Arnold et al., 2015);
rewards are measured in standard deviations; the actor begins at the parameters' own values; and an episode is
one step long unless told otherwise, since most tuning is a contextual bandit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args
from zlib import crc32

import numpy as np

from oppertune.algorithms._arguments import count, positive, share
from oppertune.algorithms._networks import MLP, Adam, Array
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.state import stateful
from oppertune.core.values import Categorical, Integer, Parameter, Real, parameter_from_dict
from oppertune.errors import InvalidArgumentError, InvalidTypeError

Noise: TypeAlias = Literal["gaussian", "ou"]
Feature: TypeAlias = str | Parameter | Mapping[str, Any]
StateConfig: TypeAlias = Iterable[Feature] | Mapping[str, Sequence[float] | Sequence[str] | None]

_LARGEST_REWARD = 1e75  # its square stays finite
_LARGEST_FEATURE = 1e100
_FIRST_ROWS = 64
_LAST_LAYER = 3e-3  # section 7 of the paper
_START_WITHIN = 0.9  # where tanh still has a slope
_OU_THETA = 0.15  # section 7 of the paper


@stateful
class StateEncoder:
    """Turns the data of contexts into rows of numbers, and rows into what networks like to see.

    Args:
        features: by name, what is known of it: a number's range, a category's list, or None, which means that
            it is measured in standard deviations from its running mean (Welford, 1962).
    """

    def __init__(self, features: Mapping[str, Parameter | None]) -> None:
        self.features = dict(features)
        free = [self._width(f) * [f is None] for f in self.features.values()]
        self.free = np.array([flag for flags in free for flag in flags], dtype=bool)
        self.count = 0
        self.mean = np.zeros(len(self.free))
        self.squares = np.zeros(len(self.free))

    @property
    def size(self) -> int:
        """How many numbers a row has."""
        return len(self.free)

    @staticmethod
    def _width(feature: Parameter | None) -> int:
        return feature.n_categories if isinstance(feature, Categorical) else 1

    def encode(self, data: Mapping[str, Any]) -> Array:
        """One row, shape (size,).

        Numbers with bounds go to [-1, 1] (logarithmically with ``log=True``) and are clipped; categories
        become one-hot; numbers without bounds stay, and a text without categories becomes a number of its
        own. What is missing or of another type becomes 0.
        """
        row: list[float] = []
        for name, feature in self.features.items():
            value = data.get(name)
            if feature is None:
                row.append(_number(value))
            elif isinstance(feature, Categorical):
                row += [float(value == category) for category in feature.categories]
            else:
                row.append(_between(feature, value))
        return np.array(row, dtype=np.float64)

    def update(self, row: Array) -> None:
        """Take one row into the running statistics."""
        self.count += 1
        before = row - self.mean
        self.mean += np.where(self.free, before / self.count, 0.0)
        self.squares += np.where(self.free, before * (row - self.mean), 0.0)

    def normalise(self, rows: Array) -> Array:
        """Rows as the networks see them, shape like ``rows``; numbers without bounds are clipped to +-10."""
        if not self.free.any():
            return rows
        variance = self.squares / self.count if self.count > 1 else np.ones(self.size)
        scaled = np.clip((rows - self.mean) / np.sqrt(variance + 1e-8), -10.0, 10.0)
        result: Array = np.where(self.free, scaled, rows)
        return result


@stateful
class ReplayBuffer:
    """The last transitions (s, a, r, s', whether the episode ended), in arrays that grow up to a limit.

    Args:
        limit: so many are kept; the oldest is overwritten.
        n_observed: numbers per observation.
        n_actions: numbers per action.
    """

    def __init__(self, limit: int, n_observed: int, n_actions: int) -> None:
        self.limit = limit
        self.count = 0
        self.widths = (n_observed, n_actions, 1, n_observed, 1)
        self.rows = np.zeros((min(limit, _FIRST_ROWS), sum(self.widths)))

    def __len__(self) -> int:
        return min(self.count, self.limit)

    @property
    def rewards(self) -> Array:
        """All rewards kept, in no particular order."""
        result: Array = self.rows[: len(self), self.widths[0] + self.widths[1]]
        return result

    def add(self, state: Array, action: Array, reward: float, following: Array, ended: bool) -> None:
        """Keep one transition."""
        if self.count == len(self.rows) < self.limit:
            more = np.zeros((min(2 * self.count, self.limit) - self.count, self.rows.shape[1]))
            self.rows = np.concatenate([self.rows, more])
        self.rows[self.count % self.limit] = [*state, *action, reward, *following, float(ended)]
        self.count += 1

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, Array, Array, Array, Array]:
        """``n`` transitions drawn with replacement, a part each: s, a, r, s', ended; r and ended (n,)."""
        drawn = self.rows[rng.integers(len(self), size=n)]
        s, a, r, following, ended = np.split(drawn, np.cumsum(self.widths)[:-1], axis=1)
        return s, a, r[:, 0], following, ended[:, 0]


class DDPG(Algorithm):
    """Off-policy actor and critic over numbers, driven by the caller.

    The observation is the context's features alone. Where episodes are longer than one step, the state after
    a step is the context of the request that is rewarded next, and a transition is learnt from as soon as
    that is known. A ``reward_data`` of ``{"next_state": {...}}`` says it at once, and ``{"done": True}`` ends
    the episode with this step.

    Args:
        parameters: integers and reals.
        state_config: the features of contexts to observe: a list of names, of parameters (their ranges or
            categories say what to expect; the tagged dictionary form will do), or both; or a mapping from
            name to ``(low, high)``, to a list of categories, or to None where nothing is known. Without it,
            whatever numbers and texts the first context that was rewarded had.
        epsilon: chance of an action drawn uniformly, beside the noise.
        epsilon_decay, epsilon_decay_frequency: epsilon is multiplied by the former after so many rewards.
        hidden_width: of each of the two hidden layers.
        batch_size: transitions per gradient step.
        initial_random_steps: actions are uniform, and nothing is learnt, until so many rewards are known.
        gamma: discount per step.
        tau: share by which the target networks follow.
        lr: Adam's learning rate, of the actor and, without ``critic_lr``, of the critic.
        learn_loop_count: gradient steps per reward.
        critic_lr: the critic's learning rate.
        noise: ``gaussian``, or ``ou`` for an Ornstein-Uhlenbeck process that starts anew with each episode.
        noise_scale: its standard deviation (of the increments of ``ou``), in halves of each parameter's
            range.
        noise_decay: the noise is multiplied by it after every reward.
        buffer_size: transitions kept.
        max_steps_per_episode: an episode ends after so many rewarded steps, and nothing beyond its end
            counts; with None only ``done`` ends one.
        scale_rewards: measure rewards from the mean of those kept, in their standard deviations. That leaves
            the best policy what it is, and lets rewards have any unit.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes numbers, in outside values, which know about logarithmic scales."""

        supported_parameter_types = (Integer, Real)
        requires_untransformed_parameters = True
        supports_context = True

    _changed_by_predict = frozenset({"_ou"})

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        state_config: StateConfig | None = None,
        epsilon: float = 0.0,
        epsilon_decay: float = 1.0,
        epsilon_decay_frequency: int = 10,
        hidden_width: int = 64,
        batch_size: int = 64,
        initial_random_steps: int = 10,
        gamma: float = 0.99,
        tau: float = 0.005,
        lr: float = 1e-3,
        learn_loop_count: int = 10,
        critic_lr: float | None = None,
        noise: Noise = "gaussian",
        noise_scale: float = 0.2,
        noise_decay: float = 1.0,
        buffer_size: int = 10_000,
        max_steps_per_episode: int | None = 1,
        scale_rewards: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        self.epsilon = share("epsilon", epsilon)
        self.epsilon_decay = share("epsilon_decay", epsilon_decay)
        self.epsilon_decay_frequency = count("epsilon_decay_frequency", epsilon_decay_frequency)
        self.hidden_width = count("hidden_width", hidden_width)
        self.batch_size = count("batch_size", batch_size)
        self.initial_random_steps = count("initial_random_steps", initial_random_steps, 0)
        self.gamma = share("gamma", gamma)
        self.tau = share("tau", tau)
        self.lr = positive("lr", lr)
        self.critic_lr = self.lr if critic_lr is None else positive("critic_lr", critic_lr)
        self.learn_loop_count = count("learn_loop_count", learn_loop_count, 0)
        if noise not in get_args(Noise):
            raise InvalidArgumentError(f"noise must be one of {get_args(Noise)}, not {noise!r}")
        self.noise = noise
        self.noise_scale = positive("noise_scale", noise_scale, zero=True)
        self.noise_decay = share("noise_decay", noise_decay)
        self.buffer_size = count("buffer_size", buffer_size)
        self.max_steps_per_episode = (
            None if max_steps_per_episode is None else count("max_steps_per_episode", max_steps_per_episode)
        )
        self.scale_rewards = bool(scale_rewards)
        seeds = np.random.SeedSequence(self._random_seed).spawn(3)
        self._initial_rng, self._rng, self._replay_rng = (np.random.default_rng(seed) for seed in seeds)
        self._start = np.array([2.0 * to_unit(p, p.val) - 1.0 for p in self.params])
        self._ou = np.zeros(len(self.params))
        self._pending: tuple[Array, Array, float] | None = None
        self._episode_steps = 0
        self._gradient_steps = 0
        self._encoder: StateEncoder | None = None
        if state_config is not None:
            self._build(_features_of(state_config))

    @property
    def state_features(self) -> tuple[str, ...] | None:
        """Names of the features observed; None while they are not known."""
        return None if self._encoder is None else tuple(self._encoder.features)

    @property
    def gradient_steps(self) -> int:
        """Updates of both networks so far."""
        return self._gradient_steps

    def _build(self, features: Mapping[str, Parameter | None]) -> StateEncoder:
        """Make networks and memory, once it is known what there is to observe."""
        self._encoder = encoder = StateEncoder(features)
        observed, actions, width = encoder.size, len(self.params), self.hidden_width
        rng = self._initial_rng
        self._actor = MLP.fan_in(rng, (observed, width, width, actions), _LAST_LAYER)
        self._actor.parameters[-1] += np.arctanh(np.clip(self._start, -_START_WITHIN, _START_WITHIN))
        self._critic = MLP.fan_in(rng, (observed + actions, width, width, 1), _LAST_LAYER)
        self._target_actor, self._target_critic = self._actor.copy(), self._critic.copy()
        self._actor_optimizer = Adam(self.lr, eps=1e-8)
        self._critic_optimizer = Adam(self.critic_lr, eps=1e-8)
        self._replay = ReplayBuffer(self.buffer_size, observed, actions)
        return encoder

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        data = dict(tuning_request.context.data or {})
        epsilon = self.epsilon * self.epsilon_decay ** (self._iteration // self.epsilon_decay_frequency)
        if self._iteration < self.initial_random_steps or self._rng.random() < epsilon:
            action = self._rng.uniform(-1.0, 1.0, len(self.params))
        else:
            action = np.clip(self._mean_action(data) + self._noise(), -1.0, 1.0)
        values = {
            p.name: from_unit(p, (float(a) + 1.0) / 2.0) for p, a in zip(self.params, action, strict=True)
        }
        return _PredictResponse(values, data)

    def _mean_action(self, data: Mapping[str, Any]) -> Array:
        """mu(s), shape (actions,)."""
        if self._encoder is None:
            return self._start
        state = self._encoder.normalise(self._encoder.encode(data))
        result: Array = _policy(self._actor, state[None])[0][0]
        return result

    def _noise(self) -> Array:
        """The process N of the paper's algorithm 1, one step on."""
        drawn = self.noise_scale * self._rng.normal(size=len(self.params))
        if self.noise == "ou":
            self._ou = (1.0 - _OU_THETA) * self._ou + drawn
            drawn = self._ou
        result: Array = self.noise_decay**self._iteration * drawn
        return result

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        data = tuning_request.metadata
        encoder = self._encoder
        if encoder is None:
            numbers_and_texts = [name for name, value in data.items() if isinstance(value, int | float | str)]
            encoder = self._build(dict.fromkeys(numbers_and_texts))
        state = encoder.encode(data)
        encoder.update(state)
        action = np.array([2.0 * to_unit(p, tuning_request.prediction[p.name]) - 1.0 for p in self.params])
        reward = min(max(tuning_request.reward or 0.0, -_LARGEST_REWARD), _LARGEST_REWARD)
        self._remember(encoder, (state, action, reward), tuning_request.reward_data)
        if self._iteration >= self.initial_random_steps and len(self._replay):
            self._learn_from_replay(encoder)

    def _remember(self, encoder: StateEncoder, step: tuple[Array, Array, float], reward_data: object) -> None:
        """Put into the buffer what is complete: the step before, and this one if what follows it is known."""
        known = reward_data if isinstance(reward_data, Mapping) else {}
        if self._pending is not None:
            self._replay.add(*self._pending, step[0], False)
        self._pending = None
        self._episode_steps += 1
        if known.get("done") is True or self._episode_steps == self.max_steps_per_episode:
            self._replay.add(*step, step[0], True)
            self._episode_steps = 0
            self._ou = np.zeros(len(self.params))
        elif isinstance(following := known.get("next_state"), Mapping):
            self._replay.add(*step, encoder.encode(following), False)
        else:
            self._pending = step

    def _learn_from_replay(self, encoder: StateEncoder) -> None:
        center, scale = 0.0, 1.0
        if self.scale_rewards:
            rewards = self._replay.rewards
            center = float(rewards.mean())
            scale = float(rewards.std())
            # Equal rewards differ by rounding errors at most, which are not to be blown up.
            scale = scale if scale > 1e-12 * abs(center) else 1.0
        for _ in range(self.learn_loop_count):
            states, actions, rewards, following, ends = self._replay.sample(self._replay_rng, self.batch_size)
            states, following = encoder.normalise(states), encoder.normalise(following)
            self._update(states, actions, (rewards - center) / scale, following, ends)

    def _update(self, states: Array, actions: Array, rewards: Array, following: Array, ends: Array) -> None:
        """One step of both networks and their targets (the paper's algorithm 1) from a batch."""
        targets = self._targets(rewards, following, ends)
        _, gradients = self._critic_loss(states, actions, targets)
        self._critic_optimizer.step(self._critic.parameters, gradients)
        _, gradients = self._actor_loss(states)
        self._actor_optimizer.step(self._actor.parameters, gradients)
        self._target_critic.follow(self._critic, self.tau)
        self._target_actor.follow(self._actor, self.tau)
        self._gradient_steps += 1

    def _targets(self, rewards: Array, following: Array, ends: Array) -> Array:
        """What Q should be: y = r + gamma Q'(s', mu'(s')), or r at an episode's end (eq. 5), shape (n,)."""
        if ends.all() or self.gamma == 0.0:
            return rewards
        action, _ = _policy(self._target_actor, following)
        value, _ = self._target_critic.forward(np.concatenate([following, action], axis=1))
        return rewards + self.gamma * (1.0 - ends) * value[:, 0]

    def _critic_loss(self, states: Array, actions: Array, targets: Array) -> tuple[float, list[Array]]:
        """Mean of (Q(s, a) - y)^2 (eq. 4), and its gradients by the critic's parameters."""
        value, inputs = self._critic.forward(np.concatenate([states, actions], axis=1))
        error = value[:, 0] - targets
        gradients = self._critic.backward(inputs, (2.0 / len(error)) * error[:, None])
        return float((error * error).mean()), gradients

    def _actor_loss(self, states: Array) -> tuple[float, list[Array]]:
        """Mean of -Q(s, mu(s)), and its gradients by the actor's parameters (eq. 6, its sign turned)."""
        action, actor_inputs = _policy(self._actor, states)
        value, critic_inputs = self._critic.forward(np.concatenate([states, action], axis=1))
        by_value = np.full_like(value, -1.0 / len(value))
        by_action = self._critic.backward_to_inputs(critic_inputs, by_value)[:, states.shape[1] :]
        by_output = by_action * (1.0 - action * action)
        return -float(value.mean()), self._actor.backward(actor_inputs, by_output)


def _policy(actor: MLP, states: Array) -> tuple[Array, list[Array]]:
    """Actions tanh(outputs), shape (n, actions), and what the actor's backward pass wants."""
    outputs, inputs = actor.forward(states)
    return np.tanh(outputs), inputs


def _features_of(config: StateConfig) -> dict[str, Parameter | None]:
    """What is known of each feature. Raises InvalidTypeError, InvalidArgumentError, InvalidParameterError."""
    if isinstance(config, str) or not isinstance(config, Iterable):
        raise InvalidTypeError(f"state_config must be a list or a mapping of features, not {config!r}")
    if isinstance(config, Mapping):
        return {name: _known(name, what) for name, what in config.items()}
    features: dict[str, Parameter | None] = {}
    for item in config:
        name, feature = (item, None) if isinstance(item, str) else _named(parameter_from_dict(item))
        if name in features:
            raise InvalidArgumentError(f"state_config names the feature {name!r} twice")
        features[name] = feature
    return features


def _named(parameter: Parameter) -> tuple[str, Parameter]:
    return parameter.name, parameter


def _known(name: str, what: object) -> Parameter | None:
    """A feature from what a mapping says of it."""
    if what is None:
        return None
    if isinstance(what, Sequence) and not isinstance(what, str):
        if what and all(isinstance(item, str) for item in what):
            return Categorical(name, val=what[0], categories=tuple(what))
        if len(what) == 2:
            return Real(name, val=what[0], min=what[0], max=what[1])
    raise InvalidTypeError(
        f"state_config[{name!r}] must be (low, high), a list of categories, or None, not {what!r}"
    )


def _number(value: object) -> float:
    """A number as it is, a text as a number in [-1, 1] that is its own, anything else as 0."""
    if isinstance(value, str):
        return crc32(value.encode()) / 0x7FFFFFFF - 1.0
    if not isinstance(value, int | float):
        return 0.0
    number = float(min(max(value, -_LARGEST_FEATURE), _LARGEST_FEATURE))
    return 0.0 if math.isnan(number) else number


def _between(feature: Integer | Real, value: object) -> float:
    """The position of a number in its bounds, on or off the grid, in [-1, 1]; anything else is 0."""
    if not isinstance(value, int | float) or feature.is_constant:
        return 0.0
    number = min(max(value, feature.min), feature.max)
    if math.isnan(number):
        return 0.0
    if feature.log:
        return 2.0 * math.log(number / feature.min) / math.log(feature.max / feature.min) - 1.0
    return 2.0 * ((number - feature.min) / (feature.max - feature.min)) - 1.0
