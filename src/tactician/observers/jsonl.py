"""Gives the events of a run to programs, one JSON object a line, flushed as they happen."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from tactician.events import Event
from tactician.experiment import Experiment

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class JsonLinesObserver:
    """Writes every event as ``{"event": "trial_finished", "at": ..., ...}``.

    Args:
        stream: where to.
        clock: gives the time with its zone.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], datetime] | None = None) -> None:
        self._stream = stream
        self._clock = clock if clock is not None else lambda: datetime.now(UTC)

    def __call__(self, event: Event) -> None:
        """Write one event."""
        at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = _jsonable(event)
        name = _CAPITAL.sub("_", type(event).__name__).lower()
        self._stream.write(json.dumps({"event": name, "at": at, **fields}, allow_nan=False) + "\n")
        self._stream.flush()


def _jsonable(value: Any) -> Any:
    if isinstance(value, Experiment):
        # The document says it all in the operator's own words.
        named = {"workload_name": value.workload_name, "algorithm": value.algorithm}
        return named | {"reward_metric": value.metric.name, "document": _jsonable(value.document)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    return _jsonable(value.item()) if hasattr(value, "item") else str(value)
