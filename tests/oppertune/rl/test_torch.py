"""The networks and what learns with them against torch; skipped where the ``rl`` extra is not installed."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the rl extra (torch) is not installed")

from oppertune.algorithms._networks import MLP, Adam, ArrayRMSprop, clip_by_global_norm  # noqa: E402
from oppertune.algorithms.ddpg import DDPG  # noqa: E402
from oppertune.algorithms.ppo import PPO  # noqa: E402
from oppertune.core.values import Categorical, Integer, Real  # noqa: E402

CLOSE = {"rtol": 1e-6, "atol": 1e-10}
NUMBERS = (Real("x", 0.2, 0.0, 1.0), Integer("n", 10, 1, 1000, log=True))
MIXED = (*NUMBERS, Categorical("c", "b", ("a", "b", "c")), Categorical("d", "u", ("u", "v")))


def as_torch(array):
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def twin(net):
    """A torch network with the same weights."""
    layers = []
    for i in range(0, len(net.parameters), 2):
        w, b = net.parameters[i : i + 2]
        layer = torch.nn.Linear(*w.shape, dtype=torch.float64)
        layer.weight.data, layer.bias.data = as_torch(w.T), as_torch(b)
        layers += [layer, torch.nn.Tanh() if net.activation == "tanh" else torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def assert_same(net, other, **tolerance):
    """Equal parameters; torch keeps W the other way round."""
    for own, theirs in zip(net.parameters, other.parameters(), strict=True):
        np.testing.assert_allclose(own, theirs.detach().numpy().T, **(tolerance or CLOSE))


def adam(net):
    return lambda weights: torch.optim.Adam(weights, lr=0.01, eps=1e-5), Adam(0.01, eps=1e-5)


def rmsprop(momentum):
    def both(net):
        return (
            lambda weights: torch.optim.RMSprop(weights, lr=0.003, alpha=0.99, eps=1e-8, momentum=momentum),
            ArrayRMSprop(0.003, alpha=0.99, eps=1e-8, momentum=momentum),
        )

    return both


@pytest.mark.parametrize("make", ["tanh", "relu", "orthogonal"])
@pytest.mark.parametrize(
    "optimizers", [adam, rmsprop(0.0), rmsprop(0.8)], ids=["adam", "rmsprop", "rmsprop with momentum"]
)
def test_networks_and_optimizers_over_many_steps(make, optimizers):
    rng = np.random.default_rng(0)
    sizes = (4, 16, 8, 3)
    net = MLP(rng, sizes, 0.5) if make == "orthogonal" else MLP.fan_in(rng, sizes, 0.5, make)
    other = twin(net)
    theirs, ours = optimizers(net)
    theirs = theirs(other.parameters())
    for _ in range(25):
        x, wanted = rng.normal(size=(10, 4)), rng.normal(size=(10, 3))
        outputs, inputs = net.forward(x)
        gradients = net.backward(inputs, 2.0 * (outputs - wanted) / outputs.size)
        by_input = net.backward_to_inputs(inputs, 2.0 * (outputs - wanted) / outputs.size)
        seen = as_torch(x).requires_grad_()
        predicted = other(seen)
        loss = torch.nn.functional.mse_loss(predicted, as_torch(wanted))
        theirs.zero_grad()
        loss.backward()
        np.testing.assert_allclose(outputs, predicted.detach().numpy(), **CLOSE)
        np.testing.assert_allclose(by_input, seen.grad.numpy(), **CLOSE)
        for one, parameter in zip(gradients, other.parameters(), strict=True):
            np.testing.assert_allclose(one, parameter.grad.numpy().T, **CLOSE)
        ours.step(net.parameters, gradients)
        theirs.step()
        assert_same(net, other)


@pytest.mark.parametrize("limit", [0.01, 0.5, 1e6])
def test_clipping_by_the_joint_norm(limit):
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=shape) for shape in ((3, 4), (4,), (4, 1))]
    parameters = [torch.nn.Parameter(as_torch(g)) for g in gradients]
    for parameter, g in zip(parameters, gradients, strict=True):
        parameter.grad = as_torch(g)
    torch.nn.utils.clip_grad_norm_(parameters, limit)
    for one, parameter in zip(clip_by_global_norm(gradients, limit), parameters, strict=True):
        np.testing.assert_allclose(one, parameter.grad.numpy(), **CLOSE)


class TorchPPO:
    """The paper's objective and its Adam in torch, from the weights that an algorithm has now."""

    def __init__(self, algorithm, parameters):
        self.algorithm = algorithm
        self.policy, self.critic = twin(algorithm._policy), twin(algorithm._critic)
        self.log_std = torch.nn.Parameter(as_torch(algorithm._log_std))
        self.n_numbers = sum(not isinstance(p, Categorical) for p in parameters)
        self.widths = [p.n_categories for p in parameters if isinstance(p, Categorical)]
        self.weights = [*self.policy.parameters(), *self.critic.parameters(), self.log_std]
        self.adam = torch.optim.Adam(self.weights, lr=algorithm.learning_rate, eps=1e-5)

    def log_prob_and_entropy(self, observations, actions):
        outputs = self.policy(observations)
        means, *logits = outputs.split([self.n_numbers, *self.widths], dim=1)
        gauss = torch.distributions.Normal(means, self.log_std.exp())
        log_prob = gauss.log_prob(actions[:, : self.n_numbers]).sum(1)
        entropy = gauss.entropy().sum(1)
        for i, logit in enumerate(logits):
            softmax = torch.distributions.Categorical(logits=logit)
            log_prob = log_prob + softmax.log_prob(actions[:, self.n_numbers + i])
            entropy = entropy + softmax.entropy()
        return log_prob, entropy

    def loss(self, observations, actions, old_log_probs, advantage, returns):
        """-(L^CLIP - c1 L^VF + c2 S), eq. 9."""
        a = self.algorithm
        if a.normalize_advantage and len(advantage) > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        log_prob, entropy = self.log_prob_and_entropy(observations, actions)
        ratio = (log_prob - old_log_probs).exp()
        clipped = ratio.clamp(1 - a.clip_range, 1 + a.clip_range)
        l_clip = torch.min(ratio * advantage, clipped * advantage).mean()
        l_vf = (self.critic(observations)[:, 0] - returns).square().mean()
        return -(l_clip - a.vf_coef * l_vf + a.ent_coef * entropy.mean())

    def step(self, *batch):
        self.adam.zero_grad()
        self.loss(*batch).backward()
        torch.nn.utils.clip_grad_norm_(self.weights, self.algorithm.max_grad_norm)
        self.adam.step()

    def assert_same(self, **tolerance):
        assert_same(self.algorithm._policy, self.policy, **tolerance)
        assert_same(self.algorithm._critic, self.critic, **tolerance)
        np.testing.assert_allclose(self.algorithm._log_std, self.log_std.detach().numpy(), **CLOSE)


