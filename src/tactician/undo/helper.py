"""The root helper: writes a short list of knobs for tuners that are not root, and takes everything back.

Run as ``python -I -S helper.py --socket PATH --table FILE``, or with a socket from systemd. A client says
one JSON object a line and gets one back::

    {"do": "hello"}                        {"do": "begin", "version": 1, "run_id": R, "hold": [N, ...]}
    {"do": "guard"}                        {"do": "probe" | "read", "path": P, "netns": N}
    {"do": "originals", "places": [[P, N], ...]}
    {"do": "write", "path": P, "netns": N, "text": T}
    {"do": "restored"}

When its connection ends, however that comes, its changes are taken back. Should this process die, its
guardian does that. What was begun with ``"apply": true`` may stay instead, and is then listed, confirmed and
taken back by its owner on any connection::

    {"do": "keep", "within_s": S or null}  {"do": "applications"}
                                           {"do": "confirm" | "revert", "run_id": R}
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

if __package__ in (None, ""):  # run by path, with no site-packages: find our own package
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tactician.undo import recover
from tactician.undo.applied import take_back_overdue
from tactician.undo.helper_applied import take_back_over
from tactician.undo.helper_rules import Table, TableError, load, why_distrusted
from tactician.undo.helper_session import Reply, Session

SOCKET = "/run/tactician/helper.sock"
HOME = Path("/var/lib/tactician/helper")
HOMES = Path("/var/lib/tactician/homes")
"""Where ``tactician recover`` finds the homes in which journals may lie."""

TABLE = str(HOME / "knobs.json")
JOURNALS = str(HOME / "journals")
GROUP = "tactician"
LONGEST_LINE = 1 << 16
HOLD_S = 4 * 3600.0
_MOST_CLIENTS = 16
_LINE_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_SEND_SECONDS = 2.0
_TICK_SECONDS = 0.5
_LOOK_SECONDS = 5.0
_FIRST_PASSED = 3
_SO_PEERGROUPS = 59
_MOST_GROUPS = 256


@dataclass
class Client:
    """One connection.

    Attributes:
        heard: when its last whole line came, on the monotonic clock.
        pending: the part of a line that has come so far.
    """

    connection: socket.socket
    session: Session
    heard: float
    pending: bytearray = field(default_factory=bytearray)


class Helper:
    """Serves clients until it is told to end.

    Args:
        listener: a listening unix socket.
        table: what is permitted.
        journals: where originals go before the first write.
        uids, gids: who may ask.
        hold_s: so long a client may hold the host without a word.
    """

    def __init__(
        self,
        listener: socket.socket,
        table: Table,
        journals: Path,
        *,
        uids: frozenset[int] = frozenset({0}),
        gids: frozenset[int] = frozenset(),
        hold_s: float = HOLD_S,
    ) -> None:
        self._listener = listener
        self._table = table
        self._journals = journals
        self._uids, self._gids = uids, gids
        self._hold_s = hold_s
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, Client] = {}
        self._unrestored: list[Session] = []
        self._ending = False
        self._look_again = 0.0

    def stop(self, number: int, frame: FrameType | None) -> None:
        """End after the request at hand; a signal handler."""
        self._ending = True

    def serve(self) -> int:
        """Serve until stopped; return 0 if every place is as it was, 4 if not."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._ending:
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd in self._clients:
                    self._hear(self._clients[key.fd])
            self._tick()
        for client in list(self._clients.values()):
            self._drop(client)
        return 4 if any(session.end() for session in self._unrestored) else 0

    def _tick(self) -> None:
        """Drop those who said nothing for too long, and try again what could not be put back."""
        now = time.monotonic()
        for client in list(self._clients.values()):
            patience = self._hold_s if client.session.begun else _IDLE_SECONDS
            if client.pending:
                patience = min(patience, _LINE_SECONDS)
            if now - client.heard > patience:
                self._drop(client, _bad("timeout", f"no request for {patience:g} s; everything is put back"))
        self._unrestored = [session for session in self._unrestored if session.end()]
        if now >= self._look_again:
            self._look_again = now + _LOOK_SECONDS
            take_back_over(self._journals.with_name("applied"))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(_SEND_SECONDS)
            pid, uid, gids = peer_of(connection)
            why = ""
            if uid not in self._uids and not gids & self._gids:
                why = f"uid {uid} may not ask; root adds users with: usermod -aG {GROUP} NAME"
            elif len(self._clients) >= _MOST_CLIENTS:
                why = "too many clients"
            if why:
                _send(connection, _bad("refused", why))
                connection.close()
                return
            session = Session(self._table, self._journals, (pid, uid), self._hold_s)
            self._clients[connection.fileno()] = Client(connection, session, time.monotonic())
            self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, client: Client) -> None:
        try:
            chunk = client.connection.recv(LONGEST_LINE)
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(client)
            return
        if not client.pending:
            client.heard = time.monotonic()
        client.pending += chunk
        while (end := client.pending.find(b"\n")) >= 0:
            line = bytes(client.pending[:end])
            del client.pending[: end + 1]
            client.heard = time.monotonic()
            reply = self._answer(client, line)
            if reply.get("code") == "protocol" or not _send(client.connection, reply):
                self._drop(client, reply)
                return
        if len(client.pending) > LONGEST_LINE:
            self._drop(client, _bad("protocol", f"a line is longer than {LONGEST_LINE} bytes"))

    def _answer(self, client: Client, line: bytes) -> Reply:
        if len(line) > LONGEST_LINE:
            return _bad("protocol", f"a line is longer than {LONGEST_LINE} bytes")
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _bad("protocol", "a line is no JSON")
        if isinstance(request, dict) and request.get("do") == "begin":
            if self._unrestored:
                return _bad("not-restored", "an earlier run could not be put back; run: tactician recover")
            self._note_home()
        try:
            return client.session.answer(request)
        except Exception as error:  # our own mistake ends this client, restored, and not the others
            return _bad("protocol", f"internal error: {type(error).__name__}")

    def _note_home(self) -> None:
        """Say where our journals are, anew each time: a recovery that finds nothing removes the note."""
        if self._journals == HOME / "journals":
            with contextlib.suppress(OSError):  # only a convenience for whoever recovers by hand
                HOMES.mkdir(mode=0o700, parents=True, exist_ok=True)
                (HOMES / "helper").write_text(str(HOME), encoding="utf-8")

    def _drop(self, client: Client, last_word: Reply | None = None) -> None:
        self._selector.unregister(client.connection)
        self._clients.pop(client.connection.fileno(), None)
        if client.session.end():
            self._unrestored.append(client.session)
        if last_word is not None:
            _send(client.connection, last_word)
        client.connection.close()


