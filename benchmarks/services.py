"""Measures what a trial pays to change a setting of a service and to take it back, on private servers (root).

    python benchmarks/services.py --rounds 10

Each round applies one plan through a transaction, as a trial does, and restores it; no benchmark runs
in between. PostgreSQL is asked through psycopg where that is installed, else through psql.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import support_services
from oppertune.core.values import Integer
from tactician.experiment import ServiceAccess
from tactician.system.service.base import Service
from tactician.system.service.knob import ServiceKnob
from tactician.system.service.mysql import MySQL
from tactician.system.service.nginx import Nginx
from tactician.system.service.postgresql import PostgreSQL
from tactician.system.service.redis import RedisService


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(support_services.postgres())
        redis = stack.enter_context(support_services.redis())
        mariadb = stack.enter_context(support_services.mariadb())
        nginx = stack.enter_context(support_services.nginx())
        server = PostgreSQL("postgresql", ServiceAccess("postgresql", port=postgres.port))
        cases: Sequence[tuple[str, Service, str, int]] = [
            ("postgresql.work_mem", server, "reload", 5000),
            ("postgresql.shared_buffers", server, "restart", 3000),
            ("redis.hz", RedisService("redis", ServiceAccess("redis", socket=redis.socket)), "at once", 50),
            (
                "mysql.sort_buffer_size",
                MySQL("mysql", ServiceAccess("mysql", socket=mariadb.socket, user="root")),
                "at once",
                1 << 19,
            ),
            (
                "nginx.worker_connections",
                Nginx("nginx", ServiceAccess("nginx", path=str(nginx.path))),
                "reload",
                600,
            ),
        ]
        print("| setting | acts | there | back | both, median of", rounds, "|")
        print("|---|---|---|---|---|")
        for name, service, acts, value in cases:
            there, back = measured(name, service, value, rounds)
            both = statistics.median(one + other for one, other in zip(there, back, strict=True))
            shown = " | ".join(f"{statistics.median(each):.2f} s" for each in (there, back))
            print(f"| `{name}` | {acts} | {shown} | {both:.2f} s |")
    return 0


def measured(name: str, service: Service, value: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of applying and of restoring, by round."""
    setting = name.partition(".")[2]
    service.inspect(setting)
    knob = ServiceKnob(Integer(name, value, 1, 10**6), service.name, setting)
    bench = support_services.Bench({service.name: service})
    there, back = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        with bench.transaction() as transaction:
            transaction.apply(bench.plan([knob], **{name: value}))
            applied = time.perf_counter()
        there.append(applied - began)
        back.append(time.perf_counter() - applied)
    return there, back


if __name__ == "__main__":
    sys.exit(main())
