"""Who else may set what we tune: daemons, files of the boot, control groups, containers; read-only."""

from __future__ import annotations

from collections.abc import Sequence

from tactician.experiment import Experiment
from tactician.system.ownership import configured, confinement, daemons
from tactician.system.ownership.owner import Owner, key_of

__all__ = ["Owner", "survey", "survey_keys"]


def survey(experiment: Experiment, root: str = "") -> list[Owner]:
    """Return whoever may own or hide one of the experiment's keys, with what that means.

    Args:
        experiment: with the parameters to look for.
        root: put before every path; for tests.
    """
    keys = [key_of(tuned) for tuned in experiment.parameters if tuned.on_host]
    found = survey_keys(list(dict.fromkeys(filter(None, keys))), root)
    if experiment.network_namespace is not None:  # then it is another one on purpose
        found = [owner for owner in found if owner.name != confinement.NAMESPACE]
    return found


def survey_keys(keys: Sequence[str], root: str = "") -> list[Owner]:
    """Return the same for sysctl names and paths below /sys."""
    if not keys:
        return []
    return [*daemons.owners(keys, root), *configured.owners(keys, root), *confinement.owners(keys, root)]
