"""An edit changes one value, or adds one line, and nothing else of a settings file."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tactician.system.service.syntax import Lines, SettingsTextError

BLANKS = Lines(equals=False)
EQUALS = Lines(equals=True)
MYSQLD = Lines(equals=True, section="mysqld")
INI = (
    "# of mysql\n[client]\nport = 1\n\n[mysqld]\nport=2\nmax_connections = 10 ; few\n\n"
    "[mysqldump]\nquick\nport=3\n"
)


@pytest.mark.parametrize(
    ("syntax", "text", "key", "value"),
    [
        (BLANKS, "# threads 9\nthreads 4\n", "threads", "4"),
        (BLANKS, "save 3600 1\n", "save", "3600 1"),
        (BLANKS, "threads4 1\n", "threads", None),
        (BLANKS, "", "threads", None),
        (EQUALS, "work_mem = 4MB   # per sort\n", "work_mem", "4MB"),
        (EQUALS, "  work_mem=4MB", "work_mem", "4MB"),
        (EQUALS, "#work_mem = 4MB\n", "work_mem", None),
        (EQUALS, "max_work_mem = 4\n", "work_mem", None),
        (MYSQLD, INI, "port", "2"),
        (MYSQLD, INI, "max_connections", "10"),
        (MYSQLD, INI, "quick", None),
    ],
)
def test_a_value_is_read(syntax, text, key, value):
    assert syntax.read(text, key) == value


@pytest.mark.parametrize(
    ("syntax", "text", "edited"),
    [
        (BLANKS, "# t\nthreads   4  \nother 1\n", "# t\nthreads   8  \nother 1\n"),
        (BLANKS, "other 1", "other 1\nthreads 8\n"),
        (BLANKS, "other 1\n\n", "other 1\nthreads 8\n\n"),
        (BLANKS, "", "threads 8\n"),
        (BLANKS, "other 1\r\nthreads 4\r\n", "other 1\r\nthreads 8\r\n"),
        (BLANKS, "other 1\r\n", "other 1\r\nthreads 8\r\n"),
        (EQUALS, "threads=4 # of all\n", "threads=8 # of all\n"),
        (EQUALS, "threads =\n", "threads =8\n"),
        (
            MYSQLD,
            "[a]\nthreads = 1\n[mysqld]\nx = 1\n\n[b]\n",
            "[a]\nthreads = 1\n[mysqld]\nx = 1\nthreads = 8\n\n[b]\n",
        ),
        (MYSQLD, "[mysqld]", "[mysqld]\nthreads = 8\n"),
        (MYSQLD, "[mysqld]\n[b]\n", "[mysqld]\nthreads = 8\n[b]\n"),
    ],
)
def test_one_value_is_changed_or_added(syntax, text, edited):
    assert syntax.edit(text, "threads", "8") == edited
    assert syntax.read(edited, "threads") == "8"


@pytest.mark.parametrize(
    ("syntax", "text", "says"),
    [(BLANKS, "threads 4\nthreads 5\n", "2 times"), (MYSQLD, "[client]\n", r"\[mysqld\]")],
)
def test_what_cannot_be_told_apart_is_not_edited(syntax, text, says):
    for change in (lambda: syntax.read(text, "threads"), lambda: syntax.edit(text, "threads", "8")):
        with pytest.raises(SettingsTextError, match=says):
            change()


LINES = st.lists(
    st.sampled_from(
        ["# threads 1", "other 5", "", "  ", "threads_max = 3", "thread = 9 # x", "[client]", "quick"]
    )
)


@given(
    before=LINES,
    after=LINES,
    value=st.from_regex(r"[A-Za-z0-9/.,]{1,8}", fullmatch=True),
    present=st.booleans(),
)
@pytest.mark.parametrize("equals", [True, False])
def test_whatever_stands_around_it_stays(equals, before, after, value, present):
    own = ["threads = 4" if equals else "threads 4"] if present else []
    text = "\n".join([*before, *own, *after, ""])
    syntax = Lines(equals=equals)
    edited = syntax.edit(text, "threads", value)
    assert syntax.read(edited, "threads") == value
    if present:
        assert syntax.edit(edited, "threads", "4") == text
    else:
        added = f"threads{' = ' if equals else ' '}{value}\n"
        assume(text.strip())
        assert added in edited
        assert edited.replace(added, "", 1) == text
