"""Cuts an operator off after `apply --confirm-within` and measures whether, and when, the values come back.

    python benchmarks/confirm.py --rounds 10          in network namespaces that the script makes (root)

Each round is one operator: a shell on a terminal of its own, inside a network namespace whose link leads
to the host. It applies a winner that is to be confirmed. Then, as a setting that breaks the network would,
the round takes the operator away: the session is killed with SIGKILL, the terminal closes, the link goes
down. Nobody can confirm any more. The rounds go through four endings:

cut         nothing else happens: the guardian alone must bring the values back at the deadline
mid-write   the client itself is killed while it writes: the guardian must not wait for the deadline
guardian    the guardian is killed as well: `tactician recover` must bring them back
confirmed   the confirmation comes before the cut: the values must stay

The run that is applied is written into the history by hand, since the way back is what is measured here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tactician.config import parse_experiment
from tactician.storage.history import History
from tactician.system.applications import note_name, unconfirmed
from tactician.system.home import Home
from tactician.undo import files

ENDINGS = ("cut", "mid-write", "guardian", "confirmed")
ORIGINAL = {"net.core.somaxconn": 4096, "net.ipv4.tcp_fin_timeout": 60, "net.ipv4.tcp_rmem[2]": 6291456}
WINNER = {"net.core.somaxconn": 1024, "net.ipv4.tcp_fin_timeout": 30, "net.ipv4.tcp_rmem[2]": 16777216}
KEYS = ("net/core/somaxconn", "net/ipv4/tcp_fin_timeout", "net/ipv4/tcp_rmem")
PATIENCE_S = 5.0


class Site:
    """A network namespace with a link to the host, and a home with one proven run in it."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name = f"tactician-cut-{os.getpid()}-{number}"
        self.link = f"tc{os.getpid() % 10000}x{number}"
        self.path = f"/run/netns/{self.name}"
        self.home = Home(folder / f"home-{number}")
        self.run_id = f"20260101-000000-{number:04x}"
        for command in (
            f"netns add {self.name}",
            f"link add {self.link} type veth peer name site netns {self.name}",
            f"link set {self.link} up",
            f"-n {self.name} link set site up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        for key, text in zip(KEYS, ("4096", "60", "4096 131072 6291456"), strict=True):
            files.write_text(f"/proc/sys/{key}", text, self.path)
        self._remember()

    def _remember(self) -> None:
        items = [
            {"param": "net.core.somaxconn", "type": "int", "min": 128, "max": 8192},
            {"param": "net.ipv4.tcp_fin_timeout", "type": "int", "min": 10, "max": 100},
            {"param": "net.ipv4.tcp_rmem[2]", "type": "int", "min": 1048576, "max": 33554432},
        ]
        document = {
            "workload_name": "cut",
            "reward_metric": "ops",
            "benchmark_command": "true",
            "action_space": items,
        }
        history = History(self.home.history)
        history.create_run(self.run_id, parse_experiment(document, "benchmark"), original=ORIGINAL)
        result = {"best_config": WINNER, "significant": True, "reward_metric": "ops", "verdicts": []}
        history.finish_run(self.run_id, "finished", result)

    def values(self) -> list[str]:
        return [" ".join(files.read_text(f"/proc/sys/{key}", self.path).split()) for key in KEYS]

    def tactician(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # `recover` as root also looks after the homes of other tuners on this machine; not from here.
        alone = 'mount -t tmpfs none /var/lib/tactician 2>/dev/null; exec "$@"'
        argv = ["nsenter", f"--net={self.path}", "unshare", "--mount", "sh", "-c", alone, "sh"]
        argv += [sys.executable, "-m", "cli_ai.main", *arguments]
        environment = {**os.environ, "TACTICIAN_HOME": str(self.home.path)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    def succeeds(self, *arguments: str) -> bool:
        done = self.tactician(*arguments)
        if done.returncode:
            print(f"{' '.join(arguments)}: {done.stderr.strip()}", file=sys.stderr)
        return done.returncode == 0

    def cut_link(self) -> None:
        subprocess.run(["ip", "link", "set", self.link, "down"], check=True)

    def remove(self) -> None:
        for found in unconfirmed(self.home):
            if found.guardian:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.guardian, signal.SIGKILL)
        self.home.unregister(note_name(self.run_id))
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Operator:
    """A shell on a terminal of its own, which applies and then sits there."""

    def __init__(self, site: Site, within_s: int) -> None:
        apply = f"{sys.executable} -m cli_ai.main apply {site.run_id} --confirm-within {within_s}s"
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ["TACTICIAN_HOME"] = str(site.home.path)
            os.execvp("nsenter", ["nsenter", f"--net={site.path}", "sh", "-c", f"{apply}; sleep 600"])

    def wait_for(self, words: bytes) -> None:
        said, until = b"", time.monotonic() + 60
        while words not in said:
            if not select.select([self._terminal], [], [], max(0.0, until - time.monotonic()))[0]:
                raise SystemExit(f"the operator saw: {said.decode(errors='replace')}")
            said += os.read(self._terminal, 4096)

    def kill(self) -> None:
        """End the whole session as a broken connection does, only harder."""
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.getsid(int(name)) == self.pid:
                        os.kill(int(name), signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


def wait_until(site: Site, wanted: list[str], until: float) -> float | None:
    """Return the moment at which the values are as wanted, None if they are not in time."""
    while time.monotonic() < until:
        if site.values() == wanted:
            return time.monotonic()
        time.sleep(0.005)
    return None


def one_round(site: Site, ending: str, within_s: int) -> tuple[bool, float | None]:
    """Return whether the round ended as it must, and the seconds between deadline (or cut) and recovery."""
    before = site.values()
    operator = Operator(site, within_s)
    if ending == "mid-write":
        changed = wait_for_change(site, before)
        operator.kill()
        site.cut_link()
        back = wait_until(site, before, time.monotonic() + within_s + PATIENCE_S)
        return changed and back is not None, None
    operator.wait_for(b"unless you confirm it")
    (found,) = unconfirmed(site.home)
    deadline = time.monotonic() + found.remaining_s
    applied = site.values() != before
    if ending == "confirmed":
        applied = applied and site.succeeds("confirm")
    if ending == "guardian" and found.guardian:
        os.kill(found.guardian, signal.SIGKILL)
    operator.kill()
    site.cut_link()
    if ending == "confirmed":
        stayed = wait_until(site, before, deadline + 2.0) is None
        return applied and stayed and site.succeeds("revert") and site.values() == before, None
    if ending == "guardian":
        time.sleep(max(0.0, deadline + 0.5 - time.monotonic()))
        return applied and site.succeeds("recover") and site.values() == before, None
    back = wait_until(site, before, deadline + PATIENCE_S)
    return applied and back is not None, None if back is None else back - deadline


def wait_for_change(site: Site, before: list[str]) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if site.values() != before:
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="of each ending")
    parser.add_argument("--within", type=int, default=3, help="seconds to confirm in")
    arguments = parser.parse_args()
    good: Counter[str] = Counter()
    late: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds * len(ENDINGS)):
            ending = ENDINGS[number % len(ENDINGS)]
            site = Site(number, Path(folder))
            try:
                # The command that confirms needs a moment to start, on a busy machine a long one.
                patience = 10 if ending == "confirmed" else 0
                ended_well, seconds = one_round(site, ending, arguments.within + patience)
            finally:
                site.remove()
            good[ending] += ended_well
            late += [] if seconds is None else [seconds]
    for ending in ENDINGS:
        print(f"{ending:10} {good[ending]} of {arguments.rounds} as they must be")
    if late:
        print(f"after the deadline: median {statistics.median(late):.3f} s, longest {max(late):.3f} s")
    return 0 if sum(good.values()) == arguments.rounds * len(ENDINGS) else 1


if __name__ == "__main__":
    sys.exit(main())
