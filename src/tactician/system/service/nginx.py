"""Settings of nginx: its own check on an edited copy, a reload, and new workers before it counts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from tactician.experiment import ServiceAccess
from tactician.ports import Check, Command
from tactician.system.service import nginx_files
from tactician.system.service.base import Runner, Setting, refuse, refuse_elsewhere, tail
from tactician.system.service.configured import ConfiguredService
from tactician.system.service.directives import Directives
from tactician.system.service.running import LogTail, output_of
from tactician.system.service.settings_file import SettingsFile
from tactician.undo import answering, reloading

_TITLE = "nginx: master process"
_MAIN = frozenset(
    ("worker_processes", "worker_rlimit_nofile", "worker_rlimit_core", "worker_priority", "pcre_jit",
     "worker_cpu_affinity", "worker_shutdown_timeout", "thread_pool", "timer_resolution", "lock_file")
)  # fmt: skip
_EVENTS = frozenset(
    ("worker_connections", "multi_accept", "accept_mutex", "accept_mutex_delay", "use", "worker_aio_requests")
)
# Where it writes, who it is, and whom it serves are no matter of performance.
_NEVER = frozenset(
    ("user", "include", "load_module", "pid", "error_log", "daemon", "master_process", "env", "root",
     "listen", "server_name", "ssl_certificate", "ssl_certificate_key", "debug_points", "working_directory")
)  # fmt: skip
_SLACK_S = 1.0
_MARGIN_S = 5.0


class Master(NamedTuple):
    """The running nginx.

    Attributes:
        pid: of its master process.
        program: its executable.
        options: ``-p``, ``-c``, ``-e`` and ``-g`` with which it was started.
        path: its settings file.
        pid_file: where it wrote its pid; empty where that cannot be told.
    """

    pid: int
    program: str
    options: tuple[str, ...]
    path: str
    pid_file: str


class Nginx(ConfiguredService):
    """One nginx on this host.

    Args:
        name: of the service.
        access: which one is meant; without a path or prefix, the one that runs.

    Raises:
        PreflightError: none runs, several do, or its files may not be read or replaced.
    """

    def __init__(self, name: str, access: ServiceAccess) -> None:
        self._master = find(access)
        refuse_elsewhere(self._master.pid)
        super().__init__(name, self._master.path, Directives(home_of), access.timeout_s)
        master = self._master
        self._log = LogTail(None)
        self._found: dict[str, SettingsFile] = {}
        self.numbers = {"worker_processes": {"auto": os.cpu_count() or 1}}
        self.check = Command((master.program, "-t", *_with_path(master.options)), {}, access.timeout_s)
        telling = (master.pid_file or str(master.pid), "nginx", f"{access.timeout_s:g}")
        patience_s = access.timeout_s + _MARGIN_S
        self.reload = (_script(reloading.__file__, *telling, timeout_s=patience_s),)
        self.rescue = (
            _script(reloading.__file__, *telling, master.program, *master.options, timeout_s=patience_s),
        )
        if access.health:
            self.health = Check(Command(access.health, {}, access.timeout_s))
        elif addresses := _addresses(master.pid):
            self.health = Check(_script(answering.__file__, *addresses, timeout_s=access.timeout_s))

    def inspect(self, setting: str) -> Setting:
        """Look at a directive in the block where it belongs. Raises PreflightError."""
        if setting in _NEVER:
            raise refuse(f"{setting} is never tuned: it is no performance setting")
        file = self._file_of(setting)
        for path in nginx_files.included(self.path):
            if path != file.path and nginx_files.sets(path, setting):
                raise refuse(
                    f"{setting} is set in {path}, which {self.path} includes by way of another file "
                    f"or in another block; move it to {self.path}"
                )
        if not file.is_replaceable:
            raise refuse(f"no right to replace {file.path}, which sets {setting}; be root, or its owner")
        return super().inspect(setting)

    def ready(self, acts: Sequence[str]) -> None:
        """Refuse where our reload would bring in changes of somebody else."""
        began = max((_began(pid) for pid in reloading.children(self._master.pid)), default=0.0)
        changed = [
            path
            for path in (self.path, *nginx_files.included(self.path))
            if Path(path).stat().st_mtime > began + _SLACK_S
        ]
        if changed:
            raise refuse(
                f"{', '.join(changed)} was changed after nginx loaded it, and our reload would load it; "
                "reload nginx first: nginx -s reload"
            )
        super().ready(acts)

    def _activate(self, ways: Sequence[Command], listed: str) -> None:
        self._log = LogTail(output_of(self._master.pid))
        super()._activate(ways, listed)

    def _words(self) -> str:
        lines = [line for line in self._log.text().splitlines() if "[emerg]" in line or "[crit]" in line]
        return f"; its log: {tail(chr(10).join(lines))}" if lines else ""

    def _file_of(self, setting: str) -> SettingsFile:
        """Return the file that sets a directive: one that the main file includes, or the main file."""
        if setting not in self._found:
            paths = nginx_files.included_in(self.path, home_of(setting))
            holding = [path for path in paths if nginx_files.sets(path, setting)]
            self._found[setting] = SettingsFile(holding[0], Directives()) if holding else self._main
        return self._found[setting]

    def _tried(self, text: str, copies: Mapping[str, str]) -> str:
        """Return the main file's text with copies included in place of what it includes."""
        return nginx_files.with_copies(text, self.path, copies)


