"""Distribution, processors, memory, control groups, containers and hypervisors from their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_ai.discovery import confinement, machine
from cli_ai.discovery.tree import Tree


def tree(root: Path, files: dict[str, str], links: dict[str, str] | None = None) -> Tree:
    for path, text in files.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
    for path, target in (links or {}).items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).symlink_to(target)
    return Tree(str(root))


@pytest.mark.parametrize(
    ("release", "family"),
    [
        ("ID=openEuler", "openeuler"),
        ('ID="openEuler"\nVERSION_ID="22.03"', "openeuler"),
        ('ID="kylin"', "openeuler"),
        ('ID="rhel"\nID_LIKE="fedora"', "rhel"),
        ('ID="centos"\nID_LIKE="rhel fedora"', "rhel"),
        ("ID=fedora", "rhel"),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"', "rhel"),
        ('ID="anolis"\nID_LIKE="rhel fedora centos"', "rhel"),
        ("ID=ubuntu\nID_LIKE=debian", "debian"),
        ("ID=neon\nID_LIKE='ubuntu debian'", "debian"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"', "suse"),
        ("ID=arch", "arch"),
        ("ID=alpine", "alpine"),
        ("ID=nixos", "other"),
        ("", "other"),
        ('ID="unbalanced', "other"),
    ],
)
def test_the_family_decides_the_package_manager(tmp_path: Path, release: str, family: str) -> None:
    assert machine.distribution(tree(tmp_path, {"/etc/os-release": release})).family == family


def test_os_release_may_be_in_usr_lib(tmp_path: Path) -> None:
    found = machine.distribution(
        tree(tmp_path, {"/usr/lib/os-release": 'ID=debian\nPRETTY_NAME="Debian 13"'})
    )
    assert (found.id, found.name) == ("debian", "Debian 13")


@pytest.mark.parametrize(
    ("text", "count"),
    [("0-3\n", 4), ("0", 1), ("0-1,4,6-7", 5), ("", 0), ("x", 0), ("3-1", 0), ("0-99999999", 0)],
)
def test_lists_of_processors(text: str, count: int) -> None:
    assert len(machine.cpu_list(text)) == count


MEMINFO = "MemTotal:        8388608 kB\nSwapTotal:       1024 kB\n"


@pytest.mark.parametrize(
    ("files", "memory", "cores"),
    [
        ({}, 8 << 30, 4),
        ({"/sys/fs/cgroup/a/memory.max": "max\n", "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 8 << 30, 4),
        ({"/sys/fs/cgroup/a/memory.max": "1073741824\n"}, 1 << 30, 4),
        (
            {"/sys/fs/cgroup/a/b/memory.max": "2147483648", "/sys/fs/cgroup/a/memory.max": "1073741824"},
            1 << 30,
            4,
        ),
        ({"/sys/fs/cgroup/a/memory.max": str(1 << 40)}, 8 << 30, 4),
        ({"/sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, 8 << 30, 1),
        ({"/sys/fs/cgroup/a/b/cpu.max": "250000 100000"}, 8 << 30, 3),
        ({"/sys/fs/cgroup/a/b/cpu.max": "0 0"}, 8 << 30, 4),
    ],
)
def test_limits_of_control_groups_count(
    tmp_path: Path, files: dict[str, str], memory: int, cores: int
) -> None:
    base = {
        "/proc/meminfo": MEMINFO,
        "/sys/devices/system/cpu/online": "0-3",
        "/proc/self/cgroup": "0::/a/b\n",
    }
    found = machine.resources(tree(tmp_path, {**base, **files}))
    assert (found.memory_bytes, found.cores) == (memory, cores)
    assert len(found.notes) == (memory < 8 << 30) + (cores < 4)
    assert found.swap_bytes == 1 << 20


def test_limits_of_the_first_version_count_too(tmp_path: Path) -> None:
    files = {
        "/proc/meminfo": MEMINFO,
        "/proc/stat": "cpu  1\ncpu0 1\ncpu1 1\n",
        "/proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x\n9:../..:/../../etc\n",
        "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456",
        "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "100000",
        "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
    }
    found = machine.resources(tree(tmp_path, files))
    assert (found.memory_bytes, found.cores) == (256 << 20, 1)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"/sys/fs/cgroup/cgroup.controllers": "cpu"}, 2),
        ({"/sys/fs/cgroup/memory/tasks": ""}, 1),
        ({"/sys/fs/cgroup/memory/tasks": "", "/sys/fs/cgroup/unified/cgroup.controllers": ""}, 1),
        ({"/sys/fs/other": ""}, 0),
    ],
)
def test_versions_of_control_groups(tmp_path: Path, files: dict[str, str], version: int) -> None:
    assert confinement.cgroup_version(tree(tmp_path, files)) == version


FIRST, OTHER = confinement.FIRST_PID_NAMESPACE, "pid:[4026532999]"


@pytest.mark.parametrize(
    ("files", "namespace", "kind"),
    [
        ({}, FIRST, ""),
        ({}, OTHER, ""),
        ({"/.dockerenv": ""}, OTHER, "docker"),
        ({"/.dockerenv": ""}, FIRST, ""),
        ({"/run/.containerenv": ""}, OTHER, "podman"),
        ({"/proc/1/environ": "PATH=/bin\0container=lxc\0"}, OTHER, "lxc"),
        ({"/run/systemd/container": "systemd-nspawn\n"}, OTHER, "systemd-nspawn"),
        (
            {"/proc/self/cgroup": "5:memory:/kubepods/burstable/pod1\n", "/.dockerenv": ""},
            OTHER,
            "kubernetes",
        ),
        ({"/proc/self/cgroup": "5:memory:/docker/0123\n"}, OTHER, "docker"),
        ({"/proc/self/cgroup": "0::/machine.slice/libpod-01.scope\n"}, OTHER, "podman"),
        ({"/proc/1/cgroup": "0::/lxc.payload.one/init.scope\n"}, OTHER, "lxc"),
    ],
)
def test_containers(tmp_path: Path, files: dict[str, str], namespace: str, kind: str) -> None:
    found, notes = confinement.container(tree(tmp_path, files, {"/proc/self/ns/pid": namespace}))
    assert found == kind
    assert bool(notes) == bool(kind or "/.dockerenv" in files)


DMI = "/sys/class/dmi/id"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, ""),
        ({f"{DMI}/sys_vendor": "QEMU\n", f"{DMI}/product_name": "Standard PC"}, "kvm"),
        ({f"{DMI}/sys_vendor": "VMware, Inc."}, "vmware"),
        ({f"{DMI}/sys_vendor": "Microsoft Corporation", f"{DMI}/product_name": "Virtual Machine"}, "hyper-v"),
        ({f"{DMI}/sys_vendor": "Microsoft Corporation", f"{DMI}/product_name": "Surface"}, ""),
        ({f"{DMI}/sys_vendor": "innotek GmbH"}, "virtualbox"),
        ({f"{DMI}/sys_vendor": "Dell Inc.", f"{DMI}/product_name": "PowerEdge"}, ""),
        ({"/sys/hypervisor/type": "xen\n"}, "xen"),
        ({"/proc/device-tree/hypervisor/compatible": "linux,kvm\0"}, "kvm"),
        ({"/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock"}, "kvm"),
        ({"/proc/cpuinfo": "flags\t: fpu hypervisor\n"}, "unknown"),
        ({"/proc/cpuinfo": "flags\t: fpu vmx\n"}, ""),
    ],
)
def test_hypervisors(tmp_path: Path, files: dict[str, str], name: str) -> None:
    assert confinement.virtual_machine(tree(tmp_path, files)) == name
