"""The phases of an application, by the lines of its journal alone."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.undo import applied, files, journal, processes

GONE = {"pid": 1 << 22, "start": 1}


def own():
    return {"pid": os.getppid(), "start": processes.status(os.getppid()).start}


def write(path, *entries, boot=None, file=None):
    """A journal of one place and these lines."""
    header = {"run_id": "r", "pid": None, "pid_start": None, "namespace": "",
              "boot_id": files.boot_identity() if boot is None else boot}  # fmt: skip
    path.unlink(missing_ok=True)
    opened = journal.JournalFile.create(path, header)
    entry = [[str(path.with_suffix(".place")), "", "60"]]
    kept = [] if file is None else [{"path": str(file), "content": None}]
    opened.append({"kind": "originals", "undos": [{"writes": entry, "expected": entry, "files": kept}]})
    for line in entries:
        opened.append(line)
    opened.release()
    return path


@pytest.fixture
def path(tmp_path):
    (tmp_path / "r.place").write_text("99\n")
    return tmp_path / "r.jsonl"


def armed(seconds):
    return {"kind": "armed", "deadline_s": applied.boot_clock() + seconds, "stated": "noon"}


APPLIED, CONFIRMED = {"kind": "applied"}, {"kind": "confirmed"}


def test_each_phase_is_told_by_its_lines(path):
    def phase(*entries, **more):
        return applied.look(write(path, *entries, **more)).phase

    at_it = {"kind": "applying", **own()}
    assert phase() == "kept"
    assert phase({"kind": "applying", **GONE}) == "half"
    assert phase(at_it) == "applying"
    assert phase(at_it, boot="another") == "half"
    assert phase(at_it, armed(300)) == "applying"
    assert phase(at_it, APPLIED) == "kept"
    assert phase(at_it, armed(300), APPLIED) == "unconfirmed"
    assert phase(at_it, armed(-1), APPLIED) == "expired"
    assert phase(at_it, armed(300), APPLIED, boot="another") == "expired"
    assert phase(at_it, armed(-1), APPLIED, CONFIRMED) == "kept"
    assert phase(at_it, APPLIED, boot="another") == "gone"
    assert phase(at_it, APPLIED, boot="another", file=path.with_suffix(".conf")) == "kept"


def test_a_process_that_asks_about_its_own_has_given_up(path):
    mine = processes.status(os.getpid())
    write(path, {"kind": "applying", "pid": os.getpid(), "start": mine.start})
    assert applied.look(path).phase == "half"


def test_only_the_asked_phases_are_taken_back(path):
    place = path.with_suffix(".place")
    write(path, APPLIED)
    assert applied.take_back(path, applied.OVERDUE) is None
    assert place.read_text() == "99\n"
    write(path, {"kind": "applying", **own()})
    assert applied.take_back(path) is None
    write(path, armed(-1), APPLIED)
    assert applied.take_back(path, applied.OVERDUE).changed == [(str(place), "99")]
    assert place.read_text() == "60\n"


def test_a_confirmation_after_the_deadline_is_not_written(path):
    write(path, armed(-1), APPLIED)
    before = path.read_bytes()
    assert applied.confirm(path).phase == "expired"
    assert path.read_bytes() == before


def test_the_deadline_is_on_a_clock_that_only_runs_forward():
    other = time.monotonic()  # stands still in a suspend
    first = applied.boot_clock()
    assert first >= other
    assert applied.boot_clock() >= first


LINES = st.dictionaries(
    st.sampled_from(["pid", "start", "deadline_s", "stated", "values", "folders", "undos", "x"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([])),
)
KINDS = st.sampled_from(["applying", "applied", "armed", "held", "confirmed", "folders", "placed", "strange"])


@given(
    st.lists(st.builds(lambda kind, line: {**line, "kind": kind, "folders": [], "values": []}, KINDS, LINES))
)
def test_whatever_a_line_holds_some_phase_is_found(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("applied")
    found = applied.look(write(folder / "r.jsonl", *entries))
    assert found.phase in ("applying", "half", "kept", "unconfirmed", "expired")
    assert found.remaining_s >= 0
    confirmed = any(entry["kind"] == "confirmed" for entry in entries)
    assert not (confirmed and found.phase in ("unconfirmed", "expired"))


def test_a_home_with_a_journal_that_nobody_can_read_is_looked_at_all_the_same(path, tmp_path):
    write(path, APPLIED)
    (tmp_path / "q.jsonl").mkdir()
    assert [found.run_id for found in applied.look_at_all(tmp_path)] == ["r"]
    assert applied.look_at_all(tmp_path / "absent") == []
