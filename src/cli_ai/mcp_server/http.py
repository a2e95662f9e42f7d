"""The server over HTTP: on loopback only, behind a token that only this user can read."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tactician.errors import OperatorError
from tactician.system.home import Home

ADDRESS = "127.0.0.1"
PATH = "/mcp"
_TOKEN_FILE = "mcp-token"


def token_file(home: Home) -> Path:
    """Where the token is."""
    return home.path / _TOKEN_FILE


def find_token(home: Home) -> str:
    """Return the token of this home, made at first use, readable by its owner only.

    Raises:
        OperatorError: it can be read or changed by others, or cannot be made.
    """
    path = token_file(home)
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(made, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="ascii") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
                raise OperatorError(f"{path} can be read by others; remove it, and a new one is made")
            token = file.read(4096).strip()
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path} cannot be used: {error}") from error
    if len(token) < 32:
        raise OperatorError(f"{path} holds no token; remove it, and a new one is made")
    return token


class Guarded:
    """Lets a request through only with the token; the answer to any other says no more than that.

    Args:
        app: what it guards.
        token: ASCII.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
            if len(given) != 1 or not hmac.compare_digest(given[0], self._wanted):
                refusal = PlainTextResponse("a token is needed", 401, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def http_app(server: Server[Any], port: int, token: str) -> ASGIApp:
    """The server as an application that answers requests to this host and port with this token only."""
    names = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=names,
        allowed_origins=[f"http://{name}" for name in names],
    )
    app: Starlette = server.streamable_http_app(
        streamable_http_path=PATH, transport_security=security, host=ADDRESS
    )
    return Guarded(app, token)


def serve_http(server: Server[Any], port: int, home: Home, announce: Callable[[str], None]) -> None:
    """Serve any number of clients until a signal comes.

    Args:
        server: with all its handlers.
        port: 0 for any that is free.
        home: whose token opens it.
        announce: is told the address once it is bound.

    Raises:
        OperatorError: the token or the port cannot be used.
    """
    import socket

    import uvicorn

    token = find_token(home)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError as error:
            raise OperatorError(f"--http {port}: {error.strerror}") from error
        bound = int(listener.getsockname()[1])
        app = http_app(server, bound, token)
        listener.listen()
        announce(f"http://{ADDRESS}:{bound}{PATH}; the token is in {token_file(home)}")
        settings = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
        uvicorn.Server(settings).run(sockets=[listener])
