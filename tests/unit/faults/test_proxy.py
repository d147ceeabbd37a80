"""The bad network is as bad as it is told to be, and no worse."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from faults.campaign.proxy import Link, Way


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Resets are what these tests are about."""


@pytest.fixture
def link() -> Iterator[Link]:
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Link(server.server_address[:2]).serving() as running:  # type: ignore[arg-type]
            yield running
        server.shutdown()


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=20)


def echo(connection: socket.socket, words: bytes = b"hello") -> bytes:
    connection.sendall(words)
    return connection.recv(65536)


def test_it_passes_on_what_comes(link: Link) -> None:
    with closing(connect(link)) as connection:
        assert echo(connection) == b"hello"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_latency_counts_both_ways(link: Link) -> None:
    link.latency = 0.1
    with closing(connect(link)) as connection:
        began = time.monotonic()
        echo(connection)

    assert time.monotonic() - began >= 0.2


def test_what_a_blackhole_swallowed_arrives_when_it_is_healed(link: Link) -> None:
    with closing(connect(link)) as connection:
        echo(connection)
        link.blackhole()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            echo(connection, b"late")
        link.heal()
        connection.settimeout(20)
        assert connection.recv(4) == b"late"


def test_half_open_connections_stay_silent_while_new_ones_work(link: Link) -> None:
    with closing(connect(link)) as old:
        echo(old)
        link.half_open()
        with closing(connect(link)) as new:
            assert echo(new) == b"hello"
        old.settimeout(0.2)
        with pytest.raises(TimeoutError):
            echo(old)


def test_a_reset_is_no_farewell(link: Link) -> None:
    with closing(connect(link)) as connection:
        echo(connection)
        assert link.reset() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_cut_keeps_its_mark_from_arriving_once(link: Link) -> None:
    link.cut_at(b"COMMIT", Way.TO_CLIENT)
    with closing(connect(link)) as connection:
        assert echo(connection) == b"hello"
        with pytest.raises(ConnectionResetError):
            echo(connection, b"COMMIT")
    with closing(connect(link)) as connection:
        assert echo(connection, b"COMMIT") == b"COMMIT"
    assert link.cut == 1


def test_a_connection_breaks_off_after_so_many_bytes(link: Link) -> None:
    link.most_bytes = 15
    with closing(connect(link)) as connection:
        assert echo(connection) == b"hello"
        with pytest.raises(ConnectionResetError):
            echo(connection, b"and much more")


def test_it_answers_for_the_server(link: Link) -> None:
    link.answers = b"HTTP/1.1 503 Slow Down\r\n\r\n"
    with closing(connect(link)) as connection:
        assert echo(connection) == link.answers


def test_nobody_is_reached_where_there_is_no_server(link: Link) -> None:
    link.refuses = True
    with pytest.raises(ConnectionResetError), closing(connect(link)) as connection:
        connection.recv(1)
