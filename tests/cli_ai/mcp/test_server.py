"""What a client sees and may do, through the SDK's client in the same process."""

from __future__ import annotations

import json

import anyio
import pytest

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.all import default_registry
from cli_ai.tools.workbench import Workbench

mcp = pytest.importorskip("mcp")

LOOK = {
    "discover",
    "explain_knob",
    "validate_experiment",
    "list_runs",
    "read_result",
    "propose",
    "run_progress",
    "export",
}
EXPERIMENT = {
    "workload_name": "w",
    "reward_metric": "ops",
    "benchmark_command": "echo ops: 1",
    "action_space": [{"param": "vm.swappiness", "min": 10, "max": 60}],
}


def talk(story, propose=None, **allowed):
    from cli_ai.mcp_server.server import TacticianServer

    made = propose or (lambda request, facts: Proposal(request=request, experiment=EXPERIMENT))
    bench = Workbench(propose=made, discover=lambda: HostFacts(knobs=("vm.swappiness",)))
    server = TacticianServer(default_registry(), bench, **allowed).server()

    async def whole():
        async with mcp.Client(server) as client:
            return await story(client)

    return anyio.run(whole)


def called(name, arguments=None, **allowed):
    return talk(lambda client: client.call_tool(name, arguments or {}), **allowed)


def names(**allowed):
    listed = talk(lambda client: client.list_tools(), **allowed)
    return {tool.name for tool in listed.tools}


def test_only_looking_is_offered_unless_more_is_allowed():
    assert names() == LOOK
    assert names(allow_runs=True) == LOOK | {"start_run", "stop_run"}
    assert names(allow_apply=True) == LOOK | {"apply", "confirm", "revert"}


def test_what_runs_files_is_never_offered():
    assert "run_rl_optimization" not in names(allow_runs=True, allow_apply=True)
    found = called("run_rl_optimization", {"config_path": "x"}, allow_runs=True, allow_apply=True)
    assert found.is_error


@pytest.mark.parametrize(("name", "option"), [("start_run", "--allow-runs"), ("apply", "--allow-apply")])
def test_what_is_not_allowed_says_how_its_operator_allows_it(name, option):
    found = called(name, {"plan": "x"})
    assert found.is_error
    assert option in found.content[0].text


def test_annotations_say_what_is_dangerous():
    listed = talk(lambda client: client.list_tools(), allow_runs=True, allow_apply=True)
    notes = {tool.name: tool.annotations for tool in listed.tools}
    assert {name for name, note in notes.items() if note.destructive_hint} == {"apply", "revert"}
    assert {name for name, note in notes.items() if note.read_only_hint} == LOOK
    schemas = {tool.name: tool.input_schema["properties"] for tool in listed.tools}
    assert {name for name, keys in schemas.items() if "confirmation" in keys} == {"apply", "revert"}


def test_a_plan_is_made_and_checked():
    planned = called("propose", {"request": "less swapping"})
    assert planned.structured_content["proposal"]["experiment"] == EXPERIMENT
    checked = called("validate_experiment", {"experiment": EXPERIMENT})
    assert checked.structured_content["valid"] is True


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ([{"param": "kernel.core_pattern", "values": ["|/bin/sh", "core"]}], "kernel.core_pattern"),
        ([{"param": "vm.swappiness", "min": 0, "max": 5000}], "5000"),
        ([], "action_space"),
    ],
)
def test_an_unsafe_experiment_is_refused_with_reasons(space, words):
    found = called("validate_experiment", {"experiment": {**EXPERIMENT, "action_space": space}})
    assert found.structured_content["valid"] is False
    assert words in json.dumps(found.structured_content["problems"])


def test_a_run_takes_a_plan_by_name_and_no_experiment():
    """A client cannot hand over a command: what runs was proposed here."""
    found = called("start_run", {"plan": "plan-1234"}, allow_runs=True)
    assert found.is_error
    assert "propose makes one" in found.content[0].text
    found = called("start_run", {"plan": "x", "experiment": EXPERIMENT}, allow_runs=True)
    assert found.is_error
    assert "experiment" in found.content[0].text


@pytest.mark.parametrize("arguments", [{}, {"nome": 1}, {"name": 5}, {"name": "x" * 300}])
def test_wrong_arguments_are_listed(arguments):
    found = called("explain_knob", arguments)
    assert found.is_error
    assert "explain_knob" in found.content[0].text


def test_a_knob_is_explained():
    found = called("explain_knob", {"name": "vm.swappiness"}).structured_content
    assert found["known"] and found["present"]
    assert (found["low"], found["high"]) == (0, 200) or found["low"] >= 0
    assert called("explain_knob", {"name": "kernel.core_pattern"}).structured_content["never"]
    assert called("explain_knob", {"name": "no.such"}).structured_content["known"] is False


def test_nothing_applied_is_nothing_to_take_back():
    found = called("revert", {}, allow_apply=True)
    assert found.is_error
    assert "nothing is applied" in found.content[0].text


def test_resources_are_listed_and_read():
    async def story(client):
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
        assert listed == {"tactician://catalogue", "tactician://runs"}
        templates = (await client.list_resource_templates()).resource_templates
        assert {one.name for one in templates} == {"knob", "run"}
        page = json.loads((await client.read_resource("tactician://catalogue")).contents[0].text)
        knob = next(one for one in page if one["name"] == "vm.swappiness")
        explained = json.loads((await client.read_resource(knob["uri"])).contents[0].text)
        assert explained["name"] == "vm.swappiness"
        assert json.loads((await client.read_resource("tactician://runs")).contents[0].text) == {"runs": []}
        for uri in ("tactician://nothing", "tactician://run/absent", "file:///etc/passwd"):
            with pytest.raises(mcp.MCPError):
                await client.read_resource(uri)

    talk(story)


def test_every_prompt_can_be_had_with_its_arguments():
    async def story(client):
        listed = (await client.list_prompts()).prompts
        assert "tune" in {one.name for one in listed}
        for one in listed:
            given = {argument.name: "{request} redis" for argument in one.arguments or ()}
            text = (await client.get_prompt(one.name, given)).messages[0].content.text
            assert all(value in text for value in given.values())
            if given:
                with pytest.raises(mcp.MCPError):
                    await client.get_prompt(one.name, {})
        with pytest.raises(mcp.MCPError):
            await client.get_prompt("absent", {})

    talk(story)
