"""``tactician knobs``: what an operator reads about a name, and what a program does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_ai.main import app
from tactician import catalogue
from tactician.cli import _knobs_text
from tactician.system.facts import numbers
from tactician.system.knobs import look_up

FACTS = {"memory_bytes": 2**34, "cores": 8, "page_bytes": 4096, "swap_bytes": 0, "link_mbit": 1000}


@pytest.fixture
def host(tmp_path):
    """A small host of files."""
    for path, text in {
        "proc/sys/vm/swappiness": "60\n", "proc/sys/vm/dirty_bytes": "0\n",
        "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
        "sys/block/vda/queue/scheduler": "none [mq-deadline] kyber\n",
        "sys/block/vdb/queue/scheduler": "[none] mq-deadline kyber\n",
    }.items():  # fmt: skip
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(tmp_path)


def asked(*words, capsys):
    status = int(app(["knobs", *words], standalone_mode=False) or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def explained(query, host):
    answer = look_up(query, FACTS, host)
    assert answer.exact
    return " ".join(_knobs_text.explanation(answer, 80).split())


@pytest.mark.parametrize("spelling", ["vm.swappiness", "vm/swappiness", "/proc/sys/vm/swappiness"])
def test_one_name_is_explained_by_any_spelling(spelling, host):
    text = explained(spelling, host)
    entry = catalogue.entry("vm.swappiness")
    for part in (entry.what, entry.source, "now 60", "safe here 0 to 200", *entry.couples, *entry.workloads):
        assert part in text


def test_a_range_of_this_host_stands_beside_its_formula(host):
    text = explained("vm.dirty_bytes", host)
    assert f"1048576 to {2**33} bytes (8 GiB)" in text
    assert "max(memory_bytes // 2, 16777216)" in text
    assert "vm.dirty_background_bytes < vm.dirty_bytes" in text
    assert "changes too vm.dirty_ratio" in text


def test_a_range_that_is_empty_on_a_tiny_host_is_shown_as_its_formula(host):
    answer = look_up("vm.cache_limit_mbytes", {**FACTS, "memory_bytes": 2**26}, host)
    assert "memory_bytes // 1048576" in _knobs_text.explanation(answer, 80)
    assert _knobs_text.table(answer, 80, everything=False)
    assert _knobs_text.document(answer)["knobs"][0]["formula"]


def test_every_device_of_a_pattern_is_shown_and_one_alone_too(host):
    text = explained("/sys/block/{disk}/queue/scheduler", host)
    assert "none [mq-deadline] kyber in /sys/block/vda/queue/scheduler" in text
    assert "[none] mq-deadline kyber in /sys/block/vdb/queue/scheduler" in text
    one = explained("/sys/block/vdb/queue/scheduler", host)
    assert "now [none] mq-deadline kyber" in one


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kernel.core_pattern", "kernel.core_pattern is never tuned: runs a program as root"),
        ("kernel/sysrq", "kernel.sysrq is never tuned"),
        ("/sys/power/state", "is never tuned: puts the host to sleep"),
        ("net.ipv4.tcp_fack", "since 4.15"),
        ("kernel.sched_latency_ns", "Tune kernel.sched_autogroup_enabled"),
        ("net.ipv4.tcp_rmem[2]", "[2] max"),
    ],
)
def test_what_is_not_tuned_is_explained_too(query, said, host):
    assert said in explained(query, host)


def test_words_find_names_explanations_and_workloads(host):
    names = {known.entry.name for known in look_up("dirty background", FACTS, host).known}
    assert names == {"vm.dirty_background_ratio", "vm.dirty_background_bytes"}
    web = look_up("web", FACTS, host).known
    assert "net.core.somaxconn" in {known.entry.name for known in web}
    never = dict(look_up("hugepages", FACTS, host).never)
    assert "vm.nr_hugepages*" in never


def test_a_table_fits_a_narrow_terminal_and_shows_each_value(host):
    answer = look_up("", FACTS, host)
    assert len(answer.known) == len(catalogue.entries())
    text = _knobs_text.table(answer, 80, everything=True)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("vm.") for line in lines) == 2, "those of this host alone"
    assert any(line.split()[:4] == ["vm.swappiness", "60", "0", "to"] for line in lines)
    assert "mq-deadli.." in text or "mq-deadline" in text
    assert " ".join(lines[-3:]).count("never tuned") == 1
    every = _knobs_text.table(answer, 80, everything=False)
    assert "postgresql.work_mem" in every


def test_a_document_says_everything(capsys):
    status, out, _ = asked("net.ipv4.tcp_rmem", "--json", capsys=capsys)
    (knob,) = json.loads(out)["knobs"]
    assert status == 0
    assert knob["range"] == [4096, 1073741824]
    assert knob["fields"] == ["min", "default", "max"]
    assert set(catalogue.Entry._fields) - {"low", "high"} <= set(knob)
    if Path("/proc/sys/net/ipv4/tcp_rmem").exists():
        assert knob["here"][0]["value"].split() == Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()
    _, out, _ = asked("kernel.core_pattern", "--json", capsys=capsys)
    assert json.loads(out)["never_tuned"][0]["name"] == "kernel.core_pattern"
    assert json.loads(out)["knobs"] == []
    _, out, _ = asked("--json", capsys=capsys)
    assert len(json.loads(out)["knobs"]) == len(catalogue.entries())


def test_what_nobody_knows_is_an_operators_error(capsys):
    status, out, err = asked("warp", "factor", capsys=capsys)
    assert status == 2
    assert out == ""
    assert "'warp factor'" in err


def test_facts_of_this_machine_have_every_name_that_a_formula_may_use():
    found = numbers()
    assert set(found) == set(catalogue.FACTS)
    assert found["memory_bytes"] > 2**24
    assert found["cores"] >= 1
    assert found["link_mbit"] > 0
