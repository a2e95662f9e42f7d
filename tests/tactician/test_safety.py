"""What may not be tuned is refused with range and reason, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from oppertune.core.space import Constraint
from oppertune.core.values import Categorical, Integer, Real
from support_core import SWAPPINESS, integer, make_experiment
from tactician import catalogue, safety
from tactician.config import load_experiment
from tactician.experiment import TunedParameter

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.json"))


def refusals(*parameters, allow=()):
    return safety.refusals(make_experiment(parameters), allow)


def choice(name, *values, kind="argument"):
    return TunedParameter(Categorical(name, values[0], values), kind, name)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_safe(path):
    assert safety.refusals(load_experiment(path)) == []


@pytest.mark.parametrize(
    "key",
    [
        "kernel.core_pattern", "kernel.panic_on_oops", "vm.overcommit_memory", "vm.nr_hugepages_mempolicy",
        "net.ipv4.conf.all.rp_filter", "net.ipv4.tcp_mem[2]", "kernel/core_pattern",
        "net.ipv4.tcp_syncookies",
        "fs.file-max", "kernel.yama.ptrace_scope", "vm.min_free_kbytes",
    ],
)  # fmt: skip
def test_a_dangerous_key_is_refused_with_its_reason_however_it_is_spelled(key):
    (problem,) = refusals(integer(SWAPPINESS, 0, 100), integer(key))
    assert problem.path == "action_space[1].param"
    assert "never tuned" in problem.message
    reason = catalogue.danger(key.partition("[")[0].replace("/", "."))
    assert reason is not None
    assert reason in problem.message


@pytest.mark.parametrize("path", ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory"])
def test_a_dangerous_key_is_refused_by_its_path_too(path):
    tuned = TunedParameter(Integer(path, 0, 0, 2), "sysfs", path)
    assert ["never tuned" in problem.message for problem in refusals(tuned)] == [True]


def test_a_range_is_kept_by_path_too():
    path = "/proc/sys/vm/swappiness"
    tuned = TunedParameter(Integer(path, 0, 0, 4000), "sysfs", path)
    assert [problem.path for problem in refusals(tuned)] == ["action_space[0].max"]


def test_a_range_is_refused_at_the_end_that_leaves_it():
    low, high = refusals(integer("net.core.somaxconn", 1, 100_000))
    assert (low.path, high.path) == ("action_space[0].min", "action_space[0].max")
    assert "1 is outside the safe range of net.core.somaxconn, 16 to 65535" in low.message
    assert catalogue.entry("net.core.somaxconn").source in high.message


def test_the_ends_of_a_range_belong_to_it():
    assert refusals(integer("net.core.somaxconn", 16, 65535)) == []
    assert refusals(integer(SWAPPINESS, 0, 200)) == []


def test_a_field_and_a_choice_of_numbers_keep_the_range_of_their_key():
    assert refusals(integer("net.ipv4.tcp_rmem[2]", 4096, 2**30)) == []
    assert [p.path for p in refusals(integer("net.ipv4.tcp_rmem[0]", 1, 2**30))] == ["action_space[0].min"]
    ports = choice("net.ipv4.ip_local_port_range", "32768 60999", "1 65535", kind="sysctl")
    assert [p.path for p in refusals(ports)] == ["action_space[0].min"]


def test_words_have_no_range():
    assert refusals(choice("net.ipv4.tcp_congestion_control", "reno", "cubic", kind="sysctl")) == []


def test_what_no_catalogue_knows_is_not_refused_and_is_named():
    experiment = make_experiment((integer("vm.something_new", 0, 9), integer(SWAPPINESS, 0, 100)))
    assert safety.refusals(experiment) == []
    assert safety.unknown(experiment) == ["vm.something_new"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("synchronous", ("FULL", "NORMAL", "OFF")), ("synchronous", ("2", "0")),
        ("appendfsync", ("everysec", "no")),
        ("journal_mode", ("WAL", "memory")), ("fsync", ("on", "off")), ("synchronous_commit", ("on", "OFF")),
        ("full_page_writes", ("on", "false")), ("sync_binlog", ("1", "0")),
        ("innodb_flush_log_at_trx_commit", ("1", "2")),
    ],
)  # fmt: skip
def test_a_setting_that_wins_by_losing_data_is_refused_unless_allowed_by_name(name, values):
    (problem,) = refusals(choice(name, *values))
    assert "crash safety" in problem.message
    assert f"--allow-durability {name}" in problem.message
    assert f"{name}={values[-1]}" in problem.message
    assert refusals(choice(name, *values), allow=(name,)) == []
    assert refusals(choice(name, *values), allow=("another",)) != []
    assert refusals(choice(name, values[0])) == []


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
@pytest.mark.parametrize("spelling", ["off", "no", "false", "0"])
def test_every_spelling_of_off_that_postgresql_takes_is_known(name, spelling):
    assert len(refusals(choice(name, "on", spelling))) == 1


@pytest.mark.parametrize("parameter", [Integer("synchronous", 1, 0, 3), Real("synchronous", 1.0, 0.0, 3.0)])
def test_zero_is_off_also_as_a_number(parameter):
    (problem,) = refusals(TunedParameter(parameter, "argument", "synchronous"))
    assert "synchronous=0" in problem.message


def test_a_number_that_cannot_be_zero_is_no_risk():
    tuned = TunedParameter(Integer("synchronous", 1, 1, 3), "argument", "synchronous")
    assert refusals(tuned) == []


def test_everything_that_is_wrong_is_said_at_once():
    problems = refusals(
        integer("kernel.core_pattern"), integer("net.core.somaxconn", 1, 10**6), choice("fsync", "on", "off")
    )
    assert len(problems) == 4


def test_an_objection_names_what_is_wrong_with_a_configuration():
    parameters = (integer("vm.dirty_background_ratio", 1, 80), integer("vm.dirty_ratio", 1, 90, step=1))
    names = [tuned.name for tuned in parameters]
    less = Constraint.parse("vm.dirty_background_ratio < vm.dirty_ratio", names)
    experiment = make_experiment(parameters, constraints=(less,))

    def objection(*values):
        return safety.objection(experiment, dict(zip(names, values, strict=False)))

    assert objection(10, 20) == ""
    assert "vm.dirty_ratio is missing" in objection(10)
    assert "vm.dirty_ratio=91" in objection(10, 91)
    assert "vm.dirty_background_ratio=0" in objection(0, 20)
    assert "vm.dirty_background_ratio < vm.dirty_ratio" in objection(20, 20)
    assert objection("ten", 20) != ""
    assert objection(float("nan"), 20) != ""
    assert objection(True, 20) != ""
