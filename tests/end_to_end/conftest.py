"""Namespaces that a test gets and that are looked at when it is over; an interpreter for nobody."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end import support


@pytest.fixture
def network() -> Iterator[support.Namespace]:
    """A network namespace that the test must leave as it was, with nobody in it."""
    namespace = support.Namespace()
    try:
        before = namespace.snapshot()
        yield namespace
        assert support.until(lambda: not namespace.pids(), 10), f"still inside: {namespace.pids()}"
        after = namespace.snapshot()
        changed = {key: (text, after.get(key)) for key, text in before.items() if after.get(key) != text}
        assert not changed, f"the namespace was left changed: {changed}"
    finally:
        namespace.delete()


@pytest.fixture(scope="session")
def plain_python() -> Iterator[str]:
    """An interpreter that an unprivileged user can run, with what ours has installed."""
    if _serves_nobody(sys.executable):
        yield sys.executable
        return
    with _open_folder() as folder:
        base = f"/usr/bin/python3.{sys.version_info.minor}"
        command = [base, "-m", "venv", "--without-pip", folder / "venv"]
        made = (
            shutil.which(base) and subprocess.run(command, check=False, capture_output=True).returncode == 0
        )
        if not made:
            pytest.skip("no interpreter here can be run by an unprivileged user")
        packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
        paths = [path for path in sys.path if "site-packages" in path or path.endswith("/src")]
        (packages / "ours.pth").write_text("\n".join(paths), encoding="utf-8")
        python = str(folder / "venv" / "bin" / "python")
        if not _serves_nobody(python):
            pytest.skip("no interpreter here can be run by an unprivileged user")
        yield python


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder that belongs to nobody."""
    with _open_folder() as folder:
        os.chown(folder, 65534, 65534)
        yield folder


@contextlib.contextmanager
def _open_folder() -> Iterator[Path]:
    # Not below tmp_path, whose parents are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="tactician-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _serves_nobody(python: str) -> bool:
    command = [*support.NOBODY, "/usr/bin/env", python, "-c", "import cli_ai.main, numpy, sqlalchemy"]
    done = subprocess.run(command, capture_output=True, cwd="/", check=False)
    return done.returncode == 0
