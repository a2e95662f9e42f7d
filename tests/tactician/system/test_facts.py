"""Facts about this machine, read without changing it."""

from __future__ import annotations

import json
import os
import platform

import pytest

from tactician.system import facts


def test_the_kernel_is_the_one_that_runs() -> None:
    assert facts.kernel_version() == os.uname().release


def test_memory_and_cores_are_plausible() -> None:
    found = facts.summary()
    assert found["memory_bytes"] > 2**26
    assert found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found


def test_lockdown_is_one_of_the_kernels_words() -> None:
    assert facts.lockdown() in ("", "none", "integrity", "confidentiality")


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ({"ID": "debian"}, "apt-get install wrk"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install wrk"),
        ({"ID": "openEuler"}, "dnf install wrk"),
        ({"ID": "fedora"}, "dnf install wrk"),
    ],
)
def test_a_package_is_installed_as_this_distribution_does(
    release: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert facts.package_command("wrk") == command


def test_a_machine_without_a_release_file_has_a_name_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, str]:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    assert facts.distribution() == "Linux"
    assert "install wrk" in facts.package_command("wrk")
