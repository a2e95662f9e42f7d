"""Holds the configuration reader to its promise: an experiment, or every mistake at once, by path."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tactician.config import KNOWN_STATE_METRICS, json_schema, load_experiment, parse_experiment
from tactician.errors import ConfigurationError
from tactician.experiment import DEFAULT_STATE_METRICS, Experiment

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "config"


def _cases(folder: str) -> list[Path]:
    return sorted(path for path in (CASES / folder).iterdir() if not path.name.endswith(".expect.json"))


def _expected(path: Path) -> Any:
    return json.loads(path.with_name(f"{path.stem}.expect.json").read_text(encoding="utf-8"))


def _field(experiment: Experiment, path: str) -> Any:
    value: Any = experiment
    for name, index in re.findall(r"([a-z_]+)(?:\[(\d+)\])?", path):
        value = getattr(value, name)
        value = value[int(index)] if index else value
    return _as_json(value)


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value


def _document(**changes: object) -> dict[str, Any]:
    return {
        "workload_name": "w",
        "reward_metric": "m",
        "benchmark_command": "b",
        "action_space": [{"param": "vm.swappiness", "min": 0, "max": 100}],
        **changes,
    }


def _refusal(document: object, source: str = "") -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_experiment(document, source)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("path", _cases("good"), ids=lambda path: path.name)
def test_good_files_give_the_fields_they_name(path: Path) -> None:
    experiment = load_experiment(path)
    for field, value in _expected(path).items():
        assert _field(experiment, field) == value, field


@pytest.mark.parametrize("path", _cases("bad"), ids=lambda path: path.name)
def test_bad_files_list_every_problem_in_order(path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_experiment(path)
    error = caught.value
    expected = _expected(path)["problems"]
    assert [problem.path for problem in error.problems] == [entry["path"] for entry in expected], str(error)
    for problem, entry in zip(error.problems, expected, strict=True):
        assert entry["says"] in problem.message
        assert problem.message.isprintable()
    headline, *lines = str(error).split("\n")
    assert headline.startswith(f"the configuration cannot be used: {len(expected)} problem")
    assert len(lines) == len(expected)
    assert "Traceback" not in str(error)
    assert "pydantic" not in str(error).lower()
    assert error.exit_status == 2
    assert error.source == str(path)


def test_there_are_enough_bad_cases_and_no_forgotten_sidecar() -> None:
    assert len(_cases("bad")) >= 45
    for folder in ("good", "bad"):
        assert len(list((CASES / folder).glob("*.expect.json"))) == len(_cases(folder))


@pytest.mark.parametrize(
    ("name", "metric", "targets", "ranges"),
    [
        (
            "seed-postgresql",
            "transactions_per_second",
            ("vm.dirty_ratio", "vm.dirty_background_ratio", "vm.swappiness"),
            ((5, 40), (1, 20), (0, 10)),
        ),
        (
            "seed-nginx",
            "requests_per_second",
            ("net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.core.netdev_max_backlog"),
            ((128, 8192), (128, 8192), (1000, 50000)),
        ),
        (
            "seed-cpu",
            "operations_per_second",
            ("kernel.sched_min_granularity_ns", "kernel.sched_wakeup_granularity_ns"),
            ((100000, 10000000), (100000, 15000000)),
        ),
    ],
)
def test_the_seed_examples(
    name: str, metric: str, targets: tuple[str, ...], ranges: tuple[tuple[int, int], ...]
) -> None:
    path = ROOT / "examples" / f"{name}.json"
    experiment = load_experiment(path)
    assert experiment.metric.name == metric
    assert tuple(tuned.target for tuned in experiment.parameters) == targets
    bounds = [(tuned.parameter.min, tuned.parameter.max) for tuned in experiment.parameters]  # type: ignore[union-attr]
    assert tuple(bounds) == ranges
    assert all(tuned.kind == "sysctl" and tuned.start is None for tuned in experiment.parameters)
    assert experiment.budget.source == "default"
    assert experiment.algorithm == "ppo"
    assert experiment.document == json.loads(path.read_text())


def test_a_yaml_file_says_the_same_as_its_json(tmp_path: Path) -> None:
    text = (CASES / "good" / "everything.json").read_text()
    for name in ("same.yaml", "same.yml", "same.conf"):
        (tmp_path / name).write_text(text)
        assert load_experiment(tmp_path / name) == load_experiment(CASES / "good" / "everything.json")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "pgbnch.json", "did you mean"),
        (lambda folder: folder / "nowhere" / "x.json", "no such file"),
        (lambda folder: folder, "directory"),
        (lambda folder: folder / ("x" * 300), "too long"),
        (lambda folder: folder / "pgbench.json" / "x", "cannot be read"),
        (lambda folder: f"{folder}/a\0b.json", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, make: Any, says: str) -> None:
    (tmp_path / "pgbench.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_experiment(make(tmp_path))
    assert [problem.path for problem in caught.value.problems] == [""]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(_document()) + " " * (1 << 20), "larger than 1048576 bytes"),
        (json.dumps(_document(algorithm_args={"a": [0] * 6000})), "more than 5000 values"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
    ids=["bytes", "values", "lists", "objects"],
)
def test_files_that_are_far_too_large(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "large.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_experiment(path)
    assert [problem.path for problem in caught.value.problems] == [""]


def test_a_string_path_is_a_path_too() -> None:
    assert (
        load_experiment(str(ROOT / "examples" / "seed-cpu.json")).workload_name == "CPU-Intensive Computation"
    )


def test_the_document_is_copied_and_kept() -> None:
    document = _document(algorithm_args={"layers": (8, 8)})
    before = json.dumps(document)
    experiment = parse_experiment(document)
    document["action_space"].clear()
    document["workload_name"] = "changed"
    assert json.dumps(experiment.document) == before


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", 3j, object()])
def test_values_that_no_file_can_hold(value: object) -> None:
    error = _refusal(_document(algorithm_args={"a": value}))
    assert [problem.path for problem in error.problems] == ["algorithm_args.a"]


def test_keys_that_are_no_text() -> None:
    assert _refusal(_document(environment={1: "x"})).problems[0].message.startswith("a key must be text")


@pytest.mark.parametrize("document", [None, 5, "text", [], float("nan")])
def test_documents_that_are_no_object(document: object) -> None:
    assert [problem.path for problem in _refusal(document).problems] == [""]


def test_a_document_that_holds_itself() -> None:
    document = _document()
    document["algorithm_args"] = {"again": document, "and": document}
    assert "more than 5000 values" in str(_refusal(document))


def test_a_message_never_grows_with_the_value() -> None:
    error = _refusal(_document(goal="x" * 100_000, **{"y" * 100_000: 1}))
    assert all(len(problem.message) < 1000 for problem in error.problems)
    assert len(str(error)) < 2000


def test_many_problems_are_found_in_no_time() -> None:
    error = _refusal(_document(action_space=[{f"k{index}": 1} for index in range(2000)]))
    assert len(error.problems) >= 4000


def test_the_source_is_in_the_headline() -> None:
    assert str(_refusal({}, "plan.json")).startswith(
        "the configuration cannot be used: 4 problems in plan.json\n"
    )


def test_state_metrics_resolve_to_known_names() -> None:
    assert set(DEFAULT_STATE_METRICS) <= set(KNOWN_STATE_METRICS)
    others = [other for aliases in KNOWN_STATE_METRICS.values() for other in aliases]
    assert len(others) == len(set(others))
    assert not set(others) & set(KNOWN_STATE_METRICS)
    for name, aliases in KNOWN_STATE_METRICS.items():
        for alias in (name, *aliases):
            assert parse_experiment(_document(state_space=[{"metric": alias}])).state_metrics == (name,)


# ---- the schema ----


def _objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    yield from schema["$defs"].values()


def test_every_key_of_the_schema_is_described() -> None:
    schema: Any = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["workload_name", "reward_metric", "benchmark_command", "action_space"]
    for part in _objects(schema):
        assert part["additionalProperties"] is False
        for name, key in part["properties"].items():
            assert key["description"].endswith("."), name
    assert json.loads(json.dumps(schema)) == schema
    assert '"null"' not in json.dumps(schema)
    step = schema["$defs"]["ActionItem"]["properties"]["step"]
    assert step["exclusiveMinimum"] == 0


def _undeclared(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in schema:
        yield from (key for key in value if key not in schema["properties"])
        yield from (key for key in schema.get("required", ()) if key not in value)
        for key in set(value) & set(schema["properties"]):
            yield from _undeclared(value[key], schema["properties"][key], root)
    elif isinstance(value, list):
        for item in value:
            yield from _undeclared(item, schema.get("items", {}), root)


@pytest.mark.parametrize(
    "path", [*_cases("good"), *sorted((ROOT / "examples").glob("seed-*.json"))], ids=lambda p: p.name
)
def test_the_schema_declares_the_keys_of_every_good_case(path: Path) -> None:
    schema = json_schema()
    assert list(_undeclared(load_experiment(path).document, schema, schema)) == []


def test_the_schema_knows_every_key_that_is_used_somewhere() -> None:
    used = load_experiment(CASES / "good" / "everything.json").document
    schema: Any = json_schema()
    assert set(schema["properties"]) - set(used) == {"metric_pattern"}  # stands instead of metric_path


# ---- laws ----

_KEYS = st.sampled_from(
    [*json_schema()["properties"], *json_schema()["$defs"]["ActionItem"]["properties"], "trials", "metric"]  # type: ignore[misc, index]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["vm.swappiness", "{a}", "b {a} {duration}", "a", "int", "sysfs", "/sys/a", "a < 5", "("]
    )
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)
_NUMBERS = st.integers(-3, 40) | st.floats(-3, 40) | st.sampled_from([0, 0.1, 1e-300, 2**64, -(2**64), 1e19])
_ITEMS = st.fixed_dictionaries(
    {"param": st.sampled_from(["vm.a", "vm.b", "a", "b", "/sys/a", "vm.a[1]"])},
    optional={
        "min": _NUMBERS,
        "max": _NUMBERS,
        "step": _NUMBERS,
        "default": _NUMBERS | st.sampled_from(["x", "y"]),
        "values": st.lists(st.sampled_from(["x", "y", 1, 0.5]), max_size=3),
        "type": st.sampled_from(["int", "float", "categorical"]),
        "log": st.booleans(),
        "knob": st.sampled_from(["sysctl", "sysfs", "argument", "environment"]),
    },
)


@given(_JSON)
@settings(max_examples=150, deadline=None)
def test_any_value_is_an_experiment_or_a_list_of_problems(document: object) -> None:
    _parse_or_refuse(document)


@given(st.dictionaries(_KEYS, _JSON, max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_change_of_a_good_document_is_read_or_refused(changes: dict[str, object]) -> None:
    _parse_or_refuse(_document(**changes))


@given(
    st.lists(_ITEMS, min_size=1, max_size=4),
    st.lists(st.sampled_from(["a < b", "vm.a <= 3 * vm.b + 1", "a == 2", "vm.b < vm.a[1]"]), max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_a_parameter_starts_on_its_own_grid(items: list[dict[str, Any]], constraints: list[str]) -> None:
    document = _document(action_space=items, constraints=constraints, benchmark_command="bench {a} {b}")
    experiment = _parse_or_refuse(document)
    if experiment is None:
        return
    assert len(experiment.parameters) == len(items)
    for tuned, item in zip(experiment.parameters, items, strict=True):
        assert tuned.parameter.cast(tuned.parameter.val) == tuned.parameter.val
        assert (tuned.start is None) == (tuned.on_host and "default" not in item)
        if tuned.start is not None:
            assert tuned.start == tuned.parameter.val


def _parse_or_refuse(document: object) -> Experiment | None:
    try:
        return parse_experiment(document)  # type: ignore[arg-type]
    except ConfigurationError as error:
        assert error.problems
        assert all(problem.message.isprintable() for problem in error.problems)
        assert len(set(error.problems)) == len(error.problems)
        return None


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for suffix in (".json", ".yaml", ".x"):
        path = tmp_path_factory.getbasetemp() / f"any{suffix}"
        path.write_bytes(data)
        with pytest.raises(ConfigurationError):
            load_experiment(path)


def test_the_pure_python_parser_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for path in _cases("good"):
        load_experiment(path)
    for path in _cases("bad"):
        if path.suffix in (".yaml", ".yml"):
            with pytest.raises(ConfigurationError) as caught:
                load_experiment(path)
            assert len(caught.value.problems) == len(_expected(path)["problems"])


def test_it_imports_nothing_that_it_may_not() -> None:
    script = (
        "import sys, tactician.config\n"
        "print(*(name for name in sys.modules if name.startswith(('tactician.', 'numpy', 'subprocess'))))"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    allowed = {"tactician.config", "tactician.errors", "tactician.experiment"}
    loaded = set(printed.stdout.split())
    assert {name for name in loaded if not name.startswith("tactician._config")} == allowed
