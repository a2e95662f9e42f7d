"""A master with workers is reloaded and waited for; an address is asked whether anybody listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support_services import listening, until
from tactician.undo import answering, processes, reloading

MASTER = """
import os, signal, subprocess, sys, time
workers = [subprocess.Popen(["sleep", "1000"])]
def renew(number, frame):
    if sys.argv[1] == "renews":
        workers.append(subprocess.Popen(["sleep", "1000"]))
        workers[0].kill(), workers.pop(0).wait()
signal.signal(signal.SIGHUP, renew)
def end(number, frame):
    for worker in workers: worker.kill(), worker.wait()
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: time.sleep(0.05)
"""


@pytest.fixture(params=["renews"])
def master(request, tmp_path):
    script = tmp_path / "master.py"
    script.write_text(MASTER)
    argv = [sys.executable, "-I", str(script), request.param]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.terminate()


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_new_workers_are_waited_for(master, tmp_path):
    (tmp_path / "pid").write_text(f"{master}\n")
    before = reloading.children(master)
    assert reloading.main([str(tmp_path / "pid"), name_of(master), "20"]) == 0
    assert not reloading.children(master) & before
    assert len(reloading.children(master)) == 1


@pytest.mark.parametrize("master", ["ignores"], indirect=True)
def test_one_that_brings_no_workers_has_not_reloaded(master, capsys):
    assert reloading.main([str(master), name_of(master), "0.2"]) == 1
    assert "no new workers" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["another name", "dead", "no file", "no number"])
def test_a_process_that_is_not_the_master_is_not_signalled(master, tmp_path, capsys, how):
    where, name = str(master), name_of(master)
    if how == "another name":
        name = "nginx"
    elif how == "dead":
        with subprocess.Popen(["true"]) as dead:
            dead.wait()
        where = str(dead.pid)
    else:
        where = str(tmp_path / "pid")
        if how == "no number":
            Path(where).write_text("")
    before = reloading.children(master)
    assert reloading.main([where, name, "1"]) == 1
    assert "does not run" in capsys.readouterr().err
    assert reloading.children(master) == before


def test_a_zombie_is_no_master():
    with subprocess.Popen(["sleep", "1000"]) as process:
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: processes.status(process.pid).state == "Z")
        assert reloading.master_of(str(process.pid), "sleep") is None


def test_where_it_does_not_run_it_is_started(tmp_path):
    script = reloading.__file__
    argv = [sys.executable, "-I", "-S", script, str(tmp_path / "pid"), "nginx", "1", "echo", "started"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "started\n"


def test_only_an_address_where_somebody_listens_answers(tmp_path, capsys):
    with listening() as port:
        assert answering.main([f"127.0.0.1:{port}"]) == 0
        free = f"127.0.0.1:{port}"
    assert answering.main([free]) == 1
    assert f"{free} does not answer" in capsys.readouterr().err
    assert answering.main([str(tmp_path / "none.sock")]) == 1
