"""A conversation with rules alone: refined, explained, run on a yes, never on --yes where it disturbs."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from cli_ai.agent.chat import Chat
from cli_ai.agent.consent import dangers_of, run_step, script_consent
from cli_ai.agent.events import PlanDeclined, PlanMade, RunEnded, RunProgressed
from cli_ai.agent.story import Agent, edited
from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Proposal, Reason
from cli_ai.tools.registry import StoppedError
from cli_ai.tools.workbench import Workbench
from end_to_end.support import document
from tactician.errors import OperatorError

SPACE = [
    {"param": "n", "min": 1, "max": 9, "type": "int", "default": 2},
    {"param": "vm.swappiness", "min": 10, "max": 60, "type": "int"},
    {"param": "net.core.somaxconn", "min": 128, "max": 8192, "type": "int"},
]
EXPERIMENT = document(
    benchmark_command="echo ops: {n}",
    action_space=SPACE,
    budget={"trials": 20},
    constraints=["vm.swappiness < net.core.somaxconn"],
)
REASONS = (Reason(choice="vm.swappiness", why="because of swapping", source="catalogue: vm.swappiness"),)


class Talk:
    """A chat whose strategist says what a test wrote down."""

    def __init__(self, experiment=EXPERIMENT, consent=lambda step: True):
        self.asked: list[str] = []
        self.events: list[object] = []
        self.steps: list[object] = []

        def propose(request, facts):
            self.asked.append(request)
            return Proposal(request=request, experiment=experiment, reasons=REASONS)

        def asked(step):
            self.steps.append(step)
            return consent(step)

        bench = Workbench(propose=propose, discover=lambda: HostFacts(knobs=("vm.swappiness",)))
        self.agent = Agent(bench, consent=asked, listen=self.events.append)
        self.console = Console(width=200, record=True, file=io.StringIO())
        self.chat = Chat(self.agent, self.console.print)

    def __call__(self, *sentences):
        for sentence in sentences:
            assert self.chat.turn(sentence)
        return self.console.export_text(clear=True)

    @property
    def experiment(self):
        return self.agent.bench.plan(self.chat.plan).experiment


@pytest.fixture
def talk():
    return Talk()


def names(experiment):
    return [item["param"] for item in experiment["action_space"]]


def test_a_wish_is_refined_by_further_words(talk):
    said = talk("optimize this system", "don't touch the network")
    assert talk.asked == ["optimize this system", "optimize this system; don't touch the network"]
    assert "vm.swappiness" in said
    assert "because of swapping" in said


def test_trials_and_knobs_change_by_a_sentence_and_stay_changed(talk):
    talk("optimize this system", "fewer trials")
    assert talk.experiment["budget"] == {"trials": 10}
    talk("without vm.swappiness")
    assert names(talk.experiment) == ["n", "net.core.somaxconn"]
    assert "constraints" not in talk.experiment
    talk("and 5 trials")
    assert talk.experiment["budget"] == {"trials": 5} or talk.asked[-1].endswith("and 5 trials")
    talk("no restarts")
    assert names(talk.experiment) == ["n", "net.core.somaxconn"], "earlier edits are made again"
    assert talk.experiment["benchmark_command"] == EXPERIMENT["benchmark_command"]


def test_what_cannot_be_changed_is_said_and_changes_nothing(talk):
    talk("optimize this system")
    before = talk.experiment
    assert "the plan has no" in talk("without vm.dirty_ratio")
    assert talk.experiment == before


def test_why_gives_the_reason_and_the_catalogue(talk):
    talk("optimize this system")
    said = talk("why vm.swappiness?")
    assert "because of swapping" in said
    assert "Safe here:" in said
    assert "never tuned" in talk("why kernel.core_pattern")
    assert "not in the catalogue" in talk("why no.such.knob")


def test_before_a_plan_a_question_is_a_wish(talk):
    talk("why is my server slow")
    assert talk.asked == ["why is my server slow"]
    assert "there is no plan yet" in Talk()("run it")


@pytest.mark.parametrize("sentence", ["result", "apply", "revert"])
def test_without_a_run_there_is_nothing_to_show_or_apply(talk, sentence):
    assert talk(sentence).strip()
    assert talk.events == []


def test_a_plan_needs_a_yes():
    refusing = Talk(consent=lambda step: False)
    said = refusing("optimize this system", "run it")
    assert "not run" in said
    assert [type(event) for event in refusing.events] == [PlanMade, PlanDeclined]


def test_a_dry_run_is_followed_and_shown(talk):
    said = talk("optimize this system", "only 4 trials", "dry run")
    kinds = [type(event) for event in talk.events]
    assert kinds[0] is PlanMade
    assert RunProgressed in kinds
    assert kinds[-1] is RunEnded
    assert talk.events[-1].can_be_applied is False, "it was simulated"
    assert talk.steps == [], "nothing happens that would need a yes"
    assert "host restored: yes" in said
    assert "host restored: yes" in talk("result")


def test_the_library_can_be_stopped_from_elsewhere(talk):
    name, _ = talk.agent.plan("optimize this system")
    stop = threading.Event()
    stop.set()
    with pytest.raises((StoppedError, OperatorError)):
        talk.agent.run(name, dry_run=True, stop=stop)


def test_yes_in_a_script_is_for_plain_runs_alone():
    plain = run_step(EXPERIMENT)
    assert script_consent(plain)
    restarting = {**EXPERIMENT, "action_space": [{"param": "postgresql.shared_buffers", "min": 1, "max": 2}]}
    assert dangers_of(restarting)
    assert not script_consent(run_step(restarting))
    risky = {**EXPERIMENT, "action_space": [{"param": "postgresql.fsync", "values": ["on", "off"]}]}
    assert any("crash safety" in danger for danger in dangers_of(risky))
    assert not script_consent(run_step(risky))


@pytest.mark.parametrize("key", ["benchmark_command", "setup_command", "teardown_command", "environment"])
def test_an_edit_cannot_change_a_command(key):
    proposal = Proposal(request="x", experiment=EXPERIMENT)
    value = {"A": "b"} if key == "environment" else "id {n}"
    with pytest.raises(OperatorError, match=key):
        edited(proposal, {**EXPERIMENT, key: value}, "x")


def test_an_edit_is_checked_like_any_file():
    proposal = Proposal(request="x", experiment=EXPERIMENT)
    worse = {**EXPERIMENT, "action_space": [*SPACE, {"param": "kernel.core_pattern", "values": ["a", "b"]}]}
    with pytest.raises(OperatorError, match="core_pattern"):
        edited(proposal, worse, "x")


def test_markup_in_foreign_text_is_text(talk):
    foreign = Talk(experiment={**EXPERIMENT, "reward_metric": "[red]x[/red] \x1b[31m"})
    assert "[red]x[/red]" in foreign("optimize this system")


def test_the_command_talks_by_rules_alone():
    """Nothing set up: a whole conversation over a pipe, in Chinese and English."""
    spoken = "优化数据库\nonly 5 trials\nrun it\n再见\n"
    done = subprocess.run(
        [sys.executable, "-m", "cli_ai.main", "chat"],
        input=spoken,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Benchmark" in done.stdout
    assert "a terminal is needed to say yes" in done.stdout or "no experiment" in done.stdout + done.stderr


def test_half_a_model_is_an_error():
    done = subprocess.run(
        [sys.executable, "-m", "cli_ai.main", "chat", "--llm", "http://127.0.0.1:1/v1"],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--model NAME is missing" in done.stderr


@pytest.mark.needs("unshare", "userns")
def test_a_real_run_is_shown_and_taught_from(talk):
    """Real benchmarks, real trials, in a namespace whose lock is nobody else's."""
    experiment = {
        **EXPERIMENT,
        "action_space": [SPACE[0]],
        "constraints": ["n < 10"],
        "network_namespace": "throw-away",
        "budget": {"trials": 14},
        "stop_early": False,
    }
    talk = Talk(experiment=experiment)
    said = talk("optimize this system", "run it")
    assert talk.steps[0].kind == "run"
    assert "proven: " in said
    assert "host restored: yes" in said
    ended = talk.events[-1]
    assert ended.result["significant"]
    assert not ended.can_be_applied, "it was made in a namespace that is gone"
    said = talk("go on with what you learned")
    assert "kept: " in said or "nothing was learnt" in said or "not kept: " in said
    assert "not applied: it was made in a throw-away" in talk("apply").replace("\n", " ")


def test_an_interruption_ends_the_run_and_not_the_talk(talk, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    talk("optimize this system")
    monkeypatch.setattr("cli_ai.tools.jobs.Job.follow", interrupted)
    assert "interrupted; the host is as it was" in talk("dry run")
    (job,) = talk.agent.bench.jobs().values()
    assert job.progress().over
