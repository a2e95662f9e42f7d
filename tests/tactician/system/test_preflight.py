"""Before the first write everything is looked at by reading, on a host that is a folder."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oppertune.core.values import Categorical, Integer, Parameter
from tactician.config import parse_experiment
from tactician.experiment import Experiment, KnobKind, Metric, TunedParameter, Workload
from tactician.system.files import RealHost
from tactician.system.preflight import Preflight, inspect

SOMAXCONN = "net.core.somaxconn"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    for key, text in {
        "proc/sys/net/core/somaxconn": "4096\n",
        "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
        "proc/sys/net/ipv4/tcp_congestion_control": "bbr\n",
        "proc/sys/vm/swappiness": "60\n",
        "proc/sys/vm/stat_refresh": "",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_text(text)
    return folder


def whole(name: str, low: int = 1, high: int = 100, val: int | None = None) -> Integer:
    return Integer(name, low if val is None else val, min=low, max=high)


def experiment(
    *parameters: Parameter, kind: KnobKind = "sysctl", command: str = "true", start: int | None = None
) -> Experiment:
    tuned = tuple(TunedParameter(parameter, kind, parameter.name, start) for parameter in parameters)
    return Experiment("w", Metric("m"), Workload(command), tuned)


def look(root: Path, what: Experiment, *, will_write: bool = True) -> Preflight:
    return inspect(what, RealHost(str(root)), will_write=will_write)


def test_what_is_there_is_read_and_learning_starts_at_it(root: Path) -> None:
    found = look(root, experiment(whole(SOMAXCONN, 128, 8192), whole("vm.swappiness", 0, 100)))
    assert found.original == {SOMAXCONN: 4096, "vm.swappiness": 60}
    assert [tuned.parameter.val for tuned in found.experiment.parameters] == [4096, 60]
    assert [knob.name for knob in found.knobs] == [SOMAXCONN, "vm.swappiness"]
    assert found.absent == found.problems == found.notices == ()


def test_a_value_outside_the_range_is_kept_as_original_and_learning_starts_nearby(root: Path) -> None:
    found = look(root, experiment(whole(SOMAXCONN, 128, 1024)))
    assert found.original == {SOMAXCONN: 4096}
    assert found.experiment.parameters[0].parameter.val == 1024


def test_a_declared_start_is_where_learning_starts_and_the_original_is_kept(root: Path) -> None:
    found = look(root, experiment(whole(SOMAXCONN, 128, 8192), start=128))
    assert found.original == {SOMAXCONN: 4096}
    assert found.experiment.parameters[0].parameter.val == 128


def test_one_field_of_several_is_read(root: Path) -> None:
    found = look(root, experiment(whole("net.ipv4.tcp_rmem[2]", 4096, 2**26)))
    assert found.original == {"net.ipv4.tcp_rmem[2]": 6291456}


def test_a_choice_below_sys_is_read(root: Path) -> None:
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    parameter = Categorical(path, "never", categories=["always", "madvise", "never"])
    assert look(root, experiment(parameter, kind="sysfs")).original == {path: "madvise"}


def test_an_argument_lives_nowhere_on_the_host(root: Path) -> None:
    found = look(root, experiment(whole("threads", 1, 8, 4), kind="argument"))
    assert found.knobs == ()
    assert found.original == {"threads": 4}


def test_a_name_that_kernels_dropped_gives_version_reason_and_alternative(root: Path) -> None:
    found = look(root, experiment(whole("kernel.sched_wakeup_granularity_ns"), whole("vm.swappiness")))
    (problem,) = found.absent
    assert problem.path == "action_space[0].param"
    for words in (platform.release(), "since 5.13", "kernel.sched_autogroup_enabled", "--skip-absent"):
        assert words in problem.message
    assert [tuned.name for tuned in found.experiment.parameters] == ["vm.swappiness"]


def test_a_successor_that_can_be_used_takes_over(root: Path) -> None:
    successor = root / "sys/kernel/debug/sched/base_slice_ns"
    successor.parent.mkdir(parents=True)
    successor.write_text("3000000\n")
    found = look(root, experiment(whole("kernel.sched_min_granularity_ns", 100_000, 10_000_000)))
    assert found.absent == ()
    (knob,) = found.knobs
    assert knob.place.path == "/sys/kernel/debug/sched/base_slice_ns"
    assert found.original == {"kernel.sched_min_granularity_ns": 3000000}
    assert any("base_slice_ns is tuned in its place" in notice for notice in found.notices)


def test_a_near_miss_is_suggested(root: Path) -> None:
    (problem,) = look(root, experiment(whole("net.core.somaxcon"))).absent
    assert "did you mean net.core.somaxconn?" in problem.message


def test_a_constraint_on_what_is_absent_is_left_out(root: Path) -> None:
    document = {
        "workload_name": "w",
        "reward_metric": "m",
        "benchmark_command": "true",
        "action_space": [
            {"param": "vm.swappiness", "min": 0, "max": 100},
            {"param": "vm.swappines", "min": 0, "max": 100},
        ],
        "constraints": ["vm.swappines <= vm.swappiness"],
    }
    found = look(root, parse_experiment(document))
    assert len(found.absent) == 1
    assert found.experiment.constraints == ()


def test_what_reads_as_empty_could_not_be_restored(root: Path) -> None:
    (problem,) = look(root, experiment(whole("vm.stat_refresh"))).problems
    assert "reads as empty" in problem.message


def test_what_is_no_number_needs_a_field_or_categories(root: Path) -> None:
    wanted = experiment(whole("net.ipv4.tcp_rmem"), whole("net.ipv4.tcp_congestion_control"))
    first, second = look(root, wanted).problems
    assert "tcp_rmem[0]" in first.message
    assert "type categorical" in second.message


def test_everything_wrong_is_said_at_once(root: Path) -> None:
    wanted = experiment(
        whole("vm.no_such_key"),
        whole("net.ipv4.tcp_rmem[9]"),
        whole("vm.stat_refresh"),
        command="no-such-tool",
    )
    found = look(root, wanted)
    assert [problem.path for problem in found.absent] == ["action_space[0].param"]
    assert [problem.path for problem in found.problems] == [
        "action_space[1].param",
        "action_space[2].param",
        "benchmark_command",
    ]


def test_looking_touches_nothing(root: Path) -> None:
    before = {path: (path.read_text(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}
    look(root, experiment(whole(SOMAXCONN, 128, 8192), whole("vm.swappiness"), whole("vm.nothing")))
    after = {path: (path.read_text(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}
    assert after == before


AS_NOBODY = """
import json, os, sys
from oppertune.core.values import Integer
from tactician.experiment import Experiment, Metric, TunedParameter, Workload
from tactician.system.files import RealHost
from tactician.system.preflight import inspect
root, will_write, *names = json.loads(sys.argv[1])
tuned = tuple(TunedParameter(Integer(name, 1, min=1, max=9000), "sysctl", name) for name in names)
experiment, host = Experiment("w", Metric("m"), Workload("true"), tuned), RealHost(root)
inspect(experiment, host, will_write=False)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = inspect(experiment, host, will_write=will_write)
print(json.dumps([list(found.problems), list(found.absent), found.original]))
"""


def as_nobody(
    root: Path, will_write: bool, *names: str
) -> tuple[list[list[str]], list[list[str]], dict[str, int]]:
    """Look with the rights of another user; imports first, which need not be readable to all."""
    argument = json.dumps([str(root), will_write, *names])
    command = [sys.executable, "-c", AS_NOBODY, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    problems, absent, original = json.loads(done.stdout)
    return problems, absent, original


@pytest.fixture
def shared(root: Path) -> Iterator[Path]:
    """The folder again, where every user may pass."""
    with tempfile.TemporaryDirectory(prefix="tactician-test-") as folder:
        copy = Path(shutil.copytree(root, Path(folder) / "root"))
        for path in [Path(folder), copy, *copy.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield copy


@pytest.mark.needs("root")
def test_denied_writes_come_in_one_message_with_the_ways_to_the_right(shared: Path) -> None:
    problems, _, original = as_nobody(shared, True, SOMAXCONN, "vm.swappiness")
    ((path, message),) = problems
    assert path == ""
    for words in (f"no right to write {SOMAXCONN}, vm.swappiness", "sudo", "container", "--dry-run"):
        assert words in message
    assert "throw-away" not in message
    assert original == {SOMAXCONN: 4096, "vm.swappiness": 60}


@pytest.mark.needs("root")
def test_where_all_keys_belong_to_the_network_a_throw_away_one_is_offered(shared: Path) -> None:
    problems, _, _ = as_nobody(shared, True, SOMAXCONN)
    assert '"network_namespace": "throw-away"' in problems[0][1]


@pytest.mark.needs("root")
def test_a_dry_run_needs_no_right_to_write(shared: Path) -> None:
    assert as_nobody(shared, False, SOMAXCONN, "vm.swappiness")[0] == []


@pytest.mark.needs("root")
def test_what_cannot_be_read_is_not_written(shared: Path) -> None:
    (shared / "proc/sys/vm/swappiness").chmod(0o200)
    problems, absent, original = as_nobody(shared, True, "vm.swappiness")
    assert absent == []
    assert original == {}
    assert "cannot be read" in problems[0][1]
    assert "what cannot be read is not written" in problems[0][1]


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "/bin/true -x",
        "THREADS=4 true",
        "cd /tmp && no-such-tool",
        "(no-such-tool)",
        "$TOOL --fast",
        "for i in 1 2; do no-such-tool; done",
        'eval "echo ops: 5"',
        ": warm up; no-such-tool",
        "while false; do :; done; no-such-tool",
        "until true; do :; done; no-such-tool",
        "case x in x) echo ops: 5;; esac",
        ". ./functions && measure",
        "command -v sh && no-such-tool",
        "exit 3",
        "wait; no-such-tool",
        "read line; no-such-tool",
        "unset LANG; no-such-tool",
        "# what this does\nno-such-tool",
        "~/bench.sh",
        "j=$(od -An -N1 /dev/zero); echo ops: $j",
        "j='a b' no_such=tool; echo ops: 5",
    ],
)
def test_only_a_program_that_is_plainly_absent_is_a_problem(command: str, root: Path) -> None:
    """What the shell itself knows, or expands, is left for the shell to judge."""
    assert look(root, experiment(whole("vm.swappiness"), command=command)).problems == ()


@pytest.mark.parametrize(
    "command", ["no-such-tool -t4", "A=b no-such-tool", "/opt/no/such/tool", "./no-such-tool"]
)
def test_a_program_that_is_absent_is_named(command: str, root: Path) -> None:
    (problem,) = look(root, experiment(whole("vm.swappiness"), command=command)).problems
    assert problem.path == "benchmark_command"
    tool = next(word for word in shlex.split(command) if "=" not in word)
    assert f"{tool} is not installed" in problem.message


@pytest.mark.parametrize(
    ("tool", "package"), [("memcslap", "libmemcached-tools"), ("h2load", "nghttp2-client")]
)
def test_the_package_of_an_absent_tool_is_named(
    tool: str, package: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    if any(os.path.exists(f"{folder}/{tool}") for folder in ("/usr/sbin", "/sbin", "/usr/local/sbin")):
        pytest.skip(f"{tool} lies where we always look")
    (problem,) = look(root, experiment(whole("vm.swappiness"), command=f"{tool} -c 4")).problems
    assert f"install {package}" in problem.message


def test_quotes_that_never_close_are_a_problem_of_the_command(root: Path) -> None:
    (problem,) = look(root, experiment(whole("vm.swappiness"), command="echo 'ops")).problems
    assert problem.path == "benchmark_command"
