"""Whose windows the model gets, and with whose."""

from __future__ import annotations

import threading
from itertools import chain
from typing import cast

import numpy as np

from mindtrack_inference.buffer import LAST_LANES_TURN, Buffer, Chunk, Work
from mindtrack_shared.domain.jobs import Priority

LANES = tuple(Priority)


def chunk(number: int, windows: int = 1) -> Chunk:
    return Chunk(cast("Work", object()), np.full((windows, 1), number, np.float32), is_last=True)


def numbers(taken: list[Chunk]) -> list[int]:
    return [int(each.windows[0, 0]) for each in taken]


def filled(interactive: int, bulk: int) -> Buffer:
    buffer = Buffer(LANES, capacity=100)
    for number in range(interactive):
        buffer.put(Priority.INTERACTIVE, chunk(number))
    for number in range(bulk):
        buffer.put(Priority.BULK, chunk(100 + number))
    return buffer


def test_people_who_wait_come_first_and_share_no_batch_with_bulk_work() -> None:
    buffer = filled(interactive=3, bulk=3)
    assert [numbers(buffer.take(2)) for _ in range(4)] == [[0, 1], [2], [100, 101], [102]]


def test_bulk_work_moves_behind_people_who_wait() -> None:
    buffer = filled(interactive=20, bulk=20)
    turns = [numbers(buffer.take(1)) for _ in range(2 * LAST_LANES_TURN)]
    assert [number for number in chain(*turns) if number >= 100] == [100, 101]


def test_a_chunk_larger_than_the_batch_passes_alone() -> None:
    buffer = Buffer(LANES, capacity=1)
    buffer.put(Priority.BULK, chunk(0, windows=5))
    assert numbers(buffer.take(2)) == [0]


def test_a_lane_that_is_full_waits_until_something_is_taken() -> None:
    buffer = Buffer(LANES, capacity=1)
    buffer.put(Priority.BULK, chunk(0))
    waiting = threading.Thread(target=buffer.put, args=(Priority.BULK, chunk(1)))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    assert numbers(buffer.take(1)) == [0]
    waiting.join(5)
    assert not waiting.is_alive()


def test_nothing_more_comes_once_all_lanes_are_closed() -> None:
    buffer = filled(interactive=1, bulk=0)
    for lane in LANES:
        buffer.close(lane)
    assert numbers(buffer.take(2)) == [0]
    assert buffer.take(2) == []
