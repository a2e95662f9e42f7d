"""The three sentences of the guide on real servers: each gives an experiment that runs as it stands."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import support_private
from cli_ai.asking import conversation
from cli_ai.discovery import discover
from cli_ai.main import app
from support_strategist import tuned

SENTENCES = {
    "postgresql": "optimize this system for database workload",
    "nginx": "my nginx drops connections under bursts",
    "redis": "Redis 尾延迟太高，帮我调优",
}
SERVERS: dict[str, Callable[[], AbstractContextManager[support_private.Private]]] = {
    "postgresql": support_private.postgresql,
    "nginx": support_private.nginx,
    "redis": support_private.redis,
}
NEEDED = {
    "postgresql": pytest.mark.needs("postgres", "pgbench", "createdb"),
    "nginx": pytest.mark.needs("nginx", "wrk"),
    "redis": pytest.mark.needs("redis-server", "redis-benchmark"),
}
PARAMETERS = [pytest.param(name, marks=NEEDED[name]) for name in SENTENCES]
PATIENCE = 24
SMALL = "at most 2 trials, 1 minute"


@contextlib.contextmanager
def only(name: str, monkeypatch: pytest.MonkeyPatch):
    """A private server that discovery takes for the only one, whatever else runs on this machine."""
    with SERVERS[name]() as server:
        facts = discover()
        mine = tuple(service for service in facts.services if service.name == name and of(service, server))
        assert mine, f"discovery does not find {name} in {facts.services}"
        # The guard of the tests lets nothing be opened for writing, and a plan writes nothing.
        seen = facts.model_copy(update={"services": mine, "writable": facts.knobs})
        monkeypatch.setattr(conversation, "discover", lambda: seen)
        yield server


def of(service, server: support_private.Private) -> bool:
    sockets = (path.endswith(f".s.PGSQL.{server.port}") for path in service.sockets)
    return service.pid == server.pid or server.port in service.ports or any(sockets)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_sentence_gives_a_plan_for_the_server_that_runs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with only(name, monkeypatch) as server:
        done = CliRunner().invoke(app, ["ask", "--plan", "--json", SENTENCES[name]])
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert plan["service"] == name
    names = tuned(plan["experiment"])
    assert 4 <= len(names) <= 12
    assert any(param.startswith(f"{name}.") for param in names)
    assert str(server.port) in plan["experiment"]["benchmark_command"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_the_plan_runs_as_it_stands(name: str, tmp_path) -> None:
    """Only the server's own settings, so that the test writes nothing of the host."""
    with SERVERS[name]() as server:
        words = f"{SENTENCES[name]}, port {server.port}, only {name} settings, {SMALL}"
        done = asked(words, tmp_path / "home")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        result = json.loads(done.stdout)
        assert result["restored"] is True
        assert result["trials"] >= 1
        assert result["failed_trials"] == 0
        assert result["plan"]["service"] == name
        assert left(name, server) == ""


def asked(words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Ask in a process of its own; another tuner on this machine is waited for."""
    argv = [sys.executable, "-m", "cli_ai.main", "ask", words, "--yes", "--json"]
    environment = {**os.environ, "TACTICIAN_HOME": str(home)}
    for _ in range(PATIENCE):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, env=environment)
        if '"locked"' not in done.stdout:
            break
        time.sleep(5)
    return done


def left(name: str, server: support_private.Private) -> str:
    """What a run has left in a server; empty for nothing."""
    port = str(server.port)
    if name == "postgresql":
        sql = "SELECT datname FROM pg_database WHERE datname LIKE 'tactician%'"
        argv = ["psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-Atc", sql]
    elif name == "redis":
        argv = ["redis-cli", "-p", port, "--scan", "--pattern", "tactician*"]
    else:
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
