"""Reading below a root, and what of it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_ai.discovery.tree import SHORT, Tree, clean, shown_path, whole


@given(st.text(st.characters(), max_size=600))
def test_clean_text_is_one_short_printable_line(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert len(shown) <= SHORT
    assert clean(shown) == shown


def test_clean_text_keeps_what_is_harmless() -> None:
    assert clean("  openEuler 24.03\t(LTS)\n") == "openEuler 24.03 (LTS)"
    assert clean("数据库") == "数据库"
    assert clean("a\x1b[31mb\u202ec") == "a[31mbc"
    assert clean("x" * 300).endswith("…")


@pytest.mark.parametrize("path", ["/a\nb", "/a  b", "/a\x1b", "/" + "x" * 2000, "/\udcff"])
def test_a_path_that_cannot_be_shown_is_not_told_at_all(path: str) -> None:
    assert shown_path(path) == ""
    assert shown_path("/etc/redis/redis.conf") == "/etc/redis/redis.conf"


@given(st.text(max_size=30))
def test_a_number_is_a_number_or_nothing(text: str) -> None:
    found = whole(text)
    assert found is None or int(text) == found


def test_numbers() -> None:
    assert [whole(text) for text in (" 12\n", "-1", "", "x", "1e3", "٣", "9" * 30)] == [
        12, -1, None, None, None, None, None,
    ]  # fmt: skip


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would hang, a folder raise, a device never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    tree = Tree(str(tmp_path))
    assert [tree.read(name) for name in ("/pipe", "/folder", "/zero", "/nothing", "/\0")] == [""] * 5


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 100)
    assert Tree(str(tmp_path)).read("/long", 10) == "x" * 10
