"""The section ``services``, and which parameters are settings of a service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tactician.config import parse_experiment
from tactician.errors import ConfigurationError
from tactician.experiment import ServiceAccess

GUIDE = Path(__file__).parents[2] / "docs/guide/services.md"
FILE = {"type": "file", "path": "/etc/x.conf", "format": "key value", "restart": ["/bin/restart", "x"]}


def document(*params, **services):
    whole = {
        "workload_name": "x",
        "reward_metric": "ops",
        "benchmark_command": "true",
        "action_space": [{"param": param, "min": 1, "max": 9} for param in params],
    }
    return {**whole, "services": services} if services else whole


def problems(*params, **services):
    with pytest.raises(ConfigurationError) as caught:
        parse_experiment(document(*params, **services))
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    "param", ["postgresql.work_mem", "redis.maxmemory-policy", "nginx.worker_connections"]
)
def test_a_known_service_needs_no_description(param):
    experiment = parse_experiment(document(param))
    name = param.partition(".")[0]
    assert [(tuned.kind, tuned.target, tuned.start) for tuned in experiment.parameters] == [
        ("service", param, None)
    ]
    assert experiment.parameters[0].on_host
    assert experiment.services == {name: ServiceAccess(name)}


def test_a_described_service_is_known_by_its_name():
    experiment = parse_experiment(document("mine.threads", "postgresql.pg_stat_statements.max", mine=FILE))
    assert [tuned.kind for tuned in experiment.parameters] == ["service", "service"]
    assert experiment.services["mine"] == ServiceAccess(
        "file", path="/etc/x.conf", format="key value", restart=("/bin/restart", "x")
    )


def test_two_servers_of_one_type_have_two_names():
    experiment = parse_experiment(
        document(
            "first.work_mem", "second.work_mem",
            first={"type": "postgresql", "port": 5432},
            second={"type": "postgresql", "port": 5433, "timeout": 5, "allow_restart": False},
        )
    )  # fmt: skip
    assert experiment.services["first"] == ServiceAccess("postgresql", port=5432)
    assert experiment.services["second"] == ServiceAccess(
        "postgresql", port=5433, timeout_s=5.0, allow_restart=False
    )


def test_an_argument_of_that_name_stays_one():
    whole = {**document("redis.hz"), "benchmark_command": "echo {redis.hz}"}
    assert parse_experiment(whole).parameters[0].kind == "argument"


def test_a_sysctl_stays_one():
    assert parse_experiment(document("vm.swappiness")).parameters[0].kind == "sysctl"


@pytest.mark.parametrize(
    ("params", "services", "path", "says"),
    [
        (["redis.a b"], {}, "action_space[0].param", "names no setting of redis"),
        (["x.y"], {"x": {"port": 1}}, "services.x.type", "is missing"),
        (["vm.y"], {"vm": FILE}, "services.vm", "choose another name"),
        (["x.y"], {"X": FILE}, "services.X", "is no name"),
        (["x.y"], {"x": {**FILE, "port": 1}}, "services.x.port", "means nothing for a service of type file"),
        (["x.y"], {"x": {**FILE, "path": "x.conf"}}, "services.x.path", "absolute"),
        (["x.y"], {"x": {**FILE, "check": ["true"]}}, "services.x.check", "{path}"),
        (["x.y"], {"x": {**FILE, "format": "ini"}}, "services.x.section", "is missing"),
        (["x.y"], {"x": {**FILE, "section": "s"}}, "services.x.section", "for format ini"),
        (["x.y"], {"x": {"type": "file", "path": "/x", "restart": ["r"]}}, "services.x.format", "is missing"),
        (["x.y"], {"x": {**FILE, "reload": ["r"], "restart": []}}, "services.x.restart", "is empty"),
        (["x.y"], {"x": {key: FILE[key] for key in ("type", "path", "format")}}, "services.x", "reload or"),
        (["redis.hz"], {"redis": {"host": "h", "socket": "/s"}}, "services.redis.socket", "beside host"),
        (["redis.hz"], {"redis": {"port": 0}}, "services.redis.port", "at least 1"),
        (["redis.hz"], {"redis": {"prot": 1}}, "services.redis.prot", "did you mean port"),
        (["redis.hz"], {"redis": {"restart": []}}, "services.redis.restart", "is empty"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_place(params, services, path, says):
    found = problems(*params, **services)
    assert says in found[path]


def test_all_mistakes_are_told_at_once():
    found = problems("x.y", "redis.a b", x={**FILE, "port": 1, "path": "x"}, net=FILE)
    assert {"services.x.port", "services.x.path", "services.net", "action_space[1].param"} <= set(found)


@pytest.mark.parametrize("knob", ["service"])
def test_a_name_of_no_service_is_told_as_one(knob):
    whole = document("postgres.work_mem")
    whole["action_space"][0]["knob"] = knob
    with pytest.raises(ConfigurationError, match="did you mean postgresql"):
        parse_experiment(whole)


def test_the_configurations_in_the_guide_are_valid():
    blocks = re.findall(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        assert parse_experiment(json.loads(block)).services
