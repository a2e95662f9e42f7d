"""The host behind its port: one write per value, names never created, neighbours read but not stared at."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from tactician.ports import Place
from tactician.system.files import RealHost
from tactician.testing import contract

SWAPPINESS = Place("/proc/sys/vm/swappiness")


@pytest.fixture
def host(tmp_path: Path) -> RealHost:
    folder = tmp_path / "proc/sys/vm"
    folder.mkdir(parents=True)
    (folder / "swappiness").write_text("60\n")
    (folder / "dirty_ratio").write_text("20\n")
    (tmp_path / "proc/sys/fs").mkdir()
    (tmp_path / "proc/sys/fs/file-nr").write_text("1 0 9\n")
    (tmp_path / "proc/sys/fs/aio-max-nr").write_text("65536\n")
    return RealHost(str(tmp_path))


def test_a_host_keeps_the_laws_of_its_port(host: RealHost) -> None:
    contract.check_host(host, SWAPPINESS, "10")


def test_a_probe_writes_nothing_and_creates_nothing(host: RealHost, tmp_path: Path) -> None:
    host.probe_write(SWAPPINESS)
    assert (tmp_path / "proc/sys/vm/swappiness").read_text() == "60\n"
    with pytest.raises(FileNotFoundError):
        host.probe_write(Place("/proc/sys/vm/nothing"))
    assert not (tmp_path / "proc/sys/vm/nothing").exists()


def test_neighbours_are_names_to_suggest(host: RealHost) -> None:
    assert host.neighbours(Place("/proc/sys/vm/swappines")) == ["dirty_ratio", "swappiness"]
    assert host.neighbours(Place("/proc/sys/nowhere/key")) == []


def test_a_family_is_read_without_what_changes_by_itself(host: RealHost) -> None:
    assert host.family(SWAPPINESS) == {
        SWAPPINESS: "60",
        Place("/proc/sys/vm/dirty_ratio"): "20",
    }
    assert host.family(Place("/proc/sys/fs/aio-max-nr")) == {Place("/proc/sys/fs/aio-max-nr"): "65536"}


def test_the_kernels_errno_is_kept() -> None:
    with pytest.raises(OSError) as caught:
        RealHost().read(Place("/proc/sys/vm/no_such_key"))
    assert caught.value.errno == errno.ENOENT


@pytest.mark.needs("root", "ip")
def test_a_place_in_a_namespace_is_read_and_written_there_alone(tmp_path: Path) -> None:
    name = f"tactician-files-{tmp_path.name[-8:]}"
    key = "/proc/sys/net/core/somaxconn"
    own = Path(key).read_text()
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        contract.check_host(RealHost(), Place(key, f"/run/netns/{name}"), "1234")
        RealHost().write(Place(key, f"/run/netns/{name}"), "777")
        assert RealHost().read(Place(key, f"/run/netns/{name}")) == "777"
        assert Path(key).read_text() == own
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.host
@pytest.mark.needs("root")
def test_a_real_key_keeps_the_laws_too() -> None:
    contract.check_host(RealHost(), Place("/proc/sys/vm/page-cluster"), "2")
