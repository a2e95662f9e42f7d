"""A file comes back byte for byte, with mode and owner, in one step; who died on the way leaves nothing."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tactician.undo import whole_files


def changed(path, content=b"changed\n"):
    path.write_bytes(content)
    path.chmod(0o777)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(content=st.binary(max_size=4096), mode=st.sampled_from([0o600, 0o644, 0o640, 0o755]))
def test_any_content_and_mode_come_back(tmp_path, content, mode):
    path = tmp_path / "settings"
    path.write_bytes(content)
    path.chmod(mode)
    kept = whole_files.record(str(path))
    changed(path, content + b"more")
    assert not whole_files.is_back(kept)
    whole_files.put_back(kept)
    assert whole_files.is_back(kept)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o7777 == mode
    assert os.listdir(tmp_path) == ["settings"]


def test_the_time_of_its_last_change_comes_back(tmp_path):
    path = tmp_path / "settings"
    path.write_text("a")
    os.utime(path, ns=(10**18, 10**18))
    kept = whole_files.record(str(path))
    path.write_text("b")
    whole_files.put_back(kept)
    assert path.stat().st_mtime_ns == 10**18


@pytest.mark.needs("root")
def test_the_owner_comes_back(tmp_path):
    path = tmp_path / "settings"
    path.write_text("a")
    os.chown(path, 65534, 65534)
    kept = whole_files.record(str(path))
    path.unlink()
    whole_files.put_back(kept)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_mode_alone_is_a_difference(tmp_path):
    path = tmp_path / "settings"
    path.write_text("a")
    kept = whole_files.record(str(path))
    path.chmod(0o600)
    assert not whole_files.is_back(kept)


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").write_text("a")
    link = tmp_path / "link"
    link.symlink_to("real")
    kept = whole_files.record(str(link))
    link.write_text("b")
    whole_files.put_back(kept)
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "a"


def test_a_file_that_was_not_there_goes_again(tmp_path):
    path = tmp_path / "new"
    kept = whole_files.record(str(path))
    whole_files.put_back(kept)  # also where it never came
    path.write_text("x")
    assert not whole_files.is_back(kept)
    whole_files.put_back(kept)
    assert not path.exists()
    assert whole_files.is_back(kept)


def test_what_is_no_settings_file_is_not_kept(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (whole_files.LONGEST + 1))
    for name in ("pipe", "large", "."):
        with pytest.raises(OSError):
            whole_files.record(str(tmp_path / name))


def test_a_copy_of_a_dead_writer_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    path = tmp_path / "settings"
    path.write_text("a")
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    (tmp_path / f".settings.tactician-{dead.pid}").write_text("half")
    living = tmp_path / f".settings.tactician-{os.getppid()}"
    living.write_text("half")
    whole_files.sweep(whole_files.record(str(path)))
    assert sorted(os.listdir(tmp_path)) == sorted([living.name, "settings"])


def test_a_folder_that_is_gone_is_an_error_and_no_copy_is_left(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "settings").write_text("a")
    kept = whole_files.record(str(folder / "settings"))
    (folder / "settings").unlink()
    folder.rmdir()
    with pytest.raises(OSError):
        whole_files.put_back(kept)
    assert not folder.exists()


def test_a_copy_that_cannot_take_the_place_is_removed(tmp_path):
    path = tmp_path / "settings"
    path.write_text("a")
    kept = whole_files.record(str(path))
    path.unlink()
    path.mkdir()
    (path / "full").write_text("x")
    with pytest.raises(OSError):
        whole_files.put_back(kept)
    assert os.listdir(tmp_path) == ["settings"]
