"""What must hold for any bytes: config reader, parsers, journal reader, recovery, the root helper.

Every target takes bytes; structured ones are made from the same bytes, so that a corpus is a folder of files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import socket
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tactician.config import load_experiment, parse_experiment
from tactician.errors import TacticianError
from tactician.experiment import Metric
from tactician.system.parsers import MetricNotFoundError, find_metric, parse_output
from tactician.system.parsers.progress import ProgressReader
from tactician.undo import applied, files, helper_applied, helper_session, journal, recover
from tactician.undo.helper_rules import Table
from tactician.undo.helper_session import Session
from tactician.undo.restore import restore

CASES = Path(__file__).parent / "cases"
CORPUS = CASES / "fuzz"
KEY = "/proc/sys/net/core/somaxconn"
RULES = {"version": 1, "knobs": [{"name": "n", "path": KEY, "low": 16, "high": 65535, "namespaced": True}]}

# -- what must hold -----------------------------------------------------------------------------------------


def config(data: bytes) -> None:
    """An experiment, or a listed refusal, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".json", ".yaml"):
            path = Path(folder) / f"c{suffix}"
            path.write_bytes(data)
            with contextlib.suppress(TacticianError):
                load_experiment(path)
    with contextlib.suppress(TacticianError, ValueError, RecursionError):
        document = json.loads(data)
        if isinstance(document, dict):
            parse_experiment(document)


def parsers(data: bytes) -> None:
    """Metrics that are numbers, or none; a search for one ends in one or in its own error."""
    text = data.decode("utf-8", "replace")
    output = parse_output(text)
    assert all(isinstance(metric.value, float | int) for metric in output.metrics)
    assert not any(isinstance(metric.value, float) and math.isnan(metric.value) for metric in output.metrics)
    for name in ("tps", "latency_p95", "ops"):
        with contextlib.suppress(MetricNotFoundError):
            find_metric(output, text, Metric(name))
    reader = ProgressReader(Metric("tps"), None)
    for line in text.splitlines():
        reader.read(line)


