"""The runner of peers: names lead to adapters and environments, runs repeat, and none is lost."""

from __future__ import annotations

import argparse
import ast
import json
from pathlib import Path

import pytest

from oppertune.errors import OppertuneError
from peers import environments, play
from peers.instances import LOOKS, instance_of
from peers.players import ADAPTERS, player

FOLDER = Path(play.__file__).parent
INSTANCE = "system3/gaussian10"


def peers_of(module):
    """The names that an adapter declares, read without importing what it adapts."""
    tree = ast.parse((FOLDER / "adapters" / f"{module}.py").read_text("utf-8"))
    found = [n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "PEERS"]
    return [key.value for key in found[0].keys]


@pytest.mark.parametrize("module", sorted(set(ADAPTERS.values())))
def test_an_adapter_has_the_peers_that_lead_to_it(module):
    assert sorted(peers_of(module)) == sorted(name for name, where in ADAPTERS.items() if where == module)


def test_every_adapter_is_reached():
    files = {path.stem for path in (FOLDER / "adapters").glob("*.py")}
    assert files - {"__init__", "base", "ours", "units"} == set(ADAPTERS.values())


def test_every_peer_that_must_be_installed_has_an_environment():
    assert set(environments.REQUIREMENTS) == set(ADAPTERS.values()) - {"uniform"} | {"coco"}


def read(*words):
    parser = argparse.ArgumentParser()
    environments.add_arguments(parser)
    return parser.parse_args(words)


def test_the_commands_that_make_environments_are_listed_without_being_run(tmp_path, capsys):
    assert (
        environments.main(read("hebo", "--folder", str(tmp_path), "--torch", "torch==1", "--only-list")) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(f"{tmp_path}/hebo/bin/python -m pip install ") for line in lines)
    assert [line for line in lines if "torch==1" in line.split()] == [lines[1]]
    assert lines[-1].endswith(f"--no-deps --editable {environments.ROOT}")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_environment_is_refused(tmp_path, capsys):
    assert environments.main(read("nothing", "--folder", str(tmp_path))) == 2
    assert "no such environment: nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["random", "uniform_random", "hybrid_solver"])
def test_a_run_repeats_and_starts_at_the_default_configuration(name):
    first, again = (play.play(name, INSTANCE, 3, 25) for _ in range(2))
    assert {**first, "cpu": 0} == {**again, "cpu": 0}
    landscape = instance_of(INSTANCE, 3)
    if name == "random":
        assert first["values"][0] == [p.val for p in landscape.parameters]
    assert len(first["rewards"]) == len(first["values"]) == len(first["cpu"]) == 25
    assert set(first["regret_best_sample"]) == {str(n) for n in LOOKS if n <= 25}


def test_the_regret_of_the_best_sample_is_that_of_the_largest_reward():
    line = play.play("random", INSTANCE, 5, 20)
    best = max(range(20), key=line["rewards"].__getitem__)
    values = dict(zip(line["names"], line["values"][best], strict=True))
    assert line["regret_best_sample"]["20"] == max(0.0, instance_of(INSTANCE, 5).regret(values))
    assert line["regret_own_choice"] == line["regret_best_sample"]


def test_our_algorithms_choose_what_they_recommend():
    line = play.play("uniform_random", INSTANCE, 5, 20)
    mine = player("uniform_random", instance_of(INSTANCE, 5).parameters, 5, 20)
    for reward in line["rewards"]:
        mine.ask()
        mine.tell(reward)
    assert line["regret_own_choice"]["20"] == max(0.0, instance_of(INSTANCE, 5).regret(mine.choice()))


def test_a_name_that_nobody_has_is_refused():
    with pytest.raises(OppertuneError):
        player("nobody", instance_of(INSTANCE, 0).parameters, 0, 20)


def arguments(out, seeds):
    parser = argparse.ArgumentParser()
    play.add_arguments(parser)
    words = ["random", "--out", str(out), "--rounds", "20", "--classes", INSTANCE, "system8/heavy"]
    return parser.parse_args([*words, "--seeds", *map(str, seeds)])


def test_what_is_in_the_file_is_not_played_again(tmp_path):
    out = tmp_path / "runs.jsonl"
    assert play.main(arguments(out, (0, 1))) == 0
    first = out.read_text("utf-8")
    assert play.main(arguments(out, (0, 2))) == 0
    assert out.read_text("utf-8").startswith(first)
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [(line["landscape"], line["seed"]) for line in lines] == [
        (name, seed) for seed in (0, 1) for name in (INSTANCE, "system8/heavy")
    ]
    assert play.lines_of([out, tmp_path / "absent.jsonl"]) == lines


def test_a_class_that_there_is_not_is_refused_before_anything_is_played(tmp_path, capsys):
    wanted = arguments(tmp_path / "runs.jsonl", (0, 1))
    wanted.classes = [INSTANCE, "system3/windy"]
    assert play.main(wanted) == 2
    said = capsys.readouterr().err
    assert "no such class: system3/windy; there are landscapes, mixint, noisy, " in said
    assert list(tmp_path.iterdir()) == []
