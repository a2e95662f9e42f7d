"""What an experiment tells a search: its arguments, its budget in trials, the length of a run."""

from __future__ import annotations

import inspect as introspection
import math
import re
from collections.abc import Mapping

from oppertune.algorithms.all import get_algorithm_class
from tactician.experiment import Experiment, Training
from tactician.session import Session
from tactician.tuner import finals_of

# pgbench -T 30, wrk -d30s, hey -z 3s, iperf3 -t 10, sysbench --time=30, fio --runtime=30
_DURATIONS = re.compile(
    r"(?:--(?:time|runtime|duration|timeout)[= ]|(?<!\S)-(?:[Tdz] ?|t ))(\d+)(s|m)?(?!\w)"
)
_LEARNING_SLICES = 4
TELL_CONTEXTS_APART = {"auto", "bayesian_optimization"}
"""What the last run did to the system is a state for a policy to follow; to a model that learns one surface
per context it would be a world of its own for every trial."""


def search_arguments(session: Session) -> dict[str, object]:
    """Return the constructor's arguments: the experiment's, as far as the algorithm knows them."""
    experiment = session.experiment
    training = experiment.training
    offered: dict[str, object] = {
        "learning_rate": training.learning_rate,
        "n_steps": _rollout(session),
        "batch_size": training.batch_size,
        "n_epochs": training.n_epochs,
        "gamma": training.gamma,
        "max_steps_per_episode": training.max_steps_per_episode,
        "state_features": experiment.state_metrics,
        # What the system showed during a run follows from that run's configuration, not from the next.
        "state_in_model": False,
        "total_timesteps": _rounds(experiment) or training.total_timesteps,
        "budget": _measurements(experiment),
        "mode": "trials",
    }
    if groups := session.change_groups:
        offered["change_groups"] = groups
    if experiment.max_regression is not None:
        offered["max_regression"] = experiment.max_regression
    known = introspection.signature(get_algorithm_class(experiment.algorithm)).parameters
    arguments = {name: value for name, value in offered.items() if name in known}
    common = {
        "constraints": experiment.constraints,
        "random_seed": experiment.random_seed,
        "normalize_rewards": True,
    }
    return {**arguments, **common, **experiment.algorithm_args}


def keeps_to_a_floor(algorithm: str) -> bool:
    """Whether an algorithm can make trials rare that lose too much."""
    return "max_regression" in introspection.signature(get_algorithm_class(algorithm)).parameters


def _rounds(experiment: Experiment) -> int | None:
    """How many trials the algorithm decides on, as far as that can be known before the first."""
    budget = experiment.budget
    if budget.trials is not None:
        return max(1, budget.trials - finals_of(budget))
    typical = duration_hint(experiment)
    return None if typical is None or budget.seconds is None else max(2, int(budget.seconds / typical))


def _measurements(experiment: Experiment) -> int | None:
    """How many rewards a search gets that tells the best few apart by itself: the baseline's is the first."""
    trials = experiment.budget.trials
    rounds = _rounds(experiment) if trials is None else trials
    return None if rounds is None else rounds + 1


def _rollout(session: Session) -> int:
    """Return ``n_steps``; of real trials made shorter where not asked for and the budget ends before."""
    training: Training = session.experiment.training
    trials = session.experiment.budget.trials
    imagined = session.experiment.algorithm_args.get("model_based", True)
    if imagined or trials is None or trials >= training.n_steps:
        return training.n_steps
    asked = session.experiment.document.get("training_config")
    if isinstance(asked, Mapping) and "n_steps" in asked:
        if session.experiment.algorithm == "ppo":
            session.notice(
                f"n_steps {training.n_steps} is more than the {trials} trials, so PPO will never learn; "
                f"try n_steps {max(4, trials // _LEARNING_SLICES)}",
                warning=True,
            )
        return training.n_steps
    return max(4, trials // _LEARNING_SLICES)


def duration_hint(experiment: Experiment) -> float | None:
    """Guess the seconds of one benchmark run from its command, None where it does not say.

    Only for the announcement of how long a run will take; after the baseline it is measured.
    """
    workload = experiment.workload
    if workload.duration_s is not None and "{duration}" in workload.command:
        return workload.duration_s
    found = [
        float(number) * (60 if unit == "m" else 1) for number, unit in _DURATIONS.findall(workload.command)
    ]
    plausible = [seconds for seconds in found if 0 < seconds <= workload.timeout_s and math.isfinite(seconds)]
    return max(plausible) if plausible else None
