"""Turns the section ``services`` into what is known of each service, and says which names are services."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast, get_args

from tactician._config_models import Document, ServiceConfig
from tactician._config_text import Findings, Where, near, shown
from tactician.experiment import ServiceAccess, ServiceType

TYPES: tuple[str, ...] = get_args(ServiceType)
FOUND = ("postgresql", "redis", "nginx", "mysql")
"""Services that need no description: the one that runs on this host is meant."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_SYSCTLS = ("abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm")
_SETTING = re.compile(r"[\w-][\w.-]*", re.ASCII)
_ANY = ("type", "timeout", "allow_restart")
_OWN: Mapping[str, Sequence[str]] = {
    "postgresql": (
        "host",
        "port",
        "socket",
        "user",
        "database",
        "password_file",
        "data_directory",
        "restart",
    ),
    "redis": ("host", "port", "socket", "user", "password_file"),
    "mysql": ("host", "port", "socket", "user", "password_file"),
    "nginx": ("path", "program", "prefix", "health"),
    "file": ("path", "format", "section", "check", "reload", "restart", "health"),
}


def service_of(param: str, doc: Document) -> str | None:
    """Return the service whose setting a parameter names, None if it names none."""
    name, dot, _ = param.partition(".")
    return name if dot and (name in FOUND or name in (doc.services or {})) else None


def service_trouble(param: str, doc: Document) -> str:
    """Say why a parameter cannot be a setting of a service; empty if it can."""
    name, _, setting = param.partition(".")
    if service_of(param, doc) is None:
        guess = near(name, [*FOUND, *(doc.services or {})])
        return (
            f"names no service; did you mean {guess}?" if guess else "names no service before its first dot"
        )
    if not _SETTING.fullmatch(setting):
        return f"names no setting of {name}; write {name}.setting with letters, digits, _, - and dots"
    if name not in FOUND and name not in (doc.services or {}):
        return f"needs services.{name}, with type file, its path, and how it is reloaded or restarted"
    return ""


def read_services(doc: Document, found: Findings) -> dict[str, ServiceAccess]:
    """Read the section, and add what is found on this host where a parameter names it.

    Args:
        doc: the document; broken keys are None.
        found: receives what is wrong, per key.
    """
    services = {}
    for name, config in (doc.services or {}).items():
        where: Where = ("services", name)
        if not _NAME.fullmatch(name):
            found.add(where, "is no name for a service; use lower-case letters, digits, _ and -")
        elif name in _SYSCTLS:
            found.add(where, f"is where sysctls are named {name}.*; choose another name")
        elif (access := _access(name, config, where, found)) is not None:
            services[name] = access
    named = [service_of(item.param, doc) for item in doc.action_space or () if item and item.param]
    for found_here in set(FOUND) & set(named) - set(doc.services or {}):
        services[found_here] = ServiceAccess(cast("ServiceType", found_here))
    return services


def _access(name: str, config: ServiceConfig, where: Where, found: Findings) -> ServiceAccess | None:
    kind = config.type or (name if name in TYPES else None)
    if kind is None:
        if not found.at((*where, "type")):
            found.add((*where, "type"), f"is missing; it is one of {', '.join(TYPES)}")
        return None
    given = config.model_dump(exclude_none=True, exclude_unset=True)
    for key in given:
        if key not in (*_ANY, *_OWN[kind]):
            known = ", ".join((*_ANY, *_OWN[kind]))
            found.add((*where, key), f"means nothing for a service of type {kind}; known are {known}")
    _check(kind, config, where, found)
    if found.below(where):
        return None
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    timeout = {"timeout_s": float(given.pop("timeout"))} if "timeout" in given else {}
    return ServiceAccess(**{**given, **timeout, "type": cast("ServiceType", kind)})


def _check(kind: str, config: ServiceConfig, where: Where, found: Findings) -> None:
    for key in ("path", "socket", "password_file", "data_directory", "program", "prefix"):
        value = getattr(config, key)
        if value is not None and not value.startswith("/"):
            found.add((*where, key), f"must be an absolute path, not {shown(value)}")
    if config.socket is not None and config.host is not None:
        found.add((*where, "socket"), "cannot stand beside host; keep one of them")
    if kind != "file":
        return
    if config.check is not None and not any("{path}" in (word or "") for word in config.check):
        found.add((*where, "check"), "must hold {path}, where the name of the edited copy belongs")
    for key, about in (("path", "the settings file"), ("format", "how that file is written")):
        if getattr(config, key) is None and not found.at((*where, key)):
            found.add((*where, key), f"is missing; it is {about}")
    if config.reload is None and config.restart is None and not found.below(where):
        found.add(where, "needs reload or restart: how the service takes notice of its file")
    if config.format == "ini" and config.section is None and not found.at((*where, "section")):
        found.add(
            (*where, "section"), "is missing; it is the section of the ini file that holds the settings"
        )
    if config.format not in (None, "ini") and config.section is not None:
        found.add((*where, "section"), "is for format ini; remove it")
