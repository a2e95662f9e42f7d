"""Directives are found in their block, whatever else the file holds, and edited without touching the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.system.service.directives import Directives, directives
from tactician.system.service.nginx import home_of
from tactician.system.service.syntax import SettingsTextError

TEXT = """user www;  # worker_processes 9;
worker_processes 2;
events { worker_connections 64; }
http {
    log_format main '$remote_addr "x;y" {brace}';
    keepalive_timeout\t65s;
    map $a $b { default 1; "~*\\.(a|b)$" ${c}d; }
    content_by_lua_block { local t = {}; if x then y() end }
    server { keepalive_timeout 5; location ~ \\.php$ { return 200 "a;b"; } }
}
"""
NGINX = Directives(home_of)


@pytest.mark.parametrize(
    ("key", "value"),
    [("worker_processes", "2"), ("worker_connections", "64"), ("keepalive_timeout", "65s"), ("gzip", None)],
)
def test_a_directive_is_read_where_it_belongs(key, value):
    text = TEXT
    assert NGINX.read(text, key) == value


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("worker_processes", "worker_processes 2;", "worker_processes 8;"),
        ("worker_connections", "{ worker_connections 64; }", "{ worker_connections 8; }"),
        ("keepalive_timeout", "keepalive_timeout\t65s;", "keepalive_timeout 8;"),
        ("gzip", "http {", "http {\n    gzip 8;"),
        ("multi_accept", "events {", "events {\n    multi_accept 8;"),
        ("worker_rlimit_nofile", "user www;", "worker_rlimit_nofile 8;\nuser www;"),
    ],
)
def test_one_directive_is_changed_or_added(key, old, new):
    text = TEXT
    edited = NGINX.edit(text, key, "8")
    assert edited == text.replace(old, new, 1)
    assert NGINX.read(edited, key) == "8"


@pytest.mark.parametrize(
    "text",
    ["http { gzip on;", "http } {", "gzip on", "gzip 'on;", "a b { c d; } }", "http { x_by_lua_block { }"],
)
def test_a_broken_file_is_not_edited(text):
    with pytest.raises(SettingsTextError):
        list(directives(text))


def test_a_directive_that_is_set_twice_is_not_edited():
    with pytest.raises(SettingsTextError, match="2 times"):
        NGINX.edit("http { gzip on; gzip off; }", "gzip", "on")


def test_a_block_that_is_not_there_is_said():
    with pytest.raises(SettingsTextError, match="no block http"):
        NGINX.edit("events { }", "gzip", "on")


WORDS = st.sampled_from(["a", '"b;{"', "'c}'", "$d", "${e f}", "\\;", "#x\n", "~^/(x|y)$"])
STATEMENT = st.lists(WORDS, min_size=1, max_size=3).map(lambda words: f"name {' '.join(words)} ;")
BLOCK = st.recursive(
    st.lists(STATEMENT, max_size=3).map("\n".join),
    lambda inner: st.tuples(WORDS, inner).map(lambda pair: f"block {pair[0]} {{ {pair[1]} }}"),
    max_leaves=5,
)


@given(before=BLOCK, after=BLOCK, inside=BLOCK)
def test_whatever_stands_around_it_stays(before, after, inside):
    text = f"{before}\nhttp {{ {inside}\n gzip on;\n {inside} }}\n{after}"
    edited = NGINX.edit(text, "gzip", "off")
    assert edited == text.replace(" gzip on;", " gzip off;")


@given(st.text(alphabet="ab;{}'\"\\ #\n$", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        found = list(directives(text))
    except SettingsTextError:
        return
    for one in found:
        assert text[one.end] in ";{"
        assert 0 <= one.start <= one.end < len(text)
