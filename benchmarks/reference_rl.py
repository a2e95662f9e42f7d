"""Whether PPO and DDPG learn as stable-baselines3's do: learning curves on the same environments.

    python benchmarks/reference_rl.py                        everything, 10 seeds each
    python benchmarks/reference_rl.py --only ppo --seeds 3   a part of it
    python benchmarks/reference_rl.py --curves FILE          keep each curve; call it again to continue

It needs the ``rl`` extra. Ours is driven through ``predict(context=...)`` and ``set_reward``; theirs drives
the same Gymnasium environment. Two environments: ``bandit``, a contextual bandit (one-step episodes; the best
action is linear in the context), and ``point_mass`` (10-step episodes; steer a mass with friction to the
middle). The reward counted is that of training, exploration included. Per checkpoint the table has the median
over seeds and the band from 10 to 90 %, and whether the two bands overlap. Seconds are of processor time.

So that both sides see the same:

- episodes end as *terminal*, not truncated, since ours counts an episode's end as terminal; stable-baselines3
  would bootstrap behind a truncation;
- ``n_steps`` is a multiple of the episode's length, since ours lets the last context stand in for the next
  one in V behind a rollout that stops within an episode;
- PPO's observation has the running-normalised features and the configuration played last, so the environment
  shows stable-baselines3 the same numbers, from the same normaliser;
- DDPG's last layers begin small, as in its paper: those of stable-baselines3 are drawn anew accordingly; its
  first random actions get no noise on top; and ours leaves rewards unscaled (``scale_rewards=False``).

What is left to differ: stable-baselines3 computes in single precision, draws other random numbers, and its
DDPG knows the state after a step at once, where ours learns of it one step later.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the matrices are small

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
import stable_baselines3
import torch
from stable_baselines3.common.noise import NormalActionNoise

from oppertune.algorithms.base import Algorithm
from oppertune.algorithms.ddpg import DDPG
from oppertune.algorithms.ppo import PPO, RunningNormaliser
from oppertune.core.values import Real

Array = npt.NDArray[np.float64]
CHECKPOINTS = 10
PARAMETERS = tuple(Real(f"a{i}", val=0.0, min=-1.0, max=1.0) for i in range(2))

PPO_COMMON: dict[str, Any] = {
    "batch_size": 64, "n_epochs": 10, "gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.0, "vf_coef": 0.5,
    "max_grad_norm": 0.5, "learning_rate": 1e-3,
}  # fmt: skip
DDPG_LR, DDPG_WIDTH, DDPG_BATCH, DDPG_START, DDPG_TAU, DDPG_NOISE = 1e-3, 64, 64, 100, 0.005, 0.2
GAMMA = 0.95


class Bandit:
    """Reward 1 - |a - M c|^2 / 2 for a context c, uniform in a square."""

    steps = 1
    features = ("c0", "c1")
    budget: ClassVar = {"ppo": 5120, "ddpg": 1000}
    n_steps = 256
    _matrix = np.array([[0.6, -0.3], [0.2, 0.7]])

    def begin(self, rng: np.random.Generator) -> Array:
        """The features an episode begins with."""
        return rng.uniform(-1.0, 1.0, 2)

    def step(self, state: Array, action: Array) -> tuple[float, Array]:
        """The reward of an action, and the features after it."""
        return 1.0 - float(((action - self._matrix @ state) ** 2).sum()) / 2.0, state


class PointMass:
    """Position and velocity in a square; reward 1 - |position|^2 - |action|^2 / 20 after each step."""

    steps = 10
    features = ("p0", "p1", "v0", "v1")
    budget: ClassVar = {"ppo": 12800, "ddpg": 2000}
    n_steps = 640

    def begin(self, rng: np.random.Generator) -> Array:
        """The features an episode begins with."""
        return np.concatenate([rng.uniform(-1.0, 1.0, 2), np.zeros(2)])

    def step(self, state: Array, action: Array) -> tuple[float, Array]:
        """The reward of an action, and the features after it."""
        velocity = np.clip(0.7 * state[2:] + 0.3 * action, -1.0, 1.0)
        position = np.clip(state[:2] + 0.5 * velocity, -1.0, 1.0)
        reward = 1.0 - float((position**2).sum()) - float((action**2).sum()) / 20.0
        return reward, np.concatenate([position, velocity])


TASKS: dict[str, Bandit | PointMass] = {"bandit": Bandit(), "point_mass": PointMass()}


class Environment(gymnasium.Env[Any, Any]):
    """A task as Gymnasium has it; every reward is written down.

    Args:
        task: what is to be done.
        seed: of where episodes begin.
        as_ppo: show what our PPO observes, rather than the features alone.
    """

    def __init__(self, task: Bandit | PointMass, seed: int, *, as_ppo: bool) -> None:
        self.task = task
        self.rewards: list[float] = []
        # Not the seed alone: Gymnasium draws random actions by the same generator from the same seed.
        self._rng = np.random.default_rng([seed, 1])
        self._normaliser = RunningNormaliser(len(task.features)) if as_ppo else None
        size = len(task.features) + (len(PARAMETERS) if as_ppo else 0)
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(PARAMETERS),), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        self.state = self.task.begin(self._rng)
        self._taken = 0
        self._previous = np.full(len(PARAMETERS), 0.5)
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; the end of an episode is terminal."""
        action = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        if self._normaliser is not None:
            self._normaliser.update(self.state)
        reward, self.state = self.task.step(self.state, action)
        self.rewards.append(reward)
        self._previous = (action + 1.0) / 2.0
        self._taken += 1
        return self._observation(), reward, self._taken == self.task.steps, False, {}

    def _observation(self) -> Any:
        seen = self.state
        if self._normaliser is not None:
            seen = np.concatenate([self._normaliser.normalise(seen), self._previous])
        return seen.astype(np.float32)


