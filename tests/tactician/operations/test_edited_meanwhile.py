"""An administrator edits a service's file while an application stands: theirs stays, ours goes."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

import support_services
from support_operations import ID, record_of, until
from tactician.operations import apply_run, recover_everywhere, revert
from tactician.system.applications import unconfirmed
from tactician.undo import journal
from tactician.undo.foreign import is_theirs


def of_nginx(server):
    items = [
        {"param": "nginx.worker_connections", "type": "int", "min": 512, "max": 4096},
        {"param": "nginx.keepalive_timeout", "type": "int", "min": 10, "max": 100},
    ]
    document = {"services": {"nginx": {"path": str(server.path)}}}
    best = {"nginx.worker_connections": 1024, "nginx.keepalive_timeout": 20}
    before = {"nginx.worker_connections": 64, "nginx.keepalive_timeout": 65}
    return record_of(items, best, before, document)


def edited(server, old, new):
    text = server.path.read_text()
    assert old in text
    server.path.write_text(text.replace(old, new))


@pytest.fixture
def nginx():
    with support_services.nginx() as server:
        yield server


@pytest.mark.needs("nginx")
def test_revert_keeps_what_was_added_and_takes_ours_back(home, nginx):
    before = nginx.path.read_text()
    apply_run(of_nginx(nginx), home)
    edited(nginx, "    access_log off;", "    access_log off;\n    gzip on;  # by hand")
    recovery = revert(home)
    assert nginx.path.read_text() == before.replace(
        "    access_log off;", "    access_log off;\n    gzip on;  # by hand"
    )
    ((path, found),) = recovery.changed
    assert path == str(nginx.path)
    assert is_theirs(found)
    assert nginx.workers()
    closed = journal.read(home.applied / "closed" / f"{ID}.jsonl").entries
    assert [entry["found"] for entry in closed if entry["kind"] == "kept"] == [found]


@pytest.mark.needs("nginx")
def test_a_line_that_they_set_themselves_stays_theirs_and_the_original_lies_beside(home, nginx):
    before = nginx.path.read_text()
    apply_run(of_nginx(nginx), home)
    edited(nginx, "worker_connections 1024", "worker_connections 128")
    ((_, found),) = revert(home).changed
    assert "worker_connections 64;" in found
    assert nginx.path.read_text() == before.replace("worker_connections 64", "worker_connections 128")
    beside = nginx.folder / ".nginx.conf.before-tactician"
    assert str(beside) in found
    assert beside.read_text() == before
    assert not list(home.applied.glob("*.jsonl")), "nothing is left to do"


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("guarded", [True, False])
def test_guardian_and_recover_keep_it_too(home, nginx, guarded):
    before = nginx.path.read_text()
    apply_run(of_nginx(nginx), home, confirm_within_s=3)
    if not guarded:
        os.kill(unconfirmed(home)[0].guardian, signal.SIGKILL)
    edited(nginx, "# kept as it is", "# kept as she is")
    assert until(lambda: not unconfirmed(home))
    if not guarded:
        recover_everywhere(home)
    assert until(lambda: not list(home.applied.glob("*.jsonl")))
    assert nginx.path.read_text() == before.replace("as it is", "as she is")


@pytest.mark.needs("postgres", "root", "setpriv")
def test_what_somebody_sets_in_postgresql_meanwhile_stays(home):
    with support_services.postgres() as server:
        item = {"param": "postgresql.work_mem", "type": "int", "min": 1024, "max": 65536}
        document = {"services": {"postgresql": {"port": server.port}}}
        apply_run(record_of([item], {item["param"]: 16384}, {item["param"]: 4096}, document), home)
        server.ask("ALTER SYSTEM SET random_page_cost = 1.1")
        ((path, found),) = revert(home).changed
        assert path == str(server.auto)
        assert is_theirs(found)
        assert "work_mem" not in server.auto.read_text()
        assert "random_page_cost = '1.1'" in server.auto.read_text()
        assert until(lambda: server.shown("work_mem") == "4096")


@pytest.mark.needs("redis-server", "redis-cli")
def test_a_file_of_redis_that_it_rewrote_itself_stays_as_it_wrote_it(home):
    item = {"param": "redis.maxmemory-samples", "type": "int", "min": 3, "max": 10}
    with support_services.redis(text="maxmemory-samples 5\n# by hand\n") as server:
        document = {"services": {"redis": {"socket": server.socket}}}
        apply_run(record_of([item], {item["param"]: 9}, {item["param"]: 5}, document), home, persist=True)
        subprocess.run(["redis-cli", "-s", server.socket, "CONFIG", "SET", "timeout", "7"], check=True)
        subprocess.run(["redis-cli", "-s", server.socket, "CONFIG", "REWRITE"], check=True)
        written = server.path.read_text()
        assert "maxmemory-samples 9\n" in written
        revert(home)
        assert server.path.read_text() == written.replace("maxmemory-samples 9", "maxmemory-samples 5")
        assert "timeout 7\n" in server.path.read_text()
        assert server.shown("maxmemory-samples") == "5"
