"""What the catalogue says of services, held against the services themselves."""

from __future__ import annotations

import fnmatch
import math
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from support_private import Private, folder, nginx, postgresql, redis
from tactician import catalogue
from tactician.catalogue import Entry, resolve
from tactician.system import facts as host

CASES = Path(__file__).parents[1] / "cases" / "catalogue"
HERE = {
    "memory_bytes": host.memory_bytes(),
    "cores": os.cpu_count() or 1,
    "page_bytes": 4096,
    "swap_bytes": 0,
    "link_mbit": 1000,
}
SMALL = {**HERE, "memory_bytes": 256 << 20, "cores": 1}
LARGE = {**HERE, "memory_bytes": 4 << 40, "cores": 512}
SERVICES = ("postgresql", "nginx", "redis", "mysql")
NAMES = [entry.name for service in SERVICES for entry in catalogue.entries(f"{service}.")]
WORKLOADS = {
    "database", "analytics", "web", "cache", "messaging", "network", "storage", "cpu", "memory", "latency",
    "power",
}  # fmt: skip
ACTS = {"at once", "reload", "restart", "new sessions"}
TYPES = {"integer": ("int",), "real": ("float",), "enum": ("choice",), "bool": ("choice",)}


def of(service: str) -> list[Entry]:
    return [resolve(entry, HERE) for entry in catalogue.entries(f"{service}.")]


def short(entry: Entry) -> str:
    return entry.name.partition(".")[2]


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def is_in(entry: Entry, server: str) -> bool:
    """Whether a server of this version has the setting."""
    since = not entry.since or version(server) >= version(entry.since)
    wide = version(server)[: len(version(entry.until))]
    return since and (not entry.until or wide <= version(entry.until))


@pytest.mark.parametrize(
    ("service", "least"), [("postgresql", 40), ("nginx", 20), ("redis", 20), ("mysql", 30)]
)
def test_there_are_enough_settings_of_each(service: str, least: int) -> None:
    assert len(of(service)) >= least


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_complete(name: str) -> None:
    entry = catalogue.entry(name)
    assert entry is not None
    assert entry.kind == "service"
    assert entry.scope == "service"
    assert entry.what[0].isupper()
    assert entry.what.endswith(".")
    assert entry.acts in ACTS
    assert entry.disrupts == ("restart" if entry.acts == "restart" else "")
    assert set(entry.workloads) <= WORKLOADS
    assert (entry.default is None) == ("not set by default" in entry.source)
    if entry.type == "choice":
        assert entry.values
        assert len(set(entry.values)) == len(entry.values)
        assert entry.default in (*entry.values, None)
    else:
        assert entry.unit
        assert entry.scale in ("linear", "log")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("facts", [SMALL, HERE, LARGE], ids=["small", "here", "large"])
def test_a_range_is_sound_on_every_host(name: str, facts: dict[str, float]) -> None:
    entry = catalogue.entry(name)
    assert entry is not None
    found = resolve(entry, facts)
    if found.type == "choice":
        return
    assert isinstance(found.low, int | float)
    assert isinstance(found.high, int | float)
    assert found.low < found.high
    if found.scale == "log":
        assert found.low > 0
    if found.type == "int":
        assert isinstance(found.low, int)
        assert isinstance(found.high, int)
    default = found.default
    if default is None:
        return
    assert isinstance(default, int | float)
    # MySQL's own start value of some is a sum, which the source says; all others are in range or explained.
    assert (
        found.low <= default <= found.high or f"{default:g}" in found.special or "by default" in found.source
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_an_entry_names_exists_and_may_be_tuned(name: str) -> None:
    entry = catalogue.entry(name)
    assert entry is not None
    assert catalogue.danger(name) is None
    for other in entry.couples:
        assert catalogue.entry(other) is not None, other
        assert catalogue.danger(other) is None, other
    for constraint in entry.constraints:
        named = re.findall(r"[a-z]+\.[\w.-]+", constraint)
        assert name in named
        for other in named:
            known = catalogue.entry(other)
            assert known is not None
            assert constraint in known.constraints


@pytest.mark.parametrize("name", NAMES)
def test_what_gives_up_data_is_for_no_workload(name: str) -> None:
    """So that nobody proposes it who was not asked for it by name."""
    entry = catalogue.entry(name)
    assert entry is not None
    risks = {value for value in entry.values if value.lower() in catalogue.durability_risks(name)}
    if risks:
        assert entry.workloads == ()
        assert set(entry.values) - risks, "nothing safe would be left"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("postgresql.fsync", "off"),
        ("postgresql.synchronous_commit", "off"),
        ("postgresql.full_page_writes", "off"),
        ("redis.appendfsync", "no"),
        ("redis.no-appendfsync-on-rewrite", "yes"),
        ("redis.maxmemory-policy", "allkeys-lru"),
        ("mysql.innodb_flush_log_at_trx_commit", "0"),
        ("mysql.innodb_flush_log_at_trx_commit", "2"),
        ("mysql.sync_binlog", "0"),
        ("mysql.innodb_doublewrite", "off"),
    ],
)
def test_the_ways_to_lose_data_are_known(name: str, value: str) -> None:
    assert value in catalogue.durability_risks(name)


