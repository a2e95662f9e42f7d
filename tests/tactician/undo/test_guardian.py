"""The guardian as the process that it is: ready, dismissed or restoring, deaf to polite signals."""

from __future__ import annotations

import ast
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tactician.undo import files, guardian
from tactician.undo.journal import JournalFile

SCRIPT = Path(guardian.__file__)
PATIENCE_S = 30.0


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "swappiness"
    path.write_text("10\n")
    return path


@pytest.fixture
def written(tmp_path, place):
    header = {
        "run_id": "r",
        "pid": 1 << 22,
        "pid_start": 1,
        "boot_id": files.boot_identity(),
        "namespace": "",
    }
    file = JournalFile.create(tmp_path / "journals" / "r.jsonl", header)
    entry = [[str(place), "", "60"]]
    file.append({"kind": "originals", "undos": [{"writes": entry, "expected": entry}]})
    file.release()
    return file.path


@pytest.fixture
def watching():
    """Start guardians; kill by pid what a failed test left."""
    running = []

    def start(path):
        argv = [sys.executable, "-I", "-S", str(SCRIPT), str(path)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        running.append(process)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_S)
        assert process.stdout.readline() == guardian.READY
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def test_dismissed_it_does_nothing(watching, written, place):
    process = watching(written)
    process.stdin.write(guardian.DISMISSED)
    process.stdin.flush()
    assert process.wait(PATIENCE_S) == 0
    assert place.read_text() == "10\n"
    assert written.exists()


def test_at_the_end_of_its_input_it_restores(watching, written, place):
    process = watching(written)
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    assert place.read_text() == "60\n"
    assert not written.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_outlives_the_signals_that_end_its_tuner(watching, written, place, number):
    process = watching(written)
    for _ in range(3):
        os.kill(process.pid, number)
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    assert place.read_text() == "60\n"


def test_what_cannot_be_restored_is_told_by_the_status(watching, written, place):
    place.unlink()
    process = watching(written)
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 4
    assert written.exists()


def test_a_journal_that_was_closed_meanwhile_is_no_failure(watching, written):
    process = watching(written)
    written.unlink()
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0


def test_a_tuner_that_died_before_the_answer_is_restored(written, place):
    read_end, write_end = os.pipe()
    os.close(read_end)
    argv = [sys.executable, "-I", "-S", str(SCRIPT), str(written)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=write_end, timeout=PATIENCE_S, check=False)
    os.close(write_end)
    assert done.returncode == 0
    assert place.read_text() == "60\n"


def test_any_other_word_is_no_dismissal(watching, written, place):
    process = watching(written)
    process.stdin.write(b"x")
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    assert place.read_text() == "60\n"


def test_the_way_back_imports_only_the_standard_library_and_itself():
    for path in SCRIPT.parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}"]
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names or name.startswith("tactician.undo"), (path.name, name)
