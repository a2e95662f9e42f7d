"""The one error of the parsers, so that a caller can tell a missing number from everything else."""

from __future__ import annotations

from tactician.errors import HostError


class MetricNotFoundError(HostError):
    """The output does not hold the metric, holds it more than once, or holds it as NaN."""

    code = "metric"
