"""What was appended is there after any crash; what was torn or damaged is nothing else."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tactician.undo import journal
from tactician.undo.journal import JournalFile

PLACE = ["/proc/sys/vm/swappiness", ""]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=30)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def originals(*texts):
    undos = [{"writes": [[*PLACE, text]], "expected": [[*PLACE, text]]} for text in texts]
    return {"kind": "originals", "undos": undos}


def make(path, *entries):
    file = JournalFile.create(path, {"run_id": "r"})
    for entry in entries:
        file.append(entry)
    file.release()
    return path


@quick
@given(texts=st.lists(TEXTS, max_size=4), extra=JSON)
def test_what_was_appended_is_read_back(tmp_path_factory, texts, extra):
    """Any text, also lone surrogates, which stand for bytes that are no UTF-8."""
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    entries = [originals(text) for text in texts] + [{"kind": "other", "extra": extra}]
    content = journal.read(make(path, *entries))
    assert content.header["run_id"] == "r"
    assert content.entries == entries
    assert content.damaged == 0
    assert [undo["writes"][0][2] for undo in content.pending()] == texts


def test_a_line_is_one_line_whatever_it_holds():
    assert journal.encode(originals("a\nb\r\u2028\udc80\x00")).count(b"\n") == 1


def test_a_tear_at_any_byte_leaves_exactly_the_entries_before_it(tmp_path):
    entries = [
        originals("60"),
        {"kind": "process", "pid": 7, "start": 1, "marker": "m"},
        {"kind": "restored"},
    ]
    whole = make(tmp_path / "whole.jsonl", *entries).read_bytes()
    header_end = whole.index(b"\n")
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    torn = tmp_path / "torn.jsonl"
    for length in range(len(whole) + 1):
        torn.write_bytes(whole[:length])
        content = journal.read(torn)
        # A last line that lacks nothing but its newline is whole: nothing of it is missing.
        complete = sum(length >= end for end in ends[1:])
        if length == header_end:
            assert [entry["kind"] for entry in content.entries] in ([], ["run"])
        else:
            assert content.entries == entries[:complete], length
        assert content.damaged == 0
        assert bool(content.header) == (length > header_end)


@quick
@given(data=st.data())
def test_a_damaged_line_is_counted_and_the_others_survive(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    entries = [originals(str(number)) for number in range(4)]
    lines = make(path, *entries).read_bytes().split(b"\n")[:-1]
    victim = data.draw(st.integers(1, 4))
    at = data.draw(st.integers(0, len(lines[victim]) - 1))
    flipped = lines[victim][at] ^ data.draw(st.integers(1, 255))
    if flipped == ord("\n") or chr(lines[victim][at]).lower() == chr(flipped).lower():
        return
    lines[victim] = lines[victim][:at] + bytes([flipped]) + lines[victim][at + 1 :]
    path.write_bytes(b"\n".join([*lines, b""]))
    content = journal.read(path)
    assert content.damaged == 1
    assert content.entries == entries[: victim - 1] + entries[victim:]


def test_a_line_that_stands_twice_is_undone_twice_and_no_more(tmp_path):
    path = make(tmp_path / "a.jsonl", originals("60"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[-1]]))
    assert [undo["expected"] for undo in journal.read(path).pending()] == [[[*PLACE, "60"]]] * 2


@pytest.mark.parametrize("line", [b"", b"xyz", b"00000000 ", b"00000000", b"not a crc {}", b"\xff\xfe \x00"])
def test_what_is_no_entry_is_never_taken_for_one(tmp_path, line):
    path = make(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes() + line + b"\n")
    content = journal.read(path)
    assert (content.entries, content.damaged) == ([], 1)


def test_an_entry_without_a_kind_is_damaged(tmp_path):
    path = make(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes() + journal.encode({"undos": []}) + journal.encode([1]))
    assert journal.read(path).damaged == 2


def test_a_short_write_leaves_nothing_behind_and_the_next_append_is_readable(tmp_path, monkeypatch):
    file = JournalFile.create(tmp_path / "a.jsonl", {"run_id": "r"})
    file.append(originals("1"))
    real = os.write
    for taken in range(1, 40, 7):
        with monkeypatch.context() as patch:
            patch.setattr(journal.os, "write", lambda fd, data, n=taken: real(fd, data[:n]))
            with pytest.raises(OSError, match="full"):
                file.append(originals("2"))
    file.append(originals("3"), durable=True)
    file.release()
    content = journal.read(file.path)
    assert content.entries == [originals("1"), originals("3")]
    assert content.damaged == 0


def test_an_fsync_that_fails_takes_the_line_back(tmp_path, monkeypatch):
    file = JournalFile.create(tmp_path / "a.jsonl", {"run_id": "r"})

    def broken(descriptor):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            file.append(originals("1"), durable=True)
    file.release()
    assert journal.read(file.path).entries == []


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tactician.undo.journal import JournalFile
file = JournalFile.create(Path(sys.argv[1]), {"run_id": "r"})
resource.setrlimit(resource.RLIMIT_FSIZE, (400, resource.RLIM_INFINITY))
count = 0
try:
    while True:
        file.append({"kind": "originals", "undos": [], "number": count}, durable=True)
        count += 1
except OSError as error:
    print(count, error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append({"kind": "restored"})
"""


