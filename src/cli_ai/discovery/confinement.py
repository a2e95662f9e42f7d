"""What stands between this process and the hardware: control groups, a container, a hypervisor."""

from __future__ import annotations

import os

from cli_ai.discovery.tree import Tree, clean

FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The number that the kernel gives its own first process namespace."""

_MARKS = (
    ("kubernetes", ("kubepods",)),
    ("docker", ("/docker/", "docker-")),
    ("podman", ("libpod",)),
    ("lxc", ("/lxc/", "lxc.payload", ".lxc")),
)
_VENDORS = (
    ("kvm", ("kvm", "qemu", "red hat", "openstack", "ovirt")),
    ("vmware", ("vmware",)),
    ("virtualbox", ("virtualbox", "innotek")),
    ("hyper-v", ("microsoft corporation virtual machine",)),
    ("xen", ("xen",)),
    ("amazon", ("amazon ec2",)),
    ("google", ("google compute engine",)),
    ("alibaba", ("alibaba cloud",)),
    ("huawei", ("huaweicloud", "huawei cloud")),
    ("parallels", ("parallels",)),
    ("bhyve", ("bhyve",)),
    ("firecracker", ("firecracker",)),
)
_BOOTED_IMAGE = (
    "Files of a container image are here, but this is the kernel's first process namespace: "
    "an image that was booted, not a container."
)
_CLOCKS = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyper-v"), ("xen", "xen"))


def cgroup_version(tree: Tree) -> int:
    """Return 2, 1 (also where both are mounted), or 0 for none."""
    if tree.exists("/sys/fs/cgroup/cgroup.controllers"):
        return 2
    controllers = ("memory", "cpu", "cpu,cpuacct", "blkio")
    return 1 if any(tree.exists(f"/sys/fs/cgroup/{name}") for name in controllers) else 0


def container(tree: Tree) -> tuple[str, tuple[str, ...]]:
    """Return the kind of container that this is, or nothing, and notes about it."""
    groups = tree.read("/proc/self/cgroup") + tree.read("/proc/1/cgroup")
    marked = next((kind for kind, marks in _MARKS if any(mark in groups for mark in marks)), "")
    named = tree.real and "KUBERNETES_SERVICE_HOST" in os.environ
    if named or tree.exists("/var/run/secrets/kubernetes.io"):
        marked = "kubernetes"
    told = clean(tree.read("/run/systemd/container", 64)) or _told_to_init(tree)
    if not (marked or told or tree.exists("/.dockerenv") or tree.exists("/run/.containerenv")):
        return "", ()
    if tree.link("/proc/self/ns/pid") == FIRST_PID_NAMESPACE and not marked:
        return "", (_BOOTED_IMAGE,)
    kind = marked or told or ("podman" if tree.exists("/run/.containerenv") else "docker")
    return kind, (f"Inside a container ({kind}): many of the host's knobs are hidden, shared or read-only.",)


def virtual_machine(tree: Tree) -> str:
    """Return the hypervisor's name, ``unknown`` where there is one that does not say, or nothing."""
    folder = "/sys/class/dmi/id"
    board = " ".join(clean(tree.read(f"{folder}/{name}")) for name in ("sys_vendor", "product_name")).lower()
    for kind, words in _VENDORS:
        if any(word in board for word in words):
            return kind
    told = clean(tree.read("/sys/hypervisor/type", 64)).lower()
    if told:
        return told
    device_tree = tree.read("/proc/device-tree/hypervisor/compatible", 256).lower()
    if device_tree:
        return "kvm" if "kvm" in device_tree else "xen" if "xen" in device_tree else "unknown"
    clocks = tree.read("/sys/devices/system/clocksource/clocksource0/available_clocksource", 256)
    for word, kind in _CLOCKS:
        if word in clocks.split():
            return kind
    return "unknown" if _says_hypervisor(tree) else ""


def _says_hypervisor(tree: Tree) -> bool:
    for line in tree.read("/proc/cpuinfo", 8192).splitlines():
        if line.startswith("flags"):
            return "hypervisor" in line.split()
    return False


def _told_to_init(tree: Tree) -> str:
    for word in tree.read("/proc/1/environ").split("\0"):
        if word.startswith("container="):
            return clean(word.partition("=")[2], 32)
    return ""
