"""MariaDB, for real: SET GLOBAL forth and back, partners and refusals in its own words."""

from __future__ import annotations

import json

import pytest

from oppertune.core.values import Categorical, Integer, Real
from support_operations import own_lock, record_of
from support_services import Bench
from tactician.errors import KnobWriteError, PreflightError, RefusedError
from tactician.experiment import ServiceAccess
from tactician.operations import apply_run, export, revert
from tactician.system.home import Home
from tactician.system.service.knob import ServiceKnob
from tactician.system.service.mysql import MySQL
from tactician.transaction import as_entry
from tactician.undo import services

pytestmark = pytest.mark.needs("mariadbd", "mariadb", "mariadb-install-db")


def knob(parameter):
    return ServiceKnob(parameter, "mysql", parameter.name.partition(".")[2])


KNOBS = [
    knob(Integer("mysql.sort_buffer_size", 1 << 16, 1, 1 << 30)),
    knob(Integer("mysql.innodb_io_capacity", 200, 100, 10**6)),
    knob(Integer("mysql.innodb_io_capacity_max", 2000, 100, 10**6)),
    knob(Real("mysql.innodb_max_dirty_pages_pct", 90.0, 0.0, 99.0)),
    knob(Categorical("mysql.innodb_adaptive_hash_index", "OFF", ("ON", "OFF", "perhaps"))),
]


def opened(server, *settings, **access):
    service = MySQL("mysql", ServiceAccess("mysql", socket=server.socket, user="root", **access))
    for setting in settings or [each.name.partition(".")[2] for each in KNOBS]:
        service.inspect(setting)
    return service


def test_settings_act_at_once_and_are_taken_back(mariadb):
    one = Bench({"mysql": opened(mariadb)})
    wanted = {
        "mysql__sort_buffer_size": 1 << 20, "mysql__innodb_io_capacity": 5000,
        "mysql__innodb_io_capacity_max": 9000, "mysql__innodb_max_dirty_pages_pct": 42.5,
        "mysql__innodb_adaptive_hash_index": "ON",
    }  # fmt: skip
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, **wanted))
        assert mariadb.shown("sort_buffer_size") == "1048576"
        assert float(mariadb.shown("innodb_max_dirty_pages_pct")) == 42.5
        assert mariadb.shown("innodb_adaptive_hash_index") == "1"
        assert mariadb.shown("innodb_io_capacity_max") == "9000"


def test_a_partner_that_the_server_moves_along_is_taken_back_too(mariadb):
    """Above its maximum the capacity takes that with it, in either direction."""
    one = Bench({"mysql": opened(mariadb, "innodb_io_capacity")})
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS[1:2], mysql__innodb_io_capacity=7000))
        assert int(mariadb.shown("innodb_io_capacity_max")) >= 7000


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"mysql__innodb_adaptive_hash_index": "perhaps"}, "can't be set to the value"),
        ({"mysql__sort_buffer_size": 500}, "keeps 1024"),
    ],
)
def test_a_value_that_it_refuses_or_changes_fails(mariadb, wanted, says):
    one = Bench({"mysql": opened(mariadb)})
    plan = one.plan(KNOBS, mysql__innodb_io_capacity=300, **wanted)
    with pytest.raises(KnobWriteError, match=says), one.transaction() as transaction:
        transaction.apply(plan)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("sort_bufer_size", "did you mean sort_buffer_size"),
        ("innodb_log_buffer_size", "only from its option file"),
        ("back_log", "only from its option file"),
    ],
)
def test_what_cannot_be_tuned_is_said(mariadb, setting, says):
    with pytest.raises(PreflightError, match=says):
        opened(mariadb, setting)


def test_who_may_not_set_globally_is_told(mariadb):
    mariadb.ask("CREATE USER weak IDENTIFIED BY 'x'")
    try:
        with pytest.raises(PreflightError, match="Access denied"):
            MySQL("mysql", ServiceAccess("mysql", socket=mariadb.socket, user="weak"))
        mariadb.ask("ALTER USER weak IDENTIFIED BY ''")
        weak = MySQL("mysql", ServiceAccess("mysql", socket=mariadb.socket, user="weak"))
        weak.inspect("sort_buffer_size")
        with pytest.raises(PreflightError, match="SET GLOBAL needs"):
            weak.ready(["at once"])
    finally:
        mariadb.ask("DROP USER weak")


def test_a_password_is_used_and_never_journalled(mariadb, tmp_path):
    secret = "open-sesame"
    mariadb.ask(f"CREATE USER strong IDENTIFIED BY '{secret}'; GRANT ALL ON *.* TO strong")
    try:
        (tmp_path / "my.cnf").write_text(f"[client]\nuser=strong\npassword={secret}\n")
        access = ServiceAccess("mysql", socket=mariadb.socket, password_file=str(tmp_path / "my.cnf"))
        service = MySQL("mysql", access)
        service.inspect("sort_buffer_size")
        service.ready(["at once"])
        undo = as_entry(service.undo({"sort_buffer_size": "65536"}))
        assert secret not in json.dumps(undo)
        before = mariadb.shown("sort_buffer_size")
        service.write({"sort_buffer_size": "65536"})
        assert mariadb.shown("sort_buffer_size") == "65536"
        assert services.put_back([undo], "death")[1] == []
        assert mariadb.shown("sort_buffer_size") == before
    finally:
        mariadb.ask("DROP USER strong")


def test_a_winner_is_applied_reverted_and_not_persisted(mariadb, tmp_path, monkeypatch):
    own_lock(monkeypatch)
    name = "mysql.sort_buffer_size"
    document = {"services": {"mysql": {"socket": mariadb.socket, "user": "root"}}}
    item = {"param": name, "type": "int", "min": 262144, "max": 8388608}
    record, home = record_of([item], {name: 524288}, {name: 2097152}, document), Home(tmp_path)
    with pytest.raises(RefusedError, match=r"write sort_buffer_size = 524288 below \[mysqld\]"):
        apply_run(record, home, persist=True)
    apply_run(record, home)
    assert mariadb.shown("sort_buffer_size") == "524288"
    revert(home)
    assert mariadb.shown("sort_buffer_size") == "2097152"
    assert "mysql --execute 'SET GLOBAL sort_buffer_size = 524288'" in export(record, "sh")
