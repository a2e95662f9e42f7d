"""Redis, for real: CONFIG SET forth and back, its file and its secrets left alone."""

from __future__ import annotations

import json

import pytest

import support_services
from oppertune.core.values import Categorical, Integer
from support_services import Bench
from tactician.errors import KnobWriteError, PreflightError
from tactician.experiment import ServiceAccess
from tactician.system.service.knob import ServiceKnob
from tactician.system.service.redis import RedisService
from tactician.transaction import as_entry
from tactician.undo import services
from tactician.undo.redis import Redis, RedisError

pytestmark = pytest.mark.needs("redis-server", "redis-cli")

KNOBS = [
    ServiceKnob(Integer("redis.hz", 10, 1, 10**6), "redis", "hz"),
    ServiceKnob(Categorical("redis.save", "3600 1", ("3600 1", "60 1000 5 9")), "redis", "save"),
    ServiceKnob(
        Categorical("redis.maxmemory-policy", "nonsense", ("allkeys-lru", "nonsense")),
        "redis",
        "maxmemory-policy",
    ),
]


def opened(server, *settings, **access):
    service = RedisService("redis", ServiceAccess("redis", socket=server.socket, **access))
    for setting in settings or ("hz", "save", "maxmemory-policy"):
        service.inspect(setting)
    return service


def test_settings_act_at_once_and_are_taken_back(redis):
    one = Bench({"redis": opened(redis)})
    wanted = {"redis__hz": 77, "redis__save": "60 1000 5 9", "redis__maxmemory-policy": "allkeys-lru"}
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, **wanted))
        assert redis.shown("hz") == "77"
        assert redis.shown("save") == "60 1000 5 9"
        assert redis.shown("maxmemory-policy") == "allkeys-lru"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [({"redis__maxmemory-policy": "nonsense"}, "must be one of"), ({"redis__hz": 5000}, "keeps 500")],
)
def test_a_value_that_it_refuses_or_changes_fails(redis, wanted, says):
    one = Bench({"redis": opened(redis)})
    plan = one.plan(KNOBS, redis__save="3600 1", **wanted)
    with pytest.raises(KnobWriteError, match=says), one.transaction() as transaction:
        transaction.apply(plan)


def test_what_would_throw_keys_away_is_refused(redis):
    redis.ask("SET", "key", "x" * 100_000)
    service = opened(redis, "maxmemory", "maxmemory-policy")
    before = service.undo({"maxmemory": "1", "maxmemory-policy": "x"})
    with pytest.raises(KnobWriteError, match="evict"):
        service.write({"maxmemory": "100000", "maxmemory-policy": "allkeys-lru"})
    assert services.put_back([as_entry(before)], "trial")[1] == []
    assert redis.ask("EXISTS", "key") == ["1"]


@pytest.mark.parametrize(
    ("setting", "says"), [("hx", "did you mean hz"), ("io-threads", "at its start"), ("dir", "never tuned")]
)
def test_what_cannot_be_tuned_is_said(redis, setting, says):
    with pytest.raises(PreflightError, match=says):
        opened(redis, setting)


def test_a_server_that_is_not_there_is_said(tmp_path):
    with pytest.raises(PreflightError, match="does not answer"):
        RedisService("redis", ServiceAccess("redis", socket=str(tmp_path / "none.sock")))


@pytest.mark.parametrize("way", ["file", "variable"])
def test_a_password_is_used_and_never_journalled(tmp_path, monkeypatch, way):
    secret = "open-sesame"
    with support_services.redis("--requirepass", secret) as server:
        with pytest.raises(PreflightError, match="NOAUTH"):
            opened(server)
        access = {}
        if way == "file":
            (tmp_path / "password").write_text(f"{secret}\n")
            access = {"password_file": str(tmp_path / "password")}
        else:
            monkeypatch.setenv("REDISCLI_AUTH", secret)
        service = opened(server, **access)
        undo = as_entry(service.undo({"hz": "77"}))
        assert secret not in json.dumps(undo)
        service.write({"hz": "77"})
        assert services.put_back([undo], "death") == (
            [("redis", "hz=77\nsave=\nmaxmemory-policy=noeviction")],
            [],
        )
        assert service.read()["hz"] == "10"


def test_a_server_that_is_gone_is_left_over_with_a_command():
    with support_services.redis() as server:
        undo = as_entry(opened(server).undo({"hz": "77"}))
    _, leftovers = services.put_back([undo], "death")
    assert {leftover.path for leftover in leftovers} == {"redis"}
    assert "redis.py" in leftovers[0].command
    assert "hz=10" in leftovers[0].command


def test_the_protocol_carries_any_text(redis):
    text = "two\r\nlines, a $5 and a * and \x00"
    with Redis(redis.socket) as server:
        assert server.ask("SET", "k", text) == "OK"
        assert server.ask("GET", "k") == text
        assert server.ask("GET", "nothing") is None
        assert server.ask("LPUSH", "l", "a", "b") == 2
        assert server.ask("LRANGE", "l", "0", "-1") == ["b", "a"]
        with pytest.raises(RedisError, match="unknown command"):
            server.ask("NONSENSE")


def test_several_settings_are_set_together_or_not_at_all(redis):
    with Redis(redis.socket) as server, pytest.raises(RedisError):
        server.set({"hz": "20", "maxmemory-policy": "nonsense"})
    assert redis.shown("hz") == "10"
