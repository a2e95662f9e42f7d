"""Who runs the benchmark: root tunes, but the commands belong to whoever called sudo."""

from __future__ import annotations

import os
import pwd

import pytest

from tactician.errors import PreflightError
from tactician.experiment import Experiment, Metric, Workload
from tactician.system import benchmark_user, command
from tactician.system.benchmark import CommandBenchmark
from tactician.system.benchmark_user import explain, find_user
from tactician.system.guarding import NoJournal, run_header

NOBODY = pwd.getpwnam("nobody")
WHO = "id -un; id -gn; id -G; echo $HOME $USER $LOGNAME"


@pytest.fixture(autouse=True)
def as_root(monkeypatch):
    monkeypatch.setattr(benchmark_user, "is_real_root", lambda: True)
    monkeypatch.delenv("SUDO_UID", raising=False)


def test_root_itself_runs_its_own_benchmarks():
    assert find_user(None) is None
    assert explain(None, None) == ""


def test_whoever_called_sudo_runs_the_benchmark(monkeypatch):
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))
    user = find_user(None)
    assert user is not None
    assert user.name == "nobody"
    assert f"--reuid={NOBODY.pw_uid}" in user.prefix
    assert "nobody; --benchmark-user root" in explain(user, None)


@pytest.mark.parametrize("wanted", ["root", "0"])
def test_root_only_where_it_is_asked(monkeypatch, wanted):
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))
    assert find_user(wanted) is None
    assert explain(None, wanted).endswith("root, as asked")


@pytest.mark.parametrize("sudo", ["0", "", "x", "-1"])
def test_a_strange_variable_means_nobody_called_sudo(monkeypatch, sudo):
    monkeypatch.setenv("SUDO_UID", sudo)
    assert find_user(None) is None


@pytest.mark.parametrize("wanted", ["no-such-account", "99999999", "9" * 30])
def test_an_account_that_does_not_exist_is_refused(wanted):
    with pytest.raises(PreflightError, match=f"no account {wanted}"):
        find_user(wanted)


def test_without_root_nobody_else_can_run_it(monkeypatch):
    monkeypatch.setattr(benchmark_user, "is_real_root", lambda: False)
    own = pwd.getpwuid(os.geteuid()).pw_name
    assert find_user(None) is None
    assert find_user(own) is None
    with pytest.raises(PreflightError, match="only root"):
        find_user("somebody")


@pytest.mark.needs("root", "setpriv")
def test_all_commands_run_as_that_user():
    user = find_user("nobody")
    assert user is not None
    result = command.run(WHO, timeout_s=20, marker="m", environment=user.environment, prefix=user.prefix)
    name, group, groups, variables = result.stdout.splitlines()
    assert (name, result.status) == ("nobody", 0)
    assert groups.split() == [str(NOBODY.pw_gid)]
    assert group != "root"
    assert variables == f"{NOBODY.pw_dir} nobody nobody"
    detached = command.run_detached("id -un >&2", timeout_s=20, prefix=user.prefix)
    assert detached.stderr.startswith("nobody\n")


@pytest.mark.needs("root", "setpriv")
def test_a_benchmark_with_a_user_is_ended_like_any_other():
    user = find_user("nobody")
    assert user is not None
    result = command.run(
        "sleep 60 & setsid sleep 60 & sleep 60", timeout_s=0.3, marker="benchmark-user", prefix=user.prefix
    )
    assert result.timed_out


@pytest.mark.needs("root", "setpriv")
def test_the_metric_is_read_and_the_environment_kept():
    workload = Workload('echo "$WORD: $(id -u)"', environment={"WORD": "ops", "HOME": "/nowhere"})
    experiment = Experiment("test", Metric("ops"), workload, ())
    run = CommandBenchmark(experiment, NoJournal(), "m", user=find_user("nobody")).run({})
    assert run.value == NOBODY.pw_uid


def test_the_journal_records_the_teardown_as_that_user():
    user = find_user("nobody")
    assert user is not None
    header = run_header("r", teardown="rm x", environment={}, prefix=user.prefix)
    assert header["teardown"] == [*user.prefix, "/bin/sh", "-c", "rm x"]
