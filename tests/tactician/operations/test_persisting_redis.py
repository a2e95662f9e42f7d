"""A winner in the file of a real Redis: there after its restart, gone byte for byte after a revert."""

from __future__ import annotations

import contextlib
import os

import pytest

import support_services
from support_operations import ID, record_of, rewrite_header, tree
from tactician.errors import RefusedError
from tactician.operations import apply_run, confirm, recover_everywhere, revert
from tactician.undo import applied

pytestmark = pytest.mark.needs("redis-server", "redis-cli")

TEXT = "# ours\nmaxmemory-samples 5   \nHZ 10\n\n# the end"
KEY = "redis.maxmemory-samples"


@contextlib.contextmanager
def started(text=TEXT, **more):
    """A server with a file of odd mode and old time, which it must have again afterwards."""
    with support_services.redis(text=text) as server:
        for name, content in more.items():
            (server.folder / name).write_text(content)
        server.path.chmod(0o640)
        os.utime(server.path, ns=(10**18, 10**18 + 7))
        before = tree(server.path)
        yield server
        assert tree(server.path) == before
        assert not list(server.folder.glob(".*")), "nothing beside it"


def record(server):
    item = {"param": KEY, "type": "int", "min": 3, "max": 10}
    document = {"services": {"redis": {"socket": server.socket}}}
    return record_of([item], {KEY: 9}, {KEY: 5}, document)


def restarted(server):
    server.stop()
    server.start()
    return server.shown("maxmemory-samples")


def test_it_is_there_after_a_restart_of_the_server_and_gone_after_a_revert(home):
    with started() as server:
        done = apply_run(record(server), home, persist=True)
        assert done.files == (str(server.path),)
        assert server.path.read_text() == TEXT.replace("maxmemory-samples 5   ", "maxmemory-samples 9")
        assert server.path.stat().st_mode & 0o7777 == 0o640
        assert restarted(server) == "9"
        revert(home)
        assert server.shown("maxmemory-samples") == "5"
        assert restarted(server) == "5"


def test_what_is_applied_can_be_persisted_afterwards(home):
    with started("hz 10\n") as server:
        apply_run(record(server), home)
        apply_run(record(server), home, persist=True)
        assert server.path.read_text() == "hz 10\nmaxmemory-samples 9\n"
        assert restarted(server) == "9"
        revert(home)
        assert server.shown("maxmemory-samples") == "5"


def test_with_a_time_to_confirm_the_file_changes_with_the_confirmation(home):
    with started() as server:
        before = server.path.read_bytes()
        apply_run(record(server), home, confirm_within_s=300, persist=True)
        assert server.path.read_bytes() == before
        with server.path.open("a") as file:
            file.write("\ntimeout 0\n")
        assert confirm(home).files == (str(server.path),)
        assert "maxmemory-samples 9\n" in server.path.read_text()
        assert server.path.read_text().endswith("\ntimeout 0\n")
        revert(home)
        assert server.path.read_bytes() == before + b"\ntimeout 0\n"
        server.path.write_bytes(before)
        os.utime(server.path, ns=(10**18, 10**18 + 7))


def test_after_a_restart_of_the_host_the_server_is_told_too(home):
    with started() as server:
        apply_run(record(server), home, persist=True)
        rewrite_header(home.applied / f"{ID}.jsonl", boot_id="another")
        assert restarted(server) == "9"
        assert applied.look(home.applied / f"{ID}.jsonl").phase == "kept"
        assert [found.run_id for found in recover_everywhere(home) if found.run_id == ID] == []
        revert(home)
        assert server.shown("maxmemory-samples") == "5"


def test_after_a_restart_of_the_host_without_the_server_its_file_is_put_back(home):
    with started() as server:
        apply_run(record(server), home, persist=True)
        rewrite_header(home.applied / f"{ID}.jsonl", boot_id="another")
        server.stop()
        revert(home)
        server.start()
        assert server.shown("maxmemory-samples") == "5"


def test_a_file_that_is_included_later_does_not_decide(home):
    """The file names it before its include, which says otherwise; so ours comes after both."""
    with support_services.folder_of() as folder:
        (folder / "more.conf").write_text("maxmemory-samples 7\n")
        with started(f"maxmemory-samples 6\ninclude {folder}/more.conf\n") as server:
            assert server.shown("maxmemory-samples") == "7"
            done = apply_run(record(server), home, persist=True)
            assert any("ours is added at the end" in notice for notice in done.notices)
            assert server.path.read_text().endswith("more.conf\nmaxmemory-samples 9\n")
            assert restarted(server) == "9"
            revert(home)
            assert restarted(server) == "7"


def test_a_server_without_a_file_is_refused_with_what_to_do(home):
    with support_services.redis() as server:
        with pytest.raises(RefusedError, match=r"started without a file .*without --persist"):
            apply_run(record(server), home, persist=True)
        assert server.shown("maxmemory-samples") == "5"
        assert not list(home.applied.glob("*.jsonl"))
