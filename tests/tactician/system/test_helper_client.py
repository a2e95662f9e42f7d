"""A tuner's side of the root helper: which helper it finds, what it is told, and the ports on top of it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess

import pytest

from support_helper import SOMAXCONN, Helper, open_folder, until
from tactician.errors import (
    GuardianError,
    JournalError,
    LockHeldError,
    OperatorError,
    PreflightError,
)
from tactician.ports import Place, Undo
from tactician.system import helper_client
from tactician.system.guarding import NoGuardian, NoJournal
from tactician.system.helper_client import HelperConnection, find_helper
from tactician.system.helper_host import HelperGuardian, HelperHost, HelperJournal
from tactician.system.helper_table import compile_table, write_table
from tactician.undo import files
from tactician.undo.helper_rules import Refusal, Table, load


@pytest.fixture(scope="module")
def netns():
    name = f"tactician-client-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def running():
    with open_folder() as folder:
        process = Helper(folder)
        yield process
        process.close()


@pytest.fixture
def connection(running):
    made = HelperConnection(str(running.socket))
    yield made
    made.close()


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(helper_client, "_GRACE_S", 0.3)


def ports(connection, netns):
    """The ports of a tuner inside that namespace."""
    host = HelperHost(connection, netns)
    return host, HelperJournal(NoJournal(), connection, host), HelperGuardian(NoGuardian(), connection)


def undo(place, text):
    return Undo(((place, text),), ((place, text),))


@pytest.mark.needs("root", "ip")
def test_places_are_read_written_and_put_back_through_it(connection, netns):
    before = files.read_text(SOMAXCONN, netns)
    connection.begin("run", [netns])
    host, journal, guardian = ports(connection, netns)
    place = Place(SOMAXCONN, netns)
    guardian.ensure()
    assert host.family(place) == {}
    journal.originals([undo(place, "a lie")])
    host.write(place, "1234")
    assert host.read(place) == files.read_text(SOMAXCONN, netns) == "1234"
    journal.restored()
    assert files.read_text(SOMAXCONN, netns) == before


@pytest.mark.needs("root", "ip")
def test_a_refusal_is_an_error_with_the_helpers_words(connection, netns):
    connection.begin("run", [netns])
    host, journal, _ = ports(connection, netns)
    place = Place(SOMAXCONN, netns)
    with pytest.raises(OSError, match="journalled") as caught:
        host.write(place, "1234")
    assert caught.value.errno == errno.ENOTSUP
    journal.originals([undo(place, "4096")])
    with pytest.raises(OSError, match="64 to 65535"):
        host.write(place, "1")
    unlisted = Place("/proc/sys/net/ipv4/tcp_fin_timeout", netns)
    with pytest.raises(OSError, match="not on the list"):
        host.probe_write(unlisted)
    with pytest.raises(JournalError, match="not on the list"):
        journal.originals([undo(unlisted, "60")])
    host.probe_write(place)


@pytest.mark.needs("root", "ip")
def test_two_tuners_do_not_share_a_namespace(running, connection, netns):
    connection.begin("run", [netns])
    other = HelperConnection(str(running.socket))
    with pytest.raises(LockHeldError):
        other.begin("other", [netns])
    assert not other.alive


@pytest.mark.needs("root", "ip")
def test_a_helper_that_dies_is_an_error_and_the_host_is_as_it_was(running, connection, netns, quickly):
    before = files.read_text(SOMAXCONN, netns)
    connection.begin("run", [netns])
    host, journal, guardian = ports(connection, netns)
    place = Place(SOMAXCONN, netns)
    journal.originals([undo(place, before)])
    host.write(place, "1234")
    running.kill(signal.SIGKILL)
    with pytest.raises(OSError) as caught:
        host.write(place, "1235")
    assert caught.value.errno == errno.ENOTCONN
    assert until(lambda: files.read_text(SOMAXCONN, netns) == before)
    assert host.read(place) == before
    journal.restored()
    with pytest.raises(GuardianError):
        guardian.ensure()
    with pytest.raises(JournalError):
        journal.originals([undo(place, before)])


def test_an_answer_that_is_cut_off_ends_the_connection(running, quickly):
    connection = HelperConnection(str(running.socket))
    running.kill(signal.SIGTERM)
    with pytest.raises(OSError) as caught:
        connection.call("hello")
    assert caught.value.errno == errno.ENOTCONN
    assert not connection.alive


def test_a_socket_without_a_helper_is_told(tmp_path):
    with pytest.raises(PreflightError, match="does not answer"):
        HelperConnection(str(tmp_path / "absent.sock"))


@pytest.mark.needs("root")
def test_who_is_not_in_the_group_is_told_how_to_get_there(running):
    running.socket.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PreflightError, match="usermod"):
            HelperConnection(str(running.socket))
    finally:
        os.seteuid(0)


def test_root_needs_no_helper_and_an_empty_variable_means_none(monkeypatch, running):
    monkeypatch.setenv(helper_client.VARIABLE, str(running.socket))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_helper() == ""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_helper() == str(running.socket)
    monkeypatch.setenv(helper_client.VARIABLE, "")
    assert find_helper() == ""
    monkeypatch.setenv(helper_client.VARIABLE, "/nowhere/x.sock")
    with pytest.raises(OperatorError, match=r"/nowhere/x\.sock"):
        find_helper()
    monkeypatch.delenv(helper_client.VARIABLE)
    monkeypatch.setattr(helper_client, "SOCKET", "/nowhere/x.sock")
    assert find_helper() == ""


# -- the table ----------------------------------------------------------------------------------------------


def test_the_compiled_table_is_what_the_helper_reads(tmp_path):
    path = tmp_path / "deep" / "knobs.json"
    assert write_table(path) == len(load(path)) > 100
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_nothing_dangerous_and_no_service_is_compiled():
    from tactician import catalogue

    table = Table(compile_table())
    for knob in compile_table()["knobs"]:
        assert catalogue.danger(knob["name"]) is None
        assert knob["path"].startswith(("/proc/sys/", "/sys/"))
    for name in (
        "kernel/core_pattern",
        "kernel/modprobe",
        "kernel/sysrq",
        "net/ipv4/ip_forward",
        "fs/file-max",
    ):
        with pytest.raises(Refusal):
            table.rule(f"/proc/sys/{name}")


def test_ranges_are_those_of_the_catalogue_on_such_a_host():
    numbers = {"memory_bytes": 2**30, "cores": 2, "page_bytes": 4096, "swap_bytes": 0, "link_mbit": 1000}
    rule = Table(compile_table(numbers)).rule("/proc/sys/vm/dirty_bytes")
    assert (rule.low, rule.high) == (1048576, 2**29)
    assert rule.pair == ("/proc/sys/vm/dirty_ratio",)
    assert not rule.namespaced
    assert Table(compile_table(numbers)).rule(SOMAXCONN).namespaced


def test_a_table_that_cannot_be_written_is_an_operators_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be written"):
        write_table(tmp_path / "file" / "knobs.json")
