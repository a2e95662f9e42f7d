"""Measures a disk with fio, in a folder that the run makes and removes."""

from __future__ import annotations

from cli_ai.strategist.rules.benches.bench import Bench, Site, joined, rate

_LOAD_S = 6.0
_SMALL, _LARGE = "256M", "1G"
_ENOUGH_BYTES = 8 << 30


def fio(site: Site) -> Bench | None:
    """Random reads, random writes that are flushed, or one long write, as the words or the workload want."""
    program = site.tool("fio")
    if not program:
        return None
    pattern, what = _pattern(site)
    size = _LARGE if site.facts.memory_bytes >= _ENOUGH_BYTES else _SMALL
    base = joined(
        program, f"--name=tactician --directory={site.folder} --size={size} --ioengine=psync --time_based"
    )
    return Bench(
        name="fio",
        command=joined(base, "--runtime={duration}", pattern, "--eta=always --eta-newline=1s"),
        metrics=rate("operations_per_second"),
        seconds=_LOAD_S + 1.0,
        noise=0.08,
        why=f"fio is installed; {what} in a folder of its own on the disk of /var/tmp.",
        source=site.facts.tools["fio"],
        duration=_LOAD_S,
        setup=f"mkdir -m 700 {site.folder}",
        teardown=f"rm -r {site.folder}",
        latency={"p99": "latency_p99", "p95": "latency_p95", "mean": "latency_mean"},
    )


def _pattern(site: Site) -> tuple[str, str]:
    intent = site.intent
    if intent.workload_class == "messaging" or (intent.writes and not intent.random):
        return "--rw=write --bs=256k --fsync_on_close=1", "one long buffered write"
    if intent.workload_class in ("database", "memory", "cpu") or intent.writes:
        return "--rw=randwrite --bs=8k --fdatasync=16", "random writes, flushed every 16"
    return (
        "--rw=randread --bs=4k --invalidate=1 --numjobs=4 --group_reporting",
        "random reads by four processes",
    )
