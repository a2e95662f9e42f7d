"""A service of type ``file``: a real process that takes its settings from a file, with every way to fail."""

from __future__ import annotations

import os
import signal
import stat

import pytest

from oppertune.core.values import Integer
from support_services import Bench, until
from tactician.errors import KnobWriteError, PreflightError
from tactician.experiment import ServiceAccess
from tactician.system.service.configured import open_file
from tactician.system.service.knob import ServiceKnob
from tactician.undo import processes

DAEMON = """#!/bin/sh
# Shows in `shown` what it has read; refuses to run with more than 64 threads.
cd "$1" || exit 1
take() {
    threads=$(sed -n 's/^threads //p' service.conf)
    [ "$threads" -le 64 ] || { echo "too many threads: $threads" >>log; rm -f shown; exit 1; }
    echo "$threads" >shown.new; mv shown.new shown
}
trap take HUP
trap 'exit 0' TERM
echo $$ >pid
take
while :; do sleep 0.02; done
"""
CONTROL = """#!/bin/sh
# reload | restart | health | check FILE
cd "$(dirname "$0")" || exit 1
echo "$1" >>told
case $1 in
reload) kill -HUP "$(cat pid)" ;;
restart)
    kill -TERM "$(cat pid)" 2>/dev/null
    for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$(cat pid)" 2>/dev/null && sleep 0.05; done
    rm -f shown
    setsid ./daemon "$PWD" >/dev/null 2>&1 &
    sleep 0.1 ;;
health)
    wanted=$(sed -n 's/^threads //p' service.conf)
    [ -e shown ] && [ "$(cat shown)" = "$wanted" ] || { tail -1 log; exit 1; } ;;
check) grep -q '^threads [0-9]*$' "$2" || { echo "no number of threads in $2"; exit 1; } ;;
esac
"""
FILE = "# mine\nthreads 4\nother  value \n"


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        for name, text in (("daemon", DAEMON), ("control", CONTROL), ("service.conf", FILE)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        self.path = folder / "service.conf"
        self.path.chmod(0o640)
        (folder / "pid").write_text("4194399")
        (folder / "log").write_text("")
        os.system(f"{folder}/control restart")
        until((folder / "shown").exists)
        (folder / "told").unlink()

    def argv(self, *words):
        return (str(self.folder / "control"), *words)

    def shown(self):
        return (self.folder / "shown").read_text().strip()

    def told(self, *which):
        told = (self.folder / "told").read_text().split() if (self.folder / "told").exists() else []
        return [word for word in told if word in which]

    def stop(self):
        pid = int((self.folder / "pid").read_text())
        if processes.status(pid) is not None:
            os.kill(pid, signal.SIGKILL)

    def access(self, **changes):
        told = {
            "check": self.argv("check", "{path}"),
            "reload": self.argv("reload"),
            "restart": self.argv("restart"),
            "health": self.argv("health"),
        }
        given = {"path": str(self.path), "format": "key value", "timeout_s": 3.0, **told, **changes}
        return ServiceAccess("file", **{key: value for key, value in given.items() if value is not None})


@pytest.fixture
def daemon(tmp_path):
    one = Daemon(tmp_path)
    try:
        yield one
        assert one.path.read_text() == FILE
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o640
        assert one.shown() == "4"
        assert not list(tmp_path.glob(".service*"))
    finally:
        one.stop()


def bench(daemon, **changes):
    service = open_file("mine", daemon.access(**changes))
    service.inspect("threads")
    return Bench({"mine": service})


KNOB = [ServiceKnob(Integer("mine.threads", 4, 1, 10**6), "mine", "threads")]


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_it_is_told_once_each_way(daemon, way):
    one = bench(daemon, **({} if way == "reload" else {"reload": ()}))
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOB, mine__threads=8))
        assert daemon.shown() == "8"
        assert daemon.path.read_text() == FILE.replace("threads 4", "threads 8")
    assert daemon.told("reload", "restart") == [way, way]


