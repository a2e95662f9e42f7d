"""Asks any OpenAI-compatible endpoint for a JSON answer, in the strictest form that it understands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cli_ai.strategist.llm_errors import EndpointError, SettingsError
from cli_ai.strategist.llm_settings import Settings, is_loopback
from cli_ai.strategist.llm_text import clean

if TYPE_CHECKING:
    import openai

Mode = Literal["json_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = get_args(Mode)
LONGEST_ANSWER = 64 << 10
"""Characters of an answer; what comes beyond is not waited for."""

_TRIES = 3
_LONGEST_WAIT_S = 20.0


class Endpoint:
    """One model behind one address. Use it as a context manager, or close it.

    Args:
        settings: where it is.
        sleep: waits so many seconds between two tries.

    Attributes:
        mode: the form of answer that is asked for; it only ever becomes plainer.

    Raises:
        SettingsError: the package ``openai`` is not installed.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self.mode: Mode = MODES[0]
        self._sleep = sleep
        self._options: dict[str, int] = {"temperature": 0, "max_tokens": settings.most_tokens}
        self._client = _client(settings)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        """Return the model's answer as text; whether it fits the schema is for the caller to see.

        Args:
            messages: of the conversation, with ``role`` and ``content``.
            schema: JSON Schema of the answer.

        Raises:
            EndpointError: no answer came; the message says why, and never holds the key.
        """
        while True:
            try:
                return self._patiently(messages, schema)
            except EndpointError as error:
                plainer = MODES.index(self.mode) + 1
                if not error.unsupported or plainer == len(MODES):
                    raise
                self.mode = MODES[plainer]

    def _patiently(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        import openai

        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                return self._once(messages, schema)
            except openai.APIStatusError as error:
                if self._without_what_it_refuses(error):
                    continue
                wait = _wait_before_retry(error)
                if wait is None or not tries_left:
                    raise self._trouble(error) from None
                self._sleep(wait)
            except EndpointError:
                raise
            except Exception as error:
                # The package raises its own errors, its transport's and its JSON reader's.
                raise self._trouble(error) from None

    def _without_what_it_refuses(self, error: openai.APIStatusError) -> bool:
        """Leave an option out that a 400 names, since not every model takes all; True if there was one."""
        said = self._said(error) if error.status_code in (400, 422) else ""
        named = next((name for name in self._options if f"'{name}'" in said or f"`{name}`" in said), "")
        if not named:
            return False
        value = self._options.pop(named)
        if named == "max_tokens":
            self._options["max_completion_tokens"] = value  # its name where models think before they answer
        return True

    def _once(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        parts: list[str] = []
        length, finished = 0, ""
        create: Any = self._client.chat.completions.create
        with create(
            model=self.settings.model,
            messages=[dict(message) for message in messages],
            stream=True,
            **self._options,
            **_form(self.mode, schema),
        ) as stream:
            for chunk in stream:
                for choice in chunk.choices[:1]:
                    piece = (choice.delta.content if choice.delta else None) or ""
                    parts.append(piece)
                    length += len(piece)
                    finished = choice.finish_reason or finished
                if length > LONGEST_ANSWER:
                    raise EndpointError(f"the answer was cut off after {LONGEST_ANSWER >> 10} KiB of text")
        if not finished:
            raise EndpointError("the answer broke off before its end")
        if not length:
            raise EndpointError("the answer is empty", unsupported=self.mode != "text")
        return "".join(parts)

    def _trouble(self, error: Exception) -> EndpointError:
        import openai

        if isinstance(error, openai.APIStatusError):
            what = f"it answered {error.status_code}: {self._said(error)}"
            return EndpointError(what, unsupported=error.status_code in (400, 404, 415, 422, 501))
        cause = error.__cause__
        if isinstance(cause, EndpointError):
            return cause
        if isinstance(error, openai.APITimeoutError):
            return EndpointError(f"it did not answer within {self.settings.timeout_s:g} s")
        if isinstance(error, openai.APIConnectionError):
            return EndpointError(f"it cannot be reached ({type(cause or error).__name__})")
        return EndpointError(f"its answer cannot be read ({type(error).__name__})")

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body
        text = str(body.get("message", "")) if isinstance(body, Mapping) else ""
        # Some servers repeat the key that they refuse, whole or in part.
        if self.settings.key and error.status_code in (401, 403):
            return "it does not accept the key"
        text = text.replace(self.settings.key, "…") if self.settings.key else text
        return clean(text) or "no reason given"


def _form(mode: Mode, schema: Mapping[str, Any]) -> dict[str, Any]:
    if mode == "json_schema":
        wanted = {"name": "experiment_choice", "strict": True, "schema": dict(schema)}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def _wait_before_retry(error: openai.APIStatusError) -> float | None:
    """Return how long to wait, in seconds; None where another try would be in vain."""
    if error.status_code not in (408, 409, 429, 500, 502, 503, 504):
        return None
    try:
        wanted = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        wanted = 1.0
    return min(wanted, _LONGEST_WAIT_S) if wanted >= 0 else 1.0


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address; none for one on this host."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _client(settings: Settings) -> openai.OpenAI:
    try:
        import httpx2
        import openai
    except ImportError:
        raise SettingsError(
            "a language model needs the package openai: pip install 'tactician[llm]'"
        ) from None
    from cli_ai.strategist.llm_transport import BoundedTransport

    proxy = _proxy(settings.url)
    inner = None if proxy is None else httpx2.HTTPTransport(proxy=proxy)
    carrier = httpx2.Client(
        transport=BoundedTransport(settings.timeout_s, inner),
        timeout=httpx2.Timeout(settings.timeout_s, connect=min(10.0, settings.timeout_s)),
        follow_redirects=False,
        trust_env=False,
    )
    # Retries are ours, so that waiting is bounded; a word stands where an endpoint wants no key.
    return openai.OpenAI(
        api_key=settings.key or "none", base_url=settings.url, max_retries=0, http_client=carrier
    )