@pytest.mark.parametrize(
    "name",
    [
        "postgresql.listen_addresses", "postgresql.hba_file", "postgresql.data_directory",
        "postgresql.archive_command", "postgresql.shared_preload_libraries", "postgresql.autovacuum",
        "postgresql.autovacuum_freeze_max_age", "postgresql.ssl_passphrase_command", "postgresql.wal_level",
        "redis.dir", "redis.dbfilename", "redis.requirepass", "redis.slaveof", "redis.replicaof",
        "redis.maxmemory", "redis.enable-debug-command", "redis.loadmodule", "redis.tls-port",
        "nginx.user", "nginx.include", "nginx.load_module", "nginx.listen", "nginx.proxy_pass",
        "nginx.ssl_protocols", "nginx.client_body_timeout", "nginx.proxy_temp_path",
        "mysql.datadir", "mysql.bind_address", "mysql.plugin_load_add", "mysql.secure_file_priv",
        "mysql.init_connect", "mysql.skip_grant_tables", "mysql.default_password_lifetime",
    ],
)  # fmt: skip
def test_what_is_never_tuned(name: str) -> None:
    assert catalogue.danger(name)
    assert catalogue.entry(name) is None


# PostgreSQL itself


class Setting(dict):
    """A row of pg_settings."""


@pytest.fixture(scope="module")
def pg_settings() -> Iterator[tuple[str, dict[str, Setting]]]:
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("needs postgres")
    columns = ["name", "unit", "vartype", "context", "min_val", "max_val", "boot_val", "enumvals"]
    with postgresql() as server:
        where = f"host={server.socket} port={server.port} user=postgres dbname=postgres"
        with psycopg.connect(where) as connection:
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM pg_settings").fetchall()
            release = connection.info.parameter_status("server_version") or ""
        yield release, {row[0]: Setting(zip(columns, row, strict=True)) for row in rows}


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("name", [short(entry) for entry in of("postgresql")])
def test_postgresql_agrees(name: str, pg_settings: tuple[str, dict[str, Setting]]) -> None:
    release, known = pg_settings
    entry = resolve(catalogue.entry(f"postgresql.{name}"), HERE)
    if not is_in(entry, release):
        assert name not in known, f"{name} is there already"
        return
    row = known[name]
    assert entry.type in TYPES[row["vartype"]]
    if entry.type == "choice":
        assert set(entry.values) <= set(row["enumvals"] or ("on", "off"))
        assert entry.default == row["boot_val"]
    else:
        # pg_settings has no unit for some that are documented with one; ours then says what is counted.
        assert row["unit"] in (None, entry.unit)
        assert float(row["min_val"]) <= entry.low
        assert entry.high <= float(row["max_val"])
        assert math.isclose(entry.default, float(row["boot_val"]))
        for special in entry.special:
            assert float(row["min_val"]) <= float(special) <= float(row["max_val"])
    when = {"postmaster": ("restart",), "backend": ("new sessions",), "superuser-backend": ("new sessions",)}
    assert entry.acts in when.get(row["context"], ("reload", "new sessions"))


@pytest.mark.needs("postgres")
def test_postgresql_has_what_is_never_tuned(pg_settings: tuple[str, dict[str, Setting]]) -> None:
    """A misspelt danger protects from nothing; those that this version lacks are listed."""
    elsewhere = {
        "reserved_connections", "scram_iterations", "extension_control_path", "transaction_timeout",
        "event_triggers", "gss_*",
    }  # fmt: skip
    _, known = pg_settings
    for pattern in catalogue.dangers():
        service, _, name = pattern.partition(".")
        if service == "postgresql" and name not in elsewhere:
            assert fnmatch.filter(known, name), pattern


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("end", ["low", "high"])
def test_postgresql_starts_with_every_setting_at_one_end(end: str) -> None:
    """What needs a restart is what could keep the server from coming back."""
    options = []
    for entry in of("postgresql"):
        if entry.acts == "restart" and is_in(entry, "15"):
            value = entry.values[0 if end == "low" else -1] if entry.values else getattr(entry, end)
            options += ["-c", f"{short(entry)}={value}"]
    assert len(options) > 10
    with postgresql(*options) as server:
        where = f"host={server.socket} port={server.port} user=postgres dbname=postgres"
        with psycopg.connect(where) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


# Redis itself


