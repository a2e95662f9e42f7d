"""What can be seen of a process from outside: its unit, its environment, its log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support_services import until
from tactician.system.service.running import LogTail, environment_of, is_detached, output_of, unit_of


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        (
            "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n",
            "postgresql@15-main.service",
        ),
        ("12:pids:/system.slice/nginx.service\n0::/\n", "nginx.service"),
        ("0::/system.slice/nginx.service/worker\n", "nginx.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_the_unit_is_read_from_the_control_group(tmp_path, group, unit):
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(group)
    assert unit_of(7, str(tmp_path)) is None  # systemd does not run this host
    (tmp_path / "run" / "systemd" / "system").mkdir(parents=True)
    assert unit_of(7, str(tmp_path)) == unit
    assert unit_of(8, str(tmp_path)) is None


def test_a_server_keeps_its_locale_and_paths_and_no_secret_is_taken(tmp_path):
    given = {
        "LC_ALL": "C",
        "TZ": "UTC",
        "PGDATA": "/d",
        "PGPASSWORD": "s",
        "API_TOKEN": "t",
        "PG_GRANDPARENT_PID": "1",
    }
    log = tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(["sleep", "60"], env=given, stderr=file) as process:
        try:
            until(lambda: environment_of(process.pid))  # between fork and exec there is none yet
            assert environment_of(process.pid) == {"LC_ALL": "C", "TZ": "UTC", "PGDATA": "/d"}
            assert output_of(process.pid) == str(log)
            assert not is_detached(process.pid)
        finally:
            process.kill()


def test_of_a_process_that_is_gone_nothing_is_known():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert environment_of(process.pid) == {}
    assert output_of(process.pid) is None
    assert not is_detached(process.pid)


def test_a_pipe_is_no_log():
    with subprocess.Popen(["sleep", "60"], stderr=subprocess.PIPE) as process:
        try:
            assert output_of(process.pid) is None
        finally:
            process.kill()


def test_a_daemon_is_detached(tmp_path):
    code = (
        "import os, time; os.fork() and os._exit(0); os.setsid(); "
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    with (tmp_path / "pid").open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    until(lambda: (tmp_path / "pid").read_text().strip())
    pid = int((tmp_path / "pid").read_text())
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        assert is_detached(pid) == (parent == 1)
    finally:
        os.kill(pid, 9)


def test_a_log_is_told_from_now_on(tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    tail = LogTail(str(log))
    assert tail.text() == ""
    with log.open("a") as file:
        file.write("after\n")
    assert tail.text() == "after\n"
    assert LogTail(None).text() == ""
    assert LogTail(str(tmp_path / "none")).text() == ""
