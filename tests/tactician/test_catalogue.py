"""The catalogue is data that can be trusted: complete, consistent, true of this machine."""

from __future__ import annotations

import glob
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.constraints import Constraint
from tactician import catalogue
from tactician.safety.constraints import place_names
from tactician.system import facts

FILES = sorted(file.name for file in resources.files(catalogue).iterdir() if file.name.endswith(".toml"))
RAW: dict[str, dict] = {}
for _name in FILES:
    for _table, _content in tomllib.loads((resources.files(catalogue) / _name).read_text("utf-8")).items():
        RAW.setdefault(_table, {}).update(_content)
HOST = [entry for entry in catalogue.entries() if entry.kind != "service"]
OF = {
    file: list(tomllib.loads((resources.files(catalogue) / file).read_text("utf-8")).get("knob", {}))
    for file in FILES
}
BY_FILE = pytest.mark.parametrize("file", [file for file in FILES if OF[file]])
SMALL = {"memory_bytes": 2**28, "cores": 1, "page_bytes": 4096, "swap_bytes": 0, "link_mbit": 10}
LARGE = {"memory_bytes": 2**44, "cores": 1024, "page_bytes": 65536, "swap_bytes": 2**40, "link_mbit": 400_000}
WORKLOADS = {
    "database", "analytics", "web", "cache", "messaging", "network", "storage", "cpu", "memory", "latency",
    "power",
}  # fmt: skip
# Current values that may leave the range, each for a reason that is no mistake of the range.
EXCEPTIONS = {
    "/sys/block/zram*/queue/*": "a compressed disk has no queue of its own",
    "/sys/block/*/queue/scheduler": "a machine may have built a scheduler of its own",
    "net.core.default_qdisc": "a distribution may have chosen another",
}


def test_there_are_enough_of_them():
    kinds = Counter(entry.kind for entry in catalogue.entries())
    assert kinds["sysctl"] >= 150
    assert kinds["sysfs"] >= 40
    assert set(FILES) >= {"vm.toml", "danger.toml", "gone.toml", "habits.toml"}


@BY_FILE
def test_an_entry_is_complete_and_says_how_we_know(file):
    for name in OF[file]:
        entry = catalogue.entry(name)
        assert entry is not None
        assert (entry.name, entry.pattern) == (name, name)
        assert re.fullmatch(r"[A-Z].*[^.]\.", entry.what), name
        assert ". " not in entry.what, f"{name}: one sentence"
        assert entry.source, name
        assert entry.type in ("int", "float", "choice", "text"), name
        assert entry.scale in ("linear", "log"), name
        assert entry.scope in ("namespace", "host", "device", "cgroup", "service"), name
        assert (entry.kind == "service") == (entry.scope == "service"), name
        assert entry.acts, name
        assert set(entry.workloads) <= WORKLOADS, name
        assert entry.workloads or entry.kind == "service", f"nobody tunes {name} for anything"
        for version in (entry.since, entry.until):
            assert re.fullmatch(r"(\d+(\.\d+)*)?", version), name
        assert all(isinstance(meaning, str) for meaning in entry.special.values()), name
        assert len(set(entry.values)) == len(entry.values), name
        assert (entry.type == "choice") == bool(entry.values), name
        assert entry.type not in ("int", "float") or None not in (entry.low, entry.high), name


@BY_FILE
@pytest.mark.parametrize("host", [SMALL, LARGE], ids=["small", "large"])
def test_a_range_has_two_ends_on_every_host(file, host):
    for name in OF[file]:
        entry = catalogue.resolve(catalogue.entry(name), host)
        if entry.low is None:
            assert entry.high is None, name
            continue
        assert entry.low <= entry.high, name
        if entry.type == "int":
            assert (type(entry.low), type(entry.high)) == (int, int), name
        if entry.scale == "log":
            assert entry.low > 0, name


@BY_FILE
def test_a_default_is_a_value_that_may_be_tried_or_means_something(file):
    for name in OF[file]:
        entry = catalogue.resolve(catalogue.entry(name), LARGE)
        if entry.default is None or entry.type == "text" or entry.kind == "service":
            continue
        for word in str(entry.default).split():
            if word not in entry.special and word not in entry.values:
                assert entry.low is not None, f"{name}: {word} is not among {entry.values}"
                assert entry.low <= float(word) <= entry.high, name


@BY_FILE
def test_nothing_is_both_known_and_never_tuned(file):
    for name in OF[file]:
        assert catalogue.danger(name) is None, name
        assert catalogue.danger(re.sub(r"\{\w+\}", "x0", name)) is None, name
        if catalogue.absent(name) is not None:
            assert catalogue.entry(name).until, f"{name}: what is gone was there until some version"


