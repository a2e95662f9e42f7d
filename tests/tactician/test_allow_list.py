"""The allow-list from the command line to the host: what is refused, what takes a flag, what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_ai.main import app
from end_to_end.support import document, write
from tactician import wiring
from tactician.config import parse_experiment
from tactician.errors import RefusedError
from tactician.options import Options
from tactician.system.files import RealHost
from tactician.system.preflight import inspect, misfits, place_exists

UNKNOWN = "vm.hugetlb_optimize_vmemmap"
pytestmark = pytest.mark.skipif(
    not Path("/proc/sys/vm/hugetlb_optimize_vmemmap").exists(), reason="this kernel lacks the example"
)


def space(*items, **changes):
    return document(action_space=[{"type": "int", **item} for item in items], **changes)


def told(tmp_path, capsys, items, *flags):
    config = write(tmp_path / "c.json", space(*items, budget={"trials": 3}))
    status = int(app(["tune", str(config), "--dry-run", "--json", *flags], standalone_mode=False) or 0)
    captured = capsys.readouterr()
    return status, json.loads(captured.out), captured.err


def test_a_place_that_no_catalogue_knows_takes_a_flag_by_name(tmp_path, capsys):
    item = {"param": UNKNOWN, "min": 0, "max": 1}
    status, found, _ = told(tmp_path, capsys, [item])
    assert status == 2
    assert f"--allow-uncatalogued {UNKNOWN}" in found["error"]["message"]
    assert told(tmp_path, capsys, [item], "--allow-uncatalogued", "vm.other")[0] == 2
    status, found, said = told(tmp_path, capsys, [item], "--allow-uncatalogued", UNKNOWN)
    assert status == 0
    assert found["success"]
    assert "no safe range is known" in said


@pytest.mark.parametrize("name", ["kernel.sysrq", "/proc/sys/kernel/sysrq", "kernel/sysrq"])
def test_no_flag_allows_what_is_dangerous(name, tmp_path, capsys):
    item = {"param": name, "min": 0, "max": 1}
    status, found, _ = told(tmp_path, capsys, [item], "--allow-uncatalogued", name)
    assert status == 2
    assert found["error"]["code"] == "refused"
    assert "never tuned" in found["error"]["message"]


def test_a_run_that_was_allowed_may_be_applied_and_resumed():
    experiment = parse_experiment(space({"param": UNKNOWN, "min": 0, "max": 1}))
    with pytest.raises(RefusedError):
        wiring.check(experiment, Options())
    wiring.check(experiment, Options(allow_uncatalogued=experiment.names))


def test_a_range_is_held_against_this_hosts_memory():
    beyond = 2**60
    experiment = parse_experiment(space({"param": "vm.dirty_bytes", "min": 2**20, "max": beyond}))
    with pytest.raises(RefusedError, match="on this host"):
        wiring.check(experiment, Options())


def test_what_the_host_lacks_is_absent_and_not_uncatalogued():
    host = RealHost()
    assert place_exists("vm.swappiness", host, None)
    assert not place_exists("vm.no_such_thing", host, None)
    assert not place_exists("/sys/kernel/no/such/file", host, None)
    assert place_exists("vm.no_such_thing", host, "a-namespace-that-is-not-there"), "cannot be told"
    wiring.check(parse_experiment(space({"param": "vm.no_such_thing", "min": 0, "max": 1})), Options())


def small_host(tmp_path, **texts):
    for name, text in texts.items():
        file = tmp_path / "proc/sys/vm" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return RealHost(str(tmp_path))


def test_preflight_bounds_one_by_the_host_and_ties_two_together(tmp_path):
    host = small_host(tmp_path, dirty_ratio=20, dirty_background_ratio=10, dirty_bytes=0)
    background = {"param": "vm.dirty_background_ratio", "min": 1, "max": 80}
    alone = inspect(parse_experiment(space(background)), host)
    assert alone.experiment.parameters[0].parameter.max == 19
    assert any("vm.dirty_ratio is 20 here" in notice for notice in alone.notices)
    both = inspect(
        parse_experiment(space(background, {"param": "vm.dirty_ratio", "min": 1, "max": 90})), host
    )
    assert [str(constraint) for constraint in both.experiment.constraints] == [
        "vm.dirty_background_ratio < vm.dirty_ratio"
    ]
    assert both.experiment.parameters[0].parameter.max == 80
    absent = {"param": "vm.watermark_scale_factor", "min": 1, "max": 9}
    none = inspect(parse_experiment(space(absent, {**background, "min": 30})), host)
    (problem,) = (problem for problem in none.problems if "no value left" in problem.message)
    assert problem.path == "action_space[1]"


def test_a_winner_of_yesterday_is_held_against_the_host_of_today(tmp_path):
    experiment = parse_experiment(space({"param": "vm.dirty_background_ratio", "min": 1, "max": 80}))
    best = {"vm.dirty_background_ratio": 15}
    host = small_host(tmp_path, dirty_ratio=20, dirty_background_ratio=10)
    assert misfits(inspect(experiment, host), best) == []
    host = small_host(tmp_path, dirty_ratio=12)
    (problem,) = misfits(inspect(experiment, host), best)
    assert problem.path == "vm.dirty_background_ratio"
    assert "15 does not fit this host" in problem.message
    assert "vm.dirty_ratio is 12 here" in problem.message
