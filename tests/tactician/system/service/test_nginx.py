"""nginx, for real: an edited copy that passes its own check, new workers, and the file byte for byte."""

from __future__ import annotations

import os
import signal
import urllib.request

import pytest

import support_services
from oppertune.core.values import Categorical, Integer
from support_operations import tree
from support_services import NGINX, Bench, until
from tactician.errors import KnobWriteError, PreflightError
from tactician.experiment import ServiceAccess
from tactician.system.service.knob import ServiceKnob
from tactician.system.service.nginx import Nginx
from tactician.transaction import as_entry
from tactician.undo import processes, services

pytestmark = pytest.mark.needs("nginx")

KNOBS = [
    ServiceKnob(Integer("nginx.worker_processes", 1, 1, 64), "nginx", "worker_processes", "", {"auto": 2}),
    ServiceKnob(Integer("nginx.keepalive_timeout", 1, 0, 999), "nginx", "keepalive_timeout", "s"),
    ServiceKnob(Categorical("nginx.gzip", "on", ("on", "off", "perhaps")), "nginx", "gzip"),
]


def opened(server, *settings, **access):
    service = Nginx("nginx", ServiceAccess("nginx", path=str(server.path), **access))
    for setting in settings or ("worker_processes", "keepalive_timeout", "gzip"):
        service.inspect(setting)
    return service


def answer(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=5) as reply:
        return reply.read().decode()


def test_new_workers_have_the_settings_and_after_them_others_the_old(nginx):
    one = Bench({"nginx": opened(nginx)})
    master, before = nginx.pid, nginx.workers()
    wanted = {"nginx__worker_processes": 3, "nginx__keepalive_timeout": 10, "nginx__gzip": "on"}
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, **wanted))
        inside = nginx.workers()
        assert len(inside - before) == 3
        assert int(answer(nginx).split()[1]) in inside - before
        text = nginx.path.read_text()
        assert "\nworker_processes 3;  # of few\n" in text
        assert "http {\n    gzip on;\n    access_log off;\n    keepalive_timeout 10;\t# tabs too\n" in text
        assert "        keepalive_timeout 5;\n" in text
    assert nginx.pid == master
    assert not nginx.workers() & inside


def test_a_value_that_its_check_refuses_never_reaches_the_file(nginx):
    one = Bench({"nginx": opened(nginx)})
    before, found = nginx.workers(), nginx.path.stat()
    plan = one.plan(KNOBS, nginx__gzip="perhaps")
    with pytest.raises(KnobWriteError, match='invalid value "perhaps"'), one.transaction() as transaction:
        transaction.apply(plan)
    now = nginx.path.stat()
    assert (now.st_ino, now.st_mtime_ns) == (found.st_ino, found.st_mtime_ns)
    assert nginx.workers() == before


def test_a_reload_that_brings_no_workers_fails_in_its_own_words_and_is_taken_back(nginx):
    """A port that somebody else took since passes the check of the syntax, not the reload."""
    with support_services.listening() as port:
        text = nginx.path.read_text()
        taken = text.replace("server {", f"server {{ listen 127.0.0.1:{port}; }}\n    server {{", 1)
        times = nginx.path.stat()
        service = opened(nginx, timeout_s=2.0)
        undo = as_entry(service.undo({"gzip": "on"}))
        nginx.path.write_text(taken)
        try:
            with pytest.raises(KnobWriteError, match="Address already in use"):
                service._activate(service.reload, "gzip=on")
        finally:
            nginx.path.write_text(text)
            os.utime(nginx.path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert services.put_back([undo], "death")[1] == []
    assert answer(nginx)


def test_a_master_that_died_is_started_again(nginx):
    one = Bench({"nginx": opened(nginx)})
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS, nginx__worker_processes=2))
        workers, master = nginx.workers(), nginx.pid
        os.kill(master, signal.SIGKILL)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        until(
            lambda: all(
                processes.status(pid) is None or processes.status(pid).state == "Z" for pid in workers
            )
        )
    assert nginx.pid != master
    assert len(nginx.workers()) == 1
    assert answer(nginx)


def test_auto_is_the_number_of_cores_and_the_file_keeps_the_word():
    with support_services.nginx(NGINX.replace("worker_processes  1;", "worker_processes auto;")) as server:
        service = opened(server, "worker_processes")
        found = service.inspect("worker_processes")
        assert (found.value, found.numbers["auto"]) == ("auto", os.cpu_count())


@pytest.mark.parametrize(
    ("setting", "says"),
    [("listen", "never tuned"), ("no_such_thing", "default is not known"), ("error_log", "never tuned")],
)
def test_what_cannot_be_tuned_is_said(nginx, setting, says):
    with pytest.raises(PreflightError, match=says):
        opened(nginx, setting)


@pytest.fixture
def spread():
    """An nginx whose directives lie in several files, one of them behind a link, which it must have again."""
    text = NGINX.replace("http {{", "http {{\n    include {folder}/more/*.conf;\n    include enabled/*;")
    files = {"more/a.conf": "sendfile on;\n", "more/b.conf": "# mine\ngzip on; # too\n", "more/c.conf": "",
             "more.available": "tcp_nodelay on;\n"}  # fmt: skip
    with support_services.nginx(text, files=files, links={"enabled/site": "more.available"}) as server:
        before = held(server.folder)
        yield server
        assert held(server.folder) == before
        assert server.workers()


