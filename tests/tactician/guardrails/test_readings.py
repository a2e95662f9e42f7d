"""What the kernel says is read as it is written, and what it leaves out is absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.guardrails.readings import HostReader, parse_available, parse_full_stall, parse_oom_kills

PRESSURE = """some avg10=0.22 avg60=0.12 avg300=0.23 total=450832842
full avg10=0.14 avg60=0.04 avg300=0.04 total=205682322
"""


def test_the_line_of_full_stalls_is_read():
    assert parse_full_stall(PRESSURE) == pytest.approx(205.682322)
    assert parse_full_stall(PRESSURE.splitlines()[0]) is None  # cpu before 5.13 has no such line
    assert parse_full_stall("") is None


def test_available_memory_is_a_share_of_all():
    text = "MemTotal:       8000 kB\nMemFree:  10 kB\nMemAvailable:   2000 kB\n"
    assert parse_available(text) == 0.25
    assert parse_available("MemTotal:       8000 kB\n") is None
    assert parse_available("MemTotal:       0 kB\nMemAvailable:   0 kB\n") is None


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        ("nr_free_pages 1\noom_kill 3\n", 3),
        ("low 0\noom 2\noom_kill 1\noom_group_kill 4\n", 4),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        ("oom 5\n", None),
        ("", None),
    ],
)
def test_oom_kills_of_the_kernel_and_of_cgroups(text, kills):
    assert parse_oom_kills(text) == kills


@given(st.text(max_size=200))
def test_nothing_that_a_file_may_hold_is_an_error(text):
    for parse in (parse_full_stall, parse_available, parse_oom_kills):
        parse(text)


def test_this_host_is_read():
    first, second = HostReader().read(), HostReader().read()
    assert second.seconds >= first.seconds
    assert first.available_memory is not None
    assert 0.0 < first.available_memory <= 1.0
    for before, after in (
        (first.memory_stalled_s, second.memory_stalled_s),
        (first.oom_kills, second.oom_kills),
    ):
        assert before is None or (after is not None and after >= before >= 0)


def test_a_host_without_any_of_it_is_read_too(tmp_path: Path):
    reading = HostReader(str(tmp_path)).read()
    assert reading[1:] == (None, None, None, None)


@pytest.mark.parametrize(
    ("membership", "folder", "file"),
    [
        ("0::/a.slice/b\n", "sys/fs/cgroup/a.slice/b", "memory.events"),
        ("5:cpu:/x\n4:memory:/a/b\n0::/\n", "sys/fs/cgroup/memory/a/b", "memory.oom_control"),
    ],
)
def test_kills_in_our_own_cgroup_count(tmp_path: Path, membership, folder, file):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(membership)
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / file).write_text("oom_kill 9\n")
    (tmp_path / "proc/vmstat").write_text("oom_kill 2\n")
    assert HostReader(str(tmp_path)).read().oom_kills == 9
