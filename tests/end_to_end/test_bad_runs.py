"""Whatever is wrong: one clear message, the documented exit code, and a host that is as it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli_ai.main import app
from end_to_end import support
from end_to_end.support import Namespace, document, tactician, write
from tactician.system.guarding import RunJournal
from tactician.undo import files

CASES = Path(__file__).parents[1] / "cases" / "bad_runs"
NAMES = sorted(path.stem for path in CASES.glob("*.json"))


def case_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return found


REFUSED = [name for name in NAMES if case_of(name)["exit"] == 2]
BEGUN = [name for name in NAMES if case_of(name)["exit"] != 2]
pytestmark = pytest.mark.needs("root", "ip", "nsenter", "setpriv", "unshare")


def arguments_of(case: dict[str, Any], folder: Path) -> list[str]:
    config = folder / "config.json"
    if "text" in case:
        config.write_text(case["text"], encoding="utf-8")
    else:
        write(config, document(**case.get("changes", {})))
    return [str(config) if word == "CONFIG" else word for word in case.get("arguments", ["tune", "CONFIG"])]


def one_clear_message(text: str) -> bool:
    return "Traceback" not in text and "internal error" not in text and text.strip() != ""


def nothing_stays() -> bool:
    return support.until(lambda: not support.living("sleep", "4321"), 5)


def assert_error_document(text: str, code: str | None, says: Sequence[str] = ()) -> None:
    """Standard output is one document of the documented form."""
    found = json.loads(text)
    assert found["success"] is False
    assert set(found["error"]) == {"code", "message", "problems"}
    assert found["error"]["message"]
    assert all(set(problem) == {"path", "message"} for problem in found["error"]["problems"])
    said = found["error"]["message"] + json.dumps(found["error"]["problems"], ensure_ascii=False)
    assert all(words in said for words in says)
    assert "internal error" not in said
    if code is not None:
        assert found["error"]["code"] == code


def here(arguments: Sequence[str], network: Namespace) -> int:
    """Run the command line in this process: what is refused needs none of its own."""
    with files.entered(network.path):
        return int(app(list(arguments), standalone_mode=False) or 0)


def test_there_are_forty_cases_and_more() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named_and_nothing_is_touched(
    name: str, network: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = case_of(name)
    arguments = arguments_of(case, tmp_path)
    status, said = here(arguments, network), capsys.readouterr()
    assert status == case["exit"]
    assert one_clear_message(said.err)
    assert all(words in said.err for words in case["says"])
    status, said = here([*arguments, "--json"], network), capsys.readouterr()
    assert status == case["exit"]
    assert_error_document(said.out, case["code"], case["says"])
    assert not list((tmp_path / "home").glob("journals/*.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("name", BEGUN)
def test_a_benchmark_that_gives_nothing_says_why_and_leaves_nothing(
    name: str, network: Namespace, tmp_path: Path
) -> None:
    case = case_of(name)
    arguments = arguments_of(case, tmp_path)
    plain = tactician(*arguments, prefix=network.prefix)
    assert plain.returncode == case["exit"]
    assert one_clear_message(plain.stderr)
    assert all(words in plain.stderr for words in case["says"])
    assert nothing_stays()
    assert not list((tmp_path / "home").glob("journals/*.jsonl"))
    as_json = tactician(*arguments, "--json", prefix=network.prefix)
    assert as_json.returncode == case["exit"]
    assert_error_document(as_json.stdout, case["code"], case["says"])


def test_an_unknown_option_is_json_too_where_json_was_asked_for(network: Namespace) -> None:
    done = tactician("tune", "--json", "--no-such-option", prefix=network.prefix)
    assert done.returncode == 2
    assert_error_document(done.stdout, "usage")


def test_a_configuration_that_is_no_text_is_refused(network: Namespace, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_bytes(b'{"workload_name": "\xff\xfe\x00"}')
    done = tactician("tune", config, prefix=network.prefix)
    assert done.returncode == 2
    assert one_clear_message(done.stderr)


@pytest.mark.parametrize(
    ("command", "metric"),
    [
        ("sleep 4321 & setsid sleep 4321 & echo ops: 5", "ops"),
        ("printf '\\377\\376\\200 noise\\n\\000\\nops: 5\\n'", "ops"),
        ("echo 'ops (a+b)*[1]: 5'", "ops (a+b)*[1]"),
        ("head -c 300M /dev/zero | tr '\\0' '\\n'; echo ops: 5", "ops"),
        ('eval "echo ops: 5"', "ops"),
        (": warm; until true; do :; done; echo ops: 5", "ops"),
    ],
    ids=["children-stay", "not-utf8", "regex-characters", "much-before", "shell-builtin", "shell-loop"],
)
def test_odd_benchmarks_that_are_no_failure_run(
    command: str, metric: str, network: Namespace, tmp_path: Path
) -> None:
    whole = document(benchmark_command=command, reward_metric=metric, budget={"trials": 1})
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json", prefix=network.prefix)
    assert done.returncode == 0
    found = support.result(done)
    assert found["restored"] and found["baseline"]["median"] == 5
    assert nothing_stays()


def test_three_failures_in_a_row_stop_the_run_and_restore(network: Namespace, tmp_path: Path) -> None:
    original = network.read("net/core/somaxconn")
    broken = f'n=$(cat {support.SOMAXCONN}); test "$n" = {original} && echo ops: 5'
    config = write(tmp_path / "c.json", document(benchmark_command=broken, budget={"trials": 20}))
    done = tactician("tune", config, "--json", prefix=network.prefix)
    assert done.returncode == 3
    found = support.result(done)
    assert found["stopped_because"] == "failures"
    assert (found["trials"], found["failed_trials"]) == (3, 3)
    assert found["success"] is False and found["restored"] is True
    assert found["best_config"] == {"net.core.somaxconn": int(original)}


def test_a_read_only_proc_sys_names_the_ways_to_get_the_right(network: Namespace, tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", document())
    mount = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    inside = [*network.prefix, "unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    done = tactician("tune", config, prefix=inside)
    assert done.returncode == 2
    assert one_clear_message(done.stderr)
    for words in ("no right to write net.core.somaxconn", "--dry-run", "throw-away"):
        assert words in done.stderr


@pytest.mark.parametrize("size", ["64k", "256k"])
def test_a_full_disk_ends_before_the_first_write(size: str, network: Namespace, tmp_path: Path) -> None:
    home = tmp_path / "full"
    home.mkdir()
    config = write(tmp_path / "c.json", document(budget={"trials": 2}))
    fill = f"mount -t tmpfs -o size={size} none {home} && head -c 1G /dev/zero >{home}/fill 2>/dev/null"
    inside = [*network.prefix, "unshare", "-m", "sh", "-c", f'{fill}; exec "$@"', "sh"]
    done = tactician("tune", config, prefix=inside, TACTICIAN_HOME=str(home))
    assert done.returncode in (1, 2)
    assert one_clear_message(done.stderr)
    assert "No space left" in done.stderr or "full" in done.stderr


def test_a_disk_that_fills_up_in_the_middle_ends_restored(network: Namespace, tmp_path: Path) -> None:
    home = tmp_path / "filling"
    home.mkdir()
    fill = f"head -c 1G /dev/zero >{home}/fill 2>/dev/null; {support.BY_QUEUE}"
    config = write(tmp_path / "c.json", document(benchmark_command=fill, budget={"trials": 5}))
    mount = f'mount -t tmpfs -o size=600k none {home}; exec "$@"'
    inside = [*network.prefix, "unshare", "-m", "sh", "-c", mount, "sh"]
    done = tactician("tune", config, prefix=inside, TACTICIAN_HOME=str(home))
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("home", ["/proc/tactician", "/etc/hostname/tactician"])
def test_a_home_that_cannot_be_written_is_named(home: str, network: Namespace, tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", document())
    done = tactician("tune", config, prefix=network.prefix, TACTICIAN_HOME=home)
    assert done.returncode in (1, 2)
    assert one_clear_message(done.stderr)
    assert home in done.stderr


def test_a_read_only_system_folder_is_no_reason_to_fail(network: Namespace, tmp_path: Path) -> None:
    """The note for ``recover`` is a help; a container whose /var is read-only can do without."""
    config = write(tmp_path / "c.json", document(budget={"trials": 1}))
    mount = 'mount -t tmpfs -o ro none /var/lib && exec "$@"'
    inside = [*network.prefix, "unshare", "-m", "sh", "-c", mount, "sh"]
    done = tactician("tune", config, "--json", prefix=inside)
    assert done.returncode == 0
    assert support.result(done)["restored"]


def test_a_folder_that_is_gone_is_no_reason_to_fail_badly(network: Namespace, tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", document(budget={"trials": 1}))
    gone = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = tactician("tune", config, prefix=[*network.prefix, "sh", "-c", gone, "sh"], cwd=tmp_path)
    assert done.returncode in (0, 2)
    assert "internal error" not in done.stderr


def test_a_second_tuner_is_refused_and_told_of_the_first(network: Namespace, tmp_path: Path) -> None:
    slow = write(tmp_path / "slow.json", document(benchmark_command="sleep 60; echo ops: 5"))
    quick = write(tmp_path / "quick.json", document())
    first = support.start("tune", slow, prefix=network.prefix)
    try:
        assert support.until(lambda: support.living("tune", str(slow)) and network.pids())
        assert support.until(lambda: list((tmp_path / "home").glob("journals/*.jsonl")))
        second = tactician("tune", quick, prefix=network.prefix, TACTICIAN_HOME=str(tmp_path / "other"))
        assert second.returncode == 2
        assert f"pid {first.pid}" in second.stderr
        assert "cli_ai.main tune" in second.stderr
        named = tactician("tune", write(quick, document(network_namespace=network.name)), "--json")
        assert named.returncode == 2
        assert_error_document(named.stdout, "locked")
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert first.returncode == 130


def test_a_user_without_rights_is_told_the_ways_to_get_them(
    network: Namespace, plain_python: str, nobodys: Path
) -> None:
    config = write(nobodys / "c.json", document())
    home = {"HOME": str(nobodys), "TACTICIAN_HOME": str(nobodys / "home")}
    done = tactician(
        "tune", config, prefix=[*network.prefix, *support.NOBODY], python=plain_python, cwd=nobodys, **home
    )
    assert done.returncode == 2
    assert one_clear_message(done.stderr)
    for words in ("no right to write net.core.somaxconn", "sudo", "throw-away", "--dry-run"):
        assert words in done.stderr


def test_a_user_without_rights_is_told_so_of_a_named_namespace(
    network: Namespace, plain_python: str, nobodys: Path
) -> None:
    config = write(nobodys / "c.json", document(network_namespace=network.name))
    home = {"HOME": str(nobodys), "TACTICIAN_HOME": str(nobodys / "home")}
    done = tactician("tune", config, prefix=support.NOBODY, python=plain_python, cwd=nobodys, **home)
    assert done.returncode == 2
    assert one_clear_message(done.stderr)
    assert "network_namespace" in done.stderr


@pytest.mark.needs("userns")
def test_where_no_namespace_can_be_made_the_way_to_get_one_is_named(tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", document(network_namespace="throw-away"))
    # The limit is of the user namespace that writes it; the host's own stays as it is.
    none = 'echo 0 >/proc/sys/user/max_user_namespaces; echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    done = tactician("tune", config, prefix=["unshare", "-rn", "sh", "-c", none, "sh"])
    assert done.returncode == 2
    assert one_clear_message(done.stderr)
    assert "max_user_namespaces" in done.stderr


def test_a_doctor_who_may_not_look_somewhere_says_so(plain_python: str, nobodys: Path) -> None:
    (nobodys / "closed" / "inner").mkdir(parents=True)
    (nobodys / "closed").chmod(0o700)
    home = str(nobodys / "closed" / "inner" / "home")
    done = tactician("doctor", prefix=support.NOBODY, python=plain_python, cwd=Path("/"), TACTICIAN_HOME=home)
    assert done.returncode == 0
    assert "cannot be written" in done.stdout


def test_a_leftover_that_cannot_be_restored_is_named_before_anything_begins(
    network: Namespace, tmp_path: Path
) -> None:
    header = {
        "run_id": "20200101-000000-dead",
        "pid": 1 << 22,
        "pid_start": 1,
        "boot_id": files.boot_identity(),
        "namespace": "",
    }
    journal = RunJournal.create(tmp_path / "home" / "journals", header)
    place = ["/proc/sys/net/core/somaxconn", network.path, "not a number"]
    journal.file.append({"kind": "originals", "undos": [{"writes": [place], "expected": [place]}]})
    journal.file.release()
    done = tactician("tune", write(tmp_path / "c.json", document()), prefix=network.prefix)
    assert done.returncode == 4
    assert "net.core.somaxconn=not a number" in done.stderr


def test_nothing_of_a_refusal_is_written_into_the_home(network: Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        config = write(Path(folder) / "c.json", document(action_space=[]))
        assert tactician("tune", config, prefix=network.prefix, TACTICIAN_HOME=str(home)).returncode == 2
        assert not home.exists()


def test_the_door_of_the_seed_gives_the_same_exit_codes(network: Namespace, tmp_path: Path) -> None:
    door = Path(__file__).parents[2] / "src" / "cli_ai" / "tools" / "optimization" / "rl_autotuner.py"
    broken = write(tmp_path / "c.json", document(action_space=[]))
    command = [*network.prefix, sys.executable, str(door), "--config", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert one_clear_message(done.stderr)
    assert "action_space" in done.stderr


def test_what_was_refused_is_no_run(network: Namespace, tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", document(algorithm_args={"temperature": 3}))
    assert tactician("tune", config, prefix=network.prefix).returncode == 2
    assert json.loads(tactician("runs", "--json").stdout) == []