def journal_reader(data: bytes) -> None:
    """A content whose parts have the types that recovery goes by, whatever the file holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.jsonl"
        path.write_bytes(data)
        content = journal.read(path)
        assert isinstance(content.damaged, int)
        assert isinstance(content.closed, bool)
        for undo in content.pending():
            for side in ("writes", "expected"):
                for place, netns, text in undo[side]:
                    assert isinstance(place, str) and isinstance(netns, str) and isinstance(text, str)
        for process in content.processes():
            assert isinstance(process["pid"], int) and isinstance(process["start"], int)


def recovery(data: bytes) -> None:
    """Recovery ends with a result, and acts on nothing but what whole lines of a journal say.

    Nothing is really written, ended or started: what it would do is noted and compared.
    """
    done: list[tuple[Any, ...]] = []

    def noted(*what: Any, **named: Any) -> Any:
        done.append(what)
        return 0

    def restored(undos: Any, *more: Any, **named: Any) -> Any:
        done.extend(("undo", undo) for undo in undos)
        return [], []

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "r.jsonl"
        path.write_bytes(data)
        said = journal.read(path)
        for module, name, stub in (
            (recover.processes, "end", noted),
            (recover.commands, "run", noted),
            (recover, "restore", restored),
        ):  # fmt: skip
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, stub)
        recover.recover_journal(path)
    listed = [("undo", undo) for undo in said.pending()]
    assert all(what in listed or what[0] != "undo" for what in done)
    assert not done or said.entries or said.header


def helper(data: bytes) -> None:
    """No line makes the helper raise, and none makes it write what is not listed or not journalled."""
    shown, written = {KEY: "128"}, []
    real_write, real_read, real_restore = files.write_text, files.read_text, restore

    def write(path: str, text: str, netns: str = "") -> None:
        written.append((path, text))
        shown[path] = text

    module: Any = files
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Table(RULES), Path(folder) / "journals", (1, 1), 60.0)
        # Nothing reaches the kernel: neither a write nor its restore.
        module.write_text, module.read_text = write, lambda path, netns="": shown.get(path) or real_read(path)
        lock, watcher = helper_session.take_lock, helper_session.Watcher
        for one in (helper_session, helper_applied):
            one.take_lock = lambda netns: socket.socket(socket.AF_UNIX)
        helper_session.Watcher = _Watcher  # type: ignore[assignment, misc]
        recover.restore = applied.restore = _through(real_restore)  # type: ignore[attr-defined]
        try:
            for line in data.split(b"\n"):
                with contextlib.suppress(ValueError, RecursionError):
                    reply = session.answer(json.loads(line))
                    assert isinstance(reply["ok"], bool)
            assert session.end() == []
            # What was kept stands, by its journal alone.
            for kept in session.answer({"do": "applications"})["applications"]:
                assert session.answer({"do": "revert", "run_id": kept["run_id"]})["ok"]
        finally:
            module.write_text, module.read_text = real_write, real_read
            recover.restore = applied.restore = real_restore  # type: ignore[attr-defined]
            helper_session.take_lock = helper_applied.take_lock = lock
            helper_session.Watcher = watcher  # type: ignore[misc]
    assert shown == {KEY: "128"}
    assert all(path == KEY and (text == "128" or 16 <= int(text) <= 65535) for path, text in written)


class _Watcher:
    """A guardian that is always there."""

    def __init__(self, journal: Path, locks: list[int]) -> None:
        self.journal = journal

    def ensure(self) -> None:
        pass

    def arm(self) -> None:
        pass

    def dismiss(self) -> None:
        pass


def _through(restore: Any) -> Callable[..., Any]:
    """A restore that reads and writes as the module of files does at that moment."""
    return lambda undos, **named: restore(undos, files.read_text, files.write_text, **named)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "config": config, "parsers": parsers, "journal": journal_reader, "recovery": recovery, "helper": helper,
}  # fmt: skip

# -- what is tried ------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["kind", "run", "originals", "undos", "writes", "expected", "process", "pid", "start", "marker", "ended",
     "restored", "closed", "do", "begin", "write", "read", "probe", "places", "path", "netns", "text", "hold",
     "version", "run_id", "guard", "hello", KEY, "128", "boot_id", "namespace", "teardown", "files",
     "commands", "param", "min", "max", "action_space", "benchmark_command", "reward_metric", "workload_name",
     "services", "budget", "trials", "constraints", "applied", "armed", "deadline_s", "name", "content"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=14,
)


def _line(value: Any) -> bytes:
    body = json.dumps(value).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


KINDS = ["run", "originals", "process", "ended", "restored", "closed", "armed", "applied"]
ENTRIES = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS)},
    optional={"undos": JSON, "pid": JSON, "start": JSON, "marker": JSON, "run_id": JSON, "pid_start": JSON,
              "boot_id": st.sampled_from(["", "another", None]) | JSON, "namespace": JSON, "writes": JSON},
)  # fmt: skip
ASKED = ["hello", "begin", "guard", "read", "probe", "originals", "write", "restored", "keep",
         "applications", "confirm", "revert"]  # fmt: skip
REQUESTS = st.fixed_dictionaries(
    {"do": st.sampled_from(ASKED) | JSON},
    optional={"path": st.just(KEY) | JSON, "netns": st.just("") | JSON, "text": st.just("256") | JSON,
              "version": st.just(1) | JSON, "run_id": st.just("r") | JSON, "hold": JSON,
              "places": st.just([[KEY, ""]]) | JSON, "apply": st.just(True) | JSON,
              "within_s": st.sampled_from([None, 300]) | JSON},
)  # fmt: skip


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(lines)


def _mutated(data: bytes, at: int, new: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + new + data[at + len(new) :]


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Bytes for a target: noise, the shape that it expects, and known inputs with a piece replaced."""
    lines = {"journal": ENTRIES, "recovery": ENTRIES, "helper": REQUESTS}.get(name)
    noise = st.binary(max_size=300)
    mutated = st.builds(
        _mutated, st.sampled_from(corpus(name) or [b""]), st.integers(0, 1 << 16), st.binary(max_size=8)
    )
    if name == "helper":
        return noise | mutated | st.lists(REQUESTS | JSON, max_size=6).map(
            lambda found: b"\n".join(json.dumps(entry).encode() for entry in found)
        )  # fmt: skip
    if lines is not None:
        return noise | mutated | st.lists(lines.map(_line) | JSON.map(_line), max_size=6).map(_joined)
    if name == "config":
        return noise | mutated | JSON.map(lambda value: json.dumps(value).encode())
    return noise | mutated | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass"))


def corpus(name: str) -> list[bytes]:
    """Inputs that are kept: those of the folder, and the cases that other tests have."""
    kept = (
        [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))] if (CORPUS / name).is_dir() else []
    )
    more: list[Path] = []
    if name == "config":
        more = sorted((CASES / "config" / "bad").glob("*")) + sorted((CASES / "config" / "good").glob("*"))
    elif name == "parsers":
        more = sorted((CASES / "parse").glob("*.txt"))
    return kept + [path.read_bytes() for path in more]


def round_of(name: str, seed: int, examples: int) -> str:
    """Try a target on so many inputs; return what failed, empty for nothing, and keep the input."""
    target = TARGETS[name]
    last: list[bytes] = [b""]

    @seeded(seed)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(inputs(name))
    def property_holds(data: bytes) -> None:
        last[0] = data
        target(data)

    try:
        property_holds()
    except Exception as error:
        path = CORPUS / name / hashlib.sha256(last[0]).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(last[0])
        return f"{type(error).__name__}: {str(error)[:300]} on {os.path.relpath(path)}"
    return ""
