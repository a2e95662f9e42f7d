"""The whole tuner without root: values through the root helper, benchmark and history as the user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end import support
from end_to_end.support import NOBODY, Namespace, document, tactician, until, write
from support_helper import Helper, open_folder
from tactician.undo import journal

pytestmark = pytest.mark.needs("root", "ip", "setpriv")


@pytest.fixture
def helper() -> Iterator[Helper]:
    with open_folder() as folder:
        process = Helper(folder, "--allow-uid", "65534")
        yield process
        process.close()


def surroundings(helper: Helper, folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "TACTICIAN_HOME": str(folder / "home"),
        "TACTICIAN_HELPER": str(helper.socket),
    }


def test_nobody_tunes_a_namespace_and_leaves_it_as_it_was(
    helper: Helper, network: Namespace, plain_python: str, nobodys: Path
) -> None:
    before = network.snapshot()
    mark = nobodys / "who"
    config = write(
        nobodys / "c.json",
        document(benchmark_command=f"id -u >> {mark}; {support.BY_QUEUE}", budget={"trials": 4}),
    )
    done = tactician(
        "tune", config, "--json",
        prefix=[*network.prefix, *NOBODY], python=plain_python, cwd=nobodys, **surroundings(helper, nobodys),
    )  # fmt: skip
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert (result["success"], result["restored"], result["trials"]) == (True, True, 4)
    assert set(support.lines(mark)) == {"65534"}
    assert network.snapshot() == before
    assert helper.open_journals() == []
    (kept,) = (helper.journals / "closed").iterdir()
    assert journal.read(kept).header["client"]["uid"] == 65534
    assert [entry for entry in journal.read(kept).entries if entry["kind"] == "originals"]


@pytest.mark.parametrize("victim", ["tuner", "helper"])
def test_whoever_is_killed_the_namespace_is_as_it_was(
    helper: Helper, network: Namespace, plain_python: str, nobodys: Path, victim: str
) -> None:
    before = network.snapshot()
    config = write(
        nobodys / "c.json",
        document(benchmark_command="sleep 1.0917; echo ops: 5", budget={"trials": 50}, baseline_runs=1),
    )
    argv = support.argv("tune", config, prefix=[*network.prefix, *NOBODY], python=plain_python)
    environment = {**os.environ, **surroundings(helper, nobodys)}
    with subprocess.Popen(argv, env=environment, cwd=nobodys, stdout=subprocess.DEVNULL) as tuner:
        assert until(lambda: network.snapshot() != before)
        if victim == "tuner":
            tuner.kill()
        else:
            helper.kill(signal.SIGKILL)
            assert until(lambda: network.snapshot() == before)
            tuner.send_signal(signal.SIGTERM)
        tuner.wait(60)
    assert until(lambda: network.snapshot() == before)
    assert until(lambda: not support.living("sleep", "1.0917"))  # nobody else
    if victim == "helper":
        assert tuner.returncode in (1, 3, 130)


def test_what_the_helper_does_not_permit_is_told_before_anything_runs(
    helper: Helper, network: Namespace, plain_python: str, nobodys: Path
) -> None:
    space = [{"param": "net.ipv4.tcp_fin_timeout", "min": 10, "max": 60}]
    config = write(nobodys / "c.json", document(action_space=space))
    done = tactician(
        "tune", config,
        prefix=[*network.prefix, *NOBODY], python=plain_python, cwd=nobodys, **surroundings(helper, nobodys),
    )  # fmt: skip
    assert done.returncode == 2
    assert "tcp_fin_timeout" in done.stderr
    assert "not on the list" in done.stderr
    assert "Nothing was changed" in done.stderr


def test_a_user_who_may_not_ask_is_told_what_to_do(
    network: Namespace, plain_python: str, nobodys: Path
) -> None:
    with open_folder() as folder:
        helper = Helper(folder)
        config = write(nobodys / "c.json", document())
        done = tactician(
            "tune", config, prefix=[*network.prefix, *NOBODY], python=plain_python, cwd=nobodys,
            **surroundings(helper, nobodys),
        )  # fmt: skip
        helper.close()
    assert done.returncode == 2
    assert "usermod" in done.stderr


def test_sudo_runs_the_benchmark_as_its_caller(network: Namespace, tmp_path: Path, nobodys: Path) -> None:
    mark = nobodys / "who"
    config = write(
        tmp_path / "c.json",
        document(
            benchmark_command=f"id -u >> {mark}; {support.BY_QUEUE}",
            setup_command=f"id -u >> {mark}",
            teardown_command=f"id -u >> {mark}",
            budget={"trials": 1},
        ),
    )
    done = tactician("tune", config, prefix=network.prefix, SUDO_UID="65534", SUDO_GID="65534")
    assert done.returncode == 0
    assert set(support.lines(mark)) == {"65534"}
    assert "run as nobody" in done.stdout
    asked = tactician("tune", config, "--benchmark-user", "root", prefix=network.prefix, SUDO_UID="65534")
    assert asked.returncode == 0
    assert "0" in support.lines(mark)
