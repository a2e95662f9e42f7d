"""A port must go on doing what it did before the run: accept, and speak first if it spoke first."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from tactician.guardrails.answering import answers, find


@contextlib.contextmanager
def listening(greeting=b"", address="127.0.0.1"):
    """A server on a free port; it accepts from a thread, and greets. Yields its socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(16)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(greeting)
                    connection.close() if greeting else held.append(connection)

        held = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(10)  # what it accepts last is held too
        for connection in held:
            connection.close()


def number(server):
    return server.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "0.0.0.0"])
def test_a_port_is_found_where_it_listens(address):
    with listening(b"SSH-2.0-x\r\n", address) as server:
        port = find(number(server), 1.0)
        assert port is not None
        assert port.address == (address if address != "0.0.0.0" else "127.0.0.1")
        assert port.greets
        assert answers(port, 1.0)


def test_a_port_that_nobody_listens_on_is_not_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert find(taken.getsockname()[1], 0.5) is None


def test_a_silent_server_need_not_speak():
    with listening() as server:
        port = find(number(server), 1.0)
        assert port is not None
        assert not port.greets
        assert answers(port, 1.0)


def test_a_port_that_is_closed_does_not_answer():
    with listening(b"220 ready\r\n") as server:
        port = find(number(server), 1.0)
    assert port is not None
    assert not answers(port, 0.5)


def test_a_server_that_greeted_and_hangs_does_not_answer():
    """The kernel still accepts connections for it."""
    with listening(b"SSH-2.0-x\r\n") as server:
        port = find(number(server), 1.0)
    assert port is not None
    with socket.socket() as hung:
        hung.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hung.bind(("127.0.0.1", port.number))
        hung.listen(16)
        assert not answers(port, 0.3)
