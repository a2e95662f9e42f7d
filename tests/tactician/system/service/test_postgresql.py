"""PostgreSQL, for real: what is set acts in new sessions, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from oppertune.core.values import Categorical, Integer, Real
from support_services import Bench, until
from tactician.errors import KnobWriteError, PreflightError
from tactician.experiment import ServiceAccess
from tactician.system.service.knob import ServiceKnob
from tactician.system.service.postgresql import PostgreSQL
from tactician.undo import processes

pytestmark = pytest.mark.needs("root", "postgres", "setpriv")

KNOBS = [
    ServiceKnob(Integer("postgresql.work_mem", 64, 1, 10**6), "postgresql", "work_mem"),
    ServiceKnob(Integer("postgresql.shared_buffers", 64, 1, 10**9), "postgresql", "shared_buffers"),
    ServiceKnob(Real("postgresql.random_page_cost", 1.0, 1.0, 9.0), "postgresql", "random_page_cost"),
    ServiceKnob(Categorical("postgresql.jit", "on", ("on", "off")), "postgresql", "jit"),
]


def opened(server, *settings, **access):
    service = PostgreSQL("postgresql", ServiceAccess("postgresql", **{"port": server.port, **access}))
    for setting in settings or ("work_mem", "shared_buffers", "random_page_cost", "jit"):
        service.inspect(setting)
    return service


def bench(server, **access):
    return Bench({"postgresql": opened(server, **access)})


@pytest.fixture(params=["psycopg", "psql"])
def client(request, monkeypatch):
    """Asked through psycopg, and through psql as where psycopg is not installed."""
    if request.param == "psycopg":
        pytest.importorskip("psycopg")
    else:
        monkeypatch.setitem(__import__("sys").modules, "psycopg", None)


def test_a_reload_brings_settings_into_new_sessions_and_takes_them_back(postgres, client):
    one = bench(postgres)
    pid = postgres.pid
    wanted = {"postgresql__work_mem": 1234, "postgresql__random_page_cost": 1.25, "postgresql__jit": "off"}
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, **wanted))
        assert [postgres.shown(name) for name in ("work_mem", "random_page_cost", "jit")] == [
            "1234",
            "1.25",
            "off",
        ]
    assert postgres.pid == pid
    assert len(one.journal.log) >= 2


def test_a_restart_is_one_each_way_with_the_options_of_before(postgres):
    one = bench(postgres)
    arguments = (postgres.data / "postmaster.opts").read_text()
    pids = [postgres.pid]
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, postgresql__shared_buffers=3000, postgresql__work_mem=99))
        assert (postgres.shown("shared_buffers"), postgres.shown("work_mem")) == ("3000", "99")
        pids.append(postgres.pid)
    pids.append(postgres.pid)
    assert len(set(pids)) == 3
    assert postgres.log.read_text().count("starting PostgreSQL") - postgres.starts == 2
    assert (postgres.data / "postmaster.opts").read_text() == arguments
    assert processes.status(postgres.pid).session == postgres.pid


def test_settings_of_an_operator_in_the_same_file_stay_byte_for_byte(postgres):
    before = postgres.auto.read_bytes()
    try:
        postgres.auto.write_bytes(before + b"# mine\nmaintenance_work_mem = '70MB'\nwork_mem = '5MB'")
        postgres.ask("SELECT pg_reload_conf()")
        until(lambda: postgres.shown("work_mem") == "5120")
        mine = postgres.auto.read_bytes()
        one = bench(postgres)
        with one.transaction() as transaction:
            transaction.apply(one.plan(KNOBS, postgresql__work_mem=64))
            assert (postgres.shown("work_mem"), postgres.shown("maintenance_work_mem")) == ("64", "71680")
        assert postgres.auto.read_bytes() == mine
        assert postgres.shown("work_mem") == "5120"
    finally:
        postgres.auto.write_bytes(before)
        postgres.ask("SELECT pg_reload_conf()")
        until(lambda: postgres.shown("work_mem") == "4096")


def test_a_value_that_it_refuses_fails_and_nothing_is_told_to_it(postgres, client):
    one = bench(postgres)
    pid = postgres.pid
    plan = one.plan(KNOBS, postgresql__jit="off", postgresql__work_mem=1)
    with pytest.raises(KnobWriteError, match="outside the valid range"), one.transaction() as transaction:
        transaction.apply(plan)
    assert postgres.pid == pid


def test_a_server_that_does_not_come_back_is_restored_and_started(postgres):
    one = bench(postgres)
    plan = one.plan(KNOBS, postgresql__shared_buffers=10**9)
    with pytest.raises(KnobWriteError) as caught, one.transaction() as transaction:
        transaction.apply(plan)
    assert "did not come back" in str(caught.value)
    assert "could not map anonymous shared memory" in str(caught.value)
    assert postgres.shown("shared_buffers") == "2048"


def test_a_server_that_died_during_the_benchmark_is_started_again(postgres):
    one = bench(postgres)
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, postgresql__work_mem=64))
        os.kill(postgres.pid, signal.SIGQUIT)
        until(lambda: not (postgres.data / "postmaster.pid").exists())
    assert postgres.shown("work_mem") == "4096"


def test_a_value_that_something_stronger_sets_is_refused_beforehand(postgres):
    postgres.ask("ALTER ROLE postgres SET work_mem = '1MB'")
    try:
        with pytest.raises(PreflightError, match="ALTER ROLE"):
            opened(postgres, "work_mem")
    finally:
        postgres.ask("ALTER ROLE postgres RESET work_mem")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("work_memory", "did you mean"),
        ("block_size", "fixed"),
        ("nonsense_xyz", "has no setting nonsense_xyz"),
    ],
)
def test_what_cannot_be_tuned_is_said(postgres, setting, says):
    with pytest.raises(PreflightError, match=says):
        opened(postgres, setting)


def test_changes_of_somebody_else_are_not_brought_in_by_our_reload(postgres):
    path = postgres.data / "postgresql.conf"
    before = path.read_bytes()
    times = path.stat()
    service = opened(postgres)
    service.ready(["restart"])
    try:
        path.write_bytes(before + b"\n# edited a moment ago\n")
        later = time.time() + 5  # than a reload of the same second
        os.utime(path, (later, later))
        with pytest.raises(PreflightError, match=r"postgresql\.conf was changed"):
            service.ready(["reload"])
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_role_that_may_not_alter_the_system_is_refused(postgres):
    postgres.ask("CREATE ROLE plain LOGIN")
    try:
        with pytest.raises(PreflightError):
            opened(postgres, user="plain").ready(["reload"])
    finally:
        postgres.ask("DROP ROLE plain")


@pytest.mark.parametrize(
    ("access", "says"),
    [
        ({"port": 1}, "no server listens there"),
        ({"port": None, "data_directory": "/nowhere"}, "no server runs in /nowhere"),
        ({"user": "nobody_there"}, "nobody_there"),
    ],
)
def test_a_server_that_is_not_there_is_said(postgres, access, says):
    with pytest.raises(PreflightError, match=says):
        opened(postgres, **access)


def test_it_is_found_by_its_data_directory_or_socket(postgres):
    assert opened(postgres, port=None, data_directory=str(postgres.data)).read()["work_mem"] == "4096"
    assert opened(postgres, port=None, socket=str(postgres.folder)).read()["work_mem"] == "4096"


def test_one_in_the_foreground_of_another_program_is_not_restarted(postgres, tmp_path):
    """Its supervisor would see it die. What a reload brings may still be tuned."""
    postgres.stop()
    argv = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    argv += [str(postgres.programs / "postgres"), "-D", str(postgres.data)]
    supervised = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        until(lambda: postgres.answers())
        with pytest.raises(PreflightError, match="restart is not ours"):
            opened(postgres, "shared_buffers")
        assert opened(postgres, "work_mem").read() == {"work_mem": "4096"}
    finally:
        supervised.send_signal(signal.SIGINT)
        supervised.wait()
        postgres.start()


def test_without_psycopg_and_psql_it_says_what_to_install(postgres, client, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    monkeypatch.setattr(
        "tactician.system.service.postgresql_instance.Instance.program", lambda self, name: None
    )
    with pytest.raises(PreflightError, match="postgresql-client"):
        opened(postgres)
