"""Tools: typed input and output, levels, and what each says when it cannot do its work."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.all import default_registry
from cli_ai.tools.registry import Data, InputError, Registry, Tool
from cli_ai.tools.workbench import Workbench
from end_to_end.support import document
from tactician.errors import OperatorError, TacticianError

TOOLS = default_registry()


def bench(experiment=None) -> Workbench:
    return Workbench(
        propose=lambda request, facts: Proposal(request=request, experiment=experiment),
        discover=lambda: HostFacts(knobs=("vm.swappiness",)),
    )


class Given(Data):
    number: int


class Made(Data):
    twice: int


DOUBLE = Tool(
    "double", "Twice.", "look", Given, Made, lambda bench, given, caller: Made(twice=2 * given.number)
)


def test_a_tool_checks_what_goes_in():
    assert DOUBLE.call(bench(), {"number": 2}) == Made(twice=4)
    with pytest.raises(InputError) as caught:
        DOUBLE.call(bench(), {"number": "x", "more": 1})
    assert {problem.path for problem in caught.value.problems} == {"number", "more"}


def test_names_are_given_once():
    with pytest.raises(InputError):
        Registry(DOUBLE, DOUBLE)


def test_levels_hide_what_is_not_allowed():
    assert all(tool.read_only for tool in TOOLS.allowed("look").values())
    assert set(TOOLS) == {name for level in ("look", "run", "apply", "file") for name in TOOLS.allowed(level)}
    assert set(TOOLS.allowed("file")) == {"run_rl_optimization"}
    assert {tool.name for tool in TOOLS.values() if tool.destructive} == {"apply", "revert"}


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_every_tool_describes_itself(name):
    tool = TOOLS[name]
    assert tool.description.endswith(".")
    assert tool.takes.model_json_schema()["type"] == "object"
    assert tool.gives.model_json_schema()["type"] == "object"
    assert issubclass(tool.takes, BaseModel)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HARMLESS = sorted(set(TOOLS) - {"discover", "run_rl_optimization", "apply", "confirm", "revert", "export"})


@given(
    st.sampled_from(HARMLESS),
    st.dictionaries(st.text(max_size=10) | st.sampled_from(["run", "name", "plan"]), JSON),
)
def test_any_input_gives_a_result_or_one_of_our_errors(name, arguments):
    try:
        TOOLS[name].call(bench(), arguments)
    except TacticianError as error:
        assert str(error)


def test_a_plan_is_kept_by_name_and_copied():
    held = bench(document())
    made = TOOLS["propose"].call(held, {"request": "x"})
    held.experiment(made.plan)["benchmark_command"] = "id"
    assert held.experiment(made.plan) == document()
    with pytest.raises(OperatorError, match="known are"):
        held.plan("plan-0")


def test_a_plan_without_an_experiment_cannot_run():
    held = bench(None)
    made = TOOLS["propose"].call(held, {"request": "x"})
    with pytest.raises(OperatorError, match="has no experiment"):
        TOOLS["start_run"].call(held, {"plan": made.plan})


def test_only_so_many_plans_are_kept():
    held = bench(document())
    names = [held.propose("x")[0] for _ in range(70)]
    with pytest.raises(OperatorError):
        held.plan(names[0])
    assert held.plan(names[-1])


def test_facts_are_looked_up_once_unless_they_shall_be_fresh():
    count = []
    held = Workbench(discover=lambda: count.append(1) or HostFacts())
    threads = [threading.Thread(target=held.facts) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(count) == 1
    TOOLS["discover"].call(held)
    assert len(count) == 2


@pytest.mark.parametrize("name", ["read_result", "run_progress", "export", "apply"])
def test_without_a_run_there_is_an_error_and_no_database(name, own_state):
    with pytest.raises(OperatorError, match="no run yet"):
        TOOLS[name].call(bench())
    assert not (own_state / "history.sqlite").exists()
