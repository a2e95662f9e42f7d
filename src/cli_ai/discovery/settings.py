"""Where a service has its configuration file and its data: by its command line, its folder, and custom."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from cli_ai.discovery.processes import Process
from cli_ai.discovery.tree import Tree, shown_path

_MOST_FILES = 200
_CUSTOM = {
    "mysql": ("/etc/my.cnf", "/etc/mysql/my.cnf"),
    "redis": ("/etc/redis/redis.conf", "/etc/redis.conf", "/etc/valkey/valkey.conf"),
    "nginx": ("/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf"),
    "haproxy": ("/etc/haproxy/haproxy.cfg",),
    "memcached": ("/etc/sysconfig/memcached", "/etc/memcached.conf"),
}


def places(tree: Tree, kind: str, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    """Return configuration file and data folder, each empty where it is not found.

    Args:
        kind: name of the service.
        process: its first process.
        ports: where it listens.
        said: what its program told of itself.
    """
    find = {
        "postgresql": _postgresql,
        "mysql": _mysql,
        "redis": _redis,
        "nginx": _nginx,
        "haproxy": _haproxy,
        "kafka": _kafka,
    }.get(kind)
    if find is None:
        return _first(tree, _CUSTOM.get(kind, ())), ""
    config, data = find(tree, process, ports, said)
    return shown_path(config), shown_path(data)


def option(argv: Sequence[str], *names: str) -> str:
    """Return the value of an option, spelt ``-D x``, ``-Dx``, ``--name x`` or ``--name=x``."""
    for index, word in enumerate(argv):
        for name in names:
            if word == name and index + 1 < len(argv):
                return argv[index + 1]
            if name.startswith("--") and word.startswith(f"{name}="):
                return word[len(name) + 1 :]
            if len(name) == 2 and word.startswith(name) and not word.startswith("--") and len(word) > 2:
                return word[2:]
    return ""


def nginx_ports(tree: Tree, config: str) -> set[int]:
    """Return the ports that an nginx configuration listens on, with the files that distributions include."""
    folder = config.rpartition("/")[0]
    files = (
        [config, *tree.find(folder, "conf.d/*.conf"), *tree.find(folder, "sites-enabled/*")] if folder else []
    )
    text = "\n".join(tree.read(path, 1 << 18) for path in files[:_MOST_FILES])
    text = re.sub(r"#[^\n]*", "", text)
    return {int(port) for port in re.findall(r"(?<![\w.$])listen\s+(?:\S*:)?(\d{1,5})[\s;]", text)}


def _postgresql(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    data = _absolute(option(process.argv[1:], "-D", "--data-directory"), process.cwd) or process.cwd
    words = (*process.argv, *re.findall(r'"([^"]*)"', tree.read(f"{data}/postmaster.opts")))
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if name.replace("-", "_") == "config_file" and value:
            return _absolute(value, data), data
    own = f"{data}/postgresql.conf"
    return (own if data and tree.exists(own) else ""), data


def _mysql(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    data = _absolute(option(process.argv, "--datadir"), process.cwd) or process.cwd
    named = option(process.argv, "--defaults-file")
    if named:
        return _absolute(named, process.cwd), data
    none = "--no-defaults" in process.argv
    return ("" if none else _first(tree, _CUSTOM["mysql"])), data


def _redis(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    """It rewrites its command line, so the file is found by custom and checked by its port."""
    named = [word for word in process.argv[1:] if word.startswith("/") and word.endswith(".conf")]
    if named:
        return named[0], process.cwd
    for path in _CUSTOM["redis"]:
        text = tree.read(path, 1 << 18)
        stated = re.search(r"^port\s+(\d+)", text, re.M)
        if text and (int(stated[1]) if stated else 6379) in ports:
            return path, process.cwd
    return "", process.cwd


def _nginx(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    words = " ".join(process.argv).split()
    built = dict(re.findall(r"--(prefix|conf-path)=(\S+)", said))
    prefix = option(words, "-p") or built.get("prefix", "")
    named = option(words, "-c") or built.get("conf-path", "")
    if named:
        return _absolute(named, prefix), ""
    return _first(tree, _CUSTOM["nginx"]), ""


def _haproxy(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    named = option(process.argv, "-f")
    return (_absolute(named, process.cwd) if named else _first(tree, _CUSTOM["haproxy"])), ""


def _kafka(tree: Tree, process: Process, ports: Sequence[int], said: str) -> tuple[str, str]:
    files = [word for word in process.argv if word.endswith(".properties")]
    config = _absolute(files[-1], process.cwd) if files else ""
    text = tree.read(config, 1 << 18) if config else ""
    stated = re.search(r"^\s*log\.dirs?\s*=\s*([^,\s]+)", text, re.M)
    return config, stated[1] if stated else ""


def _absolute(path: str, base: str) -> str:
    if not path or path.startswith("/"):
        return posixpath.normpath(path) if path else ""
    return posixpath.join(base, posixpath.normpath(path)) if base.startswith("/") else ""


def _first(tree: Tree, candidates: Sequence[str]) -> str:
    return next((path for path in candidates if tree.exists(path)), "")
