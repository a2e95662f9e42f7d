"""What an operator says beside the experiment itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator said beside the experiment.

    Attributes:
        dry_run: simulate host and benchmark.
        skip_absent: go on without parameters that this kernel does not have.
        allow_durability: parameters for which crash safety may be given up.
        allow_uncatalogued: places that may be tuned although no catalogue knows them.
        root: put before every path of the host; for tests.
    """

    dry_run: bool = False
    skip_absent: bool = False
    allow_durability: Collection[str] = ()
    allow_uncatalogued: Collection[str] = ()
    root: str = ""
