"""One setting of a Redis file: the line that decides is changed, and nothing else."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.errors import PreflightError
from tactician.system.service.redis_file import edited, located, objections, overruled

LINES = st.lists(
    st.sampled_from(["hz 10", "  HZ 20", "hz", "# hz 30", "", "include x.conf", "timeout 5 # no", "hz\t7 "]),
    max_size=6,
)  # fmt: skip


def deciding(text):
    """What a server has, that finds 99 in every file that is included."""
    found = None
    for line in text.splitlines():
        words = line.split()
        if words and words[0].lower() == "hz" and len(words) > 1:
            found = words[1]
        elif words and words[0].lower() == "include":
            found = "99"
    return found


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_setting_decides_and_at_most_one_line_is_other(lines, ending, ends):
    text = ending.join(lines) + (ending if ends and lines else "")
    after = edited(text, {"hz": "50"})
    assert deciding(after) == "50"
    old, new = text.splitlines(), after.splitlines()
    assert len(new) - len(old) in (0, 1)
    assert sum(one != other for one, other in zip(old, new, strict=False)) <= 1
    assert ("\r\n" in after) <= (ending == "\r\n" and "\r\n" in text) or "\r\n" not in text
    assert edited(after, {"hz": "50"}) == after


def test_an_empty_value_is_written_so_that_it_is_one():
    assert edited("", {"notify-keyspace-events": ""}) == 'notify-keyspace-events ""\n'


def test_what_takes_several_lines_is_named():
    (said,) = objections({"save": "3600 1 300 100", "hz": "5"})
    assert said.startswith("save takes several lines")


def test_what_an_include_may_overrule_is_named(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("hz 5\ntimeout 1\ninclude more.conf\ntimeout 2\n")
    assert overruled(str(path), {"hz": "9", "timeout": "3", "databases": "2"}) == ["hz"]


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("process_id:1\r\nconfig_file:\r\n", "started without a file"),
        ("process_id:999999999\r\nconfig_file:/etc/redis.conf\r\n", "not one of this host"),
        (f"process_id:{os.getpid()}\r\nconfig_file:/nowhere/redis.conf\r\n", "not one of this host"),
    ],
)
def test_where_no_file_can_be_changed_that_is_said(about, says):
    with pytest.raises(PreflightError, match=says):
        located(about)


def test_the_file_of_a_process_of_this_host_is_found(tmp_path):
    path = tmp_path / "redis.conf"
    path.write_text("")
    assert located(f"process_id:{os.getpid()}\r\nconfig_file:{path}\r\n") == str(path)
