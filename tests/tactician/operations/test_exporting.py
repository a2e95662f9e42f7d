"""Exports are what the other tools read: each is parsed by that tool, or by what it parses with."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support_operations import ID, SWAP, record_of, tree
from tactician.operations import FORMATS, export
from tactician.operations.formats import ansible, atune, shell, sysctl, tuned
from tactician.operations.formats.common import Export
from tactician.operations.settings import Setting
from tactician.system.boot.sysctl_files import assignments

RP_FILTER, RMEM = "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.tcp_rmem"
READ_AHEAD = "/sys/block/vda/queue/read_ahead_kb"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
SETTINGS = (
    Setting("sysctl", SWAP, "/proc/sys/vm/swappiness", "10", "60"),
    Setting("sysctl", RP_FILTER, f"/proc/sys/{RP_FILTER}", "2", "1"),
    Setting("sysctl", RMEM, "/proc/sys/net/ipv4/tcp_rmem", "4096 131072 16777216", "4096 131072 6291456"),
    Setting("sysfs", READ_AHEAD, READ_AHEAD, "4096", "128"),
    Setting("sysfs", HUGE_PAGES, HUGE_PAGES, "never", "madvise"),
    Setting("service", "postgresql.work_mem", "", "65536", "4096"),
    Setting("service", "redis.maxmemory-policy", "", "allkeys-lru", "noeviction"),
    Setting("service", "nginx.worker_processes", "", "4", "auto"),
    Setting("argument", "clients", "", "8", "4"),
)


@pytest.fixture
def whole():
    undo = [(each.path, each.old) for each in reversed(SETTINGS) if each.path]
    return Export(record_of(), SETTINGS, undo)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_says_what_was_proven_and_by_which_run(form):
    text = export(record_of(), form)
    assert "+12.0 % [+9.0, +15.0] against what was set before" in text
    assert ID in text
    assert text.endswith("\n")


@pytest.mark.parametrize("render", [sysctl.render, tuned.render, atune.render, ansible.render, shell.render])
def test_nothing_of_a_winner_is_lost_in_any_form(whole, render):
    text = render(whole)
    for word in (
        "10",
        "16777216",
        "4096",
        "never",
        "work_mem",
        "65536",
        "allkeys-lru",
        "worker_processes",
        "clients",
    ):
        assert word in text, word


def test_a_name_with_a_line_break_stays_in_its_comment():
    text = export(record_of(workload_name="a\nb = 1"), "sysctl")
    assert [line for line in text.splitlines() if line.startswith("b")] == []


def test_the_sysctl_file_is_read_as_it_was_meant(whole, tmp_path):
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    (tmp_path / "etc/sysctl.d/60-x.conf").write_text(sysctl.render(whole))
    for reader in ("systemd", "procps"):
        found = {line.key: line.value for line in assignments(reader, str(tmp_path))}
        assert found == {
            "vm/swappiness": "10",
            "net/ipv4/conf/eth0.100/rp_filter": "2",
            "net/ipv4/tcp_rmem": "4096 131072 16777216",
        }


def parsed(text):
    """As TuneD reads it, by the arguments that its loader gives to the parser."""
    parser = configparser.RawConfigParser(delimiters=("="), inline_comment_prefixes=("#"), strict=False)
    parser.optionxform = str
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


TUNED = {
    "main": {"summary": f"Proven by tactician run {ID}"},
    "sysctl": {
        "vm.swappiness": "10",
        "net.ipv4.conf.eth0/100.rp_filter": "2",
        "net.ipv4.tcp_rmem": "4096 131072 16777216",
    },
    "vm": {"transparent_hugepages": "never"},
    "sysfs": {"/sys/block/vda/queue/read_ahead_kb": "4096"},
}


def test_the_tuned_profile_has_the_sections_of_tuneds_plug_ins(whole):
    assert parsed(tuned.render(whole)) == TUNED


LOADER = """
import collections, json, sys
from tuned.profiles import Factory, Loader, Locator, Merger, Profile
from tuned.profiles.variables import Variables
loader = Loader(Locator([sys.argv[1]]), Factory(), Merger(), None, Variables())
profile = loader.load(["mine"])
units = {name: dict(unit.options) for name, unit in profile.units.items()}
print(json.dumps({"main": dict(profile.options), **units}))
"""


def test_tuneds_own_loader_reads_the_profile(whole, tmp_path):
    """By the interpreter that has TuneD, where there is one."""
    python = next((each for each in (sys.executable, "/usr/bin/python3") if has_tuned(each)), None)
    if python is None:
        pytest.skip("needs TuneD's Python package")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/tuned.conf").write_text(tuned.render(whole))
    argv = [python, "-W", "ignore", "-c", LOADER, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == TUNED


def has_tuned(python):
    if not Path(python).exists():
        return False
    argv = [python, "-c", "import tuned.profiles"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_the_atune_profile_has_the_sections_of_atunes_configurators(whole):
    found = parsed(atune.render(whole))
    assert list(found) == ["main", "sysctl", "sysfs", "tip"]
    assert found["sysctl"]["net.ipv4.tcp_rmem"] == "4096 131072 16777216"
    assert found["sysfs"] == {
        "block/vda/queue/read_ahead_kb": "4096",
        "kernel/mm/transparent_hugepage/enabled": "never",
    }
    assert sorted(found["tip"].values()) == ["benchmark", "nginx", "postgresql", "redis"]


def test_ansibles_tasks_apply_by_one_tag_and_undo_by_another(whole):
    tasks = yaml.safe_load(ansible.render(whole))
    forward = [task for task in tasks if "tactician" in task["tags"]]
    backward = [task for task in tasks if "tactician_undo" in task["tags"]]
    assert len(forward) + len(backward) == len(tasks)
    assert all("never" in task["tags"] for task in backward)
    assert all(set(task) == {"name", "tags", module(task)} for task in tasks)
    first = forward[0]["ansible.posix.sysctl"]
    assert first == {
        "name": SWAP, "value": "10", "sysctl_file": f"/etc/sysctl.d/60-tactician-{ID}.conf",
        "sysctl_set": True, "reload": False,
    }  # fmt: skip
    undone = [task["ansible.builtin.shell"]["cmd"] for task in backward if "ansible.builtin.shell" in task]
    assert undone[-1] == "sysctl -w vm.swappiness=60"
    removed = [task["ansible.builtin.file"] for task in backward if "ansible.builtin.file" in task]
    assert {each["path"] for each in removed} == {
        f"/etc/sysctl.d/60-tactician-{ID}.conf", f"/etc/tmpfiles.d/60-tactician-{ID}.conf",
    }  # fmt: skip


def module(task):
    (name,) = set(task) - {"name", "tags"}
    return name


def test_a_template_in_a_value_reaches_ansible_as_text():
    assert ansible._scalar("{{ secret }}") == '!unsafe "{{ secret }}"'
    assert ansible._scalar("plain: #") == '"plain: #"'


def test_the_script_applies_and_undoes_on_real_files(tmp_path):
    """Its sysctl is a stand-in that writes to a folder; the rest it writes itself."""
    device = tmp_path / "read_ahead_kb"
    device.write_text("128\n")
    settings = [SETTINGS[0], SETTINGS[3]._replace(path=str(device)), SETTINGS[5]]
    undo = [(each.path, each.old) for each in reversed(settings) if each.path]
    script = tmp_path / "tuned.sh"
    script.write_text(shell.render(Export(record_of(), settings, undo)))
    for name in ("sysctl", "psql"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/told\n')
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    before = tree(tmp_path / "bin")
    subprocess.run(["/bin/sh", str(script)], env=environment, check=True)
    assert device.read_text() == "4096\n"
    subprocess.run(["/bin/sh", str(script), "undo"], env=environment, check=True)
    assert device.read_text() == "128\n"
    assert (tmp_path / "told").read_text().splitlines() == [
        "sysctl -w vm.swappiness=10",
        "psql --no-psqlrc --command ALTER SYSTEM SET work_mem = '65536'",
        "psql --no-psqlrc --command SELECT pg_reload_conf()",
        "psql --no-psqlrc --command ALTER SYSTEM SET work_mem = '4096'",
        "psql --no-psqlrc --command SELECT pg_reload_conf()",
        "sysctl -w vm.swappiness=60",
    ]
    assert tree(tmp_path / "bin") == before


@pytest.mark.parametrize("text", ["a'b", "$(id)", "`id`", "a\\", '"'])
def test_no_text_escapes_its_quotes_in_the_script(text, tmp_path):
    setting = Setting("service", "postgresql.search_path", "", text, text)
    script = tmp_path / "s.sh"
    script.write_text(shell.render(Export(record_of(), [setting], [])))
    (tmp_path / "psql").write_text('#!/bin/sh\nprintf "%s\\n" "$3"\n')
    (tmp_path / "psql").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["/bin/sh", str(script)], env=environment, capture_output=True, text=True, check=True
    )
    quoted = text.replace("'", "''")
    assert done.stdout.splitlines()[0] == f"ALTER SYSTEM SET search_path = '{quoted}'"


def test_an_export_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tree(Path(tmp_path))
    for form in FORMATS:
        export(record_of(), form)
    assert tree(Path(tmp_path)) == before
