"""The baseline that changes nothing: what every other algorithm is compared with."""

from __future__ import annotations

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest


class Identity(Algorithm):
    """Always predicts the parameters' own values (repaired where they violate a constraint)."""

    class Meta:
        """Takes everything."""

        requires_untransformed_parameters = True
        supports_context = True

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        return _PredictResponse({p.name: p.val for p in self.params})

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        """There is nothing to learn."""
