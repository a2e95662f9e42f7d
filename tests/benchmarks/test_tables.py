"""Measured tables: which row stands for a configuration, how far from the optimum it is, who ranks where."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tables
from peers.measured import CHECKPOINTS, MOST_ROUNDS, Table, search

LEVELS = {"flag": [0, 1], "size": [1, 2, 4, 4096], "same": [7], "rate": [-5, 0, 3]}


def written(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*LEVELS, "$<PERF"], *rows])
    return path


def grid(seed=0):
    """Every second configuration of the grid, in a random order, with a value of its own."""
    rng = np.random.default_rng(seed)
    options = [[f, s, 7, r] for f in LEVELS["flag"] for s in LEVELS["size"] for r in LEVELS["rate"]]
    rows = [[*o, float(v)] for o, v in zip(options, rng.permutation(len(options)) + 1.0, strict=True)]
    kept = [row for row in rows if rng.random() < 0.5 or row[:2] == [0, 1] or row[:2] == [1, 4096]]
    return [kept[i] for i in rng.permutation(len(kept))]


def sampled(seed=0):
    """More rows than anybody searches."""
    rng = np.random.default_rng(seed)
    found = {tuple(int(v) for v in rng.integers(0, 12, 3)) for _ in range(400)}
    return [[a, b, 7, c, float((a - 3) ** 2 + (b - 8) ** 2 + c + rng.random())] for a, b, c in sorted(found)]


def table_of(folder, rows, name="some"):
    return Table(written(folder / f"{name}.csv", rows))


@given(seed=st.integers(0, 50), data=st.data())
def test_the_row_of_a_configuration_is_the_nearest_after_scaling(tmp_path_factory, seed, data):
    rows = grid(seed)
    table = table_of(tmp_path_factory.mktemp("t"), rows)
    asked = {p.name: data.draw(st.integers(p.min, p.max), label=p.name) for p in table.parameters(0)}
    present = {name: sorted({row[i] for row in rows}) for i, name in enumerate(LEVELS)}

    def distance(row):
        return sum(
            abs(row[i] - present[name][asked[name]]) / (present[name][-1] - present[name][0])
            for i, name in enumerate(LEVELS)
            if name in asked
        )

    by_value = {row[-1]: row for row in rows}
    chosen = by_value[float(table.values[table.nearest(asked)])]
    assert distance(chosen) == pytest.approx(min(map(distance, rows)), abs=1e-12)


def test_a_column_with_one_value_is_no_option(tmp_path):
    assert table_of(tmp_path, grid()).names == ("flag", "size", "rate")


@given(seed=st.integers(0, 50), data=st.data())
def test_the_default_configuration_of_a_row_is_that_row(tmp_path_factory, seed, data):
    table = table_of(tmp_path_factory.mktemp("t"), grid(seed))
    row = data.draw(st.integers(0, len(table.values) - 1))
    assert table.nearest({p.name: p.val for p in table.parameters(row)}) == row


def test_of_a_configuration_measured_twice_the_larger_value_counts(tmp_path):
    rows = [[0, 1, 7, 0, 5.0], [1, 1, 7, 3, 2.0], [0, 2, 7, 0, 9.0], [0, 1, 7, 0, 8.0], [0, 1, 7, 0, 6.0]]
    table = table_of(tmp_path, rows)
    start = int(np.flatnonzero(table.values == 5.0)[0])
    assert table.values[table.nearest({p.name: p.val for p in table.parameters(start)})] == 8.0


@pytest.mark.parametrize(("name", "best"), [("some", min), ("redis", max)])
def test_the_gap_is_0_at_the_optimum_and_100_at_the_median(tmp_path, name, best):
    rows = [
        [f, s, 7, r, v] for (f, s, r), v in zip([(0, 1, 0), (1, 2, 3), (1, 4, 0)], (1, 5, 3), strict=True)
    ]
    table = table_of(tmp_path, rows, name)
    gaps = {float(v): table.gap(i) for i, v in enumerate(table.values)}
    assert table.best == best(gaps)
    assert gaps[table.best] == 0.0
    assert gaps[3.0] == 100.0
    rewards = [table.reward(i) for i in range(3)]
    assert table.values[int(np.argmax(rewards))] == table.best


@pytest.mark.parametrize("name", ["random", "uniform_random"])
def test_a_search_counts_distinct_rows_and_never_loses_what_it_found(tmp_path, name):
    found = search(table_of(tmp_path, sampled()), name, seed=3)
    gaps = [found["gaps"][str(n)] for n in CHECKPOINTS]
    assert gaps == sorted(gaps, reverse=True)
    assert 100 <= found["rounds"] < MOST_ROUNDS
    assert gaps[-1] >= 0.0


def test_a_search_of_a_table_that_is_too_small_ends(tmp_path):
    found = search(table_of(tmp_path, grid()), "random", seed=0)
    assert found["rounds"] == MOST_ROUNDS
    assert found["gaps"]["100"] == 0.0
    assert found["distinct"] == len(grid())


def test_runs_that_end_early_are_named(capsys):
    tables.show_short_runs(
        [
            {"player": "a", "table": "t", "distinct": 100},
            {"player": "a", "table": "t", "distinct": 60},
            {"player": "a", "table": "t", "distinct": 80},
            {"player": "b", "table": "t"},
        ]
    )
    assert capsys.readouterr().out == "2 runs of a on t ended with 70 distinct rows, at 400 rounds\n"


def test_every_player_starts_at_the_same_row(tmp_path):
    table = table_of(tmp_path, sampled())
    original, asked = table.nearest, []

    def nearest(values):
        asked.append(original(values))
        return asked[-1]

    table.nearest = nearest
    firsts = set()
    for name in ("random", "identity", "tpe"):
        asked.clear()
        search(table, name, seed=5)
        firsts.add(asked[0])
    assert len(firsts) == 1


def test_ranks_leave_missing_cells_out_and_share_ties():
    published = {"a": (1.0, 2.0), "b": (None, 0.5), "c": (3.0, 2.0)}
    ours = {tables.TABLES[0]: 1.004, tables.TABLES[1]: 0.7}
    assert tables.ranks(published, ours) == {
        "a": pytest.approx((1.5 + 3.5) / 2),
        "b": 1.0,
        "c": pytest.approx((3.0 + 3.5) / 2),
        "this one": pytest.approx((1.5 + 2.0) / 2),
    }


@given(gap=st.floats(0.0, 100.0), name=st.sampled_from(tables.TABLES))
def test_the_ranks_of_a_table_add_up(gap, name):
    found = tables.ranks(tables.PUBLISHED, {name: gap})
    assert sum(found.values()) == pytest.approx(len(found) * (len(found) + 1) / 2)


def test_a_table_without_published_figures_is_searched_but_not_ranked(tmp_path, capsys, monkeypatch):
    written(tmp_path / "own.csv", sampled())
    command = [
        "tables.py",
        "--tables",
        str(tmp_path),
        "--seeds",
        "1",
        "--players",
        "random",
        "--names",
        "own",
    ]
    shown = []
    for more in ([], ["--higher", "own"]):
        monkeypatch.setattr("sys.argv", [*command, *more])
        assert tables.main() == 0
        shown.append(capsys.readouterr().out)
    assert "Average rank" not in shown[0]
    assert shown[0] != shown[1]
    monkeypatch.setattr("sys.argv", [*command, "other"])
    with pytest.raises(SystemExit):
        tables.main()
    assert "has no other.csv" in capsys.readouterr().err


def test_runs_in_the_file_are_not_repeated_and_are_shown(tmp_path, capsys, monkeypatch):
    written(tmp_path / "LLVM.csv", sampled())
    out = tmp_path / "out.jsonl"
    command = ["tables.py", "--tables", str(tmp_path), "--names", "LLVM", "--seeds", "2", "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--players", "random"])
    assert tables.main() == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1]
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", [*command, "--players", "random"])
    assert tables.main() == 0
    assert out.read_text(encoding="utf-8").splitlines() == lines
    mean = np.mean([json.loads(line)["gaps"]["100"] for line in lines])
    assert f"{mean:.2f} (2)" in capsys.readouterr().out
