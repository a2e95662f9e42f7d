"""Throw-away network namespaces: made where the kernel allows it, and never mistaken for the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tactician.errors import PreflightError
from tactician.system import namespace


def test_the_hosts_own_namespace_has_no_path() -> None:
    assert namespace.path_of(None) == ""
    assert namespace.path_of("throw-away") == ""


def test_a_namespace_that_does_not_exist_is_a_problem_of_its_key() -> None:
    with pytest.raises(PreflightError) as caught:
        namespace.path_of("no-such-namespace")
    (problem,) = caught.value.problems
    assert problem.path == "network_namespace"
    assert "ip netns list" in problem.message


def test_a_file_that_is_no_namespace_is_a_problem_of_its_key(tmp_path: os.PathLike[str]) -> None:
    """What a restart leaves behind below /run/netns, and any other file."""
    with pytest.raises(PreflightError) as caught:
        namespace.path_of("/etc/hostname")
    assert caught.value.problems[0].path == "network_namespace"


@pytest.mark.needs("root")
def test_a_path_may_stand_for_a_name() -> None:
    assert namespace.path_of("/proc/self/ns/net") == "/proc/self/ns/net"


def test_without_unshare_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "unshare" in namespace.why_unavailable()
    with pytest.raises(PreflightError, match="network_namespace"):
        namespace.entering_command(["tune"])


def test_the_state_folder_is_chosen_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = namespace.entering_environment()
    assert environment["TACTICIAN_HOME"] == os.environ["TACTICIAN_HOME"]
    assert "TACTICIAN_TIED" not in environment
    assert namespace.entering_environment(tied=True)["TACTICIAN_TIED"] == "1"
    assert not namespace.inside_throw_away()
    monkeypatch.setenv("TACTICIAN_INSIDE", environment["TACTICIAN_INSIDE"])
    assert namespace.inside_throw_away()


@pytest.mark.needs("userns", "unshare")
def test_a_new_namespace_is_another_one_with_its_loopback_up() -> None:
    assert namespace.why_unavailable() == ""
    code = (
        "import json, os, socket\n"
        "from tactician.system import namespace\n"
        "namespace.settle()\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 2).close()\n"
        "print(json.dumps([os.readlink('/proc/self/ns/net'), namespace.inside_throw_away()]))\n"
    )
    entering = namespace.entering_command([])
    argv = [*entering[: entering.index("--") + 1], sys.executable, "-c", code]
    done = subprocess.run(
        argv, env=namespace.entering_environment(), capture_output=True, text=True, check=True
    )
    inside, knows = json.loads(done.stdout)
    assert inside != os.readlink("/proc/self/ns/net")
    assert knows
