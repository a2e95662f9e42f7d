"""What may not be tuned is refused with range and reason, and nothing else is."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.space import Constraint
from oppertune.core.values import Categorical, Integer, Real
from support_core import SWAPPINESS, integer, make_experiment
from tactician import catalogue, safety
from tactician.config import load_experiment
from tactician.experiment import ServiceAccess, TunedParameter
from tactician.system.files import real_path

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.json"))


FACTS = {"memory_bytes": 2**34, "cores": 8, "page_bytes": 4096, "swap_bytes": 2**30, "link_mbit": 1000}


def refusals(*parameters, allow=(), uncatalogued=(), facts=FACTS, **more):
    return safety.refusals(make_experiment(parameters), allow, uncatalogued, facts=facts, **more)


def sysfs(path, low=0, high=1):
    return TunedParameter(Integer(path, low, low, high), "sysfs", path)


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
    (problem,) = refusals(ports)
    assert problem.path == "action_space[0].values"
    assert "1 is outside the safe range of net.ipv4.ip_local_port_range, 1024 to 65535" in problem.message


def test_words_have_no_range():
    assert refusals(choice("net.ipv4.tcp_congestion_control", "reno", "cubic", kind="sysctl")) == []


def test_what_no_catalogue_knows_takes_the_operators_word_by_name():
    new = integer("vm.something_new", 0, 9)
    (problem,) = refusals(integer(SWAPPINESS, 0, 100), new)
    assert problem.path == "action_space[1].param"
    assert "not in the catalogue" in problem.message
    assert "--allow-uncatalogued vm.something_new" in problem.message
    assert refusals(new, uncatalogued=["vm.something_old"]) == [
        problem._replace(path="action_space[0].param")
    ]
    assert refusals(new, uncatalogued=["vm.something_new"]) == []
    assert refusals(new, uncatalogued=["vm/something_new"]) == []
    assert safety.unknown(make_experiment((new, integer(SWAPPINESS, 0, 100)))) == ["vm.something_new"]


def test_what_the_host_does_not_have_either_is_left_to_preflight():
    new = integer("vm.something_new", 0, 9)
    assert refusals(new, exists=lambda key: False) == []
    asked = []
    refusals(sysfs("/sys/class/block/vda/queue/new"), exists=asked.append)
    assert asked == ["/sys/block/vda/queue/new"]
    service = TunedParameter(Integer("redis.new-setting", 0, 0, 9), "service", "redis.new-setting")
    assert len(refusals(service, exists=lambda key: False)) == 1, "no file would show it"
    assert len(refusals(integer("kernel.panic"), exists=lambda key: False)) == 1


def test_a_misspelled_name_is_told_the_right_one():
    (problem,) = refusals(integer("vm.swappines", 0, 100))
    assert "did you mean vm.swappiness?" in problem.message


def test_a_name_without_effect_is_told_since_when_and_what_to_tune_instead():
    (problem,) = refusals(integer("net.ipv4.tcp_fack", 0, 1))
    assert "no effect since 4.15" in problem.message
    assert "net.ipv4.tcp_recovery" in problem.message


def test_a_sysfs_file_is_known_by_its_pattern_and_refused_without_one():
    assert refusals(sysfs("/sys/block/vda/queue/nr_requests", 16, 512)) == []
    (outside,) = refusals(sysfs("/sys/block/vda/queue/nr_requests", 2, 512))
    assert "2 is outside the safe range of /sys/block/vda/queue/nr_requests, 4 to 1024" in outside.message
    (unknown,) = refusals(sysfs("/sys/block/vda/queue/zone_write_granularity"))
    assert "--allow-uncatalogued /sys/block/vda/queue/zone_write_granularity" in unknown.message
    assert (
        refusals(sysfs("/sys/block/vda/queue/new_one"), uncatalogued=["/sys/block/vda/queue/new_one"]) == []
    )


@pytest.mark.parametrize(
    "path",
    [
        "/sys/devices/pci0000:00/0000:00:01.0/virtio0/block/vda/queue/nr_requests",
        "/sys/class/block/vda/queue/nr_requests", "/sys//block/vda/./queue/nr_requests",
    ],
)  # fmt: skip
def test_every_way_to_a_file_of_sysfs_has_its_range(path):
    assert refusals(sysfs(path, 16, 512)) == []
    assert ["1024" in problem.message for problem in refusals(sysfs(path, 16, 5000))] == [True]


def test_words_are_held_against_those_known_to_be_safe():
    scheduler = "/sys/block/vda/queue/scheduler"

    def chosen(*values):
        return refusals(TunedParameter(Categorical(scheduler, values[0], values), "sysfs", scheduler))

    assert chosen("none", "mq-deadline") == []
    (problem,) = chosen("none", "new-one")
    assert problem.path == "action_space[0].values"
    assert "new-one" in problem.message
    assert "mq-deadline" in problem.message
    (numbers,) = refusals(sysfs(scheduler))
    assert numbers.path == "action_space[0].type"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("010", "no plain decimal"), ("0x20", "no plain decimal"), ("0x7fffffff", "no plain decimal"),
        ("60 70", "2 parts"), ("1e2", "no plain decimal"), ("ten", "no plain decimal"),
        ("+5", "no plain decimal"),
        ("201", "0 to 200"), ("-1", "0 to 200"),
    ],
)  # fmt: skip
def test_a_number_as_a_word_must_mean_to_the_kernel_what_it_means_to_us(value, said):
    (problem,) = refusals(choice(SWAPPINESS, "60", value, kind="sysctl"))
    assert said in problem.message


def test_the_numbers_of_one_key_must_be_complete_and_ascend():
    def chosen(value):
        return refusals(choice("net.ipv4.tcp_rmem", "4096 131072 6291456", value, kind="sysctl"))

    assert chosen("4096 65536 1048576") == []
    assert chosen("4096  65536  65536") == []
    assert "2 parts" in chosen("4096 65536")[0].message
    (problem,) = chosen("131072 4096 8192")
    assert "net.ipv4.tcp_rmem[0] <= net.ipv4.tcp_rmem[1]" in problem.message
    ports = choice("net.ipv4.ip_local_port_range", "32768 60999", "40000 40000", kind="sysctl")
    assert "+ 999" in refusals(ports)[0].message


def test_a_special_value_outside_the_range_is_explained_not_allowed():
    (problem,) = refusals(sysfs("/sys/block/vda/queue/wbt_lat_usec", 0, 75000))
    assert "0 (it means: off" in problem.message
    assert [p.path for p in refusals(sysfs("/sys/block/vda/queue/wbt_lat_usec", -1, 75000))] == [problem.path]
    special = Integer("vm.watermark_scale_factor", 10, 10, 100, special=(5000,))
    (beside,) = refusals(TunedParameter(special, "sysctl", "vm.watermark_scale_factor"))
    assert "5000 is outside" in beside.message


def test_a_word_that_means_something_is_a_value_of_its_own():
    path = "/sys/fs/cgroup/system.slice/db.service/memory.high"
    values = ("max", str(2**33))
    assert refusals(TunedParameter(Categorical(path, "max", values), "sysfs", path)) == []
    few = ("max", str(2**20))
    assert len(refusals(TunedParameter(Categorical(path, "max", few), "sysfs", path))) == 1


def test_what_the_kernel_would_round_is_asked_for_in_its_own_steps():
    path = "/sys/block/vda/queue/read_ahead_kb"
    stepped = TunedParameter(Integer(path, 128, 128, 4096, step=64), "sysfs", path)
    assert refusals(stepped) == []
    (problem,) = refusals(sysfs(path, 128, 4096))
    assert problem.path == "action_space[0].step"
    assert "multiples of 4; give step 4" in problem.message
    assert len(refusals(stepped, facts={**FACTS, "page_bytes": 65536})) == 0
    off = TunedParameter(Integer(path, 130, 130, 130 + 64, step=64), "sysfs", path)
    assert len(refusals(off)) == 1
    values = TunedParameter(Categorical(path, "128", ("128", "130")), "sysfs", path)
    assert "which 130 is not" in refusals(values)[0].message


def test_a_range_that_is_a_formula_is_the_one_of_this_host():
    name = "vm.dirty_bytes"
    half = 2**33
    assert refusals(integer(name, 2**20, half)) == []
    (problem,) = refusals(integer(name, 2**20, half + 1))
    assert f"1048576 to {half} bytes" in problem.message
    assert "on this host" in problem.message
    less = {**FACTS, "memory_bytes": 2**30}
    assert f"to {2**29}" in refusals(integer(name, 2**20, half), facts=less)[0].message


NUMERIC = [
    entry
    for entry in map(catalogue.resolve, catalogue.entries(), itertools.repeat(FACTS))
    if entry.type == "int" and entry.kind != "service" and entry.step is None and not entry.fields
]


@given(st.sampled_from(NUMERIC), st.data())
def test_a_range_is_refused_if_and_only_if_it_leaves_the_safe_one(entry, data):
    near = st.integers(entry.low - 3, entry.high + 3) | st.sampled_from(
        [entry.low - 1, entry.low, entry.high]
    )
    low, high = sorted((data.draw(near), data.draw(near)))
    name = re.sub(r"\{\w+\}", "a0", entry.name)
    kind = "sysfs" if name.startswith("/") else "sysctl"
    found = {p.path for p in refusals(TunedParameter(Integer(name, low, low, high), kind, name))}
    expected = {f"action_space[0].{key}" for key, value in (("min", low), ("max", high))
                if not entry.low <= value <= entry.high}  # fmt: skip
    assert found == expected


def test_a_whole_number_is_not_searched_for_among_fractions():
    half = TunedParameter(Real(SWAPPINESS, 1.0, 0.0, 100.0), "sysctl", SWAPPINESS)
    (problem,) = refusals(half)
    assert problem.path == "action_space[0].type"
    whole = TunedParameter(Real(SWAPPINESS, 1.0, 0.0, 100.0, step=1.0), "sysctl", SWAPPINESS)
    assert refusals(whole) == []


def test_a_host_too_small_for_a_range_is_told_so():
    tiny = {**FACTS, "memory_bytes": 2**26}
    (problem,) = refusals(integer("vm.cache_limit_mbytes", 300, 400), facts=tiny)
    assert "is empty here" in problem.message


def test_a_host_of_which_nothing_is_known_counts_as_a_small_one():
    experiment = make_experiment((integer("vm.dirty_bytes", 2**20, 2**33),))
    assert f"to {2**29}" in safety.refusals(experiment)[0].message


# ---- no way around the danger list ------------------------------------------------------------------------

DANGEROUS = ["kernel.core_pattern", "vm.overcommit_memory", "net.ipv4.conf.all.rp_filter", "vm.drop_caches"]


def spellings(key):
    path = key.replace(".", "/")
    folder, _, last = path.rpartition("/")
    return [
        key, path, f"{key}[0]", key.replace(".", "..", 1), f"{folder}//{last}", f"{folder}/./{last}",
        f"{folder}/nothing/../{last}", f"{key}.", f"/proc/sys/{path}", f"//proc//sys/{path}",
        f"/proc/sys/{folder}/x/../{last}", f"/sys/../proc/sys/{path}", f"/proc/sys/{path}/",
        f"vm.//.{key}" if not key.startswith("vm") else f"kernel.//.{key}",
    ]  # fmt: skip


@pytest.mark.parametrize("spelling", [spelling for key in DANGEROUS for spelling in spellings(key)])
@pytest.mark.parametrize("kind", ["sysctl", "sysfs"])
def test_no_spelling_and_no_flag_leads_around_the_danger_list(spelling, kind):
    tuned = TunedParameter(Integer(spelling, 0, 0, 1), kind, spelling)
    allowed = [spelling, *DANGEROUS, tuned.name]
    (problem,) = refusals(tuned, uncatalogued=allowed)
    assert "never tuned" in problem.message


@pytest.mark.parametrize(
    "path",
    [
        "/sys/power/state", "/sys/devices/system/cpu/cpu1/online", "/sys/block/vda/queue/write_cache",
        "/sys/block/vda/queue/io_timeout", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "/sys/devices/pci0000:00/0000:00:02.0/virtio1/net/eth0/mtu", "/sys/class/net/eth0/mtu",
        "/sys/bus/pci/drivers/virtio-pci/unbind", "/sys/fs/cgroup/system.slice/a.service/cgroup.procs",
        "/sys/kernel/debug/kprobes/enabled", "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
    ],
)  # fmt: skip
def test_dangerous_files_of_sysfs_are_never_tuned(path):
    (problem,) = refusals(sysfs(path), uncatalogued=[path])
    assert "never tuned" in problem.message


def test_no_symbolic_link_leads_around_the_danger_list(tmp_path):
    online = tmp_path / "sys/devices/system/cpu/cpu1/online"
    online.parent.mkdir(parents=True)
    online.write_text("1")
    (tmp_path / "sys/bus/cpu").mkdir(parents=True)
    (tmp_path / "sys/bus/cpu/link").symlink_to(online.parent)
    (tmp_path / "etc").mkdir()
    (tmp_path / "sys/out").symlink_to(tmp_path / "etc")

    def found(path):
        return refusals(sysfs(path), uncatalogued=[path], real_path=lambda p: real_path(p, str(tmp_path)))

    assert "never tuned" in found("/sys/bus/cpu/link/online")[0].message
    assert "leads to /etc/passwd" in found("/sys/out/passwd")[0].message
    assert "leads to" in found("/sys/../etc/passwd")[0].message


@pytest.mark.skipif(not Path("/sys/devices/system/cpu/cpu0").exists(), reason="no sysfs")
def test_the_links_of_this_machine_are_followed():
    path = "/sys/bus/cpu/devices/cpu1/online"
    (problem,) = refusals(sysfs(path), uncatalogued=[path], real_path=real_path)
    assert "never tuned" in problem.message


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/sys/../etc/shadow", "/proc/sys/../self/mem", "/proc/1/root/sys/x"]
)
def test_nothing_outside_sys_and_proc_sys_is_tuned(path):
    (problem,) = refusals(sysfs(path), uncatalogued=[path])
    assert "nothing but /sys and /proc/sys is written" in problem.message


@given(st.text(alphabet="abcknmv./_-[]0123456789 ", min_size=1, max_size=40))
def test_whatever_a_name_looks_like_it_is_refused_or_a_place_of_its_own(name):
    for kind in ("sysctl", "sysfs"):
        problems = refusals(TunedParameter(Integer(name, 0, 0, 1), kind, name), uncatalogued=[name])
        key = catalogue.canonical(name)
        dangerous = catalogue.danger(key) is not None or (
            key.startswith("/") and not key.startswith(("/sys/", "/proc/sys/"))
        )
        assert bool(problems) >= dangerous
        assert ".." not in key.split("/")


def test_a_service_is_known_by_what_it_is_not_by_what_it_is_called():
    parameter = Categorical("main.fsync", "on", ("on", "off"))
    experiment = make_experiment(
        (TunedParameter(parameter, "service", "main.fsync"),), services={"main": ServiceAccess("postgresql")}
    )
    problems = safety.refusals(experiment, facts=FACTS)
    assert any("crash safety" in problem.message for problem in problems)
    file = make_experiment(
        (TunedParameter(parameter, "service", "main.fsync"),), services={"main": ServiceAccess("file")}
    )
    assert any("--allow-uncatalogued main.fsync" in p.message for p in safety.refusals(file, facts=FACTS))


def test_placeholders_of_the_benchmark_are_free():
    assert refusals(choice("kernel.core_pattern", "a", "b"), choice("threads", "1", "64")) == []
    assert refusals(choice("PATHS", "a", "b", kind="environment")) == []


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
