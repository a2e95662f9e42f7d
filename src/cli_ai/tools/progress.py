"""How far a run has come, folded from its events, for people and programs that look in now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["starting", "running", "verifying", "finished", "failed"]


class Progress(BaseModel):
    """A run at one moment.

    Attributes:
        run_id: empty until the run has begun.
        baselines: runs of the baseline so far.
        trial, trials: the one under way, and how many there will be at most.
        value, best: of the last trial and of the best one so far, in ``unit``.
        baseline: the first baseline's value.
        seconds_left: an estimate; None while nothing is known.
        message: the last thing that happened, in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State = "starting"
    run_id: str = ""
    baselines: int = 0
    trial: int = 0
    trials: int | None = None
    failed_trials: int = 0
    value: float | None = None
    best: float | None = None
    baseline: float | None = None
    unit: str = ""
    seconds_left: float | None = None
    message: str = "starting"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("finished", "failed")

    def after(self, event: Mapping[str, Any]) -> Progress:
        """How far it is once this event has happened; an event of an unknown kind changes nothing."""
        fold = _FOLDS.get(str(event.get("event")))
        if fold is None:
            return self
        run_id = str(event.get("run_id", "")) or self.run_id
        return self.model_copy(update={"run_id": run_id, **fold(self, event)})


def _started(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    name = event.get("experiment", {}).get("workload_name", "")
    return {"state": "running", "seconds_left": event.get("seconds_estimate"), "message": f"began: {name}"}


def _baseline(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    value, unit = _measured(event)
    first = value if now.baseline is None else now.baseline
    said = f"baseline run {event.get('number')}: {_shown(value, unit)}"
    return {"baselines": now.baselines + 1, "baseline": first, "unit": unit or now.unit, "message": said}


def _trial_started(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    number, trials = int(event.get("number", 0)), event.get("trials")
    of = f" of {trials}" if trials else ""
    left = event.get("seconds_left")
    return {"trial": number, "trials": trials, "seconds_left": left, "message": f"trial {number}{of}"}


def _trial_finished(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    value, unit = _measured(event)
    unit = unit or now.unit
    outcome = event.get("outcome", {})
    if value is None:
        reason = str(outcome.get("reason", ""))[:200]
        said = f"trial {event.get('number')}: {outcome.get('status')}: {reason}"
        failed = now.failed_trials + (outcome.get("status") not in ("measured", "aborted"))
        return {"failed_trials": failed, "message": said}
    best = value if event.get("best") or now.best is None else now.best
    said = f"trial {event.get('number')}: {_shown(value, unit)}, best {_shown(best, unit)}"
    return {"value": value, "best": best, "unit": unit, "message": said}


def _verifying(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    return {"state": "verifying", "message": "measuring winner and original against each other"}


def _verified(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    verdict = event.get("verdict", {})
    return {"message": f"verified: {verdict.get('improvement', 0.0):+.1f} % ({verdict.get('reason', '')})"}


def _notice(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": str(event.get("text", ""))[:300]}


def _finished(now: Progress, event: Mapping[str, Any]) -> dict[str, Any]:
    good = bool(event.get("result", {}).get("success"))
    why = event.get("result", {}).get("stopped_because", "")
    return {
        "state": "finished" if good else "failed",
        "seconds_left": 0.0,
        "message": "finished" if good else f"ended: {why}",
    }


_FOLDS = {
    "run_started": _started,
    "baseline_measured": _baseline,
    "trial_started": _trial_started,
    "trial_finished": _trial_finished,
    "verification_started": _verifying,
    "verified": _verified,
    "notice": _notice,
    "run_finished": _finished,
}


def _measured(event: Mapping[str, Any]) -> tuple[float | None, str]:
    measurement = event.get("outcome", {}).get("measurement") or {}
    return measurement.get("value"), str(measurement.get("unit", ""))


def _shown(value: float | None, unit: str) -> str:
    return "nothing" if value is None else f"{value:.6g} {unit}".rstrip()
