from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mindtrack_local import ports
from mindtrack_local.errors import PortTakenError
from mindtrack_local.ports import reserve


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen()
        yield server


@pytest.fixture
def taken(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_a_free_port_is_given_as_wished(listener: socket.socket, taken: int) -> None:
    listener.close()

    reservation = reserve("gateway", taken)

    assert reservation.port == taken
    reservation.release()


def test_the_next_free_port_stands_in_for_a_taken_one(taken: int) -> None:
    reservation = reserve("gateway", taken)

    assert taken < reservation.port <= taken + ports.PORTS_TRIED
    assert ports.is_free(reservation.port)
    reservation.release()


def test_an_ordered_port_that_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(PortTakenError, match=f"gateway cannot listen: port {taken} is taken"):
        reserve("gateway", taken, strict=True)


def test_a_reserved_port_is_not_given_twice(listener: socket.socket, taken: int) -> None:
    listener.close()
    first = reserve("gateway", taken)

    second = reserve("gateway", taken)
    assert second.port != first.port
    first.release()
    again = reserve("gateway", taken)

    assert again.port == taken
    for reservation in (second, again):
        reservation.release()


def test_no_free_port_nearby_is_an_error(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS_TRIED", 1)

    with pytest.raises(PortTakenError, match=f"ports {taken} to {taken} are taken"):
        reserve("valkey", taken)
