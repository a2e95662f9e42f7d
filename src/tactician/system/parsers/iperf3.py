"""Reads iperf3, whose JSON reports a failed run with exit status 0 and whose text has two ends.

What the receiver got is the result (``bits_per_second``); what the sender handed to its kernel
(``sent_bits_per_second``) is more, by what is still on the way. With ``--bidir`` the names begin
with ``forward.`` and ``reverse.``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tactician.system.parsers.documents import documents
from tactician.system.parsers.lines import DECIMAL, has_line, last_run, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify
from tactician.system.parsers.units import parse_quantity, shifted

_SUMMARY = re.compile(
    rf"\[\s*(\d+|SUM)\](?:\[([TR]X-[CS])\])?\s+{DECIMAL}-\s*({DECIMAL})\s+sec\s+"
    rf"{DECIMAL} [KMGT]?Bytes\s+({DECIMAL} [KMGT]?(?:bits|Bytes)/sec)\s"
)
_JITTER = re.compile(rf"({DECIMAL}) ms (\d+)/\d+ \(")
_CPU = {"host_total": "cpu_local", "remote_total": "cpu_remote"}


def _beside(block: Mapping[str, object]) -> list[ParsedMetric]:
    """Return what UDP reports on top: jitter and loss."""
    found = []
    jitter, lost, percent = (block.get(key) for key in ("jitter_ms", "lost_packets", "lost_percent"))
    if isinstance(jitter, float):
        found.append(metric("jitter", shifted(jitter, -3), "s", "jitter_ms"))
    if isinstance(lost, float):
        found.append(metric("lost_packets", lost, ""))
    if isinstance(percent, float):
        found.append(metric("lost_percent", percent, "%"))
    return found


def _way(end: Mapping[str, object], suffix: str) -> list[ParsedMetric]:
    """Return one direction's numbers of the ``end`` part."""
    found: list[ParsedMetric] = []
    sent, received = end.get(f"sum_sent{suffix}"), end.get(f"sum_received{suffix}")
    if not isinstance(received, Mapping):
        received = end.get("sum")
    if isinstance(received, Mapping) and isinstance(received.get("bits_per_second"), float):
        found.append(
            metric("bits_per_second", received["bits_per_second"], "bit/s", "received_bits_per_second")
        )
        found.extend(_beside(received))
    if isinstance(sent, Mapping):
        if isinstance(sent.get("bits_per_second"), float):
            found.append(metric("sent_bits_per_second", sent["bits_per_second"], "bit/s"))
        if isinstance(sent.get("retransmits"), float):
            found.append(metric("retransmits", sent["retransmits"], ""))
    return found


def _json(end: Mapping[str, object]) -> list[ParsedMetric]:
    reverse = _way(end, "_bidir_reverse") if "sum_sent_bidir_reverse" in end else []
    forward = _way(end, "")
    found = qualify({"forward": forward, "reverse": reverse}) if reverse else forward
    load = end.get("cpu_utilization_percent")
    if isinstance(load, Mapping):
        for key, name in _CPU.items():
            if isinstance(load.get(key), float):
                found.append(metric(name, load[key], "%"))
    return found


class _End(NamedTuple):
    """One sender's or receiver's line of the human form."""

    stream: str
    bits_per_second: float
    rest: str


def _human(text: str) -> list[ParsedMetric]:
    """Return the last sender and receiver lines, of all streams together where there are several."""
    ends: dict[tuple[str, str], _End] = {}
    for line in lines_of(text):
        match = _SUMMARY.match(line)
        words = line[match.end() :].split() if match is not None else []
        if match is None or not words or words[-1] not in ("sender", "receiver"):
            continue
        key = ("reverse" if match[2] == "RX-C" else "forward", words[-1])
        # iperf3's Bytes with a prefix are powers of 1024, its bits are not.
        speed = parse_quantity(match[4], binary=True)
        if speed is not None and (match[1] == "SUM" or key not in ends or ends[key].stream != "SUM"):
            bits = speed.value * 8 if speed.unit == "B/s" else speed.value
            ends[key] = _End(match[1], bits, " ".join(words[:-1]))
    ways = {way: _human_way(ends, way) for way in dict.fromkeys(way for way, _ in ends)}
    return qualify(ways) if len(ways) > 1 else [each for found in ways.values() for each in found]


def _human_way(ends: Mapping[tuple[str, str], _End], way: str) -> list[ParsedMetric]:
    found: list[ParsedMetric] = []
    receiver, sender = ends.get((way, "receiver")), ends.get((way, "sender"))
    if receiver is not None:
        found.append(metric("bits_per_second", receiver.bits_per_second, "bit/s", "received_bits_per_second"))
        if udp := _JITTER.match(receiver.rest):
            found.extend(_beside({"jitter_ms": float(udp[1]), "lost_packets": float(udp[2])}))
    if sender is not None:
        found.append(metric("sent_bits_per_second", sender.bits_per_second, "bit/s"))
        if sender.rest.isdecimal():
            found.append(metric("retransmits", float(sender.rest), ""))
    return found


def _parse(text: str) -> Findings:
    metrics: list[ParsedMetric] = []
    problems: list[str] = []
    for document, _, _ in documents(text):
        if not isinstance(document, Mapping):
            continue
        # --json-stream writes one document per event.
        data = document.get("data") if document.get("event") in ("end", "error") else None
        end = data if isinstance(data, Mapping) else document.get("end")
        if isinstance(end, Mapping):
            metrics = _json(end) or metrics
        error = document.get("error") or (data if isinstance(data, str) else None)
        if error:
            problems.append(f"iperf3: {str(error)[:200]}")
    metrics = metrics or list(last_run(text, "Connecting to host", _human))
    problems.extend(line for line in lines_of(text) if line.startswith("iperf3: error"))
    received = [each for each in metrics if each.name.split(".")[-1] == "bits_per_second"]
    if any(each.value == 0 for each in received):
        problems.append("iperf3: nothing was received")
    return Findings(metrics, quoted(problems, 5))


IPERF3 = Parser(
    "iperf3",
    lambda text: (
        '"iperf 3' in text
        or has_line(text, "iperf3: ", "[ ID] Interval", "[ ID][Role] Interval")
        or ("bits_per_second" in text and "sum_received" in text)
    ),
    _parse,
)
