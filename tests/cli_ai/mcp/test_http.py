"""The server over HTTP: loopback, token, Host and Origin, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from tactician.errors import OperatorError
from tactician.system.home import Home

mcp = pytest.importorskip("mcp")
httpx2 = pytest.importorskip("httpx2")

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"accept": "application/json, text/event-stream"}


class Served(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    token: str


@pytest.fixture
def served(own_state: Path) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli_ai.main", "mcp", "--http", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stderr.readline()
        url = re.match(r"(http://127\.0\.0\.1:\d+/mcp); the token is in ", line)
        assert url, line
        token = (own_state / "mcp-token").read_text().strip()
        assert token not in line
        yield Served(process, url[1], token)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stderr.close()


def posted(served: Served, **headers: str) -> int:
    with httpx2.Client(trust_env=False) as client:
        return client.post(served.url, json=HELLO, headers={**ACCEPT, **headers}).status_code


def test_a_client_with_the_token_is_served(served: Served) -> None:
    from mcp.client.streamable_http import streamable_http_client

    async def story() -> None:
        headers = {"Authorization": f"Bearer {served.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as client,
            mcp.Client(streamable_http_client(served.url, http_client=client)) as session,
        ):
            names = {tool.name for tool in (await session.list_tools()).tools}
            assert "propose" in names
            assert "start_run" not in names
            found = await session.call_tool("explain_knob", {"name": "vm.swappiness"})
            assert found.structured_content["known"]

    anyio.run(story)
    # Who is on another page of a browser, or behind a name that now leads here, has no token to send;
    # and were it to leak, Host and Origin are still looked at.
    good = {"authorization": f"Bearer {served.token}"}
    assert posted(served) == 401
    for wrong in ("", "Bearer", f"Bearer {served.token}x", f"bearer {served.token}", "Basic eA=="):
        assert posted(served, authorization=wrong) == 401
    assert posted(served, **good) != 401
    assert posted(served, **good, host="evil.example") == 421
    assert posted(served, **good, host="127.0.0.1:1") == 421
    assert posted(served, **good, origin="http://evil.example") == 403
    assert posted(served, **good, origin="null") == 403


def test_the_token_is_private_and_kept(own_state: Path) -> None:
    from cli_ai.mcp_server.http import find_token, token_file

    home = Home(own_state)
    token = find_token(home)
    assert len(token) >= 40
    assert stat.S_IMODE(token_file(home).stat().st_mode) == 0o600
    assert find_token(home) == token


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_token_that_others_reach_is_refused(own_state: Path, mode: int) -> None:
    from cli_ai.mcp_server.http import find_token, token_file

    home = Home(own_state)
    find_token(home)
    token_file(home).chmod(mode)
    with pytest.raises(OperatorError, match="can be read by others"):
        find_token(home)


def test_a_token_behind_a_link_or_without_content_is_refused(own_state: Path, tmp_path: Path) -> None:
    from cli_ai.mcp_server.http import find_token, token_file

    home = Home(own_state)
    own_state.mkdir()
    other = tmp_path / "other"
    other.write_text("x" * 40)
    other.chmod(0o600)
    token_file(home).symlink_to(other)
    with pytest.raises(OperatorError, match="cannot be used"):
        find_token(home)
    token_file(home).unlink()
    os.close(os.open(token_file(home), os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(OperatorError, match="holds no token"):
        find_token(home)


def test_a_port_that_is_taken_is_an_error_of_the_operator(served: Served) -> None:
    port = served.url.split(":")[2].split("/")[0]
    done = subprocess.run(
        [sys.executable, "-m", "cli_ai.main", "mcp", "--http", port],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