def test_what_its_checker_refuses_never_reaches_the_file(daemon):
    one = bench(daemon, check=daemon.argv("check", "/nowhere/{path}"))
    plan = one.plan(KNOB, mine__threads=8)
    with pytest.raises(KnobWriteError, match="no number of threads in"), one.transaction() as transaction:
        transaction.apply(plan)
    assert daemon.told("reload", "restart") == []


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_one_that_dies_of_a_value_is_restored_and_restarted(daemon, way):
    """In its own words."""
    one = bench(daemon, **({} if way == "reload" else {"reload": ()}))
    plan = one.plan(KNOB, mine__threads=65)
    with pytest.raises(KnobWriteError, match="too many threads: 65"), one.transaction() as transaction:
        transaction.apply(plan)
    assert daemon.told("restart")


def test_a_file_that_does_not_pass_its_own_check_is_said_beforehand(daemon):
    daemon.path.write_text("threads many\n")
    service = open_file("mine", daemon.access())
    try:
        with pytest.raises(PreflightError, match="does not pass its own check"):
            service.ready(["reload"])
    finally:
        daemon.path.write_text(FILE)


def test_one_that_does_not_work_is_said_beforehand(daemon):
    service = open_file("mine", daemon.access(health=("/bin/sh", "-c", "echo it is ill; exit 1")))
    with pytest.raises(PreflightError, match="it is ill"):
        service.ready(["reload"])


@pytest.mark.parametrize(
    ("changes", "setting", "says"),
    [({"path": "/nowhere/x.conf"}, "threads", "cannot be read"), ({}, "unknown", "default is not known")],
)
def test_what_cannot_be_tuned_is_said(daemon, changes, setting, says):
    with pytest.raises(PreflightError, match=says):
        open_file("mine", daemon.access(**changes)).inspect(setting)


@pytest.mark.parametrize(
    ("form", "text", "edited"),
    [
        ("key value;", "threads 4;\n", "threads 8;\n"),
        ("key = value", "threads = 4 # few\n", "threads = 8 # few\n"),
        ("ini", "[a]\nthreads = 1\n[mine]\nthreads=4\n", "[a]\nthreads = 1\n[mine]\nthreads=8\n"),
    ],
)
def test_every_format_is_edited_in_place(tmp_path, form, text, edited):
    path = tmp_path / "service.conf"
    path.write_text(text)
    section = "mine" if form == "ini" else None
    access = ServiceAccess("file", path=str(path), format=form, section=section, reload=("/bin/true",))
    service = open_file("mine", access)
    service.inspect("threads")
    one = Bench({"mine": service})
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOB, mine__threads=8))
        assert path.read_text() == edited
    assert path.read_text() == text


def test_bytes_that_are_no_text_stay(tmp_path):
    path = tmp_path / "service.conf"
    path.write_bytes(b"\xef\xbb\xbf# caf\xe9\r\nthreads 4\r\n\xff")
    access = ServiceAccess("file", path=str(path), format="key value", reload=("/bin/true",))
    service = open_file("mine", access)
    service.inspect("threads")
    one = Bench({"mine": service})
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOB, mine__threads=8))
        assert path.read_bytes() == b"\xef\xbb\xbf# caf\xe9\r\nthreads 8\r\n\xff"
    assert path.read_bytes() == b"\xef\xbb\xbf# caf\xe9\r\nthreads 4\r\n\xff"


def test_an_edit_while_the_copy_is_checked_is_not_written_over(tmp_path):
    path = tmp_path / "service.conf"
    path.write_text(FILE)
    slow = f"grep -q threads {{path}} && echo '# by hand' >> {path}"
    access = ServiceAccess(
        "file", path=str(path), format="key value", reload=("true",), check=("sh", "-c", slow)
    )
    service = open_file("service", access)
    service.inspect("threads")
    one = Bench({"service": service})
    knob = ServiceKnob(Integer("service.threads", 4, 1, 99), "service", "threads")
    plan = one.plan([knob], service__threads=8)
    with pytest.raises(KnobWriteError, match="somebody else changed"), one.transaction() as transaction:
        transaction.apply(plan)
    assert path.read_text() == f"{FILE}# by hand\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["service.conf"]
