"""Real servers for tests: private, on free ports, in throw-away folders, ended by pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

LONGEST_S = 60.0


class Private(NamedTuple):
    """A server that runs.

    Attributes:
        folder: everything it has lies here. socket: its Unix socket, or the folder of it for PostgreSQL.
    """

    pid: int
    port: int
    folder: Path
    socket: Path


def free_port() -> int:
    """A TCP port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def folder(owner: str = "") -> Iterator[Path]:
    """A folder of its own outside pytest's, which other users cannot enter."""
    path = Path(tempfile.mkdtemp(prefix="tactician-"))
    path.chmod(0o755)
    if owner and os.geteuid() == 0:
        shutil.chown(path, owner)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def postgresql(*more: str) -> Iterator[Private]:
    """A PostgreSQL cluster with more options; as root it runs as ``postgres``."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    account = "postgres" if os.geteuid() == 0 else ""
    with folder(account) as place:
        data, port = place / "data", free_port()
        _done([programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"], account)
        options = ["-c", f"unix_socket_directories={place}", "-c", "listen_addresses=127.0.0.1", *more]
        argv = [programs / "postgres", "-D", data, "-p", str(port), *options]
        with _running(argv, account, lambda: _ready(programs / "pg_isready", place, port)) as pid:
            yield Private(pid, port, place, place)


@contextlib.contextmanager
def redis(*options: str) -> Iterator[Private]:
    """A Redis that keeps nothing."""
    with folder() as place:
        port, sock = free_port(), place / "redis.sock"
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", sock]
        argv += ["--dir", place, "--save", "", *options]
        with _running(argv, "", lambda: sock.exists() and _listens(port)) as pid:
            yield Private(pid, port, place, sock)


@contextlib.contextmanager
def memcached() -> Iterator[Private]:
    """A memcached of 16 MiB; root starts it as ``nobody``, which it insists on."""
    with folder() as place:
        port = free_port()
        argv: list[str | Path] = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "16"]
        if os.geteuid() == 0:
            argv += ["-u", "nobody"]
        with _running(argv, "", lambda: _listens(port)) as pid:
            yield Private(pid, port, place, place)


@contextlib.contextmanager
def nginx() -> Iterator[Private]:
    """An nginx with two workers that serves one word."""
    with folder() as place:
        port, conf = free_port(), place / "nginx.conf"
        paths = "".join(
            f"{kind}_temp_path {place}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"daemon off; worker_processes 2; pid {place}/pid; error_log {place}/error.log; events {{}}\n"
            f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; return 200 ok; }} }}\n"
        )
        argv = [_program("nginx"), "-p", place, "-e", place / "error.log", "-c", conf]
        with _running(argv, "", lambda: _listens(port)) as pid:
            yield Private(pid, port, place, place)


@contextlib.contextmanager
def _running(argv: list[str | Path], account: str, ready: Callable[[], bool]) -> Iterator[int]:
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        **_as(account),
    )
    try:
        end = time.monotonic() + LONGEST_S
        while not ready():
            assert process.poll() is None, f"{argv[0]} ended with status {process.returncode}"
            assert time.monotonic() < end, f"{argv[0]} does not answer"
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown for each of them
        try:
            process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _done(argv: list[str | Path], account: str) -> None:
    words = [str(word) for word in argv]
    subprocess.run(words, check=True, capture_output=True, cwd="/", timeout=LONGEST_S, **_as(account))


def _as(account: str) -> dict:
    return {"user": account, "group": account, "extra_groups": []} if account else {}


def _ready(program: Path, place: Path, port: int) -> bool:
    argv = [str(program), "-q", "-h", str(place), "-p", str(port)]
    return subprocess.run(argv, check=False).returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or name
