"""Measures processors, scheduler and memory with sysbench, hackbench or stress-ng."""

from __future__ import annotations

from cli_ai.strategist.rules.benches.bench import Bench, Metric, Site, rate

_LOAD_S = 5.0


def hackbench(site: Site) -> Bench | None:
    """Messages between many threads: what the scheduler costs."""
    program = site.tool("hackbench")
    if not program:
        return None
    metric = Metric("total_time", "minimize")
    return Bench(
        name="hackbench",
        command=f"{program} -T -g {max(2, min(10, site.facts.cores))} -l 2000",
        metrics={"throughput": metric, "latency": metric, "tail latency": metric},
        seconds=4.0,
        noise=0.05,
        why="hackbench is installed; it wakes threads all the time, which is what scheduler settings act on.",
        source=site.facts.tools["hackbench"],
    )


def sysbench_threads(site: Site) -> Bench | None:
    """Threads that wait for one another."""
    options = f"--threads={4 * site.facts.cores}"
    return _sysbench(site, "threads", options, "events_per_second", "many threads that yield and wait", 0.05)


def sysbench_cpu(site: Site) -> Bench | None:
    """Prime numbers: what is computed per second."""
    options = f"--threads={site.facts.cores}"
    return _sysbench(site, "cpu", options, "events_per_second", "computing on every core", 0.02)


def sysbench_memory(site: Site) -> Bench | None:
    """Large blocks written by every core."""
    sizes = "--memory-block-size=64M --memory-total-size=100T --memory-access-mode=seq"
    options = f"--threads={site.facts.cores} {sizes}"
    return _sysbench(site, "memory", options, "bytes_per_second", "writing memory on every core", 0.04)


def stress_ng(site: Site) -> Bench | None:
    """Context switches, or memory traffic, by stress-ng."""
    program = site.tool("stress-ng")
    if not program:
        return None
    memory = site.intent.workload_class == "memory"
    stressor = "vm" if memory else "switch"
    what = "memory that is mapped and written" if memory else "context switches"
    return Bench(
        name="stress-ng",
        command=f"{program} --{stressor} {site.facts.cores} --timeout {{duration}}s --metrics-brief",
        metrics={"throughput": Metric("operations_per_second", "maximize")},
        seconds=_LOAD_S + 1.0,
        noise=0.05,
        why=f"stress-ng is installed; {what}.",
        source=site.facts.tools["stress-ng"],
        duration=_LOAD_S,
    )


def _sysbench(site: Site, test: str, options: str, metric: str, what: str, noise: float) -> Bench | None:
    program = site.tool("sysbench")
    if not program:
        return None
    return Bench(
        name=f"sysbench-{test}",
        command=f"{program} {test} {options} --time={{duration}} --report-interval=1 --percentile=99 run",
        metrics=rate(metric),
        seconds=_LOAD_S,
        noise=noise,
        why=f"sysbench is installed; {what}.",
        source=site.facts.tools["sysbench"],
        duration=_LOAD_S,
        latency={"p99": "latency_p99", "mean": "latency_mean"},
    )
