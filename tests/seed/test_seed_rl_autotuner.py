"""The seed document is a contract: every block of it runs, parses or is compared by its shape."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tactician.config import parse_experiment

ROOT = Path(__file__).parents[2]
DOCUMENT = Path(__file__).with_name("seed-rl-autotuner.md")
EXEMPT = {
    "User Request → LLM Strategist": "a diagram",
    "# Ensure sudo access for sysctl": "changes who may do what on a host",
}
SHAPE_EXEMPT = {
    "...": "stands for what was left out",
    "Improvement over baseline": "of one noisy run; the word is kept for what verification proved",
}
# The second key of the sample belongs to the whole host; a namespace has this one in its place.
OWN_KEYS = {"net.core.netdev_max_backlog": "net.ipv4.tcp_max_syn_backlog"}


class Block(NamedTuple):
    language: str
    text: str


def blocks() -> list[Block]:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, body) for language, body in found]


def block(language: str, beginning: str = "") -> Block:
    (found,) = (one for one in blocks() if one.language == language and one.text.startswith(beginning))
    return found


def printing(value: str) -> str:
    """A benchmark that prints a value, times a thousand, with a little chance."""
    return f"echo requests_per_second: $(( {value} * 1000 + $(od -An -N1 -tu1 /dev/urandom) ))"


def quick(**changes: object) -> dict[str, Any]:
    """A configuration that changes nothing on any host and ends in seconds."""
    return {
        "workload_name": "Arithmetic",
        "reward_metric": "requests_per_second",
        "benchmark_command": printing("{threads}"),
        "action_space": [{"param": "threads", "min": 1, "max": 8, "type": "int", "default": 2}],
        "algorithm": "uniform_random",
        "budget": {"trials": 3},
        "baseline_runs": 1,
        "verification": {"rounds": 5},
        "random_seed": 1,
        **changes,
    }


def alone(argv: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run in a network namespace, whose lock is its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["unshare", "-rn", *argv]
    environment = {**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout[-3000:], done.stderr[-3000:], sep="\n--- stderr ---\n")
    return done


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository's root as the documented command lines see it, with a configuration in it."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    (tmp_path / "config.json").write_text(json.dumps(quick()))
    return tmp_path


def test_every_block_is_run_or_exempt_by_name() -> None:
    counted = Counter(one.language for one in blocks())
    assert counted == {"": 2, "json": 4, "bash": 2, "python": 1}
    exempt = [one for one in blocks() if one.text.startswith(tuple(EXEMPT))]
    assert len(exempt) == len(EXEMPT) == 2


@pytest.mark.parametrize("number", range(4))
def test_every_configuration_is_accepted_as_it_stands(number: int) -> None:
    text = [one.text for one in blocks() if one.language == "json"][number]
    document = json.loads(text)
    found = parse_experiment(document)
    assert found.workload_name == document["workload_name"]
    assert found.metric.name == document["reward_metric"]
    assert found.workload.command == document["benchmark_command"]
    assert list(found.names) == [item["param"] for item in document["action_space"]]
    assert found.algorithm == "ppo"


def test_the_shown_defaults_are_the_defaults() -> None:
    document = json.loads(block("json", '{\n  "workload_name": "Descriptive name"').text)
    shown = document.pop("training_config")
    training = parse_experiment(document).training
    assert {name: getattr(training, name) for name in shown} == shown


@pytest.mark.needs("userns")
@pytest.mark.parametrize("number", range(3), ids=["plain", "dry-run", "quiet"])
def test_the_command_lines_run_verbatim(number: int, checkout: Path) -> None:
    lines = [
        line for line in block("bash", "# Run optimization").text.splitlines() if line.startswith("python")
    ]
    assert len(lines) == 3
    done = alone(["sh", "-c", lines[number]], checkout)
    assert done.returncode == 0
    assert done.stderr == ""
    loud = "--quiet" not in lines[number]
    assert ("Optimization Complete!" in done.stdout) == loud
    assert ("--- Step 1 ---" in done.stdout) == loud
    assert loud or "Arithmetic" in done.stdout
    assert ("simulated" in done.stdout) == ("--dry-run" in lines[number])


@pytest.mark.needs("userns")
def test_the_programmatic_usage_runs_verbatim(tmp_path: Path) -> None:
    config = tmp_path / "path" / "to" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(quick()))
    done = alone([sys.executable, "-c", block("python").text], tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    last = done.stdout.splitlines()[-2:]
    assert re.fullmatch(r"Best configuration: \{'threads': \d\}", last[0])
    assert re.fullmatch(r"Performance improvement: -?[\d.]+%", last[1])


def labels() -> list[str]:
    """Of each line in the sample what no run changes: its beginning up to the first value."""
    sample = block("", "=" * 80).text
    for key, own in OWN_KEYS.items():
        sample = sample.replace(key, own)
    found = []
    for line in map(str.strip, sample.splitlines()):
        label = line if set(line) == {"="} else re.split(r"(?<=[:=])\s*|(?<= )\d", line)[0].strip()
        if label and not label.startswith(tuple(SHAPE_EXEMPT)):
            found.append(label)
    return found


@pytest.mark.needs("root", "ip")
def test_the_output_has_the_shape_of_the_sample(tmp_path: Path) -> None:
    name = f"tactician-seed-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        value = "$(cat /proc/sys/net/core/somaxconn)"
        keys = ("net.core.somaxconn", *OWN_KEYS.values())
        document = quick(
            workload_name="High-Throughput Web Server",
            benchmark_command=printing(value),
            action_space=[{"param": key, "min": 128, "max": 8192, "type": "int"} for key in keys],
            budget={"trials": 6},
        )
        (tmp_path / "config.json").write_text(json.dumps(document))
        door = ROOT / "src" / "cli_ai" / "tools" / "optimization" / "rl_autotuner.py"
        inside = ["nsenter", f"--net=/run/netns/{name}"]
        command = [*inside, sys.executable, str(door), "--config", "config.json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    printed = [line.strip() for line in done.stdout.splitlines()]
    missing = [label for label in labels() if not any(line.startswith(label) for line in printed)]
    assert missing == []
    in_order = [
        "RL Autotuner Environment Initialized",
        "--- Step 1 ---",
        "Optimization Complete!",
        "sudo sysctl -w",
    ]
    places = [next(n for n, line in enumerate(printed) if line.startswith(label)) for label in in_order]
    assert places == sorted(places)
    assert printed.count("=" * 80) >= 5
