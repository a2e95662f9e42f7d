"""Measures network and messaging: iperf3 over loopback, or the producer that ships with Kafka."""

from __future__ import annotations

import os
import shlex

from cli_ai.strategist.rules.benches.bench import Bench, Metric, Site, joined

_LOAD_S = 6.0
_RECORDS = 500_000


def iperf3(site: Site) -> Bench | None:
    """TCP over loopback in a network of its own, with the host's kernel and none of its connections."""
    program = site.tool("iperf3")
    if not program or site.facts.throw_away is False:
        return None
    folder = site.folder
    metric = Metric("bits_per_second", "maximize")
    return Bench(
        name="iperf3",
        command=f"{program} -c 127.0.0.1 -p 5201 -t {{duration}} -i 1 -P 4 --forceflush",
        metrics={"throughput": metric},
        seconds=_LOAD_S,
        noise=0.06,
        why="iperf3 is installed; four streams over the loopback of a network of its own.",
        source=site.facts.tools["iperf3"],
        duration=_LOAD_S,
        setup=f"mkdir -m 700 {folder} && {program} -s -D -B 127.0.0.1 -p 5201 -I {folder}/pid",
        teardown=f"kill $(tr -d '\\000' < {folder}/pid); rm -r {folder}",
        namespace=True,
    )


def kafka_producer(site: Site) -> Bench | None:
    """Records of 1 KiB into a topic that the run makes and deletes."""
    service, tool = site.service, "kafka-producer-perf-test.sh"
    path = site.facts.tools.get(tool, "")
    if service is None or service.name != "kafka" or not path or not service.ports:
        return None
    server = f"--bootstrap-server 127.0.0.1:{site.port}"
    topic = f"tactician-bench-{site.tag}"
    topics = joined(shlex.quote(f"{os.path.dirname(path)}/kafka-topics.sh"), server)
    number = r"([0-9.]+)"
    return Bench(
        name="kafka-producer",
        command=joined(
            site.tool(tool),
            f"--topic {topic} --num-records {_RECORDS} --record-size 1024 --throughput -1",
            f"--producer-props bootstrap.servers=127.0.0.1:{site.port} acks=all",
        ),
        metrics={
            "throughput": Metric("records_per_second", "maximize", rf"{number} records/sec"),
            "latency": Metric("latency_mean_ms", "minimize", rf"{number} ms avg latency"),
            "tail latency": Metric("latency_p99_ms", "minimize", rf"{number} ms 99th"),
        },
        seconds=15.0,
        noise=0.06,
        why="Kafka runs here with its own load generator; it writes to a topic of its own.",
        source=f"kafka {service.version} on port {site.port}, {path}",
        setup=joined(topics, f"--create --topic {topic} --partitions 6 --replication-factor 1"),
        teardown=joined(topics, f"--delete --topic {topic}"),
    )
