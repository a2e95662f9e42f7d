"""Private servers for tests: PostgreSQL, Redis and nginx on free ports, in folders that go with them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support_core import LoggedGuardian, LoggedJournal
from tactician.interrupts import Interrupts
from tactician.plan import make_plan
from tactician.ports import Place
from tactician.system.files import RealHost
from tactician.system.service.host import ServiceHost
from tactician.transaction import Transaction
from tactician.undo import processes
from tactician.undo.reloading import children

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def folder_of(user: str | None = None) -> Iterator[Path]:
    """A folder that a service's user can reach, which those below pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="tactician-test-"))
    folder.chmod(0o755)
    try:
        if user is not None:
            shutil.chown(folder, user, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """A PostgreSQL server of the user ``postgres``, with all that it writes in one folder."""

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self.prefix = prefix
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.log = folder / "log"
        self.programs = _POSTGRES[-1]
        self.run("initdb", "-D", self.data, "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n"
                "shared_buffers = 16MB\nfsync = off\nmax_connections = 20\n"
            )
        self.start()

    def run(self, program: str, *arguments: object) -> str:
        """Run one of its programs as its user."""
        argv = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", self.programs / program]
        done = subprocess.run(
            [*map(str, argv), *map(str, arguments)],
            capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def start(self) -> None:
        # Output to the log: pg_ctl leaves its own streams to the server, which would hold our pipe open.
        with (self.folder / "pg_ctl.log").open("w") as said:
            argv = [*self.prefix, "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
            argv += [
                str(self.programs / "pg_ctl"),
                "start",
                "-D",
                str(self.data),
                "-w",
                "-s",
                "-l",
                str(self.log),
            ]
            subprocess.run(argv, stdout=said, stderr=said, cwd="/", check=True)

        self.starts = self.log.read_text().count("starting PostgreSQL")

    def answers(self) -> bool:
        try:
            return self.ask("SELECT 1") == "1"
        except AssertionError:
            return False

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "-D", self.data, "-m", "immediate", "-s")

    def ask(self, statement: str) -> str:
        """Ask in a new session."""
        return self.run(
            "psql", "-X", "-A", "-t", "-h", self.folder, "-p", self.port, "-U", "postgres", "-c", statement
        )

    def shown(self, setting: str) -> str:
        return self.ask(f"SELECT setting FROM pg_settings WHERE name = '{setting}'")

    def all(self) -> str:
        """Every setting that a new session has."""
        return self.ask("SELECT name, setting, source FROM pg_settings ORDER BY name")

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    @property
    def auto(self) -> Path:
        return self.data / "postgresql.auto.conf"


@contextlib.contextmanager
def postgres(prefix: Sequence[str] = ()) -> Iterator[Postgres]:
    """A running server; ``prefix`` is put before the command that starts it."""
    with folder_of("postgres") as folder:
        server = Postgres(folder, prefix)
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):
                server.stop()


class Redis:
    """A Redis server, with ``redis.conf`` of its folder if there is one."""

    def __init__(self, folder: Path, *options: str, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.socket = str(folder / "redis.sock")
        self.path = folder / "redis.conf"
        argv = ["redis-server", *([str(self.path)] if self.path.exists() else [])]
        argv += ["--port", "0", "--unixsocket", self.socket, "--dir", str(folder), "--save", ""]
        self.argv = [*prefix, *argv, *options]
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log)
        until(lambda: os.path.exists(self.socket))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        until(lambda: not os.path.exists(self.socket))

    def ask(self, *words: str) -> list[str]:
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    def shown(self, setting: str) -> str:
        return " ".join(self.ask("CONFIG", "GET", setting)[1:])


@contextlib.contextmanager
def redis(*options: str, prefix: Sequence[str] = (), text: str | None = None) -> Iterator[Redis]:
    """A running server; ``prefix`` is put before its command, ``text`` into its file."""
    with folder_of() as folder:
        if text is not None:
            (folder / "redis.conf").write_text(text)
        server = Redis(folder, *options, prefix=prefix)
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait()


class MariaDB:
    """A MariaDB server of ours, with all that it writes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "mysql.sock")
        own = ["--no-defaults", f"--datadir={folder / 'data'}", "--user=root"]
        with (folder / "log").open("w") as log:
            install = [
                "mariadb-install-db",
                *own,
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
            ]
            subprocess.run(install, stdout=log, stderr=log, check=True)
            small = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-fast-shutdown=2"]
            self.process = subprocess.Popen(
                ["mariadbd", *own, f"--socket={self.socket}", "--skip-networking", *small],
                stdout=log,
                stderr=log,
            )
        until(self.answers, 60.0)

    def answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.ask("SELECT 1") == "1"
        return False

    def ask(self, statement: str) -> str:
        argv = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-B", "-N", "-e", statement]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def shown(self, setting: str) -> str:
        return self.ask(f"SELECT @@GLOBAL.{setting}")

    def all(self) -> str:
        """Every setting but what is a clock or the last insert."""
        rows = self.ask("SHOW GLOBAL VARIABLES").splitlines()
        return "\n".join(row for row in rows if not row.startswith(("gtid_", "timestamp")))


@contextlib.contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A running server."""
    with folder_of() as folder:
        server = MariaDB(folder)
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait()


NGINX = """# kept as it is
worker_processes  1;  # of few
daemon on;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;

events {{
    worker_connections 64;
}}

http {{
    access_log off;
    keepalive_timeout  65s;	# tabs too
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        keepalive_timeout 5;
        location / {{ return 200 "worker $pid"; }}
    }}
}}
"""


class Nginx:
    """An nginx with its own prefix."""

    def __init__(self, folder: Path, text: str = NGINX, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.path = folder / "nginx.conf"
        self.path.write_text(text.format(folder=folder, port=self.port))
        os.utime(self.path, (time.time() - 60, time.time() - 60))
        subprocess.run([*prefix, *self.argv], check=True, stdin=subprocess.DEVNULL)
        until(lambda: (folder / "nginx.pid").exists() and (folder / "nginx.pid").read_text())
        until(self.workers)  # by then the master has the title by which it is found

    @property
    def argv(self) -> list[str]:
        return ["nginx", "-p", str(self.folder), "-c", "nginx.conf"]

    @property
    def pid(self) -> int:
        return int((self.folder / "nginx.pid").read_text())

    def workers(self) -> set[int]:
        return children(self.pid)

    def stop(self) -> None:
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        until(lambda: processes.status(pid) is None)


@contextlib.contextmanager
def nginx(
    text: str = NGINX,
    prefix: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Iterator[Nginx]:
    """A running server; ``prefix`` is put before its command, ``files`` and ``links`` into its folder."""
    with folder_of() as folder:
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
            os.utime(folder / name, (time.time() - 60, time.time() - 60))
        for name, target in (links or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(folder / target)
        server = Nginx(folder, text, prefix)
        try:
            yield server
        finally:
            with contextlib.suppress(OSError):
                server.stop()


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """A port that is taken."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Bench:
    """Transactions on real services, without guardian or journal on disk."""

    def __init__(self, services, kernel=None, journal=None):
        self.journal = journal or LoggedJournal([])
        self.host = ServiceHost(kernel or RealHost(), services, self.journal)
        self.places = [Place(name) for name in services]

    def transaction(self):
        return Transaction(self.host, self.journal, LoggedGuardian([]), Interrupts())

    def plan(self, knobs, **wanted):
        """A plan for ``{knob's name with _ for the dot: value}``."""
        current = {place: self.host.read(place) for place in dict.fromkeys(knob.place for knob in knobs)}
        return make_plan(knobs, current, {name.replace("__", "."): value for name, value in wanted.items()})