def held(folder):
    """Every file and link that nginx does not write, copies of ours among them; of no folder the time."""
    written = ("error.log", "nginx.pid")
    return {
        name: entry
        for name, entry in tree(folder).items()
        if name not in written and (entry[0] is not None or entry[1])
    }


def test_a_setting_is_tuned_in_the_file_that_includes_it(spread):
    one = Bench({"nginx": opened(spread, "gzip", "keepalive_timeout")})
    main = spread.path.read_text()
    with one.transaction() as transaction:
        transaction.apply(one.plan(KNOBS[1:], nginx__gzip="off", nginx__keepalive_timeout=10))
        assert (spread.folder / "more/b.conf").read_text() == "# mine\ngzip off; # too\n"
        assert spread.path.read_text() == main.replace("keepalive_timeout  65s", "keepalive_timeout 10")
    assert answer(spread)


def test_its_check_sees_the_edited_copy_in_place_of_the_included_file(spread):
    one = Bench({"nginx": opened(spread, "gzip")})
    times = (spread.folder / "more/b.conf").stat()
    plan = one.plan(KNOBS[2:], nginx__gzip="perhaps")
    with pytest.raises(KnobWriteError, match='invalid value "perhaps"'), one.transaction() as transaction:
        transaction.apply(plan)
    now = (spread.folder / "more/b.conf").stat()
    assert (now.st_ino, now.st_mtime_ns) == (times.st_ino, times.st_mtime_ns)


def test_a_link_to_an_included_file_stays_one(spread):
    one = Bench({"nginx": opened(spread, "tcp_nodelay")})
    knob = ServiceKnob(Categorical("nginx.tcp_nodelay", "on", ("on", "off")), "nginx", "tcp_nodelay")
    with one.transaction() as transaction:
        transaction.apply(one.plan([knob], nginx__tcp_nodelay="off"))
        assert (spread.folder / "enabled/site").is_symlink()
        assert (spread.folder / "more.available").read_text() == "tcp_nodelay off;\n"


def test_a_setting_of_a_file_that_is_included_by_another_is_refused_with_its_name():
    text = NGINX.replace("http {{", "http {{\n    include more/*.conf;")
    files = {"more/a.conf": "include deep/*.conf;\nserver { sendfile on; }\n", "deep/b.conf": "gzip on;\n"}
    with support_services.nginx(text, files=files) as server:
        with pytest.raises(PreflightError, match=r"gzip is set in .*deep/b\.conf"):
            opened(server, "gzip")
        assert opened(server, "sendfile").read() == {"sendfile": "off"}


def test_changes_of_somebody_else_are_not_brought_in_by_our_reload(nginx):
    service = opened(nginx)
    service.ready(["reload"])
    times = nginx.path.stat()
    try:
        os.utime(nginx.path, (times.st_mtime + 10**6, times.st_mtime + 10**6))
        with pytest.raises(PreflightError, match="was changed after nginx loaded it"):
            service.ready(["reload"])
    finally:
        os.utime(nginx.path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_one_that_does_not_run_with_that_file_is_said(nginx, tmp_path):
    (tmp_path / "other.conf").write_text("")
    with pytest.raises(PreflightError, match="no nginx runs with that file"):
        Nginx("nginx", ServiceAccess("nginx", path=str(tmp_path / "other.conf")))


def test_it_is_found_by_its_prefix(nginx):
    assert Nginx("nginx", ServiceAccess("nginx", prefix=str(nginx.folder))).path == str(nginx.path)


@pytest.mark.needs("root", "ip", "nsenter", "unshare")
def test_one_in_a_network_of_its_own_is_not_reloaded_from_here():
    elsewhere = support_services.nginx(prefix=("unshare", "-n"))
    with elsewhere as server, pytest.raises(PreflightError, match="another net namespace"):
        Nginx("nginx", ServiceAccess("nginx", path=str(server.path)))


def test_an_edit_during_a_trial_stays_and_is_told(nginx):
    one = Bench({"nginx": opened(nginx)})
    text, times = nginx.path.read_text(), nginx.path.stat()
    theirs = text.replace("access_log off;", "access_log off; # by hand")
    try:
        with one.transaction() as transaction:
            transaction.apply(one.plan(KNOBS, nginx__worker_processes=2))
            nginx.path.write_text(
                nginx.path.read_text().replace("access_log off;", "access_log off; # by hand")
            )
        assert nginx.path.read_text() == theirs
        (told,) = transaction.theirs
        assert told.startswith(f"{nginx.path} has changes of somebody else")
    finally:
        nginx.path.write_text(text)
        os.utime(nginx.path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_edit_between_journal_and_write_is_nothing_to_write_over(nginx):
    service = opened(nginx)
    undo = service.undo({"gzip": "on"})
    text, times = nginx.path.read_text(), nginx.path.stat()
    try:
        nginx.path.write_text(text + "# by hand\n")
        with pytest.raises(KnobWriteError, match="somebody else changed"):
            service.write({"gzip": "on"})
        assert services.put_back([as_entry(undo)], "trial") == ([], [])
        assert nginx.path.read_text() == text + "# by hand\n"
    finally:
        nginx.path.write_text(text)
        os.utime(nginx.path, ns=(times.st_atime_ns, times.st_mtime_ns))
