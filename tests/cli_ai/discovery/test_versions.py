"""A program is asked for its version only where nobody else could have put it there."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from cli_ai.discovery.tree import Tree
from cli_ai.discovery.versions import Versions, is_trusted, java_version
from support_private import folder
from tactician.system.command import ask


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_systems_own_programs_are_trusted() -> None:
    assert is_trusted(os.path.realpath("/bin/sh"))


def test_a_program_in_a_folder_that_others_may_write_is_not(tmp_path: Path) -> None:
    """Pytest's folder lies below /tmp, where anyone may put a program of any name."""
    assert not is_trusted(script(tmp_path / "nginx", "echo"))


def test_what_is_no_plain_path_to_a_program_is_not(tmp_path: Path) -> None:
    assert not is_trusted("nginx")
    assert not is_trusted("/usr/bin/../bin/env")
    assert not is_trusted("/nothing/here")
    assert not is_trusted("/etc")
    assert not is_trusted("/proc/version")


def test_a_hostile_program_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    program = script(tmp_path / "redis-server", f"touch {mark}; echo v=7.0.0")
    assert Versions(Tree()).find("redis", program, "", confined=False) == ""
    assert not mark.exists()


def test_a_program_of_a_container_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tactician.system.command.ask", lambda *_, **__: pytest.fail("asked"))
    assert Versions(Tree()).find("nginx", "/usr/sbin/nginx", "", confined=True) == ""


@pytest.mark.parametrize(
    ("kind", "said", "version"),
    [
        ("postgresql", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
        ("postgresql", "postgres (PostgreSQL) 18beta1", "18"),
        ("mysql", "mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", "10.11.19"),
        ("mysql", "/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server)", "8.4.3"),
        ("redis", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
        ("redis", "Valkey server v=8.0.1 sha=0 malloc=jemalloc", "8.0.1"),
        ("memcached", "memcached 1.6.18", "1.6.18"),
        ("nginx", "nginx: [alert] could not open error log file\nnginx version: nginx/1.22.1\n", "1.22.1"),
        ("nginx", "nginx version: openresty/1.25.3 (nginx/1.25.3)", "1.25.3"),
        ("haproxy", "HAProxy version 2.6.12-1+deb12u1 2023/12/16", "2.6.12"),
        ("nginx", "Segmentation fault", ""),
        ("redis", "v=" + "1.2" * 40, "1.21.21.21.21.21.21.21.21.21.21…"),
    ],
)
def test_what_programs_say(monkeypatch: pytest.MonkeyPatch, kind: str, said: str, version: str) -> None:
    monkeypatch.setattr("tactician.system.command.ask", lambda *_, **__: said)
    program = os.path.realpath("/bin/sh")
    assert Versions(Tree()).find(kind, program, "", confined=False) == version


def test_a_program_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "tactician.system.command.ask", lambda *words, **_: asked.append(words) or "nginx/1.2"
    )
    versions = Versions(Tree())
    program = os.path.realpath("/bin/sh")
    assert [versions.told("nginx", program) for _ in range(3)] == ["nginx/1.2"] * 3
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("kind", "program", "where", "version"),
    [
        ("postgresql", "/usr/lib/postgresql/13/bin/postgres", "", "13"),
        ("postgresql", "/usr/pgsql-9.6/bin/postmaster", "", "9.6"),
        ("kafka", "/usr/bin/java", "java -cp /opt/libs/kafka_2.13-3.9.0.jar kafka.Kafka", "3.9.0"),
        ("jvm", "/usr/bin/java", "kafka_2.13-3.9.0.jar", ""),
    ],
)
def test_versions_in_paths(kind: str, program: str, where: str, version: str) -> None:
    assert Versions(Tree("/nowhere")).find(kind, program, where, confined=False) == version


def test_a_java_runtime_says_its_version_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "jdk").mkdir()
    (tmp_path / "jdk/release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="21.0.2"\n')
    tree = Tree(str(tmp_path))
    assert java_version(tree, "/jdk/bin/java") == "21.0.2"
    assert java_version(tree, "/usr/bin/java") == ""
    assert java_version(tree, "") == ""


# Asking


@pytest.fixture
def open_folder():
    with folder() as place:
        yield place


def test_asking_hands_over_nothing_of_ours(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "word")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/x")
    program = script(open_folder / "p", 'echo "$0 $1"; env; cat; echo on stderr >&2; id -u; pwd')
    said = ask(program, [program, "--version"], timeout_s=10.0)
    assert said.splitlines()[0].endswith("/p --version")
    assert "SECRET" not in said
    assert "LD_LIBRARY_PATH" not in said
    assert "on stderr" in said
    assert said.splitlines()[-2:] == ["65534" if os.geteuid() == 0 else str(os.getuid()), "/"]


def test_asking_ends_in_time_and_leaves_nothing(open_folder: Path) -> None:
    alive = open_folder / "alive"
    alive.write_text("")
    alive.chmod(0o666)
    program = script(open_folder / "p", f"echo early; (sleep 600; echo > {alive}) & sleep 600")
    assert ask(program, [program], timeout_s=0.5) == ""
    import psutil

    left = [one for one in psutil.process_iter(["cmdline"]) if program in (one.info["cmdline"] or [])]
    assert left == []


def test_an_endless_answer_is_cut(open_folder: Path) -> None:
    program = script(open_folder / "p", "exec yes")
    assert ask(program, [program], timeout_s=0.5) == ""


def test_what_cannot_be_started_says_nothing(open_folder: Path) -> None:
    (open_folder / "no").write_bytes(b"\x7fELF nonsense")
    (open_folder / "no").chmod(0o755)
    for program in (str(open_folder / "no"), str(open_folder / "absent"), "/dev/null", "/a\0b"):
        assert ask(program, [program], timeout_s=1.0) == ""


@pytest.mark.needs("redis-server")
def test_one_file_may_be_two_programs() -> None:
    """Debian's redis-server is another name of redis-check-rdb."""
    program = os.path.realpath(shutil.which("redis-server") or "")
    version = Versions(Tree()).find("redis", program, "", confined=False)
    assert version.count(".") == 2, sys.platform
