"""The systemd units: valid by systemd's own word, with this installation's paths, and narrow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tactician.errors import OperatorError
from tactician.system.units import NAMES, install, unit
from tactician.undo import helper


def test_every_unit_has_the_paths_of_this_installation(tmp_path):
    written = install(tmp_path)
    assert [path.name for path in written] == list(NAMES)
    text = "".join(path.read_text(encoding="utf-8") for path in written)
    assert "@" not in text.replace("@system-service", "").replace("@resources", "").replace("@privileged", "")
    assert f"{sys.executable} -I -S {helper.__file__}" in text
    assert f"ListenStream={helper.SOCKET}" in text


def test_every_unit_file_is_known():
    assert sorted(path.name for path in Path(helper.__file__).with_name("units").iterdir()) == sorted(NAMES)


def test_a_folder_that_cannot_be_written_is_an_operators_error(tmp_path):
    with pytest.raises(OperatorError, match="cannot be written"):
        install(tmp_path / "absent")


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_to_object_to(tmp_path):
    paths = [str(path) for path in install(tmp_path)]
    argv = ["systemd-analyze", "verify", "--man=no", *paths]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in done.stderr.splitlines() if "tactician" in line]
    assert (done.returncode, ours) == (0, [])


def test_recovery_comes_before_services_and_stops_no_boot():
    text = unit("tactician-recover.service")
    assert "Before=basic.target" in text
    assert "DefaultDependencies=no" in text
    assert "RequiredBy" not in text


@pytest.mark.parametrize(
    "line", ["NoNewPrivileges=yes", "ProtectSystem=strict", "RestrictAddressFamilies=AF_UNIX"]
)
def test_the_helper_is_confined(line):
    assert line in unit("tactician-helper.service").splitlines()


def test_what_it_writes_is_not_taken_from_it():
    settings = [line for line in unit("tactician-helper.service").splitlines() if not line.startswith("#")]
    for name in ("ProtectKernelTunables", "ProtectControlGroups", "PrivateNetwork", "PrivateUsers"):
        assert not [line for line in settings if line.startswith(name)]


def test_systemds_socket_is_taken_over(monkeypatch, tmp_path):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    with helper.listen(str(tmp_path / "own.sock")) as own:
        assert own.getsockname() == str(tmp_path / "own.sock")
    code = (
        "import os, sys, socket; sys.path.insert(0, sys.argv[1]); from tactician.undo import helper;"
        "passed = socket.socket(socket.AF_UNIX); passed.bind(sys.argv[2]); passed.listen();"
        "os.dup2(passed.fileno(), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
        "print(helper.listen('/nowhere/x').getsockname())"
    )
    source, passed = str(Path(helper.__file__).parents[2]), str(tmp_path / "passed.sock")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, source, passed], capture_output=True, text=True
    )
    assert done.stdout.strip() == passed, done.stderr
