"""Stable-Baselines3's PPO and SAC, used as a tuner built on them would: each trial is an episode of one step.

An action is a position for each parameter; the reward is scaled by the default configuration's, which is
measured first. PPO learns after every 16 trials and SAC starts after 10, since their own numbers, 2048 and
100, leave nothing learnt in so few trials; everything else is theirs. The choice is the best sample.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from peers.adapters.base import Peer
from peers.adapters.units import value_at
from peers.space import Point, Space


class RunOverError(Exception):
    """Ends the learning thread when the last trial is told."""


class Trials(gymnasium.Env[Any, Any]):
    """Episodes of one step, whose rewards another thread gives."""

    def __init__(self, dimensions: int) -> None:
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (dimensions,), np.float32)
        self.actions: queue.Queue[Any] = queue.Queue()
        self.rewards: queue.Queue[float | None] = queue.Queue()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.actions.put(action)
        reward = self.rewards.get()
        if reward is None:
            raise RunOverError
        return np.zeros(1, np.float32), reward, True, False, {}


class Learner(Peer):
    """A model that learns in a thread of its own and waits there for each reward."""

    package = "stable-baselines3"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        torch.set_num_threads(1)
        self._trials = Trials(len(space.dimensions))
        self._model = self.model(self._trials)
        self._thread = threading.Thread(target=self._learn, daemon=True)
        self._told = 0
        self._scale = 1.0

    def model(self, trials: Trials) -> BaseAlgorithm:
        return PPO("MlpPolicy", trials, n_steps=16, batch_size=16, seed=self.seed, device="cpu")

    def ask(self) -> Point:
        if self._told == 0:
            return self.space.start
        if self._told >= self.rounds:
            raise RuntimeError(f"the run was made for {self.rounds} rounds")
        action = self._trials.actions.get()
        return {
            d.name: value_at(d, (float(a) + 1.0) / 2.0)
            for d, a in zip(self.space.dimensions, action, strict=True)
        }

    def tell(self, point: Point, reward: float) -> None:
        self._told += 1
        if self._told == 1:
            self._scale = abs(reward) or 1.0
            self._thread.start()
            return
        over = self._told == self.rounds
        self._trials.rewards.put(None if over else reward / self._scale - 1.0)
        if over:
            self._thread.join()

    def _learn(self) -> None:
        with contextlib.suppress(RunOverError):
            self._model.learn(1_000 * self.rounds)


class SoftLearner(Learner):
    def model(self, trials: Trials) -> BaseAlgorithm:
        return SAC("MlpPolicy", trials, learning_starts=10, seed=self.seed, device="cpu")


PEERS = {"sb3_ppo": Learner, "sb3_sac": SoftLearner}
