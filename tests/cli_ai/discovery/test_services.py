"""Services are recognised by what they run, and found with what belongs to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_ai.discovery.processes import Process
from cli_ai.discovery.services import kind_of, services
from cli_ai.discovery.settings import nginx_ports, option, places
from cli_ai.discovery.tree import Tree


def process(comm: str, *argv: str, exe: str = "", cwd: str = "") -> Process:
    return Process(10, 1, comm, 0, argv or (comm,), exe, False, cwd, False)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (
            process(
                "postgres", "/usr/lib/postgresql/15/bin/postgres", exe="/usr/lib/postgresql/15/bin/postgres"
            ),
            "postgresql",
        ),
        (process("postmaster", "/usr/bin/postmaster"), "postgresql"),
        (process("mariadbd", exe="/usr/sbin/mariadbd"), "mysql"),
        (process("redis-server", "redis-server *:6379", exe="/usr/bin/redis-check-rdb"), "redis"),
        (process("valkey-server", exe="/usr/bin/valkey-server"), "redis"),
        (process("nginx", "nginx: master process /usr/sbin/nginx"), "nginx"),
        (
            process("java", "java", "-cp", "x.jar", "kafka.Kafka", "server.properties", exe="/usr/bin/java"),
            "kafka",
        ),
        (process("java", "java", "-jar", "kafka-ui.jar", exe="/usr/bin/java"), "jvm"),
        (process("postgres", "postgres", exe="/opt/mallory/miner"), ""),
        (process("nginx", "/usr/sbin/nginx", exe="/usr/bin/bash"), ""),
        (process("psql", "psql", "postgres", exe="/usr/bin/psql"), ""),
        (process("redis-cli", "redis-cli", exe="/usr/bin/redis-cli"), ""),
        (process("vim", "vim", "/etc/nginx"), ""),
        (process("x", "", exe="/usr/bin/x"), ""),
    ],
)
def test_the_executable_has_the_last_word(seen: Process, kind: str) -> None:
    assert kind_of(seen) == kind


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["-D", "/data"], "/data"),
        (["-D/data"], "/data"),
        (["--data", "/data"], "/data"),
        (["--data=/data"], "/data"),
        (["--data-dir=/other"], ""),
        (["-d", "/data"], ""),
        (["-D"], ""),
        ([], ""),
    ],
)
def test_options_in_every_spelling(argv: list[str], value: str) -> None:
    assert option(argv, "-D", "--data") == value


NGINX = """
user www-data;  # listen 99;
http {
    include conf.d/*.conf;
    server { listen 80 default_server; listen [::]:8080; }
    server { listen unix:/run/x.sock; listen 127.0.0.1:9443 ssl; server_name listen.example; }
}
"""


def test_ports_of_an_nginx_that_may_not_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "etc/nginx/conf.d").mkdir(parents=True)
    (tmp_path / "etc/nginx/nginx.conf").write_text(NGINX)
    (tmp_path / "etc/nginx/conf.d/one.conf").write_text("server {\nlisten 81;\n}")
    (tmp_path / "etc/nginx/conf.d/one.conf.bak").write_text("server {\nlisten 82;\n}")
    assert nginx_ports(Tree(str(tmp_path)), "/etc/nginx/nginx.conf") == {80, 81, 8080, 9443}
    assert nginx_ports(Tree(str(tmp_path)), "") == set()


@pytest.mark.parametrize(
    ("kind", "seen", "said", "expected"),
    [
        (
            "postgresql",
            process("postgres", "postgres", "-D", "data", cwd="/srv/pg/data"),
            "",
            ("", "/srv/pg/data/data"),
        ),
        (
            "postgresql",
            process("postgres", "postgres", cwd="/var/lib/pg"),
            "",
            ("/var/lib/pg/postgresql.conf", "/var/lib/pg"),
        ),
        (
            "postgresql",
            process("postgres", "postgres", "--config-file=pg.conf", cwd="/var/lib/pg"),
            "",
            ("/var/lib/pg/pg.conf", "/var/lib/pg"),
        ),
        (
            "nginx",
            process("nginx", "nginx: master process nginx -p /opt/n -c conf/n.conf"),
            "",
            ("/opt/n/conf/n.conf", ""),
        ),
        (
            "nginx",
            process("nginx", "nginx: master process nginx"),
            "--prefix=/opt --conf-path=/opt/a.conf",
            ("/opt/a.conf", ""),
        ),
        ("nginx", process("nginx", "nginx: master process nginx"), "", ("", "")),
        (
            "mysql",
            process("mysqld", "mysqld", "--no-defaults", cwd="/var/lib/mysql"),
            "",
            ("", "/var/lib/mysql"),
        ),
        (
            "redis",
            process("redis-server", "redis-server", "/etc/r.conf", cwd="/d"),
            "",
            ("/etc/r.conf", "/d"),
        ),
        ("redis", process("redis-server", "redis-server *:7000", cwd="/d"), "", ("", "/d")),
        ("haproxy", process("haproxy", "haproxy", "-f", "/etc/h.cfg"), "", ("/etc/h.cfg", "")),
        ("haproxy", process("haproxy", "haproxy", "-f", "h.cfg"), "", ("", "")),
        ("jvm", process("java", "java"), "", ("", "")),
        (
            "kafka",
            process("java", "java", "kafka.Kafka", "c/s.properties", cwd="/opt/k"),
            "",
            ("/opt/k/c/s.properties", "/data"),
        ),
    ],
)
def test_files_that_belong_to_a_service(
    tmp_path: Path, kind: str, seen: Process, said: str, expected: tuple[str, str]
) -> None:
    for path, text in {
        "var/lib/pg/postgresql.conf": "",
        "opt/k/c/s.properties": "# log.dirs=/no\nlog.dirs=/data,/data2\n",
        "etc/redis/redis.conf": "port 6379\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert places(Tree(str(tmp_path)), kind, seen, (7000,), said) == expected


def test_many_processes_of_a_kind_are_cut(tmp_path: Path) -> None:
    for pid in range(100, 180):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/cmdline").write_text("nginx: worker\0")
        (tmp_path / f"proc/{pid}/comm").write_text("nginx\n")
    found, notes = services(Tree(str(tmp_path)))
    assert len(found) == 64
    assert "Only 64 of 80 services are told." in notes
    assert any("and 72 more" in note for note in notes)


@pytest.mark.parametrize(
    ("title", "program"),
    [
        ("nginx: master process /usr/sbin/nginx -c /etc/nginx/nginx.conf", "/usr/sbin/nginx"),
        ("nginx: master process nginx", "/usr/sbin/nginx"),
        ("nginx: master process /usr/sbin/reboot", ""),
        ("nginx: master process /opt/none/nginx", ""),
        ("/usr/sbin/reboot", ""),
        ("nginx: worker process", "/usr/sbin/nginx"),
    ],
)
def test_a_command_line_cannot_name_another_program(tmp_path: Path, title: str, program: str) -> None:
    """Where the executable is hidden, what is asked for its version must still be this service's."""
    for path in ("usr/sbin/nginx", "usr/sbin/reboot"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/comm").write_text("nginx\n")
    (tmp_path / "proc/7/cmdline").write_text(f"{title}\0")
    found, _ = services(Tree(str(tmp_path)))
    assert [one.program for one in found] == [program]
