"""Any sequence of calls, one thread: what is open, and what is learnt, is what a simple model says."""

import io

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oppertune.algorithms.all import create_tuning_instance, load_tuning_instance
from oppertune.core.values import Categorical, Integer, Real
from oppertune.testing.contract import Client, check_prediction

NUMBERS = (Integer("n", 4, 0, 64, special=(-1,)), Real("x", 0.3, 0.1, 0.9, step=0.1), Integer("m", 8, 0, 64))
EVERYTHING = (*NUMBERS, Categorical("c", "a", ("a", "b", "c")))
KINDS = {
    "bluefin": (NUMBERS, {}, {"m": "n != -1"}),
    "bluefin two-point": (NUMBERS, {"feedback": 2}, {}),
    "uniform_random": (EVERYTHING, {}, {"x": 'c in ("a", "b")'}),
    "ppo": (EVERYTHING, {"n_steps": 5, "batch_size": 5, "n_epochs": 1, "net_arch": (4,)}, {}),
}
CONTEXTS = st.sampled_from([None, {"load": 0}, {"load": 0.5, "time": "day"}])
WHICH = st.integers(0, 50)
REWARDS = st.one_of(st.just(0.0), st.floats(-1e9, 1e9), st.integers(-5, 5))
BOUND = 6


class Requests(RuleBasedStateMachine):
    """The client's book is the model; it compares itself after every call."""

    @initialize(kind=st.sampled_from(sorted(KINDS)), normalize=st.booleans())
    def make(self, kind, normalize):
        self.parameters, options, self.conditions = KINDS[kind]
        self.constraints = ["n <= m + 32"]
        algorithm = create_tuning_instance(
            kind.split()[0],
            self.parameters,
            constraints=self.constraints,
            conditions=self.conditions,
            random_seed=1,
            max_open_requests=BOUND,
            normalize_rewards=normalize,
            **options,
        )
        self.client = Client(algorithm, max_open_requests=BOUND)

    @rule(context=CONTEXTS, fresh=st.booleans())
    def predict(self, context, fresh):
        prediction = self.client.predict(context, fresh=fresh)
        check_prediction(self.parameters, self.constraints, prediction, self.conditions)

    @rule(context=CONTEXTS, reward=REWARDS)
    def reward_context(self, context, reward):
        self.client.reward_context(context, reward)

    @rule(which=WHICH, reward=REWARDS)
    def reward_request(self, which, reward):
        self.client.reward_request(which, reward)

    @rule(which=WHICH, reward=REWARDS)
    def store(self, which, reward):
        self.client.store(which, reward)

    @rule(context=CONTEXTS)
    def settle(self, context):
        self.client.settle(context)

    @rule(which=WHICH)
    def misuse(self, which):
        before = self.client.algorithm.learnt_fingerprint()
        self.client.misuse(which)
        assert self.client.algorithm.learnt_fingerprint() == before

    @rule()
    def save_and_load(self):
        algorithm = self.client.algorithm
        before = algorithm.learnt_fingerprint()
        self.client.algorithm = load_tuning_instance(io.BytesIO(algorithm.dumps()))
        assert self.client.algorithm.learnt_fingerprint() == before

    @invariant()
    def nothing_grows(self):
        if hasattr(self, "client"):
            assert len(self.client.algorithm.get_tuning_requests()) <= BOUND


Requests.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestRequests = Requests.TestCase
