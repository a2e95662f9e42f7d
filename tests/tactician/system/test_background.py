"""A command of our own that goes on in the background: followed, ended, in a session of its own."""

from __future__ import annotations

import os
import sys

import pytest

from tactician.system.command import Background


def started(tmp_path, code, **environment):
    argv = [sys.executable, "-c", code]
    return Background(argv, {**os.environ, **environment}, tmp_path / "out", tmp_path / "said")


def test_its_output_goes_to_files_and_its_status_comes_back(tmp_path):
    code = "import os, sys; print(os.environ['A']); print('e', file=sys.stderr); sys.exit(3)"
    process = started(tmp_path, code, A="b")
    assert process.wait(20) == 3
    assert process.status() == 3
    assert (tmp_path / "out").read_text() == "b\n"
    assert (tmp_path / "said").read_text() == "e\n"


def test_it_runs_until_it_is_told_to_end(tmp_path):
    process = started(tmp_path, "import time; print(1, flush=True); time.sleep(60)")
    assert process.status() is None
    assert process.wait(0.05) is None
    process.interrupt()
    assert process.wait(20) == -15


def test_it_is_alone_in_its_session(tmp_path):
    process = started(tmp_path, "import os; print(os.getsid(0) == os.getpid())")
    process.wait(20)
    assert (tmp_path / "out").read_text() == "True\n"


def test_files_are_never_overwritten(tmp_path):
    (tmp_path / "out").write_text("kept")
    with pytest.raises(FileExistsError):
        started(tmp_path, "pass")
    assert (tmp_path / "out").read_text() == "kept"
