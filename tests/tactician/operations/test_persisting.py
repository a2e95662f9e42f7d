"""Files for the boot: written only where they decide, and gone without a trace when they are reverted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support_operations import ID, SWAP, record_of, rewrite_header, shown, store, tree
from tactician.errors import RefusedError
from tactician.operations import apply_run, confirm, revert
from tactician.operations.persisting import plan_files
from tactician.operations.settings import Setting
from tactician.system.applications import settle
from tactician.system.boot import tmpfiles
from tactician.system.boot.prediction import at_boot
from tactician.undo import applied

FILE = f"etc/sysctl.d/60-tactician-{ID}.conf"
DEVICES = f"etc/tmpfiles.d/60-tactician-{ID}.conf"
READ_AHEAD = "/sys/block/vda/queue/read_ahead_kb"


@pytest.fixture
def etc(root):
    """An /etc that somebody cares for: other files, odd modes, old times."""
    folder = root / "etc"
    (folder / "sysctl.d").mkdir(parents=True)
    (folder / "sysctl.d/10-site.conf").write_text("vm.laptop_mode = 0\n")
    (folder / "sysctl.d/10-site.conf").chmod(0o640)
    (folder / "sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    (folder / "sysctl.conf").write_text("# nothing here\n")
    for path in (folder / "sysctl.d/10-site.conf", folder / "sysctl.d", folder):
        os.utime(path, ns=(10**18, 10**18 + 123456789))
    return folder


def test_the_winner_is_set_at_every_boot_and_nothing_is_left_after_a_revert(home, root, etc):
    before = tree(etc)
    done = apply_run(record_of(), home, str(root), persist=True)
    assert done.files == ("/" + FILE,)
    text = (root / FILE).read_text()
    assert "vm.swappiness = 0\n" in text
    assert "net.ipv4.tcp_rmem = 4096 131072 16777216\n" in text
    assert f"tactician revert {ID}" in text
    assert (root / FILE).stat().st_mode & 0o7777 == 0o644
    assert at_boot([SWAP], "systemd", str(root))[SWAP].value == "0"
    revert(home)
    assert tree(etc) == before
    assert shown(root) == ["60", "4096 131072 6291456"]


def test_folders_that_had_to_be_made_go_again(home, root):
    (root / "etc").mkdir()
    before = tree(root / "etc")
    apply_run(record_of(), home, str(root), persist=True)
    assert (root / FILE).exists()
    revert(home)
    assert tree(root / "etc") == before


def test_a_folder_in_which_somebody_was_busy_since_keeps_its_time(home, root, etc):
    apply_run(record_of(), home, str(root), persist=True)
    (etc / "sysctl.d/20-new.conf").write_text("vm.laptop_mode = 1\n")
    revert(home)
    assert sorted(path.name for path in (etc / "sysctl.d").iterdir()) == [
        "10-site.conf", "20-new.conf", "99-sysctl.conf",
    ]  # fmt: skip
    assert (etc / "sysctl.d").stat().st_mtime_ns != 10**18 + 123456789


def test_a_file_that_would_win_at_the_boot_is_named_with_its_line_and_nothing_is_done(home, root, etc):
    (etc / "sysctl.conf").write_text("# mine\nvm.swappiness = 1\n")
    before = tree(root)
    with pytest.raises(RefusedError) as caught:
        apply_run(record_of(), home, str(root), persist=True)
    (problem,) = caught.value.problems
    assert problem.path == SWAP
    assert "/etc/sysctl.conf:2 would set '1' at the next boot instead of '0'" in problem.message
    assert "without --persist" in problem.message
    assert tree(root) == before
    assert not list(home.applied.glob("*.jsonl"))


def test_a_file_that_says_the_same_is_no_obstacle(home, root, etc):
    (etc / "sysctl.d/80-same.conf").write_text("vm.swappiness = 0\n")
    apply_run(record_of(), home, str(root), persist=True)


def test_the_program_that_does_not_boot_this_host_is_warned_of(home, root, etc):
    """Under systemd nobody reads /etc/sysctl.conf at a boot, unless a link in sysctl.d leads to it."""
    program = root / "usr/lib/systemd/systemd-sysctl"
    program.parent.mkdir(parents=True)
    program.touch()
    (etc / "sysctl.d/99-sysctl.conf").unlink()
    (etc / "sysctl.conf").write_text("vm.swappiness = 1\n")
    done = apply_run(record_of(), home, str(root), persist=True)
    assert any(
        "sysctl --system by hand" in notice and "/etc/sysctl.conf:1" in notice for notice in done.notices
    )


def test_with_a_time_to_confirm_the_files_come_with_the_confirmation(home, root, etc):
    before = tree(etc)
    done = apply_run(record_of(), home, str(root), confirm_within_s=300, persist=True)
    assert done.files == ("/" + FILE,)
    assert tree(etc) == before, "a crash now must boot what was there"
    assert confirm(home, root=str(root)).files == ("/" + FILE,)
    assert "vm.swappiness = 0\n" in (root / FILE).read_text()
    revert(home)
    assert tree(etc) == before


def test_a_file_that_came_since_is_found_before_the_confirmation(home, root, etc):
    apply_run(record_of(), home, str(root), confirm_within_s=300, persist=True)
    (etc / "sysctl.d/70-late.conf").write_text("vm.swappiness = 7\n")
    with pytest.raises(RefusedError, match="70-late"):
        confirm(home, root=str(root))
    (etc / "sysctl.d/70-late.conf").unlink()
    confirm(home, root=str(root))


def test_a_crash_between_the_word_and_the_files_is_mended_by_a_second_word(home, root, etc):
    apply_run(record_of(), home, str(root), confirm_within_s=300, persist=True)
    applied.confirm(home.applied / f"{ID}.jsonl")
    assert not (root / FILE).exists()
    assert confirm(home, root=str(root)).files == ("/" + FILE,)
    assert (root / FILE).exists()


def test_what_is_applied_can_be_persisted_afterwards(home, root, etc):
    before = tree(etc)
    apply_run(record_of(), home, str(root))
    done = apply_run(record_of(), home, str(root), persist=True)
    assert (done.changed, done.files) == ({}, ("/" + FILE,))
    revert(home)
    assert tree(etc) == before
    assert shown(root) == ["60", "4096 131072 6291456"]


def test_a_disk_without_room_leaves_everything_as_it_was(home, root, etc, monkeypatch):
    from tactician.undo import whole_files

    before = tree(root / "etc")

    def full(kept, content):
        raise OSError(28, "No space left on device", kept["path"])

    monkeypatch.setattr(whole_files, "write_beside", full)
    with pytest.raises(OSError, match="No space"):
        apply_run(record_of(), home, str(root), persist=True)
    assert tree(root / "etc") == before
    assert shown(root) == ["60", "4096 131072 6291456"]
    assert not list(home.applied.glob("*.jsonl"))


def test_after_a_restart_files_and_values_go_together(home, root, etc):
    before = tree(etc)
    apply_run(record_of(), home, str(root), persist=True)
    rewrite_header(home.applied / f"{ID}.jsonl", boot_id="another")
    assert applied.look(home.applied / f"{ID}.jsonl").phase == "kept"
    assert settle(home) == []
    revert(home)
    assert tree(etc) == before
    assert shown(root) == ["60", "4096 131072 6291456"]


def test_after_a_restart_a_value_that_somebody_else_has_set_is_left_alone(home, root, etc):
    apply_run(record_of(), home, str(root), persist=True)
    rewrite_header(home.applied / f"{ID}.jsonl", boot_id="another")
    (root / "proc/sys/vm/swappiness").write_text("7\n")
    revert(home)
    assert shown(root) == ["7", "4096 131072 6291456"]


def test_a_namespace_is_nothing_that_a_boot_sets(home, root):
    record = record_of(document={"network_namespace": "red"})
    with pytest.raises(RefusedError, match="own network namespace only"):
        apply_run(record, home, str(root), persist=True)


def device(new="4096", path=READ_AHEAD):
    return Setting("sysfs", path, path, new, "128")


@pytest.fixture
def with_tmpfiles(root):
    program = root / "usr/bin/systemd-tmpfiles"
    program.parent.mkdir(parents=True)
    program.touch()
    return str(root)


def test_values_below_sys_are_set_by_a_file_of_tmpfiles(with_tmpfiles):
    planned = plan_files(record_of(), [device()], with_tmpfiles)
    assert planned.files["/" + DEVICES].splitlines()[1] == f"w {READ_AHEAD} - - - - 4096"


def test_without_the_program_that_reads_it_there_is_no_such_file(root):
    with pytest.raises(RefusedError, match="export --format sh"):
        plan_files(record_of(), [device()], str(root))


@pytest.mark.parametrize(
    "line", [f"w {READ_AHEAD} - - - - 512", "w+ /sys/block/*/queue/read_ahead_kb - - - - 512"]
)
def test_a_line_that_contradicts_is_named(with_tmpfiles, root, line):
    folder = root / "usr/lib/tmpfiles.d"
    folder.mkdir(parents=True)
    (folder / "site.conf").write_text(f"# site\n{line}\n")
    with pytest.raises(RefusedError, match=r"/usr/lib/tmpfiles.d/site.conf:2 writes '512'"):
        plan_files(record_of(), [device()], with_tmpfiles)
    plan_files(record_of(), [device("512")], with_tmpfiles)


@pytest.mark.needs("systemd-tmpfiles")
@pytest.mark.parametrize("text", ["4096", "never", "a b  c", "50%", "back\\slash"])
def test_the_line_is_what_systemd_tmpfiles_understands(tmp_path, text):
    place = tmp_path / "with blank%"
    place.write_text("old")
    (tmp_path / "a.conf").write_text(tmpfiles.line(str(place), text) + "\n")
    argv = ["systemd-tmpfiles", "--create", str(tmp_path / "a.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert place.read_text().rstrip("\n") == text
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    (tmp_path / "a.conf").rename(tmp_path / "etc/tmpfiles.d/a.conf")
    (read,) = tmpfiles.writes(str(tmp_path))
    assert (read.path, read.text) == (str(place), text)


# A machine in a nutshell: /etc is a copy, /proc/sys/net is new, the boot's identity is a file.
MACHINE = r"""
set -e
state=$1; shift
for folder in etc usr/lib/sysctl.d run; do
    mkdir -p $state/$folder
    mount --bind $state/$folder /$folder
