"""Somebody else's edits of a file stay, our lines in it go: whatever they did, wherever they did it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.undo import foreign, whole_files
from tactician.undo.foreign import judge, without_ours

ORIGINAL = b"# head\na 1;\nb 2;\n\nc {\n    d 3;\n}\n"
OURS = b"# head\na 9;\nb 2;\n\nc {\n    e 8;\n    d 3;\n}\n"


def encoded(content):
    return None if content is None else base64.b64encode(content).decode()


def kept(original=ORIGINAL, *written, path="/nowhere"):
    return {"path": path, "content": encoded(original), "written": [encoded(text) for text in written]}


@pytest.mark.parametrize(
    ("theirs", "wanted", "standing"),
    [
        (OURS.replace(b"b 2", b"b 7"), ORIGINAL.replace(b"b 2", b"b 7"), ()),
        (OURS + b"z 1;\n", ORIGINAL + b"z 1;\n", ()),
        (b"first\n" + OURS, b"first\n" + ORIGINAL, ()),
        (OURS.replace(b"    d 3;\n", b""), ORIGINAL.replace(b"    d 3;\n", b""), ()),
        (OURS.replace(b"a 9", b"a 5"), ORIGINAL.replace(b"a 1", b"a 5"), (b"a 1;\n",)),
        (OURS.replace(b"e 8", b"e 5"), ORIGINAL.replace(b"    d", b"    e 5;\n    d"), ()),
        (OURS.replace(b"\n", b"\r\n"), ORIGINAL.replace(b"\n", b"\r\n").replace(b"a 1;\r\n", b"a 1;\n"), ()),
        (OURS[:-1] + b" # end", ORIGINAL[:-1] + b" # end", ()),
    ],
)
def test_their_changes_stay_and_ours_go(theirs, wanted, standing):
    assert without_ours(ORIGINAL, OURS, theirs) == (wanted, standing)
    assert without_ours(ORIGINAL, OURS, wanted)[0] == wanted


LINES = st.lists(st.sampled_from([b"a 1;", b"b 2;", b"c {", b"}", b"", b"# x"]), max_size=8)


@given(LINES, st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=3), LINES, LINES)
def test_what_is_added_around_is_kept_and_the_rest_is_the_original(lines, changes, above, below):
    """Each of our lines is one that nobody else has, as a setting's line is."""
    ours = list(lines)
    for number, (place, replaces) in enumerate(changes):
        index = min(place, len(ours))
        ours[index : index + (replaces and index < len(ours))] = [b"ours %d;" % number]
    original, wrote = (b"".join(line + b"\n" for line in each) for each in (lines, ours))
    added = [b"".join(b"their " + line + b"\n" for line in each) for each in (above, below)]
    now = added[0] + wrote + added[1]
    merged, standing = without_ours(original, wrote, now)
    assert (merged, standing) == (added[0] + original + added[1], ())
    assert without_ours(original, wrote, merged) == (merged, ())


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_three_texts_are_merged_and_no_line_of_theirs_alone_is_lost(original, ours, now):
    merged, _ = without_ours(original, ours, now)
    mine = {line.rstrip(b"\r\n") for line in ours.splitlines()}
    left = [line.rstrip(b"\r\n") for line in now.splitlines() if line.rstrip(b"\r\n") not in mine]
    assert set(left) <= {line.rstrip(b"\r\n") for line in merged.splitlines()}


@pytest.mark.parametrize(
    ("record", "now", "wanted", "theirs"),
    [
        (kept(ORIGINAL, OURS), OURS, ORIGINAL, False),
        (kept(ORIGINAL, b"earlier", OURS), b"earlier", ORIGINAL, False),
        (kept(ORIGINAL, OURS), None, ORIGINAL, False),
        (kept(ORIGINAL), b"theirs", b"theirs", True),
        ({**kept(), "written": None}, b"anything", ORIGINAL, False),
        (kept(None, b"# ours\nx 1\n"), b"# ours\nx 1\n", None, False),
        (kept(None, b"# ours\nx 1\n"), b"# ours\nx 1\n\n", None, True),
        (kept(None, b"# ours\nx 1\n"), b"# ours\nx 1\ny 2\n", b"y 2\n", True),
    ],
)
def test_whose_version_it_is_decides(record, now, wanted, theirs):
    verdict = judge(record, now)
    assert (verdict.content, verdict.theirs) == (wanted, theirs)


def test_a_line_that_cannot_go_back_is_told_once_and_the_original_left_beside(tmp_path):
    path = tmp_path / "server.conf"
    path.write_bytes(ORIGINAL)
    record = {**whole_files.record(str(path)), "written": [encoded(OURS)]}
    path.write_bytes(OURS.replace(b"a 9", b"a 5"))
    path.chmod(0o640)
    assert not foreign.is_settled(record)
    said = foreign.settle(record)
    assert foreign.is_theirs(said)
    assert foreign.has_standing(said)
    assert "a 1;" in said
    assert path.read_bytes() == ORIGINAL.replace(b"a 1", b"a 5")
    assert path.stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / ".server.conf.before-tactician").read_bytes() == ORIGINAL
    assert foreign.is_settled(record)