@pytest.mark.parametrize("parameters", [NUMBERS, MIXED, MIXED[2:]], ids=["numbers", "mixed", "categories"])
@pytest.mark.parametrize("ent_coef", [0.0, 0.02])
def test_the_loss_of_ppo(parameters, ent_coef):
    algorithm = PPO(
        parameters,
        model_based=False,
        state_features=("load",),
        random_seed=1,
        ent_coef=ent_coef,
        log_std_init=-0.3,
    )
    rng = np.random.default_rng(2)
    for weights in algorithm._weights():
        weights += 0.1 * rng.normal(size=weights.shape)
    n = 40
    observations = rng.normal(size=(n, 1 + len(parameters)))
    outputs, _ = algorithm._policy.forward(observations)
    actions = np.array([algorithm._heads.sample(rng, row, algorithm._log_std) for row in outputs])
    old = algorithm._heads.evaluate(outputs, algorithm._log_std, actions).log_prob + 0.3 * rng.normal(size=n)
    batch = observations, actions, old, rng.normal(size=n), rng.normal(size=n)
    loss, gradients = algorithm._loss(*batch)
    other = TorchPPO(algorithm, parameters)
    expected = other.loss(*map(as_torch, batch))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-9)
    for one, parameter in zip(gradients, other.weights, strict=True):
        theirs = np.zeros(0) if parameter.grad is None else parameter.grad.numpy().T
        np.testing.assert_allclose(one, theirs, **CLOSE)


def gae(steps, gamma, lam):
    """Eqs. 11 and 12 in torch, for rollouts that end with an episode: advantages, shape (n,)."""
    result = torch.zeros(len(steps), dtype=torch.float64)
    for t, (*_, value, reward, ended) in enumerate(steps):
        following = 0.0 if ended else steps[t + 1][3]
        delta = reward + gamma * following - value
        k, weight = t, 1.0
        result[t] = delta
        while not steps[k][5]:
            k, weight = k + 1, weight * gamma * lam
            following = 0.0 if steps[k][5] else steps[k + 1][3]
            result[t] += weight * (steps[k][4] + gamma * following - steps[k][3])
    return result


