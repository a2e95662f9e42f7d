"""The list of what may be tuned: nothing that a client says gets past it."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_helper import CONGESTION, RMEM, SOMAXCONN, SWAPPINESS, TABLE
from tactician.undo.helper_rules import Refusal, Table, TableError, check_namespace, load, why_distrusted

RULES = Table(TABLE)
DISKS = Table(
    {
        "version": 1,
        "knobs": [
            {"name": "n", "path": "/sys/block/{disk}/queue/nr_requests", "low": 4, "high": 1024,
             "pair": ["/sys/block/{disk}/queue/other"]},
            {"name": "s", "path": "/sys/block/{disk}/queue/scheduler", "values": ["none", "mq-deadline"]},
        ],
    }
)  # fmt: skip


def judged(path, text, shown, words=""):
    try:
        RULES.rule(path).judge(text, shown, words)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize("text", ["64", "4096", "65535"])
def test_a_number_in_its_range_is_permitted(text):
    assert judged(SOMAXCONN, text, "128")


@pytest.mark.parametrize(
    "text",
    ["63", "65536", "-1", "010", "0x80", "1e3", "128.0", " 128", "128 ", "", "128\n", "128\0", "128 128",
     "٣٢٨", "9" * 300, "+128", "abc", "128;id"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    assert not judged(SOMAXCONN, text, "128")


@pytest.mark.parametrize(
    ("text", "permitted"),
    [
        ("4096 131072 262144", True),
        ("1 131072 262144", True),  # the first is as it was
        ("2 131072 262144", False),
        ("1 131072", False),
        ("1 131072 262144 5", False),
        ("1 131072 99999999999", False),
    ],
)
def test_every_field_is_judged_and_those_that_stay_may_stay(text, permitted):
    assert judged(RMEM, text, "1\t131072\t262144") == permitted


@pytest.mark.parametrize(
    ("text", "permitted"), [("bbr", True), ("reno", True), ("cubic", False), ("", False)]
)
def test_words_of_the_host_are_asked_of_the_host(text, permitted):
    assert judged(CONGESTION, text, "bbr", "reno bbr") == permitted
    assert not judged(CONGESTION, text, "bbr", "")


@pytest.mark.parametrize(
    ("text", "permitted"), [("8192 4096 65536", False), ("4096 8192 4096", False), ("4096 4096 4096", True)]
)
def test_a_relation_that_holds_is_kept(text, permitted):
    if permitted:
        RULES.judge_relations(RMEM, "4096 8192 16384", text, {})
    else:
        with pytest.raises(Refusal):
            RULES.judge_relations(RMEM, "4096 8192 16384", text, {})


def test_a_relation_that_is_broken_already_binds_nobody():
    RULES.judge_relations(RMEM, "9 8 7", "4096 8192 4096", {})


def test_a_pattern_stands_for_one_name_and_gives_it_to_its_pair():
    rule = DISKS.rule("/sys/block/vda/queue/nr_requests")
    assert rule.pair == ("/sys/block/vda/queue/other",)
    rule.judge("64", "256")
    DISKS.rule("/sys/block/nvme0n1/queue/scheduler").judge("none", "[mq-deadline] none")


@pytest.mark.parametrize(
    "path",
    ["/sys/block/../queue/nr_requests", "/sys/block/./queue/nr_requests", "/sys/block//queue/nr_requests",
     "/sys/block/a/b/queue/nr_requests", "/sys/block/vda/queue/nr_requests/",
     "/sys/block/v da/queue/nr_requests",
     "/sys/block/vda/queue/nr_requests\n", "x/sys/block/vda/queue/nr_requests", "/etc/passwd", "",
     SOMAXCONN + "/../../kernel/core_pattern", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe"],
)  # fmt: skip
def test_other_paths_are_refused(path):
    with pytest.raises(Refusal):
        DISKS.rule(path)
    with pytest.raises(Refusal):
        RULES.rule(path)


@given(st.text() | st.integers() | st.none() | st.lists(st.text()), st.text() | st.integers() | st.none())
def test_no_other_place_is_permitted(path, netns):
    with pytest.raises(Refusal):
        RULES.place(path, netns)
    with pytest.raises(Refusal):
        RULES.place(SOMAXCONN, netns or "x")


@given(st.text(max_size=60), st.sampled_from(["128", "4096\t131072\t262144", "", "a [b] c"]))
def test_what_is_permitted_is_in_the_range_whatever_is_said(text, shown):
    if judged(SOMAXCONN, text, shown):
        assert text == shown or 64 <= int(text) <= 65535
        assert text.isascii()


@pytest.mark.parametrize(
    "netns",
    ["/run/netns/../../proc/1/ns/net", "/proc/1/ns/net", "/run/netns/", "/run/netns/.", "/run/netns/..",
     "blue", "/var/run/netns/blue", "/run/netns/a/b", "/run/netns/absent-namespace",
     "/run/netns/x\n", "/run//netns/x"],
)  # fmt: skip
def test_only_files_below_run_netns_are_namespaces(netns):
    with pytest.raises(Refusal):
        check_namespace(netns)


def test_a_value_of_the_whole_host_has_no_namespace():
    with pytest.raises(Refusal):
        RULES.place(SWAPPINESS, "/run/netns/blue")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2, "knobs": []},
        {"version": 1},
        {"version": 1, "knobs": [{"name": "x", "path": "/etc/passwd", "low": 0, "high": 1}]},
        {"version": 1, "knobs": [{"name": "x", "path": "/proc/sys/../../etc/x", "low": 0, "high": 1}]},
        {"version": 1, "knobs": [{"name": "x", "path": "/proc/sys/x"}]},
        {"version": 1, "knobs": [{"name": "x", "path": "/proc/sys/x", "low": 2, "high": 1}]},
        {"version": 1, "knobs": [], "constraints": [[["a", 0, 0], "=", ["b", 0, 0]]]},
        {"version": 1, "knobs": [], "constraints": [["a", "<", "b"]]},
        {"version": 1, "knobs": 5},
    ],
)
def test_a_table_that_makes_no_sense_is_refused(document, tmp_path):
    with pytest.raises(TableError):
        Table(document)
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    with pytest.raises(TableError, match=str(path)):
        load(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100000, b'"x"'])
def test_a_damaged_table_is_refused(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(TableError):
        load(path)


def test_a_table_that_others_can_write_is_refused(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps(TABLE))
    assert why_distrusted(path) == ""
    assert len(load(path)) == len(TABLE["knobs"])
    path.chmod(0o666)
    assert "others" in why_distrusted(path)
    path.chmod(0o644)
    tmp_path.chmod(0o777)
    with pytest.raises(TableError, match="others"):
        load(path)
    tmp_path.chmod(0o1777)  # sticky, as /tmp is: nobody may take away what is not theirs
    assert why_distrusted(path) == ""


@pytest.mark.needs("root")
def test_a_table_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps(TABLE))
    os.chown(path, 65534, 65534)
    assert "65534" in why_distrusted(path)
    other = tmp_path / "link.json"
    other.symlink_to(path)
    assert "65534" in why_distrusted(other)
    assert why_distrusted(tmp_path / "absent") != ""
