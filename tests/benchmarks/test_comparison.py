"""The report on peers: which choice it makes of their data, and what it divides by what."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers import compare, report
from peers.instances import CHECKPOINTS, CLASSES, GROUPS, LANDSCAPES, LOOKS, classes_of, instance_of
from peers.play import play

REGRET = st.floats(0.0, 3.0)
REGRETS = st.lists(REGRET, min_size=3, max_size=3).map(np.array)
KEYS = st.tuples(st.sampled_from(CLASSES), st.integers(0, 5))
RUNS = st.dictionaries(KEYS, REGRETS, min_size=1, max_size=8)


@given(regrets=RUNS)
def test_a_peer_is_once_itself(regrets):
    assert compare.ratio(regrets, regrets) == pytest.approx([1.0, 1.0, 1.0])


@given(regrets=RUNS, baseline=RUNS)
def test_the_ratio_is_over_the_instances_that_both_have(regrets, baseline):
    shared = [key for key in regrets if key in baseline]
    if not shared:
        return
    quotients = [(regrets[key] + 0.02) / (baseline[key] + 0.02) for key in shared]
    expected = np.prod(quotients, axis=0) ** (1.0 / len(shared))
    assert compare.ratio(regrets, baseline) == pytest.approx(expected)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_every_class_has_instances(name):
    landscape = instance_of(name, 1)
    assert landscape.regret(landscape.optimum) == 0.0
    assert landscape.name == name.partition("/")[0]
    assert landscape.noise == name.partition("/")[2]


def test_the_posterior_distrusts_a_lucky_sample():
    landscape = instance_of("hartmann6/gaussian5", 1)
    rng = np.random.default_rng(0)
    default = {p.name: p.val for p in landscape.parameters}
    near = [
        {name: min(1.0, max(0.0, x + 0.03 * rng.normal())) for name, x in landscape.optimum.items()}
        for _ in range(12)
    ]
    measured = [(values, landscape.noise_free(values)) for values in near]
    lucky = max(reward for _, reward in measured) * 1.02
    measured += [(default, 0.6 * lucky)] * 7 + [(default, lucky)]
    (choice,) = compare.posterior_choices(landscape.parameters, measured)
    assert choice in near


def test_the_posterior_chooses_at_each_checkpoint_among_what_was_measured():
    line = play("random", "system3/gaussian3", 2, 50)
    landscape = instance_of("system3/gaussian3", 2)
    configurations = [dict(zip(line["names"], values, strict=True)) for values in line["values"]]
    measured = list(zip(configurations, line["rewards"], strict=True))
    choices = list(compare.posterior_choices(landscape.parameters, measured))
    assert len(choices) == 2
    for count, choice in zip(CHECKPOINTS, choices, strict=False):
        assert choice in configurations[:count]
    regrets = compare.posterior_regrets(line)
    assert regrets[:2] == pytest.approx([max(0.0, landscape.regret(choice)) for choice in choices])
    assert np.isnan(regrets[2])


def asked(files, *more):
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    words = [*map(str, files), "--baseline", "random", "--seeds", "0", "10", "--own-only", *more]
    return parser.parse_args(words)


def test_groups_and_classes_are_named_alike():
    assert classes_of(("mixint", "system3/heavy")) == (*GROUPS["mixint"], "system3/heavy")
    assert classes_of(GROUPS) == CLASSES
    assert len(set(CLASSES)) == len(CLASSES)
    assert all(name.startswith(group) for group in ("mixint", "noisy") for name in GROUPS[group])
    assert set(CHECKPOINTS) <= set(LOOKS)


def test_the_report_pairs_what_both_have_played(tmp_path, capsys):
    files = []
    for peer, seeds in (("random", (1, 2)), ("uniform_random", (2, 3))):
        files.append(tmp_path / peer)
        lines = [json.dumps(play(peer, "system3/heavy", seed, 20)) for seed in seeds]
        files[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = asked(files)
    assert report.main(arguments) == 0
    out = capsys.readouterr().out
    (own,) = [line for line in out.splitlines() if line.startswith("| random |")]
    (ours,) = [line for line in out.splitlines() if line.startswith("| uniform_random |")]
    assert own.startswith("| random | own choice | 2 | ")
    assert "| 1.00 / nan / nan |" in own
    assert ours.startswith("| uniform_random | own choice | 1 | ")
    assert "| system3/heavy | " in out
    arguments.shared = True
    assert report.main(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("| own choice | 1 | ") == 2


def test_the_report_says_when_there_is_no_baseline(tmp_path):
    path = tmp_path / "empty"
    path.write_text("", encoding="utf-8")
    arguments = asked([path])
    with pytest.raises(SystemExit, match="nothing of random"):
        report.main(arguments)


def test_the_report_leaves_out_what_was_not_asked_for(tmp_path, capsys):
    path = tmp_path / "runs"
    played = [
        ("random", "system3/heavy"),
        ("uniform_random", "system3/heavy"),
        ("random", "system3/gaussian3"),
    ]
    lines = [json.dumps(play(peer, name, 1, 20)) for peer, name in played]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert report.main(asked([path], "--peers", "identity", "--classes", "system3/heavy")) == 0
    out = capsys.readouterr().out
    assert "| random | own choice | 1 | " in out
    assert "uniform_random" not in out
    assert "gaussian3" not in out