class Client:
    """Speaks just enough of the protocol."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def __call__(self, *words: str) -> object:
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        self._socket.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
        return self._answer()

    def _answer(self) -> object:
        line = self._file.readline().decode().rstrip("\r\n")
        sign, rest = line[:1], line[1:]
        if sign == "*":
            return [self._answer() for _ in range(int(rest))]
        if sign == "$":
            return None if rest == "-1" else self._file.read(int(rest) + 2)[:-2].decode()
        return line

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture(scope="module")
def redis_client() -> Iterator[tuple[str, Client]]:
    if not shutil.which("redis-server"):
        pytest.skip("needs redis-server")
    with redis() as server:
        client = Client(server.socket)
        info = str(client("INFO", "server"))
        yield re.findall(r"redis_version:(\S+)", info)[0], client
        client.close()


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("name", [short(entry) for entry in of("redis")])
def test_redis_agrees(name: str, redis_client: tuple[str, Client]) -> None:
    release, client = redis_client
    entry = resolve(catalogue.entry(f"redis.{name}"), HERE)
    answer = client("CONFIG", "GET", name)
    if not is_in(entry, release):
        assert answer == []
        return
    assert isinstance(answer, list)
    assert answer[1] == str(entry.default)
    tried = (
        [entry.default, *entry.values] if entry.type == "choice" else [entry.low, entry.high, entry.default]
    )
    if entry.acts == "restart":
        assert "immutable" in str(client("CONFIG", "SET", name, str(entry.default)))
        return
    # A pair such as lower and upper may refuse an end of its range alone; nothing else may.
    for value in [value for value in tried if not entry.constraints or value == entry.default]:
        said = str(client("CONFIG", "SET", name, str(value)))
        if said != "+OK" and name == "activedefrag":
            assert "modified Jemalloc" in said, said
            continue
        assert said == "+OK", f"{name} = {value}: {said}"
        assert client("CONFIG", "GET", name) == [name, str(value)]
    assert client("CONFIG", "SET", name, str(entry.default)) == "+OK"


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("end", ["low", "high"])
def test_redis_starts_with_every_setting_at_one_end(end: str) -> None:
    options = []
    for entry in of("redis"):
        if entry.acts == "restart" and is_in(entry, "7.0"):
            value = entry.values[0 if end == "low" else -1] if entry.values else getattr(entry, end)
            options += [f"--{short(entry)}", str(value)]
    assert len(options) >= 6
    with redis(*options) as server:
        client = Client(server.socket)
        assert client("PING") == "+PONG"
        client.close()


# nginx itself

_CONTEXTS = (
    "{directive};\nevents {{}}\nhttp {{}}",
    "events {{ {directive}; }}\nhttp {{}}",
    "events {{}}\nhttp {{ {directive}; }}",
)


def nginx_takes(place: Path, directive: str) -> list[str]:
    """What nginx says against a directive in each of its contexts; empty where one takes it."""
    said = []
    for context in _CONTEXTS:
        conf = place / "nginx.conf"
        conf.write_text(
            f"pid {place}/pid; error_log {place}/error.log;\n" + context.format(directive=directive)
        )
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        program = shutil.which("nginx", path=path) or "nginx"
        argv = [program, "-t", "-q", "-p", str(place), "-e", str(place / "error.log"), "-c", str(conf)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return []
        said.append(done.stderr)
    return said


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("name", [short(entry) for entry in of("nginx")])
def test_nginx_takes_every_value(name: str) -> None:
    entry = resolve(catalogue.entry(f"nginx.{name}"), HERE)
    specials = [value for value in entry.special if value != entry.default]
    values = entry.values if entry.type == "choice" else (entry.low, entry.high, *specials)
    with folder() as place:
        for value in values:
            suffix = "ms" if entry.unit == "ms" else ""
            said = nginx_takes(place, f"{name} {value}{suffix}")
            assert said == [], f"{name} {value}: {said[-1]}"


@pytest.mark.needs("nginx")
def test_nginx_refuses_what_is_no_directive() -> None:
    with folder() as place:
        assert len(nginx_takes(place, "worker_bananas 3")) == len(_CONTEXTS)
        assert len(nginx_takes(place, "gzip_comp_level 10")) == len(_CONTEXTS)


@pytest.mark.needs("nginx")
def test_the_private_nginx_serves() -> None:
    with nginx() as server:
        assert isinstance(server, Private)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 200")


# MariaDB's own list


def mariadb_defaults() -> dict[str, str]:
    lines = (CASES / "mariadb-10.11.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(None, 1) for line in lines if re.match(r"[a-z][\w-]+ ", line))
    return {row[0].replace("-", "_"): row[1].strip() for row in rows if len(row) == 2}


@pytest.mark.parametrize("name", [short(entry) for entry in of("mysql")])
def test_mariadb_agrees(name: str) -> None:
    """The recorded list of a real server has the name, or the source says that it lacks it."""
    entry = resolve(catalogue.entry(f"mysql.{name}"), HERE)
    known = mariadb_defaults()
    if "not in MariaDB 10.11" in entry.source:
        assert name not in known
        return
    other = re.search(r"MariaDB 10\.11: ([\w-]+)", entry.source)
    expected = other[1] if other else str(entry.default)
    found = {"TRUE": "ON", "FALSE": "OFF"}.get(known[name], known[name])
    if re.fullmatch(r"[\d.]+", found):
        if name == "thread_pool_size":
            return  # the number of cores of the machine that was asked
        assert float(found) == float(expected)
    else:
        assert found == expected


def test_mariadbs_list_is_whole() -> None:
    known = mariadb_defaults()
    assert len(known) > 500
    assert known["innodb_buffer_pool_size"] == "134217728"
