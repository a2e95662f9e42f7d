"""System figures as differences over a run: parsed from recorded texts, always shares, never since boot."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.system import procfs
from tactician.system.procfs import ProcMonitor, Snapshot, differences

STAT = """\
cpu  4705 150 1120 16250 520 30 25 40 100 20
cpu0 2350 75 560 8125 260 15 12 20 50 10
intr 114930548 113199788 3 0 5 263
ctxt 1990473
btime 1062191376
processes 2915
procs_running 1
"""
PRESSURE = """\
some avg10=0.12 avg60=0.05 avg300=0.01 total=123456789
full avg10=0.00 avg60=0.00 avg300=0.00 total=4242
"""
MEMINFO = """\
MemTotal:        8000000 kB
MemFree:          500000 kB
MemAvailable:    6000000 kB
SwapTotal:       1000000 kB
SwapFree:         750000 kB
HugePages_Total:       0
"""
DISKSTATS = """\
   8       0 sda 1000 10 20000 300 2000 20 40000 600 0 700 900 0 0 0 0 0 0
   7       0 loop0 10 0 20 1 0 0 0 0 0 99999 9 0 0 0 0 0 0
 253       0 vda 1 0 2 3 4 5 6 7 0 50 60
 251       0 zram0 1 0 2 3 4 5 6 7 0 99999 60
"""
FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def moment(seconds: float, *cpu: int, **further: object) -> Snapshot:
    counters = {"stalled": {}, "switches": 0, "disk_ms": {}, **further}
    return Snapshot(seconds, dict(zip(FIELDS, cpu, strict=True)), **counters)  # type: ignore[arg-type]


def tree(root: Path, **texts: str) -> str:
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_the_cpu_line_is_read_without_counting_guests_twice() -> None:
    found = procfs.parse_cpu(STAT)
    assert found == dict(zip(FIELDS, (4705, 150, 1120, 16250, 520, 30, 25, 40), strict=True))


def test_an_old_kernel_with_fewer_columns_is_read_as_far_as_it_goes() -> None:
    assert procfs.parse_cpu("cpu 10 20 30 40\n") == {"user": 10, "nice": 20, "system": 30, "idle": 40}


def test_switches_pressure_memory_and_disks_are_read() -> None:
    assert procfs.parse_switches(STAT) == 1990473
    assert procfs.parse_pressure(PRESSURE) == 123456789
    assert procfs.parse_meminfo(MEMINFO) == pytest.approx({"memory_usage": 0.25, "swap_usage": 0.25})
    assert procfs.parse_diskstats(DISKSTATS) == {"sda": 700, "vda": 50}


def test_a_host_without_swap_has_no_share_of_it() -> None:
    assert "swap_usage" not in procfs.parse_meminfo("MemTotal: 100 kB\nMemFree: 50 kB\nSwapTotal: 0 kB\n")


def test_nothing_is_read_from_nothing() -> None:
    assert procfs.parse_cpu("") == {}
    assert procfs.parse_switches("") == 0
    assert procfs.parse_pressure("") == 0
    assert procfs.parse_meminfo("") == {}
    assert procfs.parse_diskstats("") == {}


def test_figures_are_of_the_interval_and_not_since_boot() -> None:
    begun = moment(10.0, 1000000, 0, 0, 9000000, 500000, 0, 0, 0, switches=100, stalled={"io": 1_000_000})
    ended = moment(12.0, 1000050, 0, 0, 9000100, 500040, 0, 0, 10, switches=300, stalled={"io": 2_000_000})
    found = differences(begun, ended)
    assert found["cpu_utilization"] == pytest.approx(60 / 200)
    assert found["io_wait"] == pytest.approx(40 / 200)
    assert found["cpu_steal"] == pytest.approx(10 / 200)
    assert found["io_pressure"] == pytest.approx(0.5)
    assert found["context_switches"] == pytest.approx(100.0)


def test_the_busiest_disk_counts_and_one_that_was_pulled_out_does_no_harm() -> None:
    begun = moment(0.0, *[0] * 8, disk_ms={"sda": 100, "sdb": 5000, "gone": 9})
    ended = moment(1.0, *[1] * 8, disk_ms={"sda": 600, "sdb": 5100})
    assert differences(begun, ended)["disk_utilization"] == pytest.approx(0.5)


def test_counters_that_go_backwards_never_leave_the_unit_interval() -> None:
    """iowait does so on many kernels, and every counter does when a container is moved."""
    begun = moment(5.0, 10, 10, 10, 500, 90, 9, 9, 9, switches=100, stalled={"cpu": 900}, disk_ms={"a": 9})
    ended = moment(6.0, 90, 20, 20, 510, 10, 9, 9, 9, switches=1, stalled={"cpu": 1}, disk_ms={"a": 1})
    found = differences(begun, ended)
    assert all(0.0 <= value <= 1.0 for value in found.values())
    assert found["context_switches"] == 0.0


def test_without_time_passed_there_are_no_rates() -> None:
    same = moment(5.0, *[7] * 8, stalled={"cpu": 900})
    assert differences(same, same) == {}


@given(
    st.lists(st.integers(0, 2**63), min_size=8, max_size=8),
    st.lists(st.integers(0, 2**63), min_size=8, max_size=8),
)
def test_whatever_the_counters_say_shares_are_shares(first: list[int], second: list[int]) -> None:
    begun = moment(1.0, *first, stalled={"io": first[0]}, disk_ms={"a": first[1]})
    found = differences(begun, moment(2.0, *second, stalled={"io": second[0]}, disk_ms={"a": second[1]}))
    assert all(0.0 <= value <= 1.0 for name, value in found.items() if name != "context_switches")


def test_a_kernel_without_pressure_figures_leaves_them_out(tmp_path: Path) -> None:
    monitor = ProcMonitor(tree(tmp_path, stat=STAT, meminfo=MEMINFO, loadavg="0.5 0.4 0.3 1/100 999"))
    monitor.start()
    found = monitor.stop()
    assert not [name for name in found if name.endswith("_pressure")]
    assert found["memory_usage"] == pytest.approx(0.25)


def test_a_monitor_measures_between_start_and_stop(tmp_path: Path) -> None:
    root = tree(tmp_path, stat=STAT, meminfo=MEMINFO, pressure__io=PRESSURE)
    monitor = ProcMonitor(root)
    monitor.start()
    tree(tmp_path, stat=STAT.replace("16250 520", "16350 620"))
    found = monitor.stop()
    assert found["cpu_utilization"] == 0.0
    assert found["io_wait"] == pytest.approx(0.5)
    assert found["io_pressure"] == 0.0


def test_a_monitor_that_was_not_started_says_nothing() -> None:
    assert ProcMonitor().stop() == {}


def test_this_machine_can_be_measured() -> None:
    monitor = ProcMonitor()
    monitor.start()
    sum(range(200_000))
    found = monitor.stop()
    assert 0.0 < found["memory_usage"] < 1.0
    assert all(value >= 0.0 for value in found.values())
