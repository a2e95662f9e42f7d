"""The embedded benchmarks: real work that needs no server, no installation and no root.

Each is a module of its own, started as ``python -m tactician.workloads.<module>``. This table says which
there are; the experiments that tune them stand in the JSON files beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class EmbeddedWorkload(NamedTuple):
    """One embedded benchmark.

    Attributes:
        name: as operators write it.
        module: what ``python -m`` starts.
        description: one sentence for people.
        needs_namespace: whether its experiment writes sysctls, and therefore runs in a throw-away namespace.
        file_name: its experiment, beside this module and in ``examples/``.
    """

    name: str
    module: str
    description: str
    needs_namespace: bool
    file_name: str


def _table(*workloads: EmbeddedWorkload) -> Mapping[str, EmbeddedWorkload]:
    return MappingProxyType({workload.name: workload for workload in workloads})


WORKLOADS: Mapping[str, EmbeddedWorkload] = _table(
    EmbeddedWorkload(
        name="listen-backlog",
        module="tactician.workloads.listen_backlog",
        description="Bursts of 400 clients meet a busy server whose accept queue is net.core.somaxconn long.",
        needs_namespace=True,
        file_name="listen-backlog.json",
    ),
    EmbeddedWorkload(
        name="tcp-churn",
        module="tactician.workloads.tcp_churn",
        description="One client opens and closes connections as fast as free local ports allow.",
        needs_namespace=True,
        file_name="tcp-churn.json",
    ),
    EmbeddedWorkload(
        name="sqlite",
        module="tactician.workloads.sqlite_commits",
        description="Small transactions and reads on a real SQLite database, ruled by its PRAGMAs.",
        needs_namespace=False,
        file_name="sqlite.json",
    ),
)


def configuration(
    name: str,
    *,
    trials: int | None = None,
    duration: float | None = None,
    algorithm: str | None = None,
) -> dict[str, Any]:
    """Return the configuration document of an embedded workload, new and free to change.

    Args:
        name: a key of ``WORKLOADS``.
        trials: in place of the shipped budget.
        duration: seconds of one benchmark run, in place of the shipped ones.
        algorithm: in place of the shipped learner.

    Raises:
        KeyError: there is no such workload.
    """
    # A benchmark that starts must not pay for these imports.
    import json
    from importlib import resources

    text = (resources.files(__package__) / WORKLOADS[name].file_name).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    if trials is not None:
        document["budget"] = {"trials": trials}
    if duration is not None:
        document["duration"] = duration
    if algorithm is not None:
        document["algorithm"] = algorithm
    return document
