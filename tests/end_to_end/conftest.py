"""Namespaces that a test gets and that are looked at when it is over; an interpreter for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
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
def plain_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that an unprivileged user can run, with what ours has installed."""
    if _serves_nobody(sys.executable):
        return sys.executable
    folder = tmp_path_factory.mktemp("interpreter")
    for part in (folder, *folder.parents):
        if part.owner() == "root" and str(part).startswith("/tmp/pytest"):
            part.chmod(0o755)
    base = f"/usr/bin/python3.{sys.version_info.minor}"
    made = subprocess.run([base, "-m", "venv", "--without-pip", folder / "venv"], check=False, capture_output=True)
    if made.returncode == 0:
        packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
        paths = [path for path in sys.path if "site-packages" in path or path.endswith("/src")]
        (packages / "ours.pth").write_text("\n".join(paths), encoding="utf-8")
        python = str(folder / "venv" / "bin" / "python")
        if _serves_nobody(python):
            return python
    pytest.skip("no interpreter here can be run by an unprivileged user")


@pytest.fixture
def nobodys(tmp_path: Path) -> Path:
    """A folder that belongs to nobody, in folders that everybody may pass."""
    for part in (tmp_path, *tmp_path.parents):
        if str(part).startswith("/tmp/pytest"):
            part.chmod(part.stat().st_mode | 0o055)
    folder = tmp_path / "nobody"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    return folder


def _serves_nobody(python: str) -> bool:
    command = [*support.NOBODY, "/usr/bin/env", python, "-c", "import cli_ai.main, numpy, sqlalchemy"]
    done = subprocess.run(command, capture_output=True, cwd="/", check=False)
    return done.returncode == 0
