"""One bulk transfer over a long fat link between two network namespaces: megabits per second.

The link is a process that joins two TUN devices, with a delay, a rate and a queue: what netem would be, on
kernels without it. Both namespaces and all their settings end with the run. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from multiprocessing import Process
from pathlib import Path

from tactician.undo.files import entered

_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_PORT = 5001


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def end_of_link(space: str, name: str, own: str, other: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI))
    ip("link", "set", name, "netns", space)
    ip("-n", space, "addr", "add", own, "peer", other, "dev", name)
    ip("-n", space, "link", "set", name, "mtu", "1500", "txqueuelen", "10000", "up")
    return descriptor


def forward(ends: tuple[int, int], delay: float, bits_per_second: float, queue: int) -> None:
    waiting: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    free = dict.fromkeys(ends, 0.0)
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    poll = select.epoll()
    for end in ends:
        poll.register(end, select.EPOLLIN)
    while True:
        now, pause = time.monotonic(), 1.0
        for end, packets in waiting.items():
            while packets and packets[0][0] <= now:
                with contextlib.suppress(OSError):
                    os.write(other[end], packets.popleft()[1])
            if packets:
                pause = min(pause, packets[0][0] - now)
        for end, _ in poll.poll(max(pause, 0.0002)):
            for _ in range(64):
                try:
                    packet = os.read(end, 65535)
                except BlockingIOError:
                    break
                start = max(free[end], time.monotonic())
                if (start - time.monotonic()) * bits_per_second / 8 > queue:
                    continue  # the queue is full
                free[end] = start + len(packet) * 8 / bits_per_second
                waiting[end].append((free[end] + delay, packet))


def receive(space: str, seconds: float) -> float:
    """Megabits per second over the second half of the time, past slow start."""
    with entered(space), socket.create_server(("10.77.0.2", _PORT)) as listener:
        connection, _ = listener.accept()
        with connection:
            began, counted, since = time.monotonic(), 0, 0.0
            connection.settimeout(5.0)
            while (now := time.monotonic()) < began + seconds:
                taken = len(connection.recv(1 << 16))
                if not taken:
                    break
                if now > began + seconds / 2:
                    since = since or now
                    counted += taken
            return counted * 8e-6 / (seconds / 2)


def send(space: str) -> None:
    with (
        entered(space),
        contextlib.suppress(OSError),
        socket.create_connection(("10.77.0.2", _PORT), 10.0) as connection,
    ):
        while True:
            connection.sendall(b"x" * (1 << 16))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--duration", type=float, default=5.0)
    parser.add_argument("--rmem-max", default="33554432")
    parser.add_argument("--wmem-max", default="4194304")
    parser.add_argument("--congestion-control", default="bbr")
    parser.add_argument("--slow-start-after-idle", default="1")
    parser.add_argument("--no-metrics-save", default="0")
    given = parser.parse_args()
    spaces = [f"tactician-{os.getpid()}-{side}" for side in "ab"]
    children: list[Process] = []
    try:
        for space in spaces:
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
            with entered(f"/run/netns/{space}"):
                for name, value in (
                    ("tcp_rmem", f"4096 131072 {given.rmem_max}"),
                    ("tcp_wmem", f"4096 16384 {given.wmem_max}"),
                    ("tcp_congestion_control", given.congestion_control),
                    ("tcp_slow_start_after_idle", given.slow_start_after_idle),
                    ("tcp_no_metrics_save", given.no_metrics_save),
                ):
                    Path("/proc/sys/net/ipv4", name).write_text(value)
        ends = (
            end_of_link(spaces[0], "tunA", "10.77.0.1", "10.77.0.2"),
            end_of_link(spaces[1], "tunB", "10.77.0.2", "10.77.0.1"),
        )
        children.append(Process(target=forward, args=(ends, 0.1, 250e6, 4_000_000), daemon=True))
        children.append(Process(target=_send_later, args=(f"/run/netns/{spaces[0]}",), daemon=True))
        for child in children:
            child.start()
        print(f"megabits_per_second: {receive(f'/run/netns/{spaces[1]}', given.duration):.2f}")
    finally:
        for child in children:
            child.kill()
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], check=False)
    return 0


def _send_later(space: str) -> None:
    time.sleep(0.3)
    send(space)


if __name__ == "__main__":
    sys.exit(main())
