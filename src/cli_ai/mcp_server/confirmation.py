"""Makes a dangerous call happen only after somebody was shown what exactly it would do."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LASTS_S = 300.0
"""So long a confirmation token can be used."""

_MOST = 32


class _Issued(NamedTuple):
    token: str
    about: str
    until: float


class Confirmations:
    """Tokens that each allow one call, with the arguments and the effect that were shown.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._issued: list[_Issued] = []

    def issue(self, tool: str, arguments: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
        """Return a new token for this call with this effect."""
        token = secrets.token_urlsafe(16)
        self._issued = [
            *self._valid(),
            _Issued(token, _digest(tool, arguments, shown), self._clock() + LASTS_S),
        ]
        self._issued = self._issued[-_MOST:]
        return token

    def redeem(self, token: str, tool: str, arguments: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
        """Whether this token was issued for exactly this; it cannot be used again either way."""
        about = _digest(tool, arguments, shown)
        good = False
        kept = []
        for one in self._valid():
            # Every comparison takes the same time, and all are made.
            if hmac.compare_digest(one.token.encode(), token.encode("utf-8", "replace")):
                good = hmac.compare_digest(one.about, about)
            else:
                kept.append(one)
        self._issued = kept
        return good

    def _valid(self) -> list[_Issued]:
        return [one for one in self._issued if one.until > self._clock()]


def _digest(tool: str, arguments: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    text = json.dumps([tool, dict(arguments), dict(shown)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
