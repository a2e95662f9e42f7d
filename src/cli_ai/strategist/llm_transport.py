"""Bounds what an endpoint can make us read: so many bytes and seconds, nothing compressed, no redirect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx2

from cli_ai.strategist.llm_errors import EndpointError

MOST_BYTES = 1 << 20
"""Of one response on the wire; an answer is some kilobytes."""


class _Counted(httpx2.SyncByteStream):
    """A response body that ends with an error once it is too long or too late."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        left = MOST_BYTES
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise EndpointError(f"the answer was cut off: more than {MOST_BYTES >> 10} KiB came")
            if self._clock() > self._deadline:
                raise EndpointError("the answer was cut off: it came too slowly")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class BoundedTransport(httpx2.BaseTransport):
    """The usual transport with a limit on size and on the time of a whole response.

    Args:
        timeout_s: from the request to the last byte.
        inner: what carries it; the network's own by default.
    """

    def __init__(
        self,
        timeout_s: float,
        inner: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner if inner is not None else httpx2.HTTPTransport(retries=0)
        self._timeout_s = timeout_s
        self._clock = clock

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; its response can be read within the limits only."""
        deadline = self._clock() + self._timeout_s
        # A compressed megabyte may be a gigabyte once it is read.
        request.headers["Accept-Encoding"] = "identity"
        response = self._inner.handle_request(request)
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            response.close()
            raise EndpointError("the endpoint compresses its answers although it was told not to")
        body = response.stream
        assert isinstance(body, httpx2.SyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Counted(body, deadline, self._clock),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close what carries it."""
        self._inner.close()
