"""Many clients in threads share one algorithm, and each checks everything against a ledger of its own.

Run as ``python benchmarks/stress_requests.py [--threads 8] [--requests 10000] [--seed 0]``.

Every client asks, rewards late, in any order, or never, and writes down what it was given and what it gave.
The algorithm writes down what it was taught. In the end both must agree: no reward lost, none taught twice,
none with another request's prediction or context, and nothing that grows with the number of requests.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

from oppertune.algorithms.bluefin import BlueFin
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.requests import REMEMBERED_IDS
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import RewardError, UnknownRequestError
from oppertune.testing.contract import check_prediction

NUMBERS = (Integer("n", 5, 0, 10**6), Real("x", 0.5, 0.0, 1.0), Integer("k", 0, 0, 50, step=5))
EVERYTHING = (*NUMBERS, Categorical("c", "a", ("a", "b", "c")))


def earned(prediction: dict[str, Any], client: int) -> float:
    """A reward that tells which prediction and whose it is."""
    return prediction["n"] + prediction["x"] / 2 + 10.0**7 * client


class Taught:
    """What an algorithm was taught, beside what it does with it."""

    def __init__(self) -> None:
        self.by_client: Counter[int] = Counter()
        self.requests: Counter[str] = Counter()
        self.wrong = 0

    def take(self, tuning_request: Any) -> None:
        """Write one lesson down."""
        client = tuning_request.context.data["client"]
        self.by_client[client] += 1
        self.requests[tuning_request.id] += 1
        self.wrong += tuning_request.reward != earned(tuning_request.prediction, client)


class WatchedRandom(UniformRandom):
    """Blind search that is watched."""

    def _set_reward(self, tuning_request: Any) -> None:
        self.taught.take(tuning_request)
        super()._set_reward(tuning_request)


class WatchedBlueFin(BlueFin):
    """The gradient bandit that is watched."""

    def _set_reward(self, tuning_request: Any) -> None:
        self.taught.take(tuning_request)
        super()._set_reward(tuning_request)


class Client:
    """One thread's work and its ledger."""

    def __init__(self, algorithm: Any, number: int, requests: int, seed: int) -> None:
        self.algorithm, self.number, self.requests = algorithm, number, requests
        self.draw = random.Random(seed * 1000 + number)
        self.given: set[str] = set()
        self.rewarded: set[str] = set()
        self.lapsed = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Work until done, or until something is wrong."""
        try:
            self._run()
        except BaseException as error:
            self.error = error

    def _run(self) -> None:
        waiting: list[tuple[str, dict[str, Any]]] = []
        for i in range(self.requests):
            context = {"client": self.number, "tenant": self.draw.randrange(4)}
            prediction, request_id = self.algorithm.predict(context, fresh=True)
            if i % 50 == 0:
                check_prediction(self.algorithm.parameters, (), prediction)
            self.given.add(request_id)
            if self.draw.random() < 0.98:  # the others are never rewarded
                waiting.append((request_id, prediction))
            while len(waiting) > 10 or (waiting and self.draw.random() < 0.4):
                self._reward(*waiting.pop(self.draw.randrange(len(waiting))))
        for request_id, prediction in waiting:
            self._reward(request_id, prediction)

    def _reward(self, request_id: str, prediction: dict[str, Any]) -> None:
        reward = earned(prediction, self.number)
        try:
            if self.draw.random() < 0.3:
                self.algorithm.store_reward(request_id, reward)
                self.algorithm.set_reward(None, request_id=request_id)
            else:
                self.algorithm.set_reward(reward, request_id=request_id)
        except UnknownRequestError:
            self.lapsed += 1
            return
        self.rewarded.add(request_id)
        if self.draw.random() < 0.05:
            try:
                self.algorithm.set_reward(reward, request_id=request_id)
            except (RewardError, UnknownRequestError):
                return
            raise AssertionError("a second reward was taken")


def stress(cls: Any, parameters: Any, threads: int, requests: int, seed: int = 0) -> dict[str, float]:
    """Run all clients and compare the ledgers.

    Raises:
        AssertionError: they do not agree.
    """
    bound = 200
    algorithm = cls(parameters, random_seed=seed, max_open_requests=bound)
    taught = algorithm.taught = Taught()
    clients = [Client(algorithm, number, requests, seed) for number in range(threads)]
    workers = [threading.Thread(target=client.run) for client in clients]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    for client in clients:
        if client.error is not None:
            raise AssertionError(f"client {client.number} failed") from client.error
    rewarded = [request_id for client in clients for request_id in client.rewarded]
    given = [request_id for client in clients for request_id in client.given]
    assert len(set(given)) == len(given) == threads * requests, "two requests have one id"
    assert taught.wrong == 0, f"{taught.wrong} rewards were taught with another prediction or context"
    assert taught.requests == Counter(rewarded), "a reward was lost or taught twice"
    assert taught.by_client == {client.number: len(client.rewarded) for client in clients}
    ledger = algorithm._ledger
    assert len(ledger) <= bound and len(ledger._contexts) <= bound, "open requests grow"
    assert len(ledger._closed) <= REMEMBERED_IDS, "closed requests are kept"
    assert len(algorithm._table) <= 2001, "configurations are kept"
    lapsed = sum(client.lapsed for client in clients)
    return {
        "requests": threads * requests,
        "rewarded": len(rewarded),
        "lapsed": lapsed,
        "still open": len(ledger),
        "seconds": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--requests", type=int, default=10_000, help="per thread")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Threads change places often, so that what could go wrong has the chance to.
    sys.setswitchinterval(1e-5)
    for cls, parameters in ((WatchedRandom, EVERYTHING), (WatchedBlueFin, NUMBERS)):
        found = stress(cls, parameters, options.threads, options.requests, options.seed)
        print(
            cls.__name__.removeprefix("Watched"),
            *(f"{what}: {number}" for what, number in found.items()),
            sep="   ",
        )


if __name__ == "__main__":
    main()
