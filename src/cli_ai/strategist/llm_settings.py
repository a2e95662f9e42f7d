"""Where the model is and what opens it: options, then environment, then a file in the state folder."""

from __future__ import annotations

import ipaddress
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cli_ai.strategist.llm_errors import SettingsError
from tactician.system.home import Home

FILE = "llm.toml"
URL, MODEL, KEY, KEY_FILE = (
    "TACTICIAN_LLM",
    "TACTICIAN_LLM_MODEL",
    "TACTICIAN_LLM_KEY",
    "TACTICIAN_LLM_KEY_FILE",
)
_HOSTED = "api.openai.com"
_KEYS = frozenset({"url", "model", "key_file", "timeout"})
_LONGEST_KEY = 4096
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One endpoint and the model behind it.

    Attributes:
        url: base address, such as ``http://127.0.0.1:11434/v1``.
        key: empty where the endpoint wants none; never shown.
        timeout_s: for one answer, from the request to its last byte.
        most_tokens: of one answer.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = _TIMEOUT_S
    most_tokens: int = 2048

    @property
    def local(self) -> bool:
        """Whether the endpoint is on this host."""
        return is_loopback(self.url)


def find_settings(
    url: str = "",
    model: str = "",
    key_file: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Settings | None:
    """Return the model that was asked for; None where none is set up anywhere.

    Args:
        url, model, key_file: as given on the command line; each empty one is looked up.
        environment: of this process where it is None.
        home: the state folder, which may hold ``llm.toml``.

    Raises:
        SettingsError: half a setting, a key that others can read, or a key on an open line.
    """
    env = os.environ if environment is None else environment
    kept = _file((Home.find().path if home is None else home) / FILE)
    address = url or env.get(URL, "") or str(kept.get("url", ""))
    name = model or env.get(MODEL, "") or str(kept.get("model", ""))
    if not address and not name:
        return None
    if not address or not name:
        absent = "--llm URL" if not address else "--model NAME"
        raise SettingsError(f"a language model needs both --llm URL and --model NAME; {absent} is missing")
    _check_address(address)
    path = key_file or env.get(KEY_FILE, "") or str(kept.get("key_file", ""))
    secret = read_key(Path(path).expanduser()) if path else env.get(KEY, "").strip()
    if not secret and urlsplit(address).hostname == _HOSTED:
        # Any other address must not get the key of this one.
        secret = env.get("OPENAI_API_KEY", "").strip()
    _check_key(secret, KEY)
    if secret and urlsplit(address).scheme == "http" and not is_loopback(address):
        raise SettingsError(f"{_shown(address)} would send the key unencrypted; use https, or no key")
    return Settings(address, name, secret, _timeout(kept.get("timeout", _TIMEOUT_S)))


def read_key(path: Path) -> str:
    """Read a key from a file that only its owner can read.

    Raises:
        SettingsError: it is absent, empty, no plain file, or readable by group or others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be read: {error.strerror}") from error
    try:
        # Of the open file, so that nobody changes it between look and read.
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError(f"the key file {path} is no plain file")
        if found.st_mode & 0o077:
            raise SettingsError(f"the key file {path} can be read by others; chmod 600 {path}")
        if found.st_uid not in (os.geteuid(), 0):
            raise SettingsError(f"the key file {path} belongs to somebody else; it must be yours")
        data = os.read(descriptor, _LONGEST_KEY + 1)
    finally:
        os.close(descriptor)
    secret = data.decode("utf-8", "replace").strip()
    if not secret:
        raise SettingsError(f"the key file {path} is empty")
    _check_key(secret, f"the key file {path}")
    return secret


def is_loopback(url: str) -> bool:
    """Whether an address stays on this host."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _file(path: Path) -> Mapping[str, object]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is no usable TOML file: {error}") from error
    if unknown := sorted(set(found) - _KEYS):
        raise SettingsError(f"{path} has {', '.join(unknown)}; known are {', '.join(sorted(_KEYS))}")
    return found


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or not address.isprintable():
        raise SettingsError(f"--llm {_shown(address)} is no address; write http://127.0.0.1:11434/v1")
    if parts.username or parts.password:
        raise SettingsError("--llm must not hold a password; put the key into a file and name it in key_file")


def _shown(address: str) -> str:
    """The address without what may be secret in it."""
    text = "".join(char for char in address if char.isprintable())[:200]
    before, mark, after = text.rpartition("@")
    return f"{before.partition('//')[0]}//…@{after}" if mark else text.partition("?")[0]


def _check_key(secret: str, where: str) -> None:
    if len(secret) > _LONGEST_KEY or not secret.isascii() or any(char <= " " for char in secret):
        raise SettingsError(f"{where} holds no key: one word of printable ASCII is expected")


def _timeout(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 3600:
        raise SettingsError(f"timeout in {FILE} must be 1 to 3600 seconds")
    return float(value)
