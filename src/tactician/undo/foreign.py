"""Tells our versions of a settings file from somebody else's, and takes our lines out of theirs.

An administrator may edit the same file while a setting of ours stands in it, which for an application can be
weeks. To put the old file back would lose their work. What we wrote is in the journal too, as ``written`` of
the recorded file, so the way back is that of ``git revert``, on three versions: each line that we changed and
that still stands as we wrote it goes back; a line that they changed since is theirs and stays.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

from tactician.undo import whole_files

OURS = "other content"
_THEIRS = "changes of somebody else, which are kept"
_Span = tuple[int, int]


class Verdict(NamedTuple):
    """What a file should hold.

    Attributes:
        content: None where there should be no file.
        theirs: whether somebody else has changed it since.
        standing: lines of the original in whose place theirs stand.
    """

    content: bytes | None
    theirs: bool = False
    standing: tuple[bytes, ...] = ()


def judge(kept: Mapping[str, Any], now: bytes | None) -> Verdict:
    """Say what a recorded file should hold that holds ``now``.

    Where it is not known what we wrote, everything that is not the original is taken for ours.
    """
    original, written = _decoded(kept["content"]), kept.get("written")
    if written is None or now is None or now == original:
        return Verdict(original)
    versions = [base64.b64decode(text) for text in written]
    if not versions:  # noted beforehand, and nothing was written then
        return Verdict(now, theirs=True)
    if now in versions:
        return Verdict(original)
    merged, standing = without_ours(original or b"", versions[-1], now)
    return Verdict(merged if original is not None or merged.strip() else None, True, standing)


def is_settled(kept: Mapping[str, Any]) -> bool:
    """Whether a file is as it should be. What cannot be read is not."""
    try:
        now = _decoded(whole_files.record(kept["path"])["content"])
        verdict = judge(kept, now)
        if not verdict.theirs:
            return whole_files.is_back(kept)
        return now == verdict.content and (not verdict.standing or _is_beside(kept))
    except OSError:
        return False


def settle(kept: Mapping[str, Any]) -> str:
    """Make a file what it should be, in one step; return in words what it had.

    Where lines of the original could not go back, the original is left beside it.

    Raises:
        OSError: it cannot be read or replaced.
    """
    now = whole_files.record(kept["path"])
    verdict = judge(kept, _decoded(now["content"]))
    if not verdict.theirs:
        whole_files.put_back(kept)
        return OURS
    said = _THEIRS
    if verdict.standing:
        copy = whole_files.write_beside(kept, _decoded(kept["content"]) or b"")
        Path(copy).rename(_beside(kept))
        lines = "; ".join(line.decode("utf-8", "replace").strip() for line in verdict.standing)
        said += f": theirs stands where there was: {lines}; the file as it was before is {_beside(kept)}"
    if verdict.content is None:
        Path(kept["path"]).unlink()
    elif verdict.content != _decoded(now["content"]):
        whole_files.take(whole_files.write_beside(now, verdict.content), now)
    return said


def is_theirs(found: str) -> bool:
    """Whether what was found is the work of somebody else, as :func:`settle` says it."""
    return found.startswith(_THEIRS)


def has_standing(found: str) -> bool:
    """Whether something else stands where a line of the original was, as :func:`settle` says it."""
    return found.startswith(f"{_THEIRS}:")


def without_ours(original: bytes, ours: bytes, now: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Take the step from ``original`` to ``ours`` out of ``now``, line by line.

    Returns:
        The text, and the lines of the original that could not go back. Doing it again changes nothing.
    """
    before, wrote, lines = (text.splitlines(keepends=True) for text in (original, ours, now))
    where = dict(_matches(wrote, lines))
    result: list[tuple[int, int, list[bytes]]] = []
    standing: list[bytes] = []
    for (first, last), (start, end) in _steps(before, wrote):
        old = before[start:end]
        places = [where.get(index) for index in range(first, last)]
        begin, stop = _gap(where, first, last, len(lines))
        if None not in places and (first == last or stop - begin == last - first):
            if first < last or not _within(old, lines[begin:stop]):
                result.append((begin, begin if first == last else stop, old))
        elif not _within(old, lines[begin:stop]):
            standing += old
    for begin, stop, old in reversed(result):
        lines[begin:stop] = old
    whole = [line if line.endswith((b"\n", b"\r")) else line + b"\n" for line in lines[:-1]]
    return b"".join([*whole, *lines[-1:]]), tuple(standing)


def _steps(before: Sequence[bytes], wrote: Sequence[bytes]) -> Iterator[tuple[_Span, _Span]]:
    """Go through what we changed: lines of ours, and those that were there; singly where they pair up."""
    matcher = SequenceMatcher(None, _bare(wrote), _bare(before), autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        if last - first == end - start:
            yield from (
                ((first + step, first + step + 1), (start + step, start + step + 1))
                for step in range(last - first)
            )
        elif start == end:
            yield from (((index, index + 1), (start, start)) for index in range(first, last))
        else:
            yield (first, last), (start, end)


def _matches(wrote: Sequence[bytes], lines: Sequence[bytes]) -> Iterator[_Span]:
    """Pair each line of ours with the same line of theirs."""
    matcher = SequenceMatcher(None, _bare(wrote), _bare(lines), autojunk=False)
    for block in matcher.get_matching_blocks():
        yield from ((block.a + step, block.b + step) for step in range(block.size))


def _gap(where: Mapping[int, int], first: int, last: int, length: int) -> _Span:
    """Return where these lines of ours stand in theirs, or what stands between their neighbours."""
    if first < last and all(index in where for index in range(first, last)):
        return where[first], where[last - 1] + 1
    begin = max((where[index] + 1 for index in where if index < first), default=0)
    return begin, min((where[index] for index in where if index >= last), default=length)


def _within(old: Sequence[bytes], lines: Sequence[bytes]) -> bool:
    """Whether these lines stand there already."""
    wanted, there = _bare(old), _bare(lines)
    return any(there[start : start + len(wanted)] == wanted for start in range(len(there) - len(wanted) + 1))


def _bare(lines: Sequence[bytes]) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in lines]


def _decoded(content: str | None) -> bytes | None:
    return None if content is None else base64.b64decode(content)


def _beside(kept: Mapping[str, Any]) -> str:
    """Return where the original is left: hidden, so that no ``include sites-enabled/*`` finds it."""
    return str(Path(kept["path"]).with_name(f".{os.path.basename(kept['path'])}.before-tactician"))


def _is_beside(kept: Mapping[str, Any]) -> bool:
    try:
        return Path(_beside(kept)).read_bytes() == (_decoded(kept["content"]) or b"")
    except OSError:
        return False
