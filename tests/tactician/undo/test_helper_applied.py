"""What is kept through the root helper: only whole, only its owner's to end, and never without a timer."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from support_helper import NOBODY, SOMAXCONN, Client, Helper, open_folder, until
from tactician.undo import applied, files

pytestmark = pytest.mark.needs("root", "ip")


@pytest.fixture
def netns():
    name = f"tactician-kept-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def running():
    with open_folder() as folder:
        process = Helper(folder, "--allow-uid", str(NOBODY), "--allow-uid", "65533")
        yield process
        process.close()
        for found in applied.look_at_all(folder / "applied"):
            if found.guardian:
                os.kill(found.guardian, signal.SIGKILL)


def shown(netns):
    return files.read_text(SOMAXCONN, netns)


def written(running, netns, run_id="kept", uid=NOBODY):
    """A client that has changed a value, and may keep it."""
    client = Client(running.socket, uid)
    reply = client.ask(do="begin", version=1, run_id=run_id, hold=[netns], apply=True)
    assert reply["ok"], reply
    client.change(netns, SOMAXCONN, "1234")
    return client


def asked(running, uid=NOBODY, **request):
    client = Client(running.socket, uid)
    try:
        return client.ask(**request)
    finally:
        client.close()


def test_what_is_kept_outlives_its_client_and_what_is_not_does_not(running, netns):
    before = shown(netns)
    written(running, netns).close()
    assert until(lambda: shown(netns) == before)
    client = written(running, netns)
    assert client.ask(do="keep", within_s=None)["ok"]
    assert client.ask(do="keep", within_s=None)["code"] == "refused"
    client.close()
    (known,) = asked(running, do="applications")["applications"]
    assert (known["run_id"], known["phase"]) == ("kept", "kept")
    assert shown(netns) == "1234"
    reply = asked(running, do="revert", run_id="kept")
    assert [path for path, _ in reply["changed"]] == [SOMAXCONN]
    assert shown(netns) == before
    assert asked(running, do="applications")["applications"] == []


def test_nobody_else_sees_confirms_or_reverts_it_but_root(running, netns):
    client = written(running, netns)
    assert client.ask(do="keep", within_s=300)["ok"]
    client.close()
    assert asked(running, 65533, do="applications")["applications"] == []
    for do in ("confirm", "revert"):
        assert asked(running, 65533, do=do, run_id="kept")["code"] == "refused"
    assert shown(netns) == "1234"
    assert asked(running, 0, do="revert", run_id="kept")["ok"]


def test_while_one_waits_nothing_else_begins(running, netns):
    client = written(running, netns)
    assert client.ask(do="keep", within_s=300)["ok"]
    for apply in (True, False):
        reply = client.ask(do="begin", version=1, run_id="other", hold=[netns], apply=apply)
        assert reply["code"] == "refused"
        assert "tactician confirm kept" in reply["message"]
    assert client.ask(do="confirm", run_id="kept")["remaining_s"] > 200
    assert client.ask(do="confirm", run_id="kept")["code"] == "refused"
    assert client.ask(do="begin", version=1, run_id="kept", hold=[netns], apply=True)["code"] == "refused"
    assert client.ask(do="revert", run_id="kept")["ok"]
    client.close()


@pytest.mark.parametrize("within_s", [0, -1, 86401, "5", True, [1]])
def test_a_time_that_is_none_keeps_nothing(running, netns, within_s):
    before = shown(netns)
    client = written(running, netns)
    assert client.ask(do="keep", within_s=within_s)["code"] == "refused"
    client.close()
    assert until(lambda: shown(netns) == before)


def test_where_helper_and_timer_are_killed_the_next_helper_takes_it_back(running, netns):
    before = shown(netns)
    client = written(running, netns)
    assert client.ask(do="keep", within_s=2)["ok"]
    (waiting,) = applied.look_at_all(running.folder / "applied")
    running.kill()
    os.kill(waiting.guardian, signal.SIGKILL)
    client.close()
    running.again()
    assert until(lambda: shown(netns) == before)


def test_a_helper_that_is_killed_while_it_writes_leaves_nothing(running, netns):
    before = shown(netns)
    client = written(running, netns)
    running.kill()
    client.close()
    assert until(lambda: shown(netns) == before)
    assert until(lambda: not list(running.folder.glob("applied/*.jsonl")))
    running.again()
    assert asked(running, do="applications")["applications"] == []


@pytest.mark.parametrize("run_id", ["../journals/x", "", None, 5, "kept"])
def test_what_is_not_there_is_not_reverted(running, run_id):
    assert asked(running, do="revert", run_id=run_id)["code"] == "refused"
