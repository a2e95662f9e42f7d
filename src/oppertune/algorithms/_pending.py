"""Predictions that wait for their rewards, as a model wants them, so that parallel trials differ."""

from __future__ import annotations

from oppertune.core.requests import RequestLedger
from oppertune.models.contexts import ContextData
from oppertune.models.inputs import Array, Inputs

MAX_PENDING = 50


def pending(ledger: RequestLedger, inputs: Inputs) -> tuple[Array, list[ContextData]]:
    """The newest draws that wait for their rewards, as rows, and the data of their contexts."""
    draws = {id(request.draw): request.draw for request in ledger if not request.draw.learnt}
    newest = list(draws.values())[-MAX_PENDING:]
    return inputs.encode([draw.prediction for draw in newest]), [draw.context.data for draw in newest]
