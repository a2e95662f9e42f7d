"""Settings of a running Redis, by ``CONFIG SET`` alone: tuning never touches its file."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from tactician.errors import KnobWriteError
from tactician.experiment import ServiceAccess
from tactician.ports import Check, Command, Undo
from tactician.system.service.base import Runner, Setting, Settings, refuse
from tactician.system.service.redis_file import located
from tactician.undo import redis as protocol
from tactician.undo.redis import Redis, RedisError

_SCRIPT = str(Path(protocol.__file__).resolve())
_PATIENCE_S = 10.0
_NAMES = ("redis-server", "valkey-server", "keydb-server")
# CONFIG SET refuses these; said before the first trial, since asking the server would be a write.
_FIXED = frozenset(
    ("aclfile", "always-show-logo", "aof_rewrite_cpulist", "appenddirname", "appendfilename",
     "bgsave_cpulist", "bio_cpulist", "cluster-config-file", "cluster-enabled", "daemonize",
     "databases", "disable-thp", "enable-debug-command", "enable-module-command",
     "enable-protected-configs", "io-threads", "io-threads-do-reads", "logfile", "pidfile",
     "rdbchecksum", "server_cpulist", "set-proc-title", "socket-mark-id", "supervised",
     "syslog-enabled", "syslog-facility", "syslog-ident", "tcp-backlog", "tls-session-caching",
     "unixsocket", "unixsocketperm")
)  # fmt: skip
# Not performance: where it writes, who may come in, and what it is a copy of.
_NEVER = frozenset(
    ("acl-pubsub-default", "appendonly", "bind", "bind-source-addr", "dbfilename", "dir", "loadmodule",
     "masterauth", "masteruser", "port", "protected-mode", "proc-title-template", "rename-command",
     "replicaof", "requirepass", "slaveof", "tls-port", "tls-cert-file", "tls-key-file",
     "tls-ca-cert-file", "tls-ca-cert-dir", "user")
)  # fmt: skip


class RedisService:
    """One server on this host.

    Args:
        name: of the service.
        access: how it is reached; without a port or socket, the one that runs here.

    Raises:
        PreflightError: none runs, several do, or it does not let us in.
    """

    def __init__(self, name: str, access: ServiceAccess) -> None:
        self.name = name
        self.runner = Runner()
        self._socket = access.socket or ""
        self._host = access.host or "127.0.0.1"
        self._port = access.port or (0 if self._socket else _port())
        self._user = access.user or ""
        self._password_file = access.password_file or ""
        self._tuned: list[str] = []
        try:
            with self._open() as server:
                self._known = server.settings("*")
                self._about = str(server.ask("INFO", "server"))
        except RedisError as error:
            raise refuse(f"{self._where()} does not answer: {error}") from error
        lines = (line.partition(":") for line in self._about.splitlines())
        self._version = next((value for key, _, value in lines if key == "redis_version"), "")

    def inspect(self, setting: str) -> Setting:
        """Look at a setting, which is tuned from now on. Raises PreflightError."""
        if setting in _NEVER:
            raise refuse(f"{setting} is never tuned: it is no performance setting")
        if setting not in self._known:
            near = difflib.get_close_matches(setting, self._known, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise refuse(f"Redis {self._version} has no setting {setting}{hint}")
        if setting in _FIXED:
            raise refuse(
                f"Redis takes {setting} only from its file and at its start, and is tuned while it runs"
            )
        self._tuned.append(setting)
        return Setting(self._known[setting], "at once")

    def show(self, setting: str) -> str | None:
        """Return what the server had when it was opened."""
        return self._known.get(setting)

    def ready(self, acts: Sequence[str]) -> None:
        """Nothing stands in the way of what acts at once."""

    def read(self) -> Settings:
        """Ask the server. Raises OSError."""
        try:
            with self._open() as server:
                found = server.settings(*self._tuned)
            return {name: found[name] for name in self._tuned}
        except (RedisError, KeyError) as error:
            raise OSError(5, f"the server does not say: {error}", self.name) from error

    def write(self, changed: Settings) -> None:
        """Set them, and compare with what the server has then. Raises KnobWriteError."""
        listed = ", ".join(f"{name}={value}" for name, value in changed.items())
        try:
            with self._open() as server:
                _refuse_eviction(server, changed)
                server.set(dict(changed))
                shown = server.settings(*changed)
        except RedisError as error:
            raise KnobWriteError(22, f"{self.name}: {listed} was refused: {error}") from error
        for name, value in changed.items():
            if shown.get(name, "").split() != value.split():
                raise KnobWriteError(22, f"{self.name}: {name}={value}: it keeps {shown.get(name)}")

    def undo(self, changed: Settings) -> Undo:
        """Return the commands that set and compare what it has now. Raises OSError."""
        now = self.read()
        expected = "\n".join(f"{name}={now[name]}" for name in self._tuned)
        back = self._command("set", *(f"{name}={now[name]}" for name in changed))
        check = Check(self._command("get", *self._tuned), expected)
        return Undo(service=self.name, commands=(back,), checks=(check,))

    def file(self) -> str:
        """Return the path of the file that it reads at its start. Raises PreflightError."""
        return located(self._about)

    def _open(self) -> Redis:
        return Redis(self._socket, self._host, self._port, user=self._user, password_file=self._password_file)

    def _command(self, *words: str) -> Command:
        where = (
            ("--socket", self._socket) if self._socket else ("--host", self._host, "--port", str(self._port))
        )
        user = ("--user", self._user) if self._user else ()
        secret = ("--password-file", self._password_file) if self._password_file else ()
        argv = (sys.executable, "-I", "-S", _SCRIPT, *where, *user, *secret, *words)
        return Command(argv, {}, _PATIENCE_S, () if secret else (protocol.SECRET,))

    def _where(self) -> str:
        return self._socket or f"{self._host} port {self._port}"


def _refuse_eviction(server: Redis, changed: Settings) -> None:
    """Refuse settings by which the server would throw keys away: no restore brings them back."""
    if not {"maxmemory", "maxmemory-policy"} & set(changed):
        return
    wanted = {**server.settings("maxmemory", "maxmemory-policy"), **changed}
    limit = wanted["maxmemory"]
    about = str(server.ask("INFO", "memory")).splitlines()
    used = next((int(line.partition(":")[2]) for line in about if line.startswith("used_memory:")), 0)
    if wanted["maxmemory-policy"] != "noeviction" and limit.isdigit() and 0 < int(limit) < used:
        raise RedisError(f"it holds {used} bytes, so a limit of {limit} would evict keys for good")


def _port() -> int:
    """Return the port of the server that runs on this host."""
    ports = set()
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in _NAMES:
            try:
                ports |= {
                    used.laddr.port for used in process.net_connections("inet") if used.status == "LISTEN"
                }
            except psutil.Error:
                continue
    own = {port for port in ports if port - 10000 not in ports}  # not the cluster's bus
    if len(own) > 1:
        raise refuse(
            f"several servers listen here, on the ports {', '.join(map(str, sorted(own)))}; say which in port"
        )
    return own.pop() if own else 6379