done
mkdir -p /usr/local/lib
mount -t tmpfs none /usr/local/lib
mount -t tmpfs none /var/lib
mount --bind $state/boot_id /proc/sys/kernel/random/boot_id
ip link set lo up
"$@"
"""
STAGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support_operations import record_of
from tactician.operations import apply_run, revert
from tactician.system.home import Home
key = "net.ipv4.tcp_fin_timeout"
items = [{"param": key, "type": "int", "min": 5, "max": 300}]
home = Home(Path(sys.argv[2]))
if sys.argv[3] == "apply":
    apply_run(record_of(items, {key: 33}, {key: 60}), home, persist=True)
if sys.argv[3] == "revert":
    revert(home)
print(Path("/proc/sys/net/ipv4/tcp_fin_timeout").read_text().strip())
"""


def run_stage(state, *command):
    argv = ["unshare", "-rmn", "sh", "-c", MACHINE, "sh", str(state), *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.needs("userns", "sysctl", "ip")
@pytest.mark.parametrize("program", [["sysctl", "--system"], ["/usr/lib/systemd/systemd-sysctl"]])
def test_a_machine_that_is_rebooted_has_the_values_until_they_are_reverted(tmp_path, program):
    """In a namespace with an /etc of its own, where ``sysctl --system`` may really run."""
    if not Path(program[0]).exists() and program[0].startswith("/"):
        pytest.skip(f"needs {program[0]}")
    state = tmp_path / "machine"
    (state / "etc/sysctl.d").mkdir(parents=True)
    for name, text in {
        "etc/sysctl.conf": "# none\n",
        "etc/sysctl.d/10-site.conf": "net.ipv4.tcp_fin_timeout = 50\n",
    }.items():
        (state / name).write_text(text)
    (state / "boot_id").write_text("first\n")
    os.utime(state / "etc/sysctl.d", ns=(10**18, 10**18))
    before = tree(state / "etc")
    tests = str(Path(__file__).parents[2])
    python = [sys.executable, "-c", STAGE, tests, str(tmp_path / "home")]
    read = ["cat", "/proc/sys/net/ipv4/tcp_fin_timeout"]
    boot = f"{' '.join(program)} >/dev/null"

    def booted(*command):
        return run_stage(state, "sh", "-c", f'{boot} && "$@"', "sh", *command)

    assert run_stage(state, *read) == "60"
    assert booted(*read) == "50"
    assert booted(*python, "apply") == "33"
    assert tree(state / "etc") != before
    (state / "boot_id").write_text("second\n")
    assert booted(*read) == "33"
    assert booted(*python, "revert") == "50"
    assert tree(state / "etc") == before
    assert booted(*read) == "50"


def test_the_command_line_persists_and_says_where(home, root, tmp_path, monkeypatch, capsys):
    from cli_ai.main import app
    from tactician.operations import applying

    real = applying.apply_run
    monkeypatch.setenv("TACTICIAN_HOME", str(home.path))
    monkeypatch.setattr(
        "tactician.operations.apply_run", lambda record, place, **more: real(record, place, str(root), **more)
    )
    store(home, record_of())
    assert int(app(["apply", "last", "--persist"], standalone_mode=False) or 0) == 0
    said = capsys.readouterr().out
    assert f"set at every boot by /{FILE}" in said
    assert f"tactician revert {ID}" in said