def peer_of(connection: socket.socket) -> tuple[int, int, frozenset[int]]:
    """Return pid, uid and all groups of whoever is at the other end, by the kernel's word."""
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    groups = {gid}
    # Only the first group is told before Linux 4.13, and of who is in more than Python's getsockopt can take.
    with contextlib.suppress(OSError):
        listed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * 4)
        groups.update(struct.unpack(f"{len(listed) // 4}I", listed))
    return pid, uid, frozenset(groups)


def listen(path: str) -> socket.socket:
    """Return systemd's socket if it passed one, else make one at ``path``.

    Raises:
        OSError: it cannot be made, or a living helper has it.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=_FIRST_PASSED)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()  # of a helper that died
        else:
            raise OSError(98, "another helper listens there", path)
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o111)  # whoever connects is judged by the kernel's word on who it is
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(64)
    return listener


def main(argv: list[str]) -> int:
    """Recover what died, then serve; return 2 where the start is refused, 4 where a place differs."""
    arguments = _parser().parse_args(argv)
    distrust = why_distrusted(Path(__file__))
    if distrust:
        return _refuse(f"will not run as root: {distrust}")
    try:
        table = load(Path(arguments.table))
        uids = frozenset({0, *arguments.allow_uid})
        gids = _groups(arguments.allow_group)
        left = [
            leftover
            for found in (
                *recover.recover_folder(Path(arguments.journals)),
                *take_back_overdue(Path(arguments.journals).with_name("applied")),
            )
            for leftover in found.leftovers
        ]
        if left:
            return _refuse("; ".join(str(leftover) for leftover in left), 4)
        listener = listen(arguments.socket)
    except (TableError, OSError) as error:
        return _refuse(str(error))
    helper = Helper(
        listener, table, Path(arguments.journals), uids=uids, gids=gids, hold_s=arguments.hold_seconds
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, helper.stop)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return helper.serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tactician-helper", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--socket", default=SOCKET)
    parser.add_argument("--table", default=TABLE, help="compiled by: tactician helper --compile")
    parser.add_argument("--journals", default=JOURNALS)
    parser.add_argument("--allow-uid", type=int, action="append", default=[], help="beside root")
    parser.add_argument("--allow-group", action="append", default=[GROUP], help="name or number")
    parser.add_argument("--hold-seconds", type=float, default=HOLD_S)
    return parser


def _groups(names: list[str]) -> frozenset[int]:
    found = set()
    for name in names:
        if name.isdigit():
            found.add(int(name))
        else:
            with contextlib.suppress(KeyError):  # a group that does not exist has no members
                found.add(grp.getgrnam(name).gr_gid)
    return frozenset(found)


def _refuse(message: str, status: int = 2) -> int:
    os.write(2, f"tactician helper: {message}\n".encode(errors="replace"))
    return status


def _bad(code: str, message: str) -> Reply:
    return {"ok": False, "code": code, "errno": 1, "message": message}


def _send(connection: socket.socket, reply: Reply) -> bool:
    try:
        connection.sendall(json.dumps(reply).encode("ascii") + b"\n")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
