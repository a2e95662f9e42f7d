"""Owners are found by what they are: a process, a line in a file, a control group, a mount."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.config import parse_experiment
from tactician.system.ownership import confinement, daemons, survey, survey_keys, tuned_profiles


@pytest.fixture
def host(tmp_path):
    """A host in a folder; ``write`` makes its files."""

    class Host:
        root = str(tmp_path)

        def write(self, path, text):
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            return file

        def process(self, pid, comm, *argv):
            self.write(f"/proc/{pid}/comm", comm + "\n")
            (tmp_path / f"proc/{pid}/cmdline").write_bytes("\0".join([*argv, ""]).encode())

    found = Host()
    found.write("/proc/sys/vm/swappiness", "60\n")
    found.write("/proc/sys/net/core/netdev_max_backlog", "1000\n")
    return found


def names(host, *keys):
    return [owner.name for owner in survey_keys(keys, host.root)]


def test_a_host_without_owners_has_none(host):
    host.process(1, "systemd", "/sbin/init")
    host.process(7, "sh", "/bin/sh", "-c", "echo tuned")
    host.process(8, "kthreadd")
    host.process(9, "vim", "vim", "/etc/tuned/tuned-main.conf")
    assert names(host, "vm.swappiness", "net.ipv4.tcp_rmem") == []


@pytest.mark.parametrize(
    ("comm", "argv"),
    [
        ("tuned", ["/usr/bin/python3", "-Es", "/usr/sbin/tuned", "-l", "-P"]),
        ("python3", ["/usr/bin/python3", "/usr/sbin/tuned"]),
        ("tuned", ["/usr/sbin/tuned"]),
    ],
)
def test_tuned_is_found_however_it_was_started(host, comm, argv):
    host.process(812, comm, *argv)
    (owner,) = survey_keys(["vm.swappiness"], host.root)
    assert owner.name == "TuneD"
    assert "pid 812" in owner.notice
    assert "systemctl stop tuned.service" in owner.notice
    assert "does not start at a boot" in owner.notice


@pytest.mark.parametrize(
    "argv", [["sh"], ["bash", "-c", "tuned"], ["python3", "-"], [""], ["", ""], ["/usr/bin/python3", "-Es"]]
)
def test_an_interpreter_without_a_script_is_no_daemon(host, argv):
    host.process(812, argv[0].rpartition("/")[2], *argv)
    assert names(host, "vm.swappiness") == []


@given(argv=st.lists(st.text(max_size=8), max_size=4), comm=st.text(max_size=8))
def test_any_command_line_is_read(tmp_path_factory, argv, comm):
    folder = tmp_path_factory.mktemp("host") / "proc/7"
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("\0".join([*argv, ""]).encode("utf-8", "surrogatepass"))
    (folder / "comm").write_bytes(comm.encode("utf-8", "surrogatepass"))
    assert isinstance(daemons.running(str(folder.parents[1])), list)


def test_only_the_keys_of_the_active_profile_are_its_own(host):
    host.process(812, "tuned", "/usr/sbin/tuned")
    host.write("/etc/tuned/active_profile", "mine\n")
    host.write(
        "/etc/tuned/mine/tuned.conf",
        "[main]\ninclude=throughput-performance\n"
        "[sysctl]\nvm.swappiness = 10 # low\n[disk]\nreadahead=>4096\n",
    )
    host.write(
        "/usr/lib/tuned/throughput-performance/tuned.conf",
        "[main]\ninclude = mine\n[more]\ntype=sysctl\nvm.dirty_ratio=40\n[vm]\ntransparent_hugepages=never\n",
    )
    keys = ["vm.swappiness", "vm.dirty_ratio", "vm.laptop_mode", "/sys/block/sda/queue/read_ahead_kb",
            "/sys/kernel/mm/transparent_hugepage/enabled"]  # fmt: skip
    (owner,) = survey_keys(keys, host.root)
    assert set(owner.keys) == set(keys) - {"vm.laptop_mode"}
    assert "profile mine" in owner.notice


@pytest.mark.parametrize("text", ["[main", "no section\n", "[a]\nb\n[a]\nb=1\n", "\x00\xff"])
def test_a_profile_that_cannot_be_read_owns_nothing(host, text):
    host.write("/etc/tuned/mine/tuned.conf", text)
    assert tuned_profiles.keys(["mine", "../../etc", "absent"], host.root) == ()


def test_an_interface_belongs_to_the_network_manager_and_all_interfaces_to_nobody(host):
    host.process(5, "NetworkManager", "/usr/sbin/NetworkManager", "--no-daemon")
    host.process(6, "systemd-network", "/usr/lib/systemd/systemd-networkd")
    assert names(host, "net.ipv4.conf.eth0.rp_filter") == ["NetworkManager", "systemd-networkd"]
    assert names(host, "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter") == []


def test_bpftune_may_set_any_key_of_the_network(host):
    host.process(5, "bpftune", "/usr/sbin/bpftune", "-d")
    assert names(host, "net.ipv4.tcp_rmem", "vm.swappiness") == ["bpftune"]
    assert names(host, "vm.swappiness") == []


def test_a_unit_with_processes_counts_though_its_program_has_another_name(host):
    host.write("/sys/fs/cgroup/system.slice/atuned.service/cgroup.procs", "4711\n")
    host.write("/sys/fs/cgroup/system.slice/tuned.service/cgroup.procs", "")
    wants = host.write("/etc/systemd/system/multi-user.target.wants/other", "").parent
    (wants / "atuned.service").symlink_to("/usr/lib/systemd/system/atuned.service")
    (owner,) = survey_keys(["vm.swappiness"], host.root)
    assert owner.name == "A-Tune"
    assert "atuned.service is active; starts at a boot" in owner.notice


def test_a_real_process_of_that_name_is_found(tmp_path):
    program = tmp_path / "tuned"
    shutil.copy(shutil.which("sleep"), program)
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            (seen,) = [each for each in daemons.running() if each.daemon.name == "TuneD"]
            assert process.pid in seen.pids
        finally:
            process.kill()


def test_files_that_set_a_key_are_named_with_the_line(host):
    host.write("/etc/sysctl.d/10-site.conf", "# site\nvm.swappiness = 5\nvm.laptop_mode = 1\n")
    host.write("/etc/tmpfiles.d/disk.conf", "w /sys/block/*/queue/read_ahead_kb - - - - 512\n")
    owners = survey_keys(["vm.swappiness", "/sys/block/sda/queue/read_ahead_kb"], host.root)
    assert [owner.name for owner in owners] == ["/etc/sysctl.d/10-site.conf", "/etc/tmpfiles.d/disk.conf"]
    assert "line 2 (5), sets vm.swappiness" in owners[0].notice
    assert "line 1 (512)" in owners[1].notice


def test_control_groups_that_keep_their_own_swappiness_are_told(host):
    host.write("/sys/fs/cgroup/memory/memory.swappiness", "60\n")
    assert names(host, "vm.swappiness") == []
    host.write("/sys/fs/cgroup/memory/system.slice/memory.swappiness", "10\n")
    (owner,) = survey_keys(["vm.swappiness"], host.root)
    assert "/sys/fs/cgroup/memory/system.slice (10, and not 60)" in owner.notice
    assert names(host, "vm.dirty_ratio") == []


MOUNT = "{id} 1 0:1 / {place} {options} shared:1 - proc proc rw\n"


@pytest.mark.parametrize(
    ("mounts", "hidden"),
    [
        ([("/proc", "rw,nosuid")], []),
        ([("/proc", "rw"), ("/proc/sys", "ro,nosuid")], ["/proc/sys"]),
        ([("/proc", "ro")], ["/proc/sys"]),
        ([("/proc", "rw"), ("/sys", "ro")], ["/sys"]),
        ([("/proc/sys", "ro"), ("/proc/sys", "rw")], []),
    ],
)
def test_read_only_mounts_hide_what_is_below_them(host, mounts, hidden):
    lines = [
        MOUNT.format(id=number, place=place, options=options)
        for number, (place, options) in enumerate(mounts)
    ]
    host.write("/proc/self/mountinfo", "".join(lines))
    assert confinement.read_only_mounts(host.root) == hidden
    keys = ["vm.swappiness", "/sys/block/sda/queue/read_ahead_kb"]
    found = [owner.keys[0] for owner in survey_keys(keys, host.root)]
    assert found == [{"/proc/sys": "vm.swappiness", "/sys": keys[1]}[place] for place in hidden]


def test_a_container_is_told_by_its_namespace_and_named_by_its_mark(host, tmp_path):
    link = tmp_path / "proc/self/ns/pid"
    link.parent.mkdir(parents=True)
    host.write("/.dockerenv", "")
    link.symlink_to("pid:[4026531836]")
    assert confinement.container(host.root) == "", "an image's mark alone makes no container"
    link.unlink()
    link.symlink_to("pid:[4026532999]")
    assert confinement.container(host.root) == "Docker"
    (tmp_path / ".dockerenv").unlink()
    assert confinement.container(host.root) == "a process namespace of its own"


def test_another_network_namespace_is_told_unless_it_was_asked_for(host, tmp_path):
    (tmp_path / "proc/sys/net/core/netdev_max_backlog").unlink()
    item = {"param": "net.core.somaxconn", "type": "int", "min": 128, "max": 8192}
    document = {
        "workload_name": "a",
        "reward_metric": "ops",
        "benchmark_command": "true",
        "action_space": [item],
    }
    assert [owner.name for owner in survey(parse_experiment(document), host.root)] == ["network namespace"]
    there = parse_experiment({**document, "network_namespace": "throw-away"})
    assert survey(there, host.root) == []


@pytest.mark.needs("userns")
def test_a_real_namespace_is_not_the_first_one():
    code = "from tactician.system.ownership import confinement as c; print(c.first_network())"
    import sys

    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ},
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_an_argument_of_the_benchmark_has_no_owner(host):
    host.process(812, "tuned", "/usr/sbin/tuned")
    item = {"param": "clients", "type": "int", "min": 1, "max": 9}
    document = {
        "workload_name": "a",
        "reward_metric": "ops",
        "benchmark_command": "true {clients}",
        "action_space": [item],
    }
    assert survey(parse_experiment(document), host.root) == []
