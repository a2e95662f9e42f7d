"""The workloads as the tuner meets them: real programs that may be killed at any time."""

from __future__ import annotations

import importlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import tactician

MODULES = {
    "listen_backlog": "requests_per_second",
    "tcp_churn": "connections_per_second",
    "sqlite_commits": "transactions_per_second",
}
SOURCES = Path(tactician.__file__).parents[1]
NETWORKED = ("listen_backlog", "tcp_churn")
WRITE_SETTINGS = """
while [ "$1" != -- ]; do printf '%s' "${1#*=}" >"/proc/sys/${1%%=*}" || exit 9; shift; done
shift; exec "$@"
"""
Start = Callable[[Sequence[str]], "Started"]


class Started:
    """A running program, and every process that descends from it and kept its session."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def members(self) -> list[int]:
        """The living processes of the session."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.pid and fields[0] not in "ZX":
                found.append(int(stat.parent.name))
        return found

    def children(self) -> list[int]:
        return [member for member in self.members() if member != self.pid]

    def until(self, holds: Callable[[], object], seconds: float = 5) -> bool:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def result(self) -> tuple[int, str, str]:
        """Wait for the end; exit status, standard output, standard error."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def program(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tactician.workloads.{module}", *arguments]


def unshare() -> list[str]:
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net"]


@pytest.fixture(scope="session")
def namespace() -> list[str]:
    """The beginning of a command that shall run in a network namespace of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is not installed")
    tried = subprocess.run([*unshare(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"network namespaces are not allowed here: {tried.stderr.strip()}")
    return unshare()


@pytest.fixture
def start() -> Iterator[Callable[[Sequence[str]], Started]]:
    """Start a command in a session of its own; what is left of it is ended after the test."""
    all_started: list[Started] = []

    def begin(command: Sequence[str]) -> Started:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        all_started.append(Started(process))
        return all_started[-1]

    yield begin
    for started in all_started:
        for member in started.members():
            os.kill(member, 9)
        started.process.communicate(timeout=20)


def figures(output: str) -> dict[str, float]:
    """Read plain ``name: value`` lines, all of them."""
    return {name: float(value) for name, value in (line.split(": ") for line in output.splitlines())}


def command_for(module: str, namespace: list[str], tmp_path: Path, *arguments: str) -> list[str]:
    if module in NETWORKED:
        return [*namespace, *program(module, *arguments)]
    return program(module, "--directory", str(tmp_path), *arguments)


def with_settings(settings: Sequence[str], command: Sequence[str]) -> list[str]:
    """A command that writes sysctls, given as path=value, before it becomes the other command."""
    return ["sh", "-c", WRITE_SETTINGS, "sh", *settings, "--", *command]


@pytest.mark.parametrize("module", MODULES)
def test_prints_finite_figures_and_leaves_nothing_behind(
    module: str, namespace: list[str], start: Start, tmp_path: Path
) -> None:
    started = start(command_for(module, namespace, tmp_path, "--duration", "0.5"))
    status, out, err = started.result()
    assert (status, err) == (0, "")
    found = figures(out)
    assert next(iter(found)) == MODULES[module]
    assert found[MODULES[module]] > 0
    assert all(math.isfinite(number) and number >= 0 for number in found.values())
    assert started.members() == []
    assert list(tmp_path.iterdir()) == []


def test_a_burst_that_waits_says_so_while_it_waits(namespace: list[str], start: Start) -> None:
    """With a short queue one burst outlasts the run, and a bad trial must not be silent until its end."""
    command = [*namespace, *with_settings(["net/core/somaxconn=16"], [])]
    options = ("--duration", "0.8", "--progress", "0.1")
    status, out, err = start([*command, *program("listen_backlog", *options)]).result()
    assert (status, err) == (0, "")
    assert len([line for line in out.splitlines() if line.startswith("progress: ")]) > 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("module", NETWORKED)
def test_a_server_ends_with_its_parent(
    module: str, number: signal.Signals, namespace: list[str], start: Start, tmp_path: Path
) -> None:
    started = start(command_for(module, namespace, tmp_path, "--duration", "30"))
    assert started.until(started.children)
    time.sleep(0.1)
    os.kill(started.pid, number)
    assert started.until(lambda: not started.members(), 2)
    status, out, err = started.result()
    assert status != 0
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_database_ends_with_its_program(number: signal.Signals, start: Start, tmp_path: Path) -> None:
    started = start(program("sqlite_commits", "--directory", str(tmp_path), "--duration", "30"))
    assert started.until(lambda: list(tmp_path.glob("*/bank.db")))
    time.sleep(0.1)
    os.kill(started.pid, number)
    status, _, err = started.result()
    assert status == 128 + number
    assert err == ""
    assert list(tmp_path.iterdir()) == []


def test_what_sigkill_leaves_of_a_database_is_removed_by_the_next_run(start: Start, tmp_path: Path) -> None:
    running = start(program("sqlite_commits", "--directory", str(tmp_path), "--duration", "30"))
    assert running.until(lambda: list(tmp_path.glob("*/bank.db")))
    (kept,) = tmp_path.iterdir()
    killed = start(program("sqlite_commits", "--directory", str(tmp_path), "--duration", "30"))
    assert killed.until(lambda: len(list(tmp_path.glob("*/bank.db"))) == 2)
    killed.process.kill()
    killed.result()
    assert len(list(tmp_path.iterdir())) == 2
    status, _, err = start(
        program("sqlite_commits", "--directory", str(tmp_path), "--duration", "0.1")
    ).result()
    assert (status, err) == (0, "")
    assert list(tmp_path.iterdir()) == [kept], "a live run keeps its folder"


@pytest.mark.parametrize("module", NETWORKED)
def test_a_server_that_dies_is_one_clear_error(
    module: str, namespace: list[str], start: Start, tmp_path: Path
) -> None:
    started = start(command_for(module, namespace, tmp_path, "--duration", "1"))
    assert started.until(started.children)
    time.sleep(0.1)
    os.kill(started.children()[0], signal.SIGKILL)
    status, out, err = started.result()
    assert (status, out, err) == (1, "", f"{module}: the server process ended early\n")


@pytest.mark.parametrize("module", NETWORKED)
def test_a_loopback_that_may_not_be_brought_up_is_one_clear_error(
    module: str, namespace: list[str], start: Start
) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    weak = ["setpriv", "--bounding-set", "-net_admin,-sys_admin", "--inh-caps", "-all"]
    status, out, err = start([*namespace, *weak, *program(module, "--duration", "0.3")]).result()
    assert (status, out, err) == (1, "", f"{module}: the loopback interface is down; ip link set lo up\n")


@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_argument_is_one_line_and_exit_2(module: str, start: Start) -> None:
    status, out, err = start(program(module, "--duration", "nan")).result()
    assert (status, out) == (2, "")
    assert err == f"{module}: argument --duration: 'nan' is no number of seconds above 0 and up to 3600\n"


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "words", ["--duration 0", "--duration -1", "--duration inf", "--durat 1", "--nonsense", "x"]
)
def test_wrong_arguments_are_refused(module: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(module, words.split(), capsys)


@pytest.mark.parametrize(
    "words",
    [
        "journal-mode WALL",
        "page-size 5000",
        "cache-kib -1",
        "cache-kib 1e3",
        "mmap-mib 99999",
        "synchronous 0;",
    ],
)
def test_wrong_pragmas_are_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused("sqlite_commits", f"--{words}".split(), capsys)


def assert_refused(module: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        importlib.import_module(f"tactician.workloads.{module}").main(arguments)
    out, err = capsys.readouterr()
    assert (refused.value.code, out) == (2, "")
    assert err.startswith(f"{module}: ")
    assert err.count("\n") == 1


def test_an_absent_directory_is_one_line_and_exit_1(start: Start, tmp_path: Path) -> None:
    status, out, err = start(program("sqlite_commits", "--directory", str(tmp_path / "absent"))).result()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "absent" in err


def test_a_longer_accept_queue_serves_bursts_beside_a_busy_process(
    namespace: list[str], start: Start
) -> None:
    """Half of the factor that benchmarks/workloads.py shows, for a machine that other tests keep busy."""
    start([sys.executable, "-c", "while True: pass"])
    served = {}
    for length in (128, 512):
        command = program("listen_backlog", "--duration", "0.9")
        _, out, _ = start([*namespace, *with_settings([f"net/core/somaxconn={length}"], command)]).result()
        served[length] = figures(out)["requests_per_second"]
    assert served[128] > 0
    assert served[512] >= 5 * served[128]


def test_the_shortest_queue_does_not_prolong_the_run(namespace: list[str], start: Start) -> None:
    begun = time.monotonic()
    command = program("listen_backlog", "--duration", "0.5")
    status, out, _ = start([*namespace, *with_settings(["net/core/somaxconn=16"], command)]).result()
    assert status == 0
    assert figures(out)["unanswered"] > 0
    assert time.monotonic() - begun < 0.5 + 1.5 + 10  # the machine may be busy with other things


def test_a_run_of_churn_meets_no_port_of_the_run_before(namespace: list[str], start: Start) -> None:
    """With 100 ports and no reuse each run has 100 connections to give, the second one too."""
    one = " ".join(program("tcp_churn", "--duration", "0.5"))
    settings = ["net/ipv4/ip_local_port_range=40000 40099", "net/ipv4/tcp_tw_reuse=0"]
    script = f"{one} && {one} && grep ^TCP: /proc/net/sockstat >&2"
    status, out, err = start([*namespace, *with_settings(settings, ["sh", "-c", script])]).result()
    assert status == 0
    opened = [float(line.split()[1]) * 0.5 for line in out.splitlines() if "connections" in line]
    assert len(opened) == 2
    assert all(80 <= number <= 100 for number in opened)
    assert " tw 0 " in err


def test_churn_without_the_right_to_a_namespace_meets_no_port_of_the_run_before(
    namespace: list[str], start: Start
) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    weak = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all"]
    one = " ".join([*weak, *program("tcp_churn", "--duration", "0.5")])
    settings = ["net/ipv4/ip_local_port_range=40000 40099", "net/ipv4/tcp_tw_reuse=0"]
    status, out, err = start([*namespace, *with_settings(settings, ["sh", "-c", f"{one} && {one}"])]).result()
    assert (status, err) == (0, "")
    assert out.count("own_namespace: 0") == 2
    opened = [float(line.split()[1]) * 0.5 for line in out.splitlines() if "connections" in line]
    assert all(80 <= number <= 100 for number in opened)


@pytest.mark.parametrize("module", MODULES)
def test_a_workload_starts_with_the_standard_library_alone(module: str) -> None:
    """A benchmark of a second must not spend a part of it on imports."""
    shown = (
        f"import sys, tactician.workloads.{module}; "
        "print(*[n for n in sys.modules if n.split('.')[0] not in sys.stdlib_module_names])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", shown],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )
    assert done.returncode == 0, done.stderr
    others = {name for name in done.stdout.split() if not name.startswith("tactician.workloads")}
    assert others <= {"tactician", "__main__"}
