"""A root helper as the process that it is, and clients of any uid."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tactician.undo import files, helper

NOBODY = 65534
SOMAXCONN = "/proc/sys/net/core/somaxconn"
RMEM = "/proc/sys/net/ipv4/tcp_rmem"
WORDS = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
SWAPPINESS = "/proc/sys/vm/swappiness"
TABLE = {
    "version": 1,
    "knobs": [
        {"name": "net.core.somaxconn", "path": SOMAXCONN, "low": 64, "high": 65535, "namespaced": True},
        {"name": "net.ipv4.tcp_rmem", "path": RMEM, "low": 4096, "high": 67108864, "namespaced": True},
        {"name": "net.ipv4.tcp_congestion_control", "path": CONGESTION, "words": WORDS, "namespaced": True},
        {"name": "vm.swappiness", "path": SWAPPINESS, "low": 0, "high": 200},
    ],
    "constraints": [[[RMEM, 0, 0], "<=", [RMEM, 1, 0]], [[RMEM, 1, 0], "<=", [RMEM, 2, 0]]],
    "unstable": [],
}


class Helper:
    """One helper process.

    Args:
        folder: for its table, socket and journals; others may look into it.
        options: further arguments.
        prefix: argv before the interpreter.
    """

    def __init__(
        self, folder: Path, *options: str, prefix: tuple[str, ...] = (), table: object = TABLE
    ) -> None:
        self.folder = folder
        self.socket = folder / "helper.sock"
        self.journals = folder / "journals"
        path = folder / "knobs.json"
        path.write_text(json.dumps(table), encoding="utf-8")
        self.argv = [
            *prefix, sys.executable, "-I", "-S", helper.__file__, "--socket", str(self.socket),
            "--table", str(path), "--journals", str(self.journals), *options,
        ]  # fmt: skip
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self.argv, stderr=subprocess.PIPE, cwd="/")
        until(lambda: self._answers() or process.poll() is not None)
        return process

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.socket))
            return True
        return False

    def again(self) -> None:
        """Start it anew after its end."""
        self.process.stderr.close()  # type: ignore[union-attr]
        self.process = self._start()

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it and return its status."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def open_journals(self) -> list[Path]:
        return sorted(self.journals.glob("*.jsonl"))


class Client:
    """A raw connection, as whatever uid."""

    def __init__(self, path: Path, uid: int = NOBODY) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        os.seteuid(uid)
        try:
            self.socket.connect(str(path))  # the kernel notes who we are at this moment
        finally:
            os.seteuid(0)
        self._held = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> dict[str, object] | None:
        """The next line; None where the helper closed the connection."""
        while b"\n" not in self._held:
            try:
                chunk = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not chunk:
                return None
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def ask(self, **request: object) -> dict[str, object]:
        self.send(json.dumps(request).encode() + b"\n")
        found = self.reply()
        assert found is not None
        return found

    def begin(self, *hold: str) -> None:
        found = self.ask(do="begin", version=1, run_id="test", hold=list(hold))
        assert found["ok"], found

    def change(self, netns: str, path: str, text: str) -> None:
        assert self.ask(do="originals", places=[[path, netns]])["ok"]
        found = self.ask(do="write", path=path, netns=netns, text=text)
        assert found["ok"], found
        assert files.same_text(files.read_text(path, netns), text)

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def open_folder():
    """A folder of root's that everybody may look into; those of pytest are root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="tactician-helper-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def until(holds, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