@BY_FILE
def test_what_an_entry_speaks_of_is_known(file):
    for name in OF[file]:
        entry = catalogue.entry(name)
        for partner in entry.pair:
            known = catalogue.entry(partner)
            assert catalogue.danger(partner) is None, name
            assert known is None or name in known.pair, f"{name}: a pair knows each other"
        if entry.kind != "service":
            assert [other for other in entry.couples if catalogue.entry(other) is None] == [], name
        for text in entry.constraints:
            parts = place_names(text)
            Constraint.parse(text, parts)
            keys = {catalogue.canonical(part) for part in parts}
            assert name in keys, f"{name}: a constraint speaks of its own entry"
            for key in keys:
                assert text in catalogue.entry(key).constraints, f"{key}: every party knows {text}"


@BY_FILE
def test_defaults_fulfil_the_constraints(file):
    for text in {text for name in OF[file] for text in catalogue.entry(name).constraints}:
        values = {}
        for part in place_names(text):
            known = catalogue.resolve(catalogue.entry(part), LARGE)
            index = int(part.partition("[")[2].rstrip("]") or 0)
            if known.default is None or str(known.default) in known.special:
                break  # unknown, or without a size
            values[part] = float(str(known.default).split()[index])
        else:
            assert Constraint.parse(text, tuple(values)).holds(values), text


def test_the_pairs_of_the_kernel_are_there():
    assert catalogue.entry("vm.dirty_bytes").pair == ("vm.dirty_ratio",)
    assert catalogue.entry("vm.dirty_background_ratio").pair == ("vm.dirty_background_bytes",)
    allowed = ("net.ipv4.tcp_allowed_congestion_control",)
    assert catalogue.entry("net.ipv4.tcp_congestion_control").pair == allowed


@pytest.mark.parametrize("name", RAW["absent"])
def test_what_is_gone_says_since_when_why_and_what_instead(name):
    absent = catalogue.absent(name)
    assert absent.since[0].isdigit()
    assert absent.reason
    assert absent.instead
    assert absent.successor == "" or catalogue.entry(absent.successor) is not None
    assert not set(absent.instead) & set(RAW["absent"])
    assert all(catalogue.entry(other) is not None for other in absent.instead)


def test_every_danger_has_a_reason_and_hits_its_own_name():
    assert dict(catalogue.dangers()) == RAW["danger"]
    for pattern, reason in RAW["danger"].items():
        assert catalogue.danger(re.sub(r"\[!\w\]", "a", pattern).replace("*", "x")), pattern
        assert reason, pattern
        assert not reason.endswith("."), pattern


# What knobs are never tried on a live machine, name by name.
NEVER = [
    "vm.min_free_kbytes", "vm.overcommit_memory", "vm.overcommit_ratio", "vm.overcommit_kbytes",
    "vm.panic_on_oom", "kernel.panic_on_oops", "kernel.panic", "kernel.hung_task_panic",
    "kernel.softlockup_panic", "kernel.sysrq", "kernel.pid_max", "kernel.threads-max", "fs.nr_open",
    "fs.file-max", "vm.nr_hugepages", "vm.nr_overcommit_hugepages", "vm.max_map_count",
    "vm.mmap_min_addr", "vm.lowmem_reserve_ratio", "kernel.sched_rt_runtime_us", "kernel.core_pattern",
    "kernel.modprobe", "kernel.hotplug", "kernel.usermodehelper.bset", "/sys/kernel/uevent_helper",
    "fs.binfmt_misc.register", "kernel.modules_disabled", "kernel.kexec_load_disabled",
    "kernel.unprivileged_bpf_disabled", "kernel.yama.ptrace_scope", "kernel.randomize_va_space",
    "kernel.kptr_restrict", "kernel.dmesg_restrict", "net.ipv4.tcp_syncookies",
    "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.accept_redirects", "net.ipv4.ip_forward",
    "net.ipv4.tcp_mem", "net.ipv4.udp_mem", "net.ipv4.icmp_echo_ignore_all",
    "net.ipv6.conf.all.disable_ipv6", "net.ipv4.route.flush", "kernel.hostname", "kernel.domainname",
    "kernel.printk", "kernel.watchdog", "kernel.nmi_watchdog", "kernel.numa_balancing",
    "/sys/devices/system/cpu/cpu1/online", "/sys/block/vda/queue/io_timeout", "vm.drop_caches",
    "vm.compact_memory", "vm.stat_refresh", "kernel.perf_event_paranoid", "/sys/kernel/security/lockdown",
    "net.ipv4.ip_local_reserved_ports",
]  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_what_wrecks_a_host_is_never_tuned(name):
    assert catalogue.danger(name)
    assert catalogue.danger(f"/proc/sys/{name.replace('.', '/')}" if name[0] != "/" else f"/{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vm.dirty_bytes", 8192), ("vm.vfs_cache_pressure", 0), ("net.core.somaxconn", 0),
        ("net.core.netdev_max_backlog", -1), ("net.ipv4.tcp_max_syn_backlog", -1),
        ("net.ipv4.tcp_fin_timeout", -1), ("net.ipv4.tcp_retries2", 0), ("net.ipv4.tcp_max_tw_buckets", -1),
        ("vm.dirty_writeback_centisecs", -1), ("/sys/block/vda/queue/read_ahead_kb", 10**9),
        ("/sys/block/vda/queue/wbt_lat_usec", 0), ("kernel.sched_cfs_bandwidth_slice_us", 1),
        ("/sys/block/vda/queue/nr_requests", 1), ("kernel.sched_rr_timeslice_ms", 0),
        ("/sys/module/haltpoll/parameters/guest_halt_poll_ns", 1_000_000), ("fs.pipe-max-size", 5000),
    ],
)  # fmt: skip
def test_nonsense_that_a_kernel_takes_is_outside_the_range(name, value):
    low, high = catalogue.limits(catalogue.entry(name), LARGE)
    assert not low <= value <= high


