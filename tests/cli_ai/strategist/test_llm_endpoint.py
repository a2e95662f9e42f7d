"""Asking an endpoint: each way in which it can misbehave, over real HTTP."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading

import pytest

from cli_ai.strategist.llm_endpoint import Endpoint
from cli_ai.strategist.llm_errors import EndpointError
from cli_ai.strategist.llm_settings import Settings
from support_endpoint import answer, breaking_off, endless, raw, refusal, scripted, silent

MESSAGES = [{"role": "user", "content": "choose"}]
SCHEMA = {"type": "object"}
SECRET = "sk-" + "q" * 40


def ask(endpoint, waits=None, timeout_s=5.0, key=SECRET, url=""):
    sleep = (waits if waits is not None else []).append
    with Endpoint(Settings(url or endpoint.url, "m", key, timeout_s), sleep=sleep) as found:
        return found.ask(MESSAGES, SCHEMA)


def trouble(*replies, **settings) -> str:
    """The message of the error that these replies lead to; it never holds the key."""
    with scripted(*replies) as endpoint, pytest.raises(EndpointError) as caught:
        ask(endpoint, **settings)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)
    return str(caught.value)


def test_an_answer_in_pieces_comes_whole():
    with scripted(answer('{"a": "äöü 中文"}', pieces=7)) as endpoint:
        assert ask(endpoint) == '{"a": "äöü 中文"}'
    assert endpoint.keys == [f"Bearer {SECRET}"]
    assert endpoint.modes == ["json_schema"]
    assert endpoint.bodies[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert endpoint.bodies[0]["messages"] == MESSAGES


def test_a_plainer_form_is_asked_for_where_one_is_refused_and_remembered():
    replies = (refusal(400, "unknown response_format"), refusal(422), answer("plain"), answer("again"))
    with scripted(*replies) as endpoint, Endpoint(Settings(endpoint.url, "m")) as found:
        assert found.ask(MESSAGES, SCHEMA) == "plain"
        assert found.ask(MESSAGES, SCHEMA) == "again"
    assert endpoint.modes == ["json_schema", "json_object", "text", "text"]


def test_an_option_that_a_model_does_not_take_is_left_out_and_stays_out():
    """Hosted models that think first know ``max_completion_tokens`` only, and no temperature."""
    said = "Unsupported parameter: '{}' is not supported with this model."
    replies = (
        refusal(400, said.format("max_tokens")),
        refusal(400, said.format("temperature")),
        answer("a"),
        answer("b"),
    )
    with scripted(*replies) as endpoint, Endpoint(Settings(endpoint.url, "m")) as found:
        assert found.ask(MESSAGES, SCHEMA) == "a"
        assert found.ask(MESSAGES, SCHEMA) == "b"
    assert endpoint.modes == ["json_schema"] * 4, "the form of the answer is not what was refused"
    assert endpoint.bodies[0]["max_tokens"] == 2048
    for body in endpoint.bodies[2:]:
        assert body["max_completion_tokens"] == 2048
        assert not {"max_tokens", "temperature"} & set(body)


def test_a_server_that_refuses_every_option_is_given_up():
    for name in ("temperature", "max_tokens", "max_completion_tokens"):
        assert f"'{name}'" in trouble(refusal(400, f"no '{name}'"))


def test_an_empty_answer_is_asked_for_in_a_plainer_form():
    with scripted(answer("", 1), answer("{}")) as endpoint:
        assert ask(endpoint) == "{}"
    assert endpoint.modes == ["json_schema", "json_object"]


def test_what_is_refused_in_every_form_is_an_error():
    assert "it answered 400: no such model" in trouble(refusal(400, "no such model"))


@pytest.mark.parametrize(
    ("given", "waited"),
    [("3", 3.0), ("86400", 20.0), ("inf", 20.0), ("nan", 1.0), ("-5", 1.0), ("tomorrow", 1.0), (None, 1.0)],
)
def test_too_many_requests_are_waited_for_within_reason(given, waited):
    waits: list[float] = []
    headers = {} if given is None else {"retry_after": given}
    with scripted(refusal(429, "slow down", **headers), answer("late")) as endpoint:
        assert ask(endpoint, waits) == "late"
    assert waits == [waited]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_stays_in_trouble_is_given_up(status):
    waits: list[float] = []
    assert f"it answered {status}" in trouble(refusal(status), waits=waits)
    assert len(waits) == 2


def test_a_key_that_is_refused_is_not_repeated():
    assert "does not accept the key" in trouble(refusal(401, f"Incorrect API key provided: {SECRET}"))


def test_a_key_inside_of_another_message_is_taken_out():
    said = trouble(refusal(400, f"bad request by {SECRET}\x1b[31m\n{'x' * 5000}"))
    assert "bad request by …" in said
    assert len(said) < 300
    assert said.isprintable()


def test_a_silent_server_is_not_waited_for():
    over = threading.Event()
    assert "did not answer within 1 s" in trouble(silent(over), timeout_s=1.0)
    over.set()


def test_nobody_listens():
    with scripted(answer("x")) as endpoint:
        url = endpoint.url
    with pytest.raises(EndpointError, match="cannot be reached"):
        ask(None, url=url)


def test_a_stream_that_breaks_off_is_no_answer():
    assert "broke off" in trouble(breaking_off('{"intent": {"workload'))


@pytest.mark.parametrize("body", [b"", b"data: [DONE]\n\n", b"data: {}\n\n", b"data: [1]\n\n"])
def test_a_stream_without_an_answer_is_an_error(body):
    assert trouble(raw(body))


@pytest.mark.parametrize("body", [b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"\x00" * 100, b"<html>hello"])
def test_a_stream_of_something_else_is_an_error(body):
    assert trouble(raw(body))


def test_an_enormous_answer_is_cut_off_while_it_streams():
    """Ten megabytes of text in proper events: the limit on text ends it."""
    piece = (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":{"content":"' + b"x" * 8000 + b'"},"finish_reason":null}]}\n\n'
    )
    assert "cut off after 64 KiB" in trouble(endless(piece))


def test_an_enormous_line_is_cut_off_while_it_streams():
    """Ten megabytes without the end of an event: the limit on bytes ends it."""
    assert "more than 1024 KiB" in trouble(endless(b"data: " + b"y" * 65536))


def test_an_enormous_error_is_cut_off():
    assert trouble(raw(b"z" * (4 << 20), "application/json"))


def test_a_compressed_answer_is_refused():
    bomb = gzip.compress(b"0" * (64 << 20))
    assert "compresses" in trouble(raw(bomb, content_encoding="gzip"))


def test_a_redirect_is_not_followed():
    with scripted(answer("stolen")) as other:
        there = f"{other.url}/chat/completions"

        def elsewhere(handler):
            handler.begin(307, "text/plain", location=there)

        with scripted(elsewhere) as endpoint, pytest.raises(EndpointError):
            ask(endpoint)
    assert other.bodies == []


def test_a_proxy_of_the_environment_is_used_for_other_hosts_alone(monkeypatch):
    with scripted(answer("by proxy")) as proxy, scripted(answer("direct")) as endpoint:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert ask(endpoint) == "direct"
        assert ask(None, key="", url="http://models.example/v1") == "by proxy"
        monkeypatch.setenv("no_proxy", "models.invalid")
        with pytest.raises(EndpointError):
            ask(None, key="", url="http://models.invalid/v1")


def test_the_package_that_is_missing_is_named(tmp_path):
    (tmp_path / "openai.py").write_text("raise ImportError")
    code = (
        "from cli_ai.strategist.llm_endpoint import Endpoint\n"
        "from cli_ai.strategist.llm_settings import Settings\n"
        "try:\n    Endpoint(Settings('http://127.0.0.1:1/v1', 'm'))\n"
        "except Exception as error:\n    print(error)\n"
    )
    path = [str(tmp_path), *[entry for entry in sys.path if entry]]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'tactician[llm]'" in done.stdout
