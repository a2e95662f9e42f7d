"""Apply, confirm and revert without root: the root helper owns what stands, and its timer."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from end_to_end.support import NOBODY, Namespace, tactician, until
from support_helper import SOMAXCONN, Helper, open_folder
from support_operations import ID, record_of, store
from tactician.system.home import Home
from tactician.undo import files

pytestmark = pytest.mark.needs("root", "ip", "setpriv")
Say = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def helper() -> Iterator[Helper]:
    with open_folder() as folder:
        process = Helper(folder, "--allow-uid", "65534")
        yield process
        process.close()


@pytest.fixture
def say(helper: Helper, network: Namespace, plain_python: str, nobodys: Path) -> Say:
    """Run a command as nobody in the namespace, with a proven run in its history."""
    home = Home(nobodys / "home")
    item = {"param": "net.core.somaxconn", "type": "int", "min": 128, "max": 65535}
    store(home, record_of([item], {item["param"]: 2222}, {item["param"]: 4096}))
    for path in (home.path, *home.path.rglob("*")):
        shutil.chown(path, 65534, 65534)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        surroundings = {
            "HOME": str(nobodys),
            "TACTICIAN_HOME": str(home.path),
            "TACTICIAN_HELPER": str(helper.socket),
        }
        prefix = [*network.prefix, *NOBODY]
        return tactician(*words, prefix=prefix, python=plain_python, cwd=nobodys, **surroundings)

    return run


def test_what_nobody_applies_stands_until_nobody_reverts_it(
    helper: Helper, say: Say, network: Namespace
) -> None:
    before = network.snapshot()
    done = say("apply", ID)
    assert done.returncode == 0, done.stderr
    assert "applied net.core.somaxconn = 2222" in done.stdout
    assert "2222" in {shown(network)}
    assert "applied already" in say("apply", ID).stderr
    done = say("revert")
    assert done.returncode == 0, done.stderr
    assert SOMAXCONN in done.stdout
    assert network.snapshot() == before
    assert "nothing to revert" in say("revert").stderr
    assert helper.open_journals() == []


def test_without_a_confirmation_the_helpers_guardian_takes_it_back(
    helper: Helper, say: Say, network: Namespace
) -> None:
    before = network.snapshot()
    done = say("apply", ID, "--confirm-within", "4s")
    assert done.returncode == 0, done.stderr
    assert "unless you confirm it" in done.stdout
    helper.kill()  # not even the helper is needed
    assert until(lambda: network.snapshot() == before)
    assert until(lambda: not list(helper.folder.glob("applied/*.jsonl")))


def test_what_was_confirmed_outlives_the_helper(helper: Helper, say: Say, network: Namespace) -> None:
    before = network.snapshot()
    assert say("apply", ID, "--confirm-within", "5m").returncode == 0
    done = say("confirm")
    assert done.returncode == 0, done.stderr
    helper.kill()
    helper.again()
    assert shown(network) == "2222"
    assert say("confirm").returncode != 0
    assert say("revert", ID).returncode == 0
    assert network.snapshot() == before


def test_what_the_helper_does_not_do_is_said_with_what_to_do(say: Say, network: Namespace) -> None:
    before = network.snapshot()
    done = say("apply", ID, "--persist")
    assert done.returncode == 2
    assert "sudo tactician apply --persist" in done.stderr
    assert network.snapshot() == before


def shown(network: Namespace) -> str:
    return files.read_text(SOMAXCONN, f"/run/netns/{network.name}")
