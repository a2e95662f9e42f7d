"""The seed's three examples against the real tools, shortened; two of them on real keys of this host."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end import support
from end_to_end.support import Namespace, document, tactician, write

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEDULER = ("kernel.sched_min_granularity_ns", "kernel.sched_wakeup_granularity_ns")
pytestmark = pytest.mark.needs("root", "ip", "nsenter")


def example(name: str, *shorter: tuple[str, str], **changes: object) -> dict[str, Any]:
    """An example with its command shortened, and a budget for a test."""
    whole: dict[str, Any] = json.loads((EXAMPLES / f"seed-{name}.json").read_text(encoding="utf-8"))
    for long, short in shorter:
        assert long in whole["benchmark_command"]
        whole["benchmark_command"] = whole["benchmark_command"].replace(long, short)
    limits = {"budget": {"trials": 3}, "baseline_runs": 1, "verification": {"rounds": 4}}
    return {**whole, **limits, **changes}


def assert_honest(found: dict[str, Any], whole: dict[str, Any]) -> None:
    """Nothing is claimed that the interval does not show; nothing is left changed."""
    assert found["success"] and found["restored"]
    assert found["failed_trials"] == 0
    assert found["algorithm"] == "ppo"
    assert found["baseline"]["median"] > 0
    assert set(found["best_config"]) == {item["param"] for item in whole["action_space"]}
    interval = found["improvement_interval"]
    if found["significant"]:
        assert interval[0] > 0
        assert found["improvement"] > 0
    else:
        assert found["improvement"] == 0.0
        assert found["best_config"] == found["original"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def postgres() -> Iterator[dict[str, str]]:
    """A throw-away cluster with the database of the example; the variables that lead to it."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = Path(tempfile.mkdtemp(prefix="tactician-pg-"))
    shutil.chown(folder, "postgres", "postgres")
    variables = {"PGHOST": str(folder), "PGPORT": str(free_port()), "PGUSER": "postgres"}

    def as_postgres(*command: str) -> None:
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", *command],
            env={**os.environ, **variables},
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    cluster = str(folder / "cluster")
    options = f"-p {variables['PGPORT']} -k {folder} -c listen_addresses='' -c max_connections=30"
    try:
        as_postgres(str(programs / "initdb"), "-D", cluster, "-A", "trust", "--no-sync")
        log = str(folder / "log")
        as_postgres(str(programs / "pg_ctl"), "-D", cluster, "-w", "-l", log, "-o", options, "start")
        try:
            as_postgres(str(programs / "createdb"), "testdb")
            as_postgres("pgbench", "-i", "-q", "-s", "2", "testdb")
            yield variables
        finally:
            as_postgres(str(programs / "pg_ctl"), "-D", cluster, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    """A web server of our own; its port."""
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 1;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; listen [::1]:{port};"
        " return 200 ok; } }\n"
    )
    with (tmp_path / "said").open("w") as said:
        server = subprocess.Popen(["nginx", "-e", f"{tmp_path}/error.log", "-c", str(config)], stderr=said)
        try:
            assert support.until(lambda: answers(port)), (tmp_path / "said").read_text()
            yield port
        finally:
            server.terminate()
            server.wait(20)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def on_the_host(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run on the host itself, waiting while somebody else's tuner holds it."""
    for _ in range(12):
        done = tactician(*arguments, **environment)
        if done.returncode != 2 or '"code": "locked"' not in done.stdout:
            break
        time.sleep(5)
    return done


@pytest.mark.slow
@pytest.mark.host
@pytest.mark.needs("postgres", "pgbench", "runuser")
def test_the_database_example_runs(postgres: dict[str, str], tmp_path: Path) -> None:
    whole = example("postgresql", ("-c 50", "-c 4"), ("-j 4", "-j 2"), ("-T 30", "-T 1"))
    done = on_the_host("tune", write(tmp_path / "c.json", whole), "--json", **postgres)
    assert done.returncode == 0
    found = support.result(done)
    assert_honest(found, whole)
    assert found["trials"] == 3
    assert found["baseline"]["unit"] == "1/s"


@pytest.mark.slow
@pytest.mark.host
@pytest.mark.needs("wrk", "nginx")
def test_the_web_server_example_runs(nginx: int, tmp_path: Path) -> None:
    shorter = (("-t12 -c400 -d30s", "-t1 -c16 -d1s"), ("localhost:80/", f"localhost:{nginx}/"))
    whole = example("nginx", *shorter)
    done = on_the_host("tune", write(tmp_path / "c.json", whole), "--json")
    assert done.returncode == 0
    found = support.result(done)
    assert_honest(found, whole)
    assert found["trials"] == 3


def test_the_computing_example_is_refused_with_all_that_is_known(network: Namespace) -> None:
    if Path("/proc/sys/kernel/sched_min_granularity_ns").exists():
        pytest.skip("this kernel is old enough to have them")
    before = network.snapshot()
    done = tactician("tune", EXAMPLES / "seed-cpu.json", "--json", prefix=network.prefix)
    assert done.returncode == 2
    problems = support.result(done)["error"]["problems"]
    for index, key in enumerate(SCHEDULER):
        (problem,) = [one for one in problems if one["path"] == f"action_space[{index}].param"]
        for words in (key, os.uname().release, "since", "kernel.sched_autogroup_enabled"):
            assert words in problem["message"]
    assert network.snapshot() == before


def test_the_computing_example_goes_on_with_the_keys_that_exist(network: Namespace, tmp_path: Path) -> None:
    if Path("/proc/sys/kernel/sched_min_granularity_ns").exists():
        pytest.skip("this kernel is old enough to have them")
    gone: list[Any] = json.loads((EXAMPLES / "seed-cpu.json").read_text(encoding="utf-8"))["action_space"]
    whole = document(action_space=[*gone, *document()["action_space"]], budget={"trials": 1})
    config = write(tmp_path / "c.json", whole)
    done = tactician("tune", config, "--skip-absent", "--json", prefix=network.prefix)
    assert done.returncode == 0
    found = support.result(done)
    assert set(found["best_config"]) == {"net.core.somaxconn"}
    assert all(any(key in notice for notice in found["notices"]) for key in SCHEDULER)


@pytest.mark.slow
@pytest.mark.host
@pytest.mark.needs("sysbench")
def test_the_computing_example_runs_on_a_scheduler_key_that_is_left(
    network: Namespace, tmp_path: Path
) -> None:
    if not Path("/proc/sys/kernel/sched_autogroup_enabled").exists():
        pytest.skip("this kernel has no autogroups")
    space = [{"param": "kernel.sched_autogroup_enabled", "min": 0, "max": 1, "type": "int"}]
    whole = example(
        "cpu", ("--time=30", "--time=1"), action_space=space, budget={"trials": 1}, verification={"rounds": 2}
    )
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json", prefix=network.prefix)
    assert done.returncode == 0
    assert_honest(support.result(done), whole)