def test_full_updates_of_ppo():
    """Three rollouts of ours, each learnt by torch as well, with the same transitions and minibatches."""
    settings = {"n_steps": 24, "batch_size": 10, "n_epochs": 4, "learning_rate": 1e-3, "gamma": 0.9}
    algorithm = PPO(
        MIXED,
        model_based=False,
        state_features=("load",),
        random_seed=4,
        max_steps_per_episode=6,
        ent_coef=0.01,
        **settings,
    )
    other = TorchPPO(algorithm, MIXED)
    batches = np.random.default_rng()
    for i in range(3 * 24):
        prediction, _ = algorithm.predict({"load": math.sin(i)}, fresh=True)
        if (i + 1) % 24:
            algorithm.set_reward(prediction["x"] - 0.3 * (prediction["c"] == "b"), context_of(algorithm))
            continue
        reward = prediction["x"]
        batches.bit_generator.state = algorithm._shuffle_rng.bit_generator.state
        draw = next(iter(algorithm._ledger)).draw
        _, observation, action, log_prob, value = draw.metadata
        steps = [*algorithm._steps, (observation, action, log_prob, value, reward, True)]
        algorithm.set_reward(reward, context_of(algorithm))
        observations, actions, old = (as_torch(np.array([step[k] for step in steps])) for k in range(3))
        advantage = gae(steps, algorithm.gamma, algorithm.gae_lambda)
        returns = advantage + as_torch([step[3] for step in steps])
        for _ in range(algorithm.n_epochs):
            order = batches.permutation(24)
            for start in range(0, 24, algorithm.batch_size):
                at = torch.as_tensor(order[start : start + algorithm.batch_size])
                other.step(observations[at], actions[at], old[at], advantage[at], returns[at])
        other.assert_same()
    assert algorithm.gradient_steps == 3 * 4 * 3


def context_of(algorithm):
    return algorithm.get_tuning_requests()[0].context.id


class TorchDDPG:
    """Algorithm 1 of the paper in torch, from the weights that an algorithm has now."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        self.actor, self.critic = twin(algorithm._actor), twin(algorithm._critic)
        self.target_actor, self.target_critic = twin(algorithm._target_actor), twin(algorithm._target_critic)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), lr=algorithm.lr)
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), lr=algorithm.critic_lr)

    def update(self, s, a, r, following, ended):
        gamma, tau = self.algorithm.gamma, self.algorithm.tau
        with torch.no_grad():
            mu = torch.tanh(self.target_actor(following))
            y = r + gamma * (1 - ended) * self.target_critic(torch.cat([following, mu], 1))[:, 0]
        self.critic_adam.zero_grad()
        torch.nn.functional.mse_loss(self.critic(torch.cat([s, a], 1))[:, 0], y).backward()
        self.critic_adam.step()
        self.actor_adam.zero_grad()
        (-self.critic(torch.cat([s, torch.tanh(self.actor(s))], 1)).mean()).backward()
        self.actor_adam.step()
        for target, net in ((self.target_critic, self.critic), (self.target_actor, self.actor)):
            for own, goal in zip(target.parameters(), net.parameters(), strict=True):
                own.data.copy_(tau * goal.data + (1 - tau) * own.data)

    def assert_same(self, **tolerance):
        a = self.algorithm
        assert_same(a._actor, self.actor, **tolerance)
        assert_same(a._critic, self.critic, **tolerance)
        assert_same(a._target_actor, self.target_actor, **tolerance)
        assert_same(a._target_critic, self.target_critic, **tolerance)


def test_updates_of_ddpg():
    algorithm = DDPG(NUMBERS, ("a", "b"), gamma=0.9, tau=0.05, critic_lr=2e-3, hidden_width=16, random_seed=0)
    other = TorchDDPG(algorithm)
    rng = np.random.default_rng(0)
    for _ in range(25):
        batch = (rng.normal(size=(32, 2)), rng.uniform(-1, 1, (32, 2)), rng.normal(size=32),
                 rng.normal(size=(32, 2)), (rng.random(32) < 0.3).astype(float))  # fmt: skip
        algorithm._update(*batch)
        other.update(*map(as_torch, batch))
        other.assert_same()


@pytest.mark.parametrize("scale_rewards", [False, True])
def test_ddpg_from_prediction_to_update(scale_rewards):
    """Everything between ``predict`` and the weights, against torch on transitions written down outside."""
    algorithm = DDPG(NUMBERS[:1], {"a": (-1, 1)}, gamma=0.8, max_steps_per_episode=3, initial_random_steps=4,
                     learn_loop_count=2, batch_size=16, tau=0.1, hidden_width=16, random_seed=0,
                     scale_rewards=scale_rewards)  # fmt: skip
    other = TorchDDPG(algorithm)
    draws = np.random.default_rng()
    seen, transitions = [], []
    for i in range(30):
        draws.bit_generator.state = algorithm._replay_rng.bit_generator.state
        where = {"a": math.sin(i)}
        prediction, request_id = algorithm.predict(where)
        reward = 3.0 - (prediction["x"] - where["a"]) ** 2
        algorithm.set_reward(reward, request_id=request_id)
        seen.append(([where["a"]], [2 * prediction["x"] - 1], reward))
        if i % 3:
            transitions.append((*seen[-2], seen[-1][0], 0.0))
        if i % 3 == 2:
            transitions.append((*seen[-1], seen[-1][0], 1.0))
        if i < 4:
            continue
        s, a, r, following, ended = (np.array(column) for column in zip(*transitions, strict=True))
        r = (r - r.mean()) / r.std() if scale_rewards else r
        for _ in range(2):
            at = draws.integers(len(transitions), size=16)
            other.update(*map(as_torch, (s[at], a[at], r[at], following[at], ended[at])))
        other.assert_same()
    assert algorithm.gradient_steps == 2 * 26
