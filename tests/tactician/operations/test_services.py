"""Applied settings of real services: in place, awaited, taken back by a guardian, and after a restart."""

from __future__ import annotations

import os
import signal

import pytest

import support_services
from support_operations import ID, end_guardians, record_of, rewrite_header, until
from tactician.operations import apply_run, confirm, export, recover_everywhere, revert
from tactician.system.applications import unconfirmed
from tactician.undo import applied


@pytest.fixture(scope="module")
def _server():
    with support_services.postgres() as server:
        yield server


@pytest.fixture
def postgres(_server):
    before = _server.auto.read_bytes()
    yield _server
    assert _server.auto.read_bytes() == before
    assert until(lambda: _server.shown("work_mem") == "4096")


@pytest.fixture
def redis():
    with support_services.redis() as server:
        before = server.ask("CONFIG", "GET", "*")
        yield server
        assert server.ask("CONFIG", "GET", "*") == before


def of_postgres(server):
    item = {"param": "postgresql.work_mem", "type": "int", "min": 1024, "max": 65536}
    document = {"services": {"postgresql": {"port": server.port}}}
    return record_of([item], {item["param"]: 16384}, {item["param"]: 4096}, document)


def of_redis(server):
    item = {"param": "redis.maxmemory-samples", "type": "int", "min": 3, "max": 10}
    document = {"services": {"redis": {"socket": server.socket}}}
    return record_of([item], {item["param"]: 9}, {item["param"]: 5}, document)


@pytest.mark.needs("postgres", "root", "setpriv")
def test_a_setting_of_postgresql_comes_back_by_the_guardian_alone(home, postgres):
    apply_run(of_postgres(postgres), home, confirm_within_s=5)
    assert until(lambda: postgres.shown("work_mem") == "16384", 4.0)
    assert until(lambda: postgres.shown("work_mem") == "4096")
    assert until(lambda: not unconfirmed(home) and not (home.applied / f"{ID}.jsonl").exists())


@pytest.mark.needs("postgres", "root", "setpriv")
def test_a_setting_of_postgresql_that_is_confirmed_stays_until_it_is_reverted(home, postgres):
    done = apply_run(of_postgres(postgres), home, confirm_within_s=300)
    assert any("postgresql keeps its settings in its own file" in notice for notice in done.notices)
    confirm(home)
    assert until(lambda: postgres.shown("work_mem") == "16384")
    revert(home)


@pytest.mark.needs("postgres", "root", "setpriv")
def test_after_a_restart_of_the_host_the_servers_file_is_put_back(home, postgres):
    """Its own file has outlived the restart, so an unconfirmed application is still to be taken back."""
    apply_run(of_postgres(postgres), home, confirm_within_s=300)
    end_guardians(home.applied)
    rewrite_header(home.applied / f"{ID}.jsonl", boot_id="another")
    assert b"work_mem" in postgres.auto.read_bytes()
    assert applied.look(home.applied / f"{ID}.jsonl").phase == "expired"
    assert [found.run_id for found in recover_everywhere(home) if found.run_id == ID] == [ID]
    assert b"work_mem" not in postgres.auto.read_bytes()


@pytest.mark.needs("redis-server")
def test_a_setting_of_redis_comes_back_when_its_guardian_was_killed_too(home, redis):
    apply_run(of_redis(redis), home, confirm_within_s=2)
    assert "9" in redis.ask("CONFIG", "GET", "maxmemory-samples")
    os.kill(unconfirmed(home)[0].guardian, signal.SIGKILL)
    assert until(lambda: not unconfirmed(home))
    assert "9" in redis.ask("CONFIG", "GET", "maxmemory-samples")
    recover_everywhere(home)
    assert "5" in redis.ask("CONFIG", "GET", "maxmemory-samples")


def test_an_export_of_services_needs_none_of_them():
    class Nowhere:
        port, socket = 1, "/nowhere"

    script = export(of_postgres(Nowhere), "sh")
    assert "ALTER SYSTEM SET work_mem = '\"'\"'16384'\"'\"''" in script
    assert "ALTER SYSTEM SET work_mem = '\"'\"'4096'\"'\"''" in script
    assert "redis-cli CONFIG SET maxmemory-samples 9" in export(of_redis(Nowhere), "sh")
    assert "# not in here, set by hand: redis-cli CONFIG SET" in export(of_redis(Nowhere), "sysctl")
