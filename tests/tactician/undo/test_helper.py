"""The root helper as a process: it writes what is listed, for whom it may, and takes everything back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support_helper import (
    CONGESTION,
    NOBODY,
    RMEM,
    SOMAXCONN,
    SWAPPINESS,
    Client,
    Helper,
    open_folder,
    until,
)
from tactician.system import hostlock
from tactician.undo import files, helper_watch, journal, processes

pytestmark = pytest.mark.needs("root", "ip")
UNLISTED = "/proc/sys/net/ipv4/tcp_fin_timeout"


@pytest.fixture(scope="module")
def netns():
    name = f"tactician-helper-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def start(netns):
    """Start helpers; whatever happens the namespace is as it was."""
    before = snapshot(netns)
    running = []
    with open_folder() as folder:

        def begin(*options, **further):
            chosen = options or ("--allow-uid", str(NOBODY))
            running.append(Helper(folder, *chosen, **further))
            return running[-1]

        yield begin
        for process in running:
            process.close()
    assert until(lambda: snapshot(netns) == before)


@pytest.fixture
def running(start):
    return start()


@pytest.fixture
def client(running):
    made = Client(running.socket)
    yield made
    made.close()


def snapshot(netns):
    listed = ["nsenter", f"--net={netns}", "grep", "-rs", "", "/proc/sys/net/core", "/proc/sys/net/ipv4"]
    lines = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.splitlines()
    return sorted(line for line in lines if "/route/" not in line and "fastopen_key" not in line)


def shown(netns, path=SOMAXCONN):
    return files.read_text(path, netns)


def is_back(netns, before, path=SOMAXCONN):
    return until(lambda: files.same_text(shown(netns, path), before))


def test_another_user_changes_a_listed_value_and_it_comes_back_with_the_connection(running, client, netns):
    before = shown(netns)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    (open_journal,) = running.open_journals()
    assert journal.read(open_journal).pending()
    client.close()
    assert is_back(netns, before)
    assert until(lambda: running.open_journals() == [])


def test_restored_is_seen_and_not_believed(client, netns):
    before = shown(netns)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    assert client.ask(do="restored")["ok"]
    assert shown(netns) == before
    refused = client.ask(do="write", path=SOMAXCONN, netns=netns, text="1234")
    assert refused["code"] == "refused"


def test_the_original_may_be_outside_the_range(running, client, netns):
    files.write_text(SOMAXCONN, "7", netns)
    try:
        client.begin(netns)
        client.change(netns, SOMAXCONN, "1234")
        assert client.ask(do="write", path=SOMAXCONN, netns=netns, text="7")["ok"]
        assert client.ask(do="write", path=SOMAXCONN, netns=netns, text="8")["code"] == "refused"
    finally:
        client.close()
        assert until(lambda: running.open_journals() == [])
        assert shown(netns) == "7"
        files.write_text(SOMAXCONN, "4096", netns)


def test_nothing_is_written_before_its_original_is_on_disk(client, netns):
    before = snapshot(netns)
    assert client.ask(do="write", path=SOMAXCONN, netns=netns, text="1234")["code"] == "refused"
    assert client.ask(do="originals", places=[[SOMAXCONN, netns]])["code"] == "refused"
    client.begin(netns)
    assert client.ask(do="write", path=SOMAXCONN, netns=netns, text="1234")["code"] == "refused"
    assert snapshot(netns) == before


def test_only_what_was_taken_hold_of_is_changed(client, netns):
    client.begin(netns)
    assert client.ask(do="originals", places=[[SWAPPINESS, ""]])["code"] == "refused"
    assert client.ask(do="originals", places=[[SOMAXCONN, ""]])["code"] == "refused"
    assert client.ask(do="begin", version=1, run_id="test", hold=[netns])["code"] == "refused"


@pytest.mark.parametrize(
    "text", ["1", "99999999", "010", "0x80", "128 128", "", "a", "128\n129", 128, None, ["1"]]
)
def test_a_value_outside_the_range_is_refused(client, netns, text):
    before = snapshot(netns)
    client.begin(netns)
    assert client.ask(do="originals", places=[[SOMAXCONN, netns]])["ok"]
    assert client.ask(do="write", path=SOMAXCONN, netns=netns, text=text)["code"] == "refused"
    assert snapshot(netns) == before


def test_a_relation_between_fields_is_kept(client, netns):
    client.begin(netns)
    assert client.ask(do="originals", places=[[RMEM, netns]])["ok"]
    refused = client.ask(do="write", path=RMEM, netns=netns, text="131072 65536 1048576")
    assert refused["code"] == "refused"
    assert "breaks" in str(refused["message"])


def test_a_word_that_the_host_does_not_allow_is_refused(client, netns):
    client.begin(netns)
    assert client.ask(do="originals", places=[[CONGESTION, netns]])["ok"]
    assert client.ask(do="write", path=CONGESTION, netns=netns, text="vegas")["code"] == "refused"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [SOMAXCONN, SWAPPINESS, UNLISTED, "/proc/sys/kernel/core_pattern", "/etc/shadow",
     SOMAXCONN + "/../somaxconn", "/proc/sys/net/core/../core/somaxconn", "/proc/self/mem", ""]
) | JSON  # fmt: skip
TEXTS = st.sampled_from(["1", "0", "|/bin/sh", "4096", "99999999999", "-1"]) | JSON
SPACES = st.sampled_from(["", "/proc/1/ns/net", "/run/netns/../netns/x", "/run/netns/absent"]) | JSON
WORDS = ["hello", "read", "probe", "originals", "write", "restored", "guard", "begin"]
REQUESTS = st.fixed_dictionaries(
    {"do": st.sampled_from(WORDS) | JSON},
    optional={
        "path": PATHS, "netns": SPACES, "text": TEXTS, "version": JSON, "run_id": JSON, "hold": JSON,
        "places": st.lists(st.lists(PATHS | SPACES, max_size=3), max_size=3) | JSON,
    },
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(request=REQUESTS | JSON, begun=st.booleans())
def test_no_request_of_another_user_writes_what_is_not_listed(running, netns, request, begun):
    """Names, values, paths and namespaces of all kinds; the namespace is compared as a whole at the end."""
    client = Client(running.socket)
    try:
        if begun:
            client.begin(netns)
        client.send(json.dumps(request).encode() + b"\n")
        reply = client.reply()
        assert reply is not None
        if (
            isinstance(request, dict)
            and request.get("do") in ("write", "originals")
            and request.get("places") != []
        ):
            assert reply["ok"] is False
            assert reply["code"] in ("refused", "host")
        assert client.ask(do="hello")["ok"] is True
    finally:
        client.close()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.sampled_from([b"{" * 70000, b"[" * 60000, b'{"do": "hello"', b"\x00\xff"])
)
def test_no_line_ends_the_helper(running, data):
    client = Client(running.socket)
    try:
        client.send(data.replace(b"\n", b" ") + b"\n")
        reply = client.reply()
        assert reply is None or reply["ok"] is False
    finally:
        client.close()
    assert running.process.poll() is None


def test_a_line_without_end_is_cut(running):
    client = Client(running.socket)
    client.send(b"x" * (1 << 17))
    reply = client.reply()
    assert reply is None or reply["code"] == "protocol"
    client.close()


def test_a_user_who_may_not_ask_is_told_so(start):
    running = start("--allow-uid", "1")
    client = Client(running.socket)
    reply = client.reply()
    assert reply is not None
    assert (reply["code"], str(NOBODY) in str(reply["message"])) == ("refused", True)
    assert client.reply() is None
    client.close()


def test_a_member_of_the_group_may_ask(start, netns):
    running = start("--allow-group", str(NOBODY))
    code = (
        "import os, socket, sys; os.setgroups([65534]); os.setgid(1); os.setuid(1);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        's.send(b\'{"do": "hello"}\\n\'); print(s.recv(999).decode())'
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(running.socket)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["ok"]


def test_a_second_client_finds_the_namespace_taken(running, client, netns):
    client.begin(netns)
    other = Client(running.socket)
    assert other.ask(do="begin", version=1, run_id="other", hold=[netns])["code"] == "locked"
    client.close()
    assert until(lambda: other.ask(do="begin", version=1, run_id="other", hold=[netns])["ok"])
    other.close()


def test_tuners_of_root_and_the_helper_use_one_lock(running, client, netns):
    assert helper_watch.LOCK_NAME == hostlock._NAME
    client.begin(netns)
    lock = hostlock.HostLock(netns)
    assert lock.holder() == running.process.pid


def test_a_client_that_is_killed_is_put_right(running, netns):
    before = shown(netns)
    code = (
        "import sys, time; sys.path[:0] = sys.argv[3].split(':'); from support_helper import Client;"
        "c = Client(sys.argv[1]); c.begin(sys.argv[2]);"
        f"c.change(sys.argv[2], '{SOMAXCONN}', '4321'); print('changed', flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", code, str(running.socket), netns, ":".join(sys.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout.readline() == "changed\n"
        assert shown(netns) == "4321"
        victim.kill()
    assert is_back(netns, before)
    assert until(lambda: running.open_journals() == [])


def test_a_helper_that_is_killed_is_put_right_by_its_guardian(running, client, netns):
    before = shown(netns)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    running.kill()
    assert is_back(netns, before)
    assert until(lambda: running.open_journals() == [])
    assert client.reply() is None


def test_helper_and_guardian_killed_together_are_put_right_by_the_next_start(running, client, netns):
    before = shown(netns)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    guardian = subprocess.run(
        ["pgrep", "-f", f"guardian.py {running.journals}"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(guardian) == 1
    running.process.send_signal(signal.SIGSTOP)
    os.kill(int(guardian[0]), signal.SIGKILL)
    running.kill()
    time.sleep(0.2)
    assert shown(netns) == "1234"
    running.again()
    assert shown(netns) == before
    assert running.open_journals() == []


def test_a_guardian_that_died_is_replaced_before_the_next_write(running, client, netns):
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    pattern = ["pgrep", "-f", f"guardian.py {running.journals}"]
    first = subprocess.run(pattern, capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(first[0]), signal.SIGKILL)
    assert until(lambda: (found := processes.status(int(first[0]))) is None or found.state == "Z")
    assert client.ask(do="write", path=SOMAXCONN, netns=netns, text="1235")["ok"]
    second = subprocess.run(pattern, capture_output=True, text=True, check=True).stdout.split()
    assert second
    assert second != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_helper_that_is_ended_restores_first(running, client, netns, number):
    before = shown(netns)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    assert running.kill(number) == 0
    assert shown(netns) == before
    assert running.open_journals() == []


def test_a_client_that_says_nothing_for_too_long_loses_its_hold(start, netns):
    before = shown(netns)
    running = start("--allow-uid", str(NOBODY), "--hold-seconds", "0.3")
    client = Client(running.socket)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    reply = client.reply()
    assert reply is not None
    assert reply["code"] == "timeout"
    assert shown(netns) == before
    client.close()


def test_what_a_namespace_took_along_is_no_leftover(start):
    name = f"tactician-gone-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    running = start()
    client = Client(running.socket)
    client.begin(f"/run/netns/{name}")
    client.change(f"/run/netns/{name}", SOMAXCONN, "1234")
    subprocess.run(["ip", "netns", "del", name], check=True)
    client.close()
    assert until(lambda: running.open_journals() == [])
    assert running.kill(signal.SIGTERM) == 0


@pytest.mark.parametrize("spoil", ["journals", "table", "another"])
def test_a_start_that_is_not_safe_is_refused(start, spoil):
    running = start()
    if spoil == "table":
        running.kill()
        (running.folder / "knobs.json").chmod(0o666)
    elif spoil == "journals":
        running.kill()
        (running.journals / "x.jsonl").mkdir(parents=True)
    done = subprocess.run(running.argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == (4 if spoil == "journals" else 2)
    assert done.stderr.startswith("tactician helper: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_journal_that_cannot_be_made_is_an_answer(start, netns):
    running = start()
    running.journals.rmdir() if running.journals.exists() else None
    running.journals.write_text("no folder")
    client = Client(running.socket)
    reply = client.ask(do="begin", version=1, run_id="test", hold=[netns])
    assert reply["code"] == "host", reply
    running.journals.unlink()
    assert client.ask(do="begin", version=1, run_id="test", hold=[netns])["ok"]
    client.close()


def test_it_needs_no_more_rights_than_its_unit_gives(start, netns):
    from tactician.system.units import unit

    (line,) = [
        line for line in unit("tactician-helper.service").splitlines() if line.startswith("CapabilityB")
    ]
    kept = [name.removeprefix("CAP_").lower() for name in line.partition("=")[2].split()]
    assert sorted(kept) == ["net_admin", "sys_admin"]
    bounded = ",".join(["-all", *(f"+{name}" for name in kept)])
    running = start(
        "--allow-uid", str(NOBODY), prefix=("setpriv", f"--bounding-set={bounded}", "--no-new-privs")
    )
    before = shown(netns)
    client = Client(running.socket)
    client.begin(netns)
    client.change(netns, SOMAXCONN, "1234")
    client.close()
    assert is_back(netns, before)
