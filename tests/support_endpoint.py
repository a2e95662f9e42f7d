"""An OpenAI-compatible endpoint that says what the test wrote down, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(json.loads(body))
        self.server.keys.append(self.headers.get("authorization", ""))
        with self.server.lock:
            reply = self.server.replies.pop(0) if len(self.server.replies) > 1 else self.server.replies[0]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            reply(self)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def begin(self, status: int, kind: str = "text/event-stream", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, text: str | None, finish: str | None = None) -> None:
        delta = {} if text is None else {"content": text}
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        document = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        self.wfile.write(b"data: " + json.dumps(document).encode() + b"\n\n")
        self.wfile.flush()


class Endpoint(ThreadingHTTPServer):
    """Answers each request with the next reply, and the last one for ever."""

    daemon_threads = True

    def __init__(self, *replies: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = list(replies)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def modes(self) -> list[str]:
        """Which form of answer each request asked for."""
        return [body.get("response_format", {}).get("type", "text") for body in self.bodies]


@contextlib.contextmanager
def scripted(*replies: Reply) -> Iterator[Endpoint]:
    endpoint = Endpoint(*replies)
    thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        endpoint.server_close()
        thread.join()


def answer(text: str, pieces: int = 3) -> Reply:
    """A streamed answer in some pieces."""

    def reply(handler: Handler) -> None:
        handler.begin(200)
        size = max(1, -(-len(text) // pieces))
        for begin in range(0, len(text), size):
            handler.chunk(text[begin : begin + size])
        handler.chunk(None, "stop")
        handler.wfile.write(b"data: [DONE]\n\n")

    return reply


def document(value: object) -> Reply:
    return answer(json.dumps(value))


def refusal(status: int, message: str = "no", **headers: str) -> Reply:
    def reply(handler: Handler) -> None:
        handler.begin(status, "application/json", **headers)
        handler.wfile.write(json.dumps({"error": {"message": message, "type": "invalid"}}).encode())

    return reply


def raw(body: bytes, kind: str = "text/event-stream", **headers: str) -> Reply:
    def reply(handler: Handler) -> None:
        handler.begin(200, kind, **headers)
        handler.wfile.write(body)

    return reply


def breaking_off(text: str) -> Reply:
    """A stream whose connection closes in the middle."""

    def reply(handler: Handler) -> None:
        handler.begin(200)
        handler.chunk(text)

    return reply


def endless(piece: bytes) -> Reply:
    """The same bytes until the other side has had enough, or ten megabytes."""

    def reply(handler: Handler) -> None:
        handler.begin(200)
        for _ in range((10 << 20) // len(piece) + 1):
            handler.wfile.write(piece)

    return reply


def silent(until: threading.Event) -> Reply:
    """Nothing, until the test says so."""

    def reply(handler: Handler) -> None:
        until.wait(20)

    return reply
