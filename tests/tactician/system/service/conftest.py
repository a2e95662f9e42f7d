"""One private server of each kind for the tests of this folder; each test must leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import support_services


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[support_services.Postgres]:
    with support_services.postgres() as server:
        yield server


@pytest.fixture
def postgres(_postgres_server: support_services.Postgres) -> Iterator[support_services.Postgres]:
    """A PostgreSQL server that must have its settings and its file again afterwards."""
    server = _postgres_server
    before, content, found = server.all(), server.auto.read_bytes(), server.auto.stat()
    yield server
    now = server.auto.stat()
    assert server.auto.read_bytes() == content
    assert (now.st_mode, now.st_uid, now.st_gid) == (found.st_mode, found.st_uid, found.st_gid)
    assert server.all() == before


@pytest.fixture
def redis() -> Iterator[support_services.Redis]:
    """A Redis that must have its settings again afterwards."""
    with support_services.redis() as server:
        before = server.ask("CONFIG", "GET", "*")
        yield server
        assert server.ask("CONFIG", "GET", "*") == before


@pytest.fixture(scope="session")
def _mariadb_server() -> Iterator[support_services.MariaDB]:
    with support_services.mariadb() as server:
        yield server


@pytest.fixture
def mariadb(_mariadb_server: support_services.MariaDB) -> Iterator[support_services.MariaDB]:
    """A MariaDB that must have its settings again afterwards."""
    before = _mariadb_server.all()
    yield _mariadb_server
    assert _mariadb_server.all() == before


@pytest.fixture
def nginx() -> Iterator[support_services.Nginx]:
    """An nginx that must have its file again afterwards, with nothing beside it, and run."""
    with support_services.nginx() as server:
        before = server.path.read_bytes(), sorted(path.name for path in server.folder.iterdir())
        yield server
        assert (server.path.read_bytes(), sorted(path.name for path in server.folder.iterdir())) == before
        assert server.workers()
