"""One tuner per network namespace, and proof of who it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest

from tactician.errors import LockHeldError
from tactician.system.hostlock import HostLock
from tactician.undo import processes

HOLDER = """
import sys, time
from tactician.system.hostlock import HostLock
lock = HostLock(sys.argv[2], sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys
from tactician.system.hostlock import HostLock
lock = HostLock("", sys.argv[1])
lock.acquire()
child = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[lock.fileno()], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def name() -> str:
    return f"\0tactician-test/{uuid.uuid4()}"


@pytest.fixture
def holder(name: str) -> Iterator[subprocess.Popen[str]]:
    process = started(HOLDER, name, "")
    yield process
    process.kill()
    process.communicate()


def started(code: str, name: str, *arguments: str) -> subprocess.Popen[str]:
    # A NUL cannot be an argument; the abstract name is put together again on the other side.
    code = code.replace("sys.argv[1]", "chr(0) + sys.argv[1]")
    return subprocess.Popen(
        [sys.executable, "-c", code, name[1:], *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_holder_is_refused_with_pid_command_and_remedy(
    holder: subprocess.Popen[str], name: str
) -> None:
    assert said(holder) == "held"
    with pytest.raises(LockHeldError) as caught:
        HostLock(name=name).acquire()
    message = str(caught.value)
    assert f"pid {holder.pid}" in message
    assert "import sys, time" in message
    assert f"kill {holder.pid}" in message
    assert caught.value.exit_status == 2
    assert HostLock(name=name).holder() == holder.pid


def test_the_lock_dies_with_its_holder(holder: subprocess.Popen[str], name: str) -> None:
    assert said(holder) == "held"
    holder.kill()
    holder.wait()
    lock = HostLock(name=name)
    lock.acquire()
    lock.release()


def test_a_released_lock_is_free_and_may_be_taken_again(name: str) -> None:
    lock = HostLock(name=name)
    assert lock.holder() is None
    assert lock.fileno() == -1
    lock.acquire()
    assert HostLock(name=name).holder() == os.getpid()
    lock.release()
    lock.release()
    assert lock.holder() is None
    lock.acquire()
    lock.release()


def test_two_locks_of_one_process_exclude_each_other_too(name: str) -> None:
    lock = HostLock(name=name)
    lock.acquire()
    with pytest.raises(LockHeldError):
        HostLock(name=name).acquire()
    lock.release()


@pytest.mark.parametrize("reaped", [True, False], ids=["reaped", "zombie"])
def test_a_child_that_inherited_the_lock_keeps_it_and_is_waited_for(name: str, reaped: bool) -> None:
    """The guardian: while it restores, nobody begins; when it is done, whoever waited goes on.

    Whether the dead tuner's parent has already asked for its status must not matter.
    """
    parent = started(PARENT, name, "1.5")
    child = int(said(parent))
    os.kill(parent.pid, signal.SIGKILL)
    if reaped:
        parent.wait()
    else:
        time.sleep(0.2)
    began = time.monotonic()
    lock = HostLock(name=name)
    lock.acquire()
    waited = time.monotonic() - began
    lock.release()
    parent.communicate()
    assert waited > 0.2
    ended = processes.status(child)
    assert ended is None or ended.state in "ZX"


def test_a_guardian_that_takes_long_is_named_as_such(name: str) -> None:
    parent = started(PARENT, name, "8")
    child = int(said(parent))
    try:
        parent.kill()
        parent.communicate()
        with pytest.raises(LockHeldError, match="guardian is still restoring"):
            HostLock(name=name).acquire()
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.needs("root", "ip")
def test_every_network_namespace_has_a_lock_of_its_own(name: str) -> None:
    made = [f"tactician-lock-{os.getpid()}-{number}" for number in (1, 2)]
    for namespace in made:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
    first, second = (f"/run/netns/{namespace}" for namespace in made)
    held = started(HOLDER, name, first)
    try:
        assert said(held) == "held"
        for free in ("", second):
            lock = HostLock(free, name)
            lock.acquire()
            lock.release()
        with pytest.raises(LockHeldError, match=f"pid {held.pid}"):
            HostLock(first, name).acquire()
    finally:
        held.kill()
        held.communicate()
        for namespace in made:
            subprocess.run(["ip", "netns", "del", namespace], check=True)


def test_a_namespace_that_cannot_be_entered_is_an_os_error(name: str) -> None:
    with pytest.raises(OSError, match="no-such"):
        HostLock("/run/netns/no-such", name).acquire()