def home_of(directive: str) -> str:
    """Return the block of nginx.conf in which a directive belongs; empty for the file itself."""
    if directive in _MAIN:
        return ""
    return "events" if directive in _EVENTS else "http"


def find(access: ServiceAccess) -> Master:
    """Find the nginx that is meant. Raises PreflightError."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if words.startswith(_TITLE):
            found.append(_master(process.pid, words.removeprefix(_TITLE).strip(), access))
    path = None if access.path is None else os.path.realpath(access.path)
    meant = [one for one in found if path is None or os.path.realpath(one.path) == path]
    if access.prefix is not None:
        prefix = os.path.realpath(access.prefix)
        meant = [one for one in meant if os.path.realpath(one.path).startswith(f"{prefix}/")]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise refuse(
            f"several nginx run here, with {', '.join(one.path for one in meant)}; say which in path"
        )
    listed = ", ".join(one.path for one in found)
    raise refuse(
        f"no nginx runs with that file; there is {listed}" if found else "no nginx runs on this host"
    )


def _master(pid: int, started: str, access: ServiceAccess) -> Master:
    try:
        program = access.program or os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except PermissionError:
        raise refuse(f"process {pid} may not be looked into; be root, or the user that runs nginx") from None
    options = dict(re.findall(r"(?:^|\s)-([pceg])\s*(.+?)(?=\s-[pceg]\s|$)", started))
    built = _built_with(program)
    prefix = options.get("p") or access.prefix or built.get("prefix", "/")
    path = str(Path(prefix, options.get("c") or built.get("conf-path", "conf/nginx.conf")))
    kept = tuple(word for key, value in options.items() for word in (f"-{key}", value))
    if "c" not in options:
        kept = (*kept, "-c", path)
    return Master(pid, program, kept, path, _pid_file(pid, path, prefix, options.get("g", ""), built))


def _built_with(program: str) -> dict[str, str]:
    """Return the paths that nginx was built with."""
    said = Runner().run(Command((program, "-V"), {}, 10.0))
    return dict(re.findall(r"--([\w-]+)=(\S+)", said.text))


def _pid_file(pid: int, path: str, prefix: str, extra: str, built: dict[str, str]) -> str:
    """Return the file that holds the master's pid, so that a restarted nginx is found as well."""
    names = [built.get("pid-path", "logs/nginx.pid")]
    stated = nginx_files.read_directives(path)
    names = [one.value for one in stated if one.name == "pid" and not one.block] or names
    names += re.findall(r"\bpid\s+([^;\s]+)\s*;", extra)
    for name in reversed(names):
        candidate = str(Path(prefix, name.strip("\"'")))
        try:
            if Path(candidate).read_text(encoding="ascii").strip() == str(pid):
                return candidate
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _addresses(pid: int) -> list[str]:
    """Return where a process listens, as a client reaches it."""
    found = set()
    try:
        for used in psutil.Process(pid).net_connections("inet"):
            if used.status == "LISTEN":
                host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(used.laddr.ip, used.laddr.ip)
                found.add(f"[{host}]:{used.laddr.port}" if ":" in host else f"{host}:{used.laddr.port}")
    except psutil.Error as error:
        raise refuse(f"process {pid} may not be looked into: {error}") from error
    return sorted(found)


def _with_path(options: Sequence[str]) -> tuple[str, ...]:
    """Return the options with the settings file replaced by the edited copy."""
    words = list(options)
    words[words.index("-c") + 1] = "{path}"
    return tuple(words)


def _script(file: str | None, *arguments: str, timeout_s: float) -> Command:
    return Command((sys.executable, "-I", "-S", os.path.realpath(file or ""), *arguments), {}, timeout_s)


def _began(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