def drive(algorithm: Algorithm, task: Bandit | PointMass, seed: int, steps: int) -> list[float]:
    """Rewards of our algorithm, which sees features and nothing else."""
    environment = Environment(task, seed, as_ppo=False)
    ended = True
    for _ in range(steps):
        if ended:
            environment.reset()
        context = dict(zip(task.features, environment.state.tolist(), strict=True))
        prediction, request_id = algorithm.predict(context)
        action = [prediction[p.name] for p in PARAMETERS]
        _, reward, ended, _, _ = environment.step(action)
        algorithm.set_reward(reward, request_id=request_id)
    return environment.rewards


class LateNoise(NormalActionNoise):
    """No noise on actions that are drawn at random anyway."""

    calls = 0

    def __call__(self) -> Any:
        """The noise of the next step."""
        self.calls += 1
        return super().__call__() if self.calls > DDPG_START else np.zeros(len(PARAMETERS))


def our_ppo(task: Bandit | PointMass, seed: int, steps: int) -> list[float]:
    algorithm = PPO(
        PARAMETERS, state_features=task.features, n_steps=task.n_steps, gamma=GAMMA, random_seed=seed,
        max_steps_per_episode=task.steps, net_arch=(64, 64), model_based=False, **PPO_COMMON,
    )  # fmt: skip
    return drive(algorithm, task, seed, steps)


def their_ppo(task: Bandit | PointMass, seed: int, steps: int) -> list[float]:
    environment = Environment(task, seed, as_ppo=True)
    model = stable_baselines3.PPO(
        "MlpPolicy", environment, n_steps=task.n_steps, gamma=GAMMA, seed=seed, device="cpu",
        policy_kwargs={"net_arch": [64, 64]}, **PPO_COMMON,
    )  # fmt: skip
    model.learn(steps)
    return environment.rewards


def our_ddpg(task: Bandit | PointMass, seed: int, steps: int) -> list[float]:
    algorithm = DDPG(
        PARAMETERS, dict.fromkeys(task.features, (-1.0, 1.0)), hidden_width=DDPG_WIDTH, lr=DDPG_LR,
        batch_size=DDPG_BATCH, initial_random_steps=DDPG_START, gamma=GAMMA, tau=DDPG_TAU, learn_loop_count=1,
        noise_scale=DDPG_NOISE, max_steps_per_episode=task.steps, scale_rewards=False, random_seed=seed,
    )  # fmt: skip
    return drive(algorithm, task, seed, steps)


def their_ddpg(task: Bandit | PointMass, seed: int, steps: int) -> list[float]:
    environment = Environment(task, seed, as_ppo=False)
    n = len(PARAMETERS)
    model = stable_baselines3.DDPG(
        "MlpPolicy", environment, learning_rate=DDPG_LR, batch_size=DDPG_BATCH, learning_starts=DDPG_START,
        gamma=GAMMA, tau=DDPG_TAU, train_freq=1, gradient_steps=1, buffer_size=10_000, seed=seed,
        device="cpu", action_noise=LateNoise(np.zeros(n), np.full(n, DDPG_NOISE)),
        policy_kwargs={"net_arch": [DDPG_WIDTH, DDPG_WIDTH]},
    )  # fmt: skip
    for net, target in ((model.actor, model.actor_target), (model.critic, model.critic_target)):
        last = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)][-1]
        for weights in (last.weight, last.bias):
            torch.nn.init.uniform_(weights, -3e-3, 3e-3)
        target.load_state_dict(net.state_dict())
    model.learn(steps)
    return environment.rewards


