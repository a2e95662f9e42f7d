"""Where state lives, and where ``recover`` looks for that of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tactician.system import home
from tactician.system.home import Home, recorded_homes


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder, elsewhere; and we are root."""
    folder = tmp_path / "system"
    monkeypatch.setattr(home, "SYSTEM_HOME", folder)
    monkeypatch.setattr(home, "is_real_root", lambda: True)
    return folder


def test_the_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACTICIAN_HOME", str(tmp_path))
    assert Home.find().path == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACTICIAN_HOME", "beside")
    assert Home.find().path == tmp_path / "beside"


def test_root_has_the_systems_folder(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACTICIAN_HOME")
    assert Home.find().path == system


def test_a_user_has_a_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACTICIAN_HOME")
    monkeypatch.setattr(home, "is_real_root", lambda: False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.find().path == tmp_path / ".local/state/tactician"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert Home.find().path == tmp_path / "xdg/tactician"


def test_a_home_that_is_recorded_is_found_until_it_is_forgotten(system: Path, tmp_path: Path) -> None:
    mine = Home(tmp_path / "mine")
    assert recorded_homes() == []
    mine.register()
    ((found, note),) = recorded_homes()
    assert found.path == mine.path
    assert note.parent == system / "homes"
    mine.unregister()
    mine.unregister()
    assert recorded_homes() == []


def test_the_systems_own_home_needs_no_note(system: Path) -> None:
    Home(system).register()
    assert not (system / "homes").exists()
    Home(system).unregister()


def test_who_is_not_root_records_nothing_and_looks_nowhere(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Home(tmp_path / "mine").register()
    monkeypatch.setattr(home, "is_real_root", lambda: False)
    assert recorded_homes() == []
    Home(tmp_path / "mine").unregister()
    assert (system / "homes" / str(os.getpid())).exists()


def test_a_note_that_vanishes_meanwhile_is_no_error(system: Path, tmp_path: Path) -> None:
    """Its tuner ended between our look at the folder and our look at the note."""
    Home(tmp_path / "mine").register()
    (system / "homes" / "1").symlink_to(tmp_path / "gone")
    assert [found.path for found, _ in recorded_homes()] == [tmp_path / "mine"]


def test_a_note_that_a_crash_left_empty_points_nowhere(system: Path) -> None:
    (system / "homes").mkdir(parents=True)
    (system / "homes" / "1").write_text("")
    assert recorded_homes() == []


def test_a_folder_for_notes_that_cannot_be_made_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes are a help to ``recover``; a run can do without."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(home, "SYSTEM_HOME", tmp_path / "file" / "system")
    monkeypatch.setattr(home, "is_real_root", lambda: True)
    Home(tmp_path / "mine").register()
    Home(tmp_path / "mine").unregister()


AS_NOBODY_IN_A_NAMESPACE = """
import ctypes, os, pathlib
from tactician.system.home import is_real_root
is_real_root()  # loads what it needs while everything can be read
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
outside = os.getuid()
libc = ctypes.CDLL(None)
libc.prctl(4, 1, 0, 0, 0)  # dumpable again, or the map of this process is root's
assert libc.unshare(0x10000000) == 0
pathlib.Path("/proc/self/uid_map").write_text(f"0 {outside} 1")
print(os.geteuid(), is_real_root())
"""


@pytest.mark.needs("userns")
def test_the_root_of_a_user_namespace_is_not_root() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY_IN_A_NAMESPACE], capture_output=True, text=True, check=False
    )
    assert done.stdout == "0 False\n", done.stderr


@pytest.mark.needs("root")
def test_root_is_root() -> None:
    assert home.is_real_root()
