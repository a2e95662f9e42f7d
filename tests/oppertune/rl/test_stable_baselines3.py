"""Single updates of PPO and DDPG against stable-baselines3, which computes in single precision.

Skipped where the ``rl`` extra is not installed; ``benchmarks/reference_rl.py`` compares learning curves.
"""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the rl extra (torch) is not installed")
sb3 = pytest.importorskip("stable_baselines3", reason="the rl extra (stable-baselines3) is not installed")
gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

from oppertune.algorithms.ddpg import DDPG  # noqa: E402
from oppertune.algorithms.ppo import PPO, advantages  # noqa: E402
from oppertune.core.values import Real  # noqa: E402

PARAMETERS = (Real("x", 0.5, 0.0, 1.0), Real("y", 0.5, 0.0, 1.0))
CLOSE = {"rtol": 2e-4, "atol": 2e-6}


class Box(gymnasium.Env):
    """Spaces and nothing else."""

    def __init__(self, n_observed):
        self.observation_space = gymnasium.spaces.Box(-10.0, 10.0, (n_observed,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(PARAMETERS),), np.float32)


def single(array):
    return torch.as_tensor(np.asarray(array, dtype=np.float32))


def linear(*modules):
    return [layer for module in modules for layer in module.modules() if isinstance(layer, torch.nn.Linear)]


def give(net, *modules):
    """Copy our weights into torch's layers, in order."""
    for i, layer in enumerate(linear(*modules)):
        layer.weight.data = single(net.parameters[2 * i].T).contiguous()
        layer.bias.data = single(net.parameters[2 * i + 1])


def assert_same(net, *modules):
    for i, layer in enumerate(linear(*modules)):
        np.testing.assert_allclose(net.parameters[2 * i], layer.weight.detach().numpy().T, **CLOSE)
        np.testing.assert_allclose(net.parameters[2 * i + 1], layer.bias.detach().numpy(), **CLOSE)


def test_updates_of_ddpg():
    algorithm = DDPG(PARAMETERS, ("a", "b", "c"), gamma=0.9, tau=0.05, hidden_width=16, random_seed=0)
    model = sb3.DDPG(
        "MlpPolicy", Box(3), learning_rate=1e-3, gamma=0.9, tau=0.05, policy_kwargs={"net_arch": [16, 16]}
    )
    pairs = (
        (algorithm._actor, model.actor),
        (algorithm._critic, model.critic),
        (algorithm._target_actor, model.actor_target),
        (algorithm._target_critic, model.critic_target),
    )
    for net, module in pairs:
        give(net, module)
    model._logger = sb3.common.logger.configure(format_strings=[])
    rng = np.random.default_rng(0)
    for _ in range(5):
        s, following = rng.normal(size=(2, 32, 3))
        a, r, ended = rng.uniform(-1, 1, (32, 2)), rng.normal(size=32), (rng.random(32) < 0.3).astype(float)
        batch = SimpleNamespace(
            observations=single(s), actions=single(a), rewards=single(r)[:, None],
            next_observations=single(following), dones=single(ended)[:, None], discounts=None,
        )  # fmt: skip
        model.replay_buffer.sample = lambda *_, batch=batch, **__: batch
        model.train(gradient_steps=1, batch_size=32)
        algorithm._update(s, a, r, following, ended)
    for net, module in pairs:
        assert_same(net, module)


def test_a_full_update_of_ppo():
    n, episode, gamma, lam = 48, 8, 0.9, 0.95
    algorithm = PPO(
        PARAMETERS, model_based=False, state_features=("a",), n_steps=n, batch_size=n, n_epochs=3,
        gamma=gamma, gae_lambda=lam, learning_rate=1e-3, ent_coef=0.01, max_steps_per_episode=episode,
        net_arch=(16, 16), random_seed=0,
    )  # fmt: skip
    model = sb3.PPO(
        "MlpPolicy", Box(3), n_steps=n, batch_size=n, n_epochs=3, gamma=gamma, gae_lambda=lam,
        learning_rate=1e-3, ent_coef=0.01, policy_kwargs={"net_arch": [16, 16]}, device="cpu",
    )  # fmt: skip
    policy = model.policy
    give(algorithm._policy, policy.mlp_extractor.policy_net, policy.action_net)
    give(algorithm._critic, policy.mlp_extractor.value_net, policy.value_net)
    model._logger = sb3.common.logger.configure(format_strings=[])
    rng = np.random.default_rng(1)
    kept = []
    for i in range(n):
        prediction, request_id = algorithm.predict({"a": float(rng.normal())})
        kept.append(next(iter(algorithm._ledger)).draw.metadata)
        reward = prediction["x"] - abs(prediction["y"] - 0.3)
        model.rollout_buffer.add(
            kept[-1][1], kept[-1][2], np.array([reward]), np.array([i % episode == 0]),
            single([kept[-1][4]]), single([kept[-1][3]]),
        )  # fmt: skip
        if i == n - 1:
            steps = [*algorithm._steps, (*kept[-1][1:], reward, True)]
        algorithm.set_reward(reward, request_id=request_id)
    model.rollout_buffer.compute_returns_and_advantage(single([0.0]), np.array([True]))
    values, rewards, ends = (np.array([step[k] for step in steps]) for k in (3, 4, 5))
    np.testing.assert_allclose(
        advantages(rewards, values, ends, 0.0, gamma, lam), model.rollout_buffer.advantages[:, 0], **CLOSE
    )
    model.train()
    assert_same(algorithm._policy, policy.mlp_extractor.policy_net, policy.action_net)
    assert_same(algorithm._critic, policy.mlp_extractor.value_net, policy.value_net)
    np.testing.assert_allclose(algorithm._log_std, policy.log_std.detach().numpy(), **CLOSE)
