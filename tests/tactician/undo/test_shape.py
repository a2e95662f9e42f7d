"""A line whose checksum is right and whose shape is wrong counts as damaged and stops no recovery."""

from __future__ import annotations

import pytest

from tactician.undo import journal
from tactician.undo.shape import is_sound

PLACE = ["/proc/sys/x", "", "1"]
UNDO = {"writes": [PLACE], "expected": [PLACE]}
FILE = {"path": "/x", "content": "", "mode": 420, "uid": 0, "gid": 0, "mtime_ns": 1}
COMMAND = {"argv": ["/bin/true"], "environment": {"A": "b"}, "timeout_s": 1.0}


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "run"},
        {"kind": "run", "pid": None, "teardown": None, "boot_id": ""},
        {
            "kind": "run",
            "pid": 7,
            "pid_start": 0,
            "teardown": ["/bin/sh"],
            "teardown_environment": {"A": "b"},
        },
        {"kind": "originals", "undos": []},
        {"kind": "originals", "undos": [UNDO]},
        {"kind": "originals", "undos": [{**UNDO, "name": "s", "files": [FILE], "commands": [COMMAND]}]},
        {"kind": "originals", "undos": [{**UNDO, "files": [{"path": "/x", "content": None}]}]},
        {"kind": "originals", "undos": [{**UNDO, "checks": [{**COMMAND, "expected": None}]}]},
        {"kind": "process", "pid": 2, "start": 0, "marker": ""},
        {"kind": "ended", "pid": 2},
        {"kind": "anything", "else": [1]},
    ],
)
def test_what_we_write_is_sound(entry):
    assert is_sound(entry)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"kind": 1},
        {"kind": "run", "pid": "7"},
        {"kind": "run", "teardown": "rm -r /"},
        {"kind": "run", "teardown": []},
        {"kind": "run", "teardown_environment": {"A": 1}},
        {"kind": "run", "boot_id": 5},
        {"kind": "originals"},
        {"kind": "originals", "undos": {}},
        {"kind": "originals", "undos": [5]},
        {"kind": "originals", "undos": [{"writes": [PLACE]}]},
        {"kind": "originals", "undos": [{**UNDO, "writes": [["/x", ""]]}]},
        {"kind": "originals", "undos": [{**UNDO, "expected": [["/x", "", 1]]}]},
        {"kind": "originals", "undos": [{**UNDO, "files": [{"path": "/x"}]}]},
        {"kind": "originals", "undos": [{**UNDO, "files": [{**FILE, "mode": "644"}]}]},
        {"kind": "originals", "undos": [{**UNDO, "commands": [{"argv": "true"}]}]},
        {"kind": "originals", "undos": [{**UNDO, "rescue": [{}]}]},
        {"kind": "process", "pid": 0, "start": 0},
        {"kind": "process", "pid": 1, "start": 0},
        {"kind": "process", "pid": True, "start": 0},
        {"kind": "process", "pid": 7},
        {"kind": "process", "pid": 7, "start": 1, "marker": 5},
        {"kind": "ended"},
    ],
)
def test_what_nobody_can_act_on_is_not(entry, tmp_path):
    assert not is_sound(entry)
    path = tmp_path / "r.jsonl"
    path.write_bytes(
        journal.encode({"kind": "run"}) + journal.encode(entry) + journal.encode({"kind": "restored"})
    )
    content = journal.read(path)
    assert content.damaged == 1
    assert [found["kind"] for found in content.entries] == ["restored"]