def test_what_is_not_there_is_none():
    assert catalogue.entry("vm.nothing") is None
    assert catalogue.absent("vm.swappiness") is None
    assert catalogue.danger("vm.swappiness") is None
    assert catalogue.durability_risks("vm.swappiness") == ()


# ---- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    ["vm.swappiness", "vm/swappiness", "/proc/sys/vm/swappiness", "vm//swappiness", "vm.swappiness[0]"],
)
def test_a_sysctl_is_found_by_any_spelling(spelling):
    assert catalogue.entry(spelling).name == "vm.swappiness"


def test_an_interface_takes_the_place_of_its_pattern():
    entry = catalogue.entry("net.ipv4.neigh.eth0.gc_stale_time")
    assert entry.name == "net.ipv4.neigh.eth0.gc_stale_time"
    assert entry.pattern == "net.ipv4.neigh.{interface}.gc_stale_time"
    vlan = catalogue.entry("net/ipv4/neigh/eth0.100/gc_stale_time")
    assert vlan == catalogue.entry("net.ipv4.neigh.eth0/100.gc_stale_time")
    assert catalogue.entry("net.ipv4.neigh.a.b.gc_stale_time") is None


def test_a_device_takes_the_place_of_its_pattern_everywhere():
    entry = catalogue.entry("/sys/block/nvme0n1/queue/scheduler")
    assert "/sys/block/nvme0n1/queue/nr_requests" in entry.couples
    freq = catalogue.entry("/sys/devices/system/cpu/cpufreq/policy3/scaling_min_freq")
    assert "policy3/scaling_max_freq" in freq.constraints[0]
    assert freq == catalogue.entry("/sys/devices/system/cpu/cpu3/cpufreq/scaling_min_freq")
    assert catalogue.entry("/sys/block/a/b/queue/scheduler") is None
    deep = catalogue.entry("/sys/fs/cgroup/system.slice/db.service/cpu.weight")
    assert deep.pattern == "/sys/fs/cgroup/{group}/cpu.weight"


@given(st.text(alphabet="netipv46.confhabc012/_-[]:", max_size=50))
def test_one_spelling_stays_itself(name):
    once = catalogue.canonical(name)
    again = once if once.startswith("/") else f"/proc/sys/{once.translate(str.maketrans('./', '/.'))}"
    assert catalogue.canonical(again) == once


# ---- formulas ---------------------------------------------------------------------------------------------

EXPRESSIONS = st.recursive(
    st.integers(0, 10**6).map(str) | st.sampled_from(catalogue.FACTS),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//"]), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map(lambda text: f"-{text}")
        | st.lists(inner, min_size=1, max_size=3).map(lambda texts: f"max({', '.join(texts)}, 1)")
        | st.lists(inner, min_size=2, max_size=3).map(lambda texts: f"min({', '.join(texts)})")
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_a_formula_is_arithmetic(text):
    try:
        expected = eval(text, {"__builtins__": {}, "min": min, "max": max}, dict(SMALL))  # the reference
    except ZeroDivisionError:
        expected = None
    try:
        found = catalogue.evaluate(text, SMALL)
    except ValueError:
        assert expected is None or len(text) > 300 or text.count("(") + text.count("-") > 15
    else:
        assert found == expected


@given(st.text(max_size=60) | st.text(alphabet="minax(),+-*/0123456789 coresbyt_.", max_size=60))
def test_no_text_does_anything_but_be_a_number_or_a_mistake(text):
    try:
        value = catalogue.evaluate(text, SMALL)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(value, int | float)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "1 +",
        "cores ** 2",
        "__import__('os')",
        "1 / 0",
        "min()",
        "(1",
        "1)",
        "9" * 400,
        "(" * 200,
    ],
)
def test_what_is_no_formula_is_said_so(text):
    with pytest.raises(ValueError, match=r"."):
        catalogue.evaluate(text, SMALL)


