"""The SQLite workload's database: what was written is there, and what is missing is noticed."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tactician.workloads import _scratch, sqlite_commits

MODES = ("DELETE", "TRUNCATE", "PERSIST", "WAL", "MEMORY", "OFF")


@contextlib.contextmanager
def opened(path: Path, **pragmas: str | int) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite_commits.prepare(path, pragmas)) as connection:
        yield connection


@pytest.mark.parametrize(("mode", "locking"), [*itertools.product(MODES, ("NORMAL", "EXCLUSIVE"))])
def test_the_database_holds_every_transaction(mode: str, locking: str, tmp_path: Path) -> None:
    path = tmp_path / "bank.db"
    with opened(
        path, page_size=1024, locking_mode=locking, journal_mode=mode, synchronous="NORMAL"
    ) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0].upper() == mode
        transactions, elapsed = sqlite_commits.work(connection, 0.05)
        sqlite_commits.check(connection, transactions)
    assert transactions > 0
    assert elapsed >= 0.05
    with contextlib.closing(sqlite3.connect(path)) as again:
        sqlite_commits.check(again, transactions)
        assert again.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert again.execute("PRAGMA page_size").fetchone()[0] == 1024


@pytest.mark.parametrize("loss", ["DELETE FROM ledger", "UPDATE account SET balance = 1 WHERE id = 7"])
def test_a_loss_is_noticed(loss: str, tmp_path: Path) -> None:
    with opened(tmp_path / "bank.db", synchronous="OFF") as connection:
        transactions, _ = sqlite_commits.work(connection, 0.02)
        connection.execute(loss)
        with pytest.raises(RuntimeError, match="not consistent"):
            sqlite_commits.check(connection, transactions)


def test_the_folder_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"), _scratch.scratch(tmp_path) as folder:
        (folder / "file").write_text("content")
        raise RuntimeError("broken")
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_in_memory_are_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(_scratch, "_MOUNTS", mounts)
    monkeypatch.setattr(_scratch.tempfile, "tempdir", str(tmp_path))
    mounts.write_text("")
    assert _scratch.default_directory() == tmp_path
    monkeypatch.setattr(_scratch, "_in_memory", lambda directory: directory == tmp_path)
    assert _scratch.default_directory() == Path("/var/tmp")


def test_a_memory_file_system_is_told_from_a_disk() -> None:
    assert not _scratch._in_memory(Path("/proc"))
    if Path("/dev/shm").is_mount():
        assert _scratch._in_memory(Path("/dev/shm"))