def test_a_file_that_cannot_grow_keeps_what_it_has_and_takes_more_later(tmp_path):
    path = tmp_path / "a.jsonl"
    package = os.path.dirname(os.path.dirname(os.path.dirname(journal.__file__)))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    argv = [sys.executable, "-I", "-S", "-c", FULL, str(path), package]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    count, number = map(int, done.stdout.split())
    content = journal.read(path)
    assert count > 0
    assert number in (27, 28)
    assert [entry.get("number") for entry in content.entries] == [*range(count), None]
    assert content.damaged == 0


def test_a_disk_that_is_full_from_the_start_leaves_no_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(journal.os, "write", lambda fd, data: 0)
    with pytest.raises(OSError, match="full"):
        JournalFile.create(tmp_path / "a.jsonl", {"run_id": "r"})
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_journal_is_never_written_over(tmp_path):
    path = make(tmp_path / "a.jsonl", originals("60"))
    with pytest.raises(FileExistsError):
        JournalFile.create(path, {"run_id": "other"})
    assert journal.read(path).pending() == originals("60")["undos"]


def test_a_journal_is_its_owners_alone(tmp_path):
    before = os.umask(0)
    try:
        path = make(tmp_path / "new" / "a.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_closing_leaves_the_evidence_and_nothing_to_do(tmp_path):
    file = JournalFile.create(tmp_path / "a.jsonl", {"run_id": "r"})
    file.append(originals("60"))
    file.close()
    assert not file.path.exists()
    content = journal.read(tmp_path / "closed" / "a.jsonl")
    assert content.closed
    assert content.pending() == []


def test_closing_on_a_full_disk_still_moves_the_journal_away(tmp_path, monkeypatch):
    file = JournalFile.create(tmp_path / "a.jsonl", {"run_id": "r"})
    monkeypatch.setattr(journal.os, "write", lambda fd, data: 0)
    file.close()
    assert (tmp_path / "closed" / "a.jsonl").exists()


def test_restored_covers_what_stands_before_it_and_nothing_after(tmp_path):
    path = make(
        tmp_path / "a.jsonl", originals("1", "2"), {"kind": "restored"}, originals("3"), originals("4")
    )
    assert [undo["writes"][0][2] for undo in journal.read(path).pending()] == ["3", "4"]


def test_a_process_runs_until_its_end_is_noted(tmp_path):
    began = [{"kind": "process", "pid": pid, "start": pid, "marker": ""} for pid in (7, 8, 7)]
    path = make(tmp_path / "a.jsonl", *began[:2], {"kind": "ended", "pid": 7}, {"kind": "ended", "pid": 9})
    assert [entry["pid"] for entry in journal.read(path).processes()] == [8]
    file = JournalFile.open(path)
    file.append(began[2])
    file.release()
    assert sorted(entry["pid"] for entry in journal.read(path).processes()) == [7, 8]
