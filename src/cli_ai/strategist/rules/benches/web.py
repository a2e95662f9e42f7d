"""Measures the web server that listens here, at its own port, with whichever load generator is installed."""

from __future__ import annotations

from cli_ai.strategist.rules.benches.bench import Bench, Metric, Site, joined, rate

_LOAD_S = 6.0
_BURST_CLIENTS, _CLIENTS = 400, 64


def wrk(site: Site) -> Bench | None:
    """Requests as fast as they are answered."""
    close = "-H 'Connection: close'" if site.intent.bursts else ""
    clients = _clients(site)
    return _bench(
        site,
        "wrk",
        lambda program, url: joined(
            program, f"-t {min(site.threads, clients)} -c {clients} -d {{duration}}s --latency", close, url
        ),
        {"p99": "latency_p99", "p50": "latency_p50", "mean": "latency_mean"},
    )


def h2load(site: Site) -> Bench | None:
    """The same by h2load of nghttp2, over HTTP/1.1."""
    return _bench(
        site,
        "h2load",
        lambda program, url: joined(
            program, f"--h1 -t {site.threads} -c {_clients(site)} -D {{duration}} --warm-up-time=0", url
        ),
        {"mean": "latency_mean"},
        tail="",
    )


def hey(site: Site) -> Bench | None:
    """The same by hey."""
    close = "-disable-keepalive" if site.intent.bursts else ""
    return _bench(
        site,
        "hey",
        lambda program, url: joined(program, f"-z {{duration}}s -c {_clients(site)}", close, url),
        {"p99": "latency_p99", "p95": "latency_p95", "mean": "latency_mean"},
    )


def ab(site: Site) -> Bench | None:
    """The same by ApacheBench, which opens a connection per request."""
    keep = "" if site.intent.bursts else "-k"
    return _bench(
        site,
        "ab",
        lambda program, url: joined(
            program, f"-q -t {{duration}} -n 10000000 -c {min(_clients(site), 200)}", keep, url
        ),
        {"p99": "latency_p99", "p95": "latency_p95", "mean": "latency_mean"},
    )


def _clients(site: Site) -> int:
    return _BURST_CLIENTS if site.intent.bursts else _CLIENTS


def _bench(
    site: Site, tool: str, command: object, latency: dict[str, str], tail: str = "latency_p99"
) -> Bench | None:
    service, program = site.service, site.tool(tool)
    if service is None or service.name not in ("nginx", "haproxy") or not program or not service.ports:
        return None
    assert callable(command)
    # Plain HTTP where it is served: the server is to be measured, not the cipher.
    port = 80 if 80 in service.ports else next((port for port in service.ports if port != 443), 443)
    scheme = "https" if port == 443 else "http"
    url = f"{scheme}://127.0.0.1/" if port in (80, 443) else f"{scheme}://127.0.0.1:{port}/"
    metrics: dict[str, Metric] = rate("requests_per_second", tail=tail)
    kind = "a new connection for every request" if site.intent.bursts else "connections that stay open"
    return Bench(
        name=tool,
        command=command(program, url),
        metrics=metrics,
        seconds=_LOAD_S,
        noise=0.05,
        why=f"{service.name} listens at port {port}, {tool} is installed; {_clients(site)} clients, {kind}.",
        source=f"{service.name} {service.version} on port {port}, {site.facts.tools[tool]}",
        duration=_LOAD_S,
        latency=latency,
    )
