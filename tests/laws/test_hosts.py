"""Every host obeys the laws of hosts, and each law can be broken."""

from __future__ import annotations

import pytest

from tactician.ports import Place
from tactician.simulated.host import SimulatedHost
from tactician.system.files import RealHost
from tactician.testing import contract
from tactician.testing.contract import LawBrokenError, check_host

PLACE = Place("/proc/sys/vm/example")


@pytest.fixture
def root(tmp_path):
    file = tmp_path / PLACE.path.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_text("60\n")
    return tmp_path


@pytest.mark.parametrize(
    ("start", "other"), [("60", "10"), ("4096\t131072", "8192 262144"), ("cubic", "  bbr"), ("1", "0")]
)
def test_the_real_host_obeys_the_laws(root, start, other):
    """Texts of one length: a plain file, unlike the kernel's, is not cut short by a shorter write."""
    (root / PLACE.path.lstrip("/")).write_text(start + "\n")
    check_host(RealHost(str(root)), PLACE, other)


def test_the_real_host_keeps_the_errno(tmp_path):
    host = RealHost(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        host.read(PLACE)
    with pytest.raises(FileNotFoundError):
        host.write(PLACE, "1")
    assert list(tmp_path.iterdir()) == []


def test_the_family_of_a_place_is_its_folder_without_what_changes_by_itself(root):
    folder = (root / PLACE.path.lstrip("/")).parent
    (folder / "other").write_text("1\n")
    (folder / "subfolder").mkdir()
    (folder / "link").symlink_to(folder / "other")
    (folder / "large").write_text("x" * 5000)
    assert RealHost(str(root)).family(PLACE) == {PLACE: "60", Place("/proc/sys/vm/other"): "1"}
    unstable = root / "proc/sys/fs"
    unstable.mkdir()
    (unstable / "file-nr").write_text("1\n")
    assert RealHost(str(root)).family(Place("/proc/sys/fs/x")) == {}


@pytest.mark.parametrize("other", ["0", "", "a b c"])
def test_the_simulated_host_obeys_the_laws(other):
    check_host(SimulatedHost({PLACE: "60"}), PLACE, other)


class Clamps(SimulatedHost):
    def write(self, place, text):
        super().write(place, str(min(int(text), 100)))


class Creates(SimulatedHost):
    def write(self, place, text):
        self.texts[place] = text


class ReadsAnything(SimulatedHost):
    def read(self, place):
        return self.texts.get(place, "0")

    def write(self, place, text):
        if place not in self.texts:
            raise FileNotFoundError(place.path)
        self.texts[place] = text


class Ignores(SimulatedHost):
    def write(self, place, text):
        self.read(place)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (Clamps, contract.A_HOST_READS_WHAT_WAS_WRITTEN),
        (Ignores, contract.A_HOST_READS_WHAT_WAS_WRITTEN),
        (Creates, contract.A_HOST_NEVER_CREATES),
        (ReadsAnything, contract.A_HOST_NEVER_CREATES),
    ],
)
def test_a_broken_host_is_caught(broken, law):
    with pytest.raises(LawBrokenError) as caught:
        check_host(broken({PLACE: "60"}), PLACE, "4096")
    assert str(caught.value).startswith(law)