def test_a_whole_numbered_range_is_rounded_inwards():
    entry = catalogue.entry("vm.swappiness")._replace(low="cores / 3", high="10 / 3", default="7 / 2")
    assert catalogue.resolve(entry, SMALL)[1:3] == (1, 3)
    assert catalogue.resolve(entry, SMALL).default == 3
    with pytest.raises(ValueError, match="empty"):
        catalogue.resolve(entry._replace(low=4), SMALL)


# ---- this machine -----------------------------------------------------------------------------------------


def places(entry):
    """The files of this machine that an entry stands for, five at most."""
    if entry.kind == "service":
        return []
    if entry.kind == "sysctl":
        path = "/proc/sys/" + entry.name.replace(".", "/")
    else:
        path = entry.name.replace("{group}", "*")
    return sorted(glob.glob(re.sub(r"\{\w+\}", "*", path)))[:5]


def excepted(name):
    return any(Path(name).match(pattern) or name == pattern for pattern in EXCEPTIONS)


def running():
    return version(platform.release())


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


@BY_FILE
def test_this_machine_has_the_type_and_a_value_in_the_range(file):
    for entry in map(catalogue.entry, OF[file]):
        for path in places(entry):
            assert catalogue.entry(path).pattern == entry.name
            try:
                text = Path(path).read_text(encoding="ascii").strip()
            except OSError:
                continue
            known = catalogue.resolve(catalogue.entry(path), facts.numbers())
            shown = text.partition("[")[2].partition("]")[0] or text
            assert not known.fields or len(shown.split()) == len(known.fields), path
            for word in [shown] if known.values else shown.split():
                if known.type == "text" or word in known.special or excepted(known.name):
                    continue
                if known.values:
                    assert word in known.values, path
                else:
                    assert known.low <= float(word) <= known.high, path
            for partner in known.pair:
                assert Path("/proc/sys/" + partner.replace(".", "/")).exists(), path


def test_this_kernel_is_among_the_versions_that_have_a_sysctl():
    for entry in HOST:
        if entry.kind == "sysctl" and places(entry):
            assert not entry.since or running() >= version(entry.since), entry.name
            assert not entry.until or running() <= version(entry.until), entry.name


SCOPES = """
import os
from tactician import catalogue
for entry in catalogue.entries("net."):
    path = "/proc/sys/" + entry.name.replace(".", "/").replace("{interface}", "lo")
    mode = os.stat(path).st_mode if os.path.exists(path) else 0
    print(entry.name, "namespace" if mode & 0o200 else "host")
"""


def test_a_new_network_namespace_has_those_and_only_those_of_its_scope():
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *as_user, "--net", sys.executable, "-c", SCOPES]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    if done.returncode:
        pytest.skip(f"no namespace can be made: {done.stderr.strip()}")
    found = dict(line.split() for line in done.stdout.splitlines())
    here = {entry.name: entry.scope for entry in catalogue.entries("net.") if places(entry)}
    for name, scope in here.items():
        # A namespace of an ordinary user lacks some that root's has.
        assert found[name] == scope or (as_user and scope == "namespace"), name


# ---- habits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["synchronous", "SYNCHRONOUS", "pragma.synchronous"])
def test_a_durability_setting_is_known_by_its_last_part_in_any_case(name):
    assert "off" in catalogue.durability_risks(name)


def test_a_dash_is_an_underscore():
    assert "off" in catalogue.durability_risks("full-page-writes")


@pytest.mark.parametrize(
    ("path", "unstable"),
    [
        ("/proc/sys/fs/dentry-state", True),
        ("/proc/sys/kernel/random/uuid", True),
        ("/proc/sys/fs/quota/syncs", True),
        ("/proc/sys/vm/swappiness", False),
        ("/proc/sys/net/ipv4/tcp_allowed_congestion_control", False),
        ("/sys/class/net/eth0/queues/tx-0/byte_queue_limits/limit", True),
        ("/sys/class/net/eth0/queues/tx-0/byte_queue_limits/limit_max", False),
        ("/sys/fs/cgroup/system.slice/a.service/memory.current", True),
        ("/sys/fs/cgroup/system.slice/a.service/memory.high", False),
        ("/sys/block/vda/queue/nr_requests", False),
    ],
)
def test_what_changes_by_itself_is_left_out_of_comparisons(path, unstable):
    assert catalogue.is_unstable(path) is unstable