Runner = Callable[[Bandit | PointMass, int, int], list[float]]
SIDES: dict[str, dict[str, Runner]] = {
    "ppo": {"ours": our_ppo, "theirs": their_ppo},
    "ddpg": {"ours": our_ddpg, "theirs": their_ddpg},
}


class Curves:
    """Every curve measured so far, in a file if there is one, so that a run cut short loses none.

    Args:
        path: a JSON document a line; read first.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[tuple[str, str, str, int], dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._known[row["algorithm"], row["task"], row["side"], row["seed"]] = row

    def of(self, name: str, task_name: str, side: str, seed: int) -> dict[str, Any]:
        """Processor seconds, and mean reward per step up to each checkpoint since the one before."""
        row = self._known.get((name, task_name, side, seed))
        if row is not None:
            return row
        task = TASKS[task_name]
        steps = task.budget[name]
        start = time.process_time()
        rewards = np.array(SIDES[name][side](task, seed, steps)[:steps])
        row = {
            "algorithm": name, "task": task_name, "side": side, "seed": seed,
            "seconds": round(time.process_time() - start, 2),
            "curve": rewards.reshape(CHECKPOINTS, -1).mean(axis=1).round(6).tolist(),
        }  # fmt: skip
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return row


def compare(name: str, task_name: str, seeds: int, known: Curves) -> bool:
    """Run both sides, print their table, and say whether the bands overlap everywhere."""
    steps = TASKS[task_name].budget[name]
    measured: dict[str, Array] = {}
    for side in SIDES[name]:
        rows = [known.of(name, task_name, side, seed) for seed in range(seeds)]
        measured[side] = np.array([row["curve"] for row in rows])
        print(f"  {name} {task_name} {side}: {sum(row['seconds'] for row in rows):.0f} s", flush=True)
    low, middle, high = ({s: np.quantile(c, q, axis=0) for s, c in measured.items()} for q in (0.1, 0.5, 0.9))
    overlap = np.maximum(low["ours"], low["theirs"]) <= np.minimum(high["ours"], high["theirs"])
    print(f"\n{name} on {task_name}, {seeds} seeds, mean reward per step: median [10 %, 90 %]")
    print(f"{'steps':>7} {'ours':>26} {'stable-baselines3':>26}   bands overlap")
    for i in range(CHECKPOINTS):
        cells = (f"{middle[s][i]:8.3f} [{low[s][i]:7.3f}, {high[s][i]:6.3f}]" for s in ("ours", "theirs"))
        print(f"{steps // CHECKPOINTS * (i + 1):>7} {' '.join(cells)}   {'yes' if overlap[i] else 'NO'}")
    print(f"overlap at {int(overlap.sum())} of {CHECKPOINTS} checkpoints\n", flush=True)
    return bool(overlap.all())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", choices=sorted(SIDES))
    parser.add_argument("--task", choices=sorted(TASKS))
    parser.add_argument("--curves", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"stable-baselines3 {stable_baselines3.__version__}, torch {torch.__version__}")
    for name, task in TASKS.items():
        print(
            f"{name}: {len(task.features)} features, {len(PARAMETERS)} actions, episodes of {task.steps}, "
            f"PPO n_steps {task.n_steps}"
        )
    print(f"both: gamma {GAMMA}. PPO: nets 64-64 tanh, {PPO_COMMON}")
    print(
        f"DDPG: nets {DDPG_WIDTH}-{DDPG_WIDTH} relu, lr {DDPG_LR}, batch {DDPG_BATCH}, "
        f"{DDPG_START} random steps, tau {DDPG_TAU}, Gaussian noise {DDPG_NOISE}, one update per step\n"
    )
    known = Curves(arguments.curves)
    overlaps = [
        compare(name, task, arguments.seeds, known)
        for name in SIDES
        for task in TASKS
        if arguments.only in (None, name) and arguments.task in (None, task)
    ]
    return 0 if all(overlaps) else 1


if __name__ == "__main__":
    raise SystemExit(main())
