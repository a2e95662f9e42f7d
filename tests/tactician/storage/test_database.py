"""How the file comes about: migrations, locks, permissions, and files that are not ours to touch."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tactician.errors import HostError, OperatorError
from tactician.storage import migrations
from tactician.storage.database import Database
from tactician.storage.errors import HistoryError, NewerHistoryError
from tactician.storage.schema import REVISION, metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def test_the_migrations_build_what_the_schema_says(path: Path) -> None:
    database = Database(path)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    folder = str(Path(migrations.__path__[0]))
    assert ScriptDirectory(folder, version_locations=[folder]).get_heads() == [REVISION]


def test_the_settings_that_durability_rests_on(path: Path) -> None:
    with Database(path).reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000


def test_between_transactions_the_file_is_complete(path: Path) -> None:
    database = Database(path)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE extra (a)")
    assert not path.with_name("history.sqlite-wal").exists()


START = "import sys\nfrom pathlib import Path\nfrom tactician.storage.database import Database\n"
TOGETHER = "sys.stdin.readline()\nDatabase(Path(sys.argv[1]))\n"


def test_processes_that_start_at_once_migrate_once(path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    arguments = [sys.executable, "-c", START + "print(1, flush=True)\n" + TOGETHER, str(path)]
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen(arguments, text=True, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    answers = [(child.communicate(timeout=20)[1], child.returncode) for child in children]
    assert answers == [("", 0)] * 3
    assert Database(path)._revision() == REVISION


def test_an_opened_history_does_not_load_alembic(path: Path) -> None:
    Database(path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    text = START + "Database(Path(sys.argv[1]))\nprint('alembic' in sys.modules)\n"
    arguments = [sys.executable, "-c", text, str(path)]
    done = subprocess.run(arguments, text=True, env=environment, capture_output=True, check=True)
    assert done.stdout == "False\n"


def test_a_newer_history_is_refused_and_left_alone(path: Path) -> None:
    Database(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerHistoryError, match=r"newer version of Tactician.*schema 9999.*update") as raised:
        Database(path)
    assert isinstance(raised.value, OperatorError)
    assert path.read_bytes() == before


def test_a_migration_that_is_cut_short_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def cut(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", cut)
        with pytest.raises(HistoryError, match="No space left"):
            Database(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    assert Database(path)._revision() == REVISION


def test_what_is_no_database_is_named_and_left_alone(path: Path) -> None:
    path.write_bytes(b"something else" * 100)
    with pytest.raises(HistoryError, match=f"{path}.*not a database; move the file away"):
        Database(path)
    assert path.read_bytes() == b"something else" * 100


def test_a_place_where_no_file_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="file is no folder; set TACTICIAN_HOME") as raised:
        Database(tmp_path / "file" / "history.sqlite")
    assert isinstance(raised.value, HostError)


@pytest.mark.skipif(not Path("/proc/sys").exists(), reason="needs a folder that nobody can write")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(HistoryError, match=r"/proc/sys/history\.sqlite cannot be opened"):
        Database(Path("/proc/sys/history.sqlite"))


def test_a_writer_that_holds_on_is_waited_for_and_then_named(path: Path) -> None:
    Database(path)
    database = Database(path, busy_seconds=0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="locked; another process holds it"), database.writing():
        pass
    holder.execute("ROLLBACK")
    holder.close()
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE extra (a)")
