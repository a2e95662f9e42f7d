"""Sets and reads the settings of a running Redis: a client of its protocol, and a command for a journal.

    python -I -S redis.py --socket PATH [--user U] [--password-file F] set hz=10 save='3600 1'
    python -I -S redis.py --host H --port P get hz save

It prints ``name=value`` lines. A password comes from a file, or from the variable REDISCLI_AUTH.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

Reply = str | int | list["Reply"] | None
SECRET = "REDISCLI_AUTH"
_LONGEST = 1 << 24


class RedisError(Exception):
    """The server refused a command, in its words; or it could not be asked."""


class Redis:
    """One connection.

    Args:
        path: of the socket; empty to use host and port.
        host, port: where it listens.
        user: empty for the default one.
        password_file: holds the password alone; empty to take it from REDISCLI_AUTH, if that is set.
        timeout_s: for every step.

    Raises:
        RedisError: nobody answers there, or the password is wrong.
    """

    def __init__(
        self,
        path: str = "",
        host: str = "127.0.0.1",
        port: int = 6379,
        *,
        user: str = "",
        password_file: str = "",
        timeout_s: float = 10.0,
    ) -> None:
        try:
            password = Path(password_file).read_text(encoding="utf-8").strip() if password_file else ""
            self._socket = _connected(path, host, port, timeout_s)
        except OSError as error:
            where = error.filename or path or f"{host}:{port}"
            raise RedisError(f"{where}: {error.strerror or error}") from error
        self._file = self._socket.makefile("rb")
        password = password or os.environ.get(SECRET, "")
        try:
            if password:
                self.ask("AUTH", *([user] if user else []), password)
        except RedisError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    def ask(self, *words: str) -> Reply:
        """Send a command and return its reply. Raises RedisError."""
        parts = [word.encode("utf-8", "surrogateescape") for word in words]
        data = b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)])
        try:
            self._socket.sendall(data)
            return self._reply()
        except OSError as error:
            raise RedisError(str(error.strerror or error)) from error

    def settings(self, *names: str) -> dict[str, str]:
        """Return settings by name; one that the server does not have is left out. Raises RedisError."""
        found: dict[str, str] = {}
        for name in names:
            reply = self.ask("CONFIG", "GET", name)
            if isinstance(reply, list):
                texts = [str(item) for item in reply]
                found |= dict(zip(texts[::2], texts[1::2], strict=False))
        return found

    def set(self, changed: dict[str, str]) -> None:
        """Set several settings, all or none where the server can (since 7.0). Raises RedisError."""
        try:
            self.ask("CONFIG", "SET", *(word for pair in changed.items() for word in pair))
        except RedisError as error:
            if len(changed) < 2 or not _is_old(str(error)):
                raise
            for name, value in changed.items():
                self.ask("CONFIG", "SET", name, value)

    def _reply(self) -> Reply:
        line = self._file.readline(_LONGEST)
        if not line.endswith(b"\r\n"):
            raise RedisError("it closed the connection")
        kind, text = line[:1], line[1:-2].decode("utf-8", "surrogateescape")
        if kind == b"-":
            raise RedisError(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            size = int(text)
            data = self._file.read(size + 2) if 0 <= size <= _LONGEST else b""
            return data[:-2].decode("utf-8", "surrogateescape") if size >= 0 else None
        if kind == b"*":
            return [self._reply() for _ in range(int(text))] if int(text) >= 0 else None
        return text


def _connected(path: str, host: str, port: int, timeout_s: float) -> socket.socket:
    if not path:
        return socket.create_connection((host, port), timeout_s)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _is_old(message: str) -> bool:
    """Whether a server before 7.0 says that it takes one setting at a time."""
    return "wrong number of arguments" in message.lower() or "unknown subcommand" in message.lower()


def main(argv: list[str]) -> int:
    """Set or print settings; 0 where that was done and every value set is kept."""
    parser = argparse.ArgumentParser(prog="redis.py")
    parser.add_argument("--socket", default="")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--user", default="")
    parser.add_argument("--password-file", default="")
    parser.add_argument("what", choices=("set", "get"))
    parser.add_argument("settings", nargs="+")
    given = parser.parse_args(argv)
    try:
        with Redis(
            given.socket, given.host, given.port, user=given.user, password_file=given.password_file
        ) as server:
            if given.what == "set":
                server.set(dict(setting.partition("=")[::2] for setting in given.settings))
            names = [setting.partition("=")[0] for setting in given.settings]
            shown = server.settings(*names)
    except RedisError as error:
        sys.stderr.write(f"redis: {error}\n")
        return 1
    sys.stdout.write("".join(f"{name}={shown[name]}\n" for name in names if name in shown))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
