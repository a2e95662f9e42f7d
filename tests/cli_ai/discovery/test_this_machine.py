"""The real machine with real servers on it, looked at by root and by somebody else."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli_ai.discovery import discover
from cli_ai.discovery.commands import commands
from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.discovery.showing import lines
from support_private import Private, memcached, nginx, postgresql, redis

SERVERS = pytest.mark.needs("postgres", "redis-server", "nginx")
# Everything is loaded before the rights go: the other user may not be able to read this interpreter.
AS_NOBODY = """
import os, sys
from cli_ai.discovery import discover
discover()
os.setgroups([]), os.setgid(65534), os.setuid(65534)
sys.stdout.write(discover().model_dump_json())
"""


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Private]]:
    with ExitStack() as stack:
        yield {
            "postgresql": stack.enter_context(postgresql()),
            "redis": stack.enter_context(redis()),
            "nginx": stack.enter_context(nginx()),
        }


def found(facts: HostFacts, name: str, server: Private) -> Service:
    (one,) = [one for one in facts.services if one.name == name and one.pid == server.pid]
    return one


def test_the_machine_is_told_as_it_is() -> None:
    facts = discover()
    assert facts.kernel == platform.release()
    assert facts.architecture == platform.machine()
    assert 1 <= facts.cores <= (os.cpu_count() or 1)
    assert 0 < facts.memory_bytes <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts.root == (os.geteuid() == 0)
    assert facts.cgroup_version in (0, 1, 2)
    assert facts.distribution.name == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert {link.name for link in facts.links} <= set(os.listdir("/sys/class/net"))
    assert {disk.name for disk in facts.disks} <= set(os.listdir("/sys/block"))
    assert len(facts.knobs) > 150
    assert facts.values["vm.swappiness"] == Path("/proc/sys/vm/swappiness").read_text().strip()
    assert facts.throw_away is not None
    assert facts.bottleneck is not None
    assert "cpu_utilization" not in facts.pressure, "one look has no rates"


@SERVERS
@pytest.mark.needs("root")
def test_root_sees_everything_of_the_servers(running: dict[str, Private]) -> None:
    facts = discover()
    for name, server in running.items():
        one = found(facts, name, server)
        assert one.ports == (server.port,)
        assert one.version[0].isdigit()
        assert "." in one.version
        assert os.path.exists(one.program)
        assert not one.confined
    pg, kv, web = (running[name] for name in ("postgresql", "redis", "nginx"))
    database = found(facts, "postgresql", pg)
    assert database.user == "postgres"
    assert database.sockets == (f"{pg.socket}/.s.PGSQL.{pg.port}",)
    assert database.data_directory == str(pg.folder / "data")
    assert database.config_file == str(pg.folder / "data" / "postgresql.conf")
    assert database.processes > 3
    assert found(facts, "redis", kv).sockets == (str(kv.socket),)
    assert found(facts, "redis", kv).data_directory == str(kv.folder)
    assert found(facts, "nginx", web).config_file == str(web.folder / "nginx.conf")
    assert found(facts, "nginx", web).processes == 3


@SERVERS
@pytest.mark.needs("root")
def test_somebody_else_sees_what_everybody_may(running: dict[str, Private]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, check=False, cwd="/", timeout=120
    )
    assert done.returncode == 0, done.stderr
    facts = HostFacts.model_validate_json(done.stdout)
    assert not facts.root
    assert facts.writable == ()
    assert any(note.startswith("Not root") for note in facts.notes)
    assert any("Only root or the owner sees the sockets" in note for note in facts.notes)
    for name, server in running.items():
        one = found(facts, name, server)
        assert one.ports == (server.port,), name
        assert "." in one.version, name
    assert found(facts, "postgresql", running["postgresql"]).config_file == "", "its folder is closed"


@pytest.mark.needs("memcached")
def test_a_memcached_is_found() -> None:
    with memcached() as server:
        one = found(discover(), "memcached", server)
    assert one.ports == (server.port,)
    assert one.version.startswith("1.")


@pytest.mark.needs("root", "unshare")
def test_processes_that_are_hidden_are_said_to_be() -> None:
    script = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" -c "$1"'
    argv = ["unshare", "--mount", "sh", "-c", script, sys.executable, AS_NOBODY]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", timeout=120)
    assert done.returncode == 0, done.stderr
    facts = HostFacts.model_validate_json(done.stdout)
    assert {one.user for one in facts.services} <= {"nobody"}
    assert any("hidepid" in note for note in facts.notes)


@pytest.mark.host
@pytest.mark.needs("root")
def test_looking_finds_what_may_be_written_and_writes_nothing() -> None:
    """The mark compares a full snapshot of the host's keys before and after."""
    facts = discover()
    assert "vm.swappiness" in facts.writable or facts.container
    assert set(facts.writable) <= set(facts.knobs)


def test_nothing_of_the_host_is_opened_for_more_than_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files below /proc and /sys are opened, and none is written to."""
    written = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        target = os.readlink(f"/proc/self/fd/{descriptor}")
        if target.startswith(("/proc", "/sys", "/etc")):
            written.append(target)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    discover()
    assert written == []


def test_a_process_that_only_calls_itself_postgres_is_none(tmp_path: Path) -> None:
    code = "import time, sys; print(flush=True); time.sleep(600)"
    argv = ["postgres", "-c", code]
    process = subprocess.Popen(argv, executable=sys.executable, stdout=subprocess.PIPE, cwd=tmp_path)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid not in {service.pid for service in discover().services}
    finally:
        process.kill()
        process.communicate()


@pytest.mark.needs("userns", "redis-server")
def test_a_server_in_another_namespace_is_told_as_such() -> None:
    argv = ["unshare", "-rn", "redis-server", "--port", "6399", "--save", "", "--dir", "/"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        while b"Ready to accept" not in (line := process.stdout.readline()):
            assert line, "redis-server ended"
        (one,) = [one for one in discover().services if one.pid == process.pid]
        assert one.confined
        assert one.ports == ()
        assert one.version == ""
    finally:
        process.terminate()
        process.communicate()


# The command


def test_the_command_prints_text_of_80_columns() -> None:
    said = CliRunner().invoke(commands, [])
    assert said.exit_code == 0
    assert said.stdout.startswith("system ")
    assert max(map(len, said.stdout.splitlines())) <= 80
    for title in ("machine", "runs in", "disks", "links", "services", "benchmarks", "knobs", "scarce"):
        assert f"\n{title}" in said.stdout


def test_the_command_prints_one_json_document() -> None:
    said = CliRunner().invoke(commands, ["--json", "--watch", "0.2s"])
    assert said.exit_code == 0
    facts = HostFacts.model_validate(json.loads(said.stdout))
    assert facts.watched_s == 0.2
    assert "watched      0.2 s" in list(lines(facts))


@pytest.mark.parametrize("watch", ["", "x", "-3s", "0", "2h", "1e3", "5 days", "nan"])
def test_a_watch_that_is_no_time_is_refused(watch: str) -> None:
    said = CliRunner().invoke(commands, ["--json", f"--watch={watch}"])
    assert said.exit_code == 2
    error = json.loads(said.stdout)
    assert error["success"] is False
    assert "--watch takes a time" in error["error"]["message"]
