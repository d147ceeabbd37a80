from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_inference.audio import Waveform
from mindtrack_inference.windows import split, with_speech


def ramp(samples: int) -> Waveform:
    """Every sample is its own index, so a window tells where it came from."""
    return np.arange(samples, dtype=np.float32)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int]:
    window = draw(st.integers(1, 300))
    return draw(st.integers(window, 3_000)), window, draw(st.integers(1, window))


@given(cuts())
def test_windows_cover_the_recording(cut: tuple[int, int, int]) -> None:
    samples, window, hop = cut
    starts, windows = split(ramp(samples), window_samples=window, hop_samples=hop)

    assert windows.shape == (len(starts), window)
    assert windows.dtype == np.float32
    assert np.array_equal(windows, starts[:, np.newaxis] + np.arange(window))
    assert starts[0] == 0
    assert starts[-1] == samples - window
    assert (np.diff(starts) > 0).all()
    assert set(windows.ravel().tolist()) == set(range(samples))


@given(cuts())
def test_all_but_the_last_window_start_one_hop_apart(cut: tuple[int, int, int]) -> None:
    samples, window, hop = cut
    starts, _ = split(ramp(samples), window_samples=window, hop_samples=hop)
    assert (np.diff(starts)[:-1] == hop).all()
    assert len(starts) == 1 + -(-(samples - window) // hop)


def test_exact_fit_is_a_view_without_a_duplicate() -> None:
    waveform = ramp(10)
    starts, windows = split(waveform, window_samples=4, hop_samples=2)
    assert starts.tolist() == [0, 2, 4, 6]
    assert np.shares_memory(windows, waveform)
    assert not windows.flags.writeable


def test_one_window_fits_exactly() -> None:
    starts, windows = split(ramp(4), window_samples=4, hop_samples=2)
    assert starts.tolist() == [0]
    assert windows.tolist() == [[0, 1, 2, 3]]


def test_last_window_moves_back_to_the_end() -> None:
    starts, windows = split(ramp(11), window_samples=4, hop_samples=4)
    assert starts.tolist() == [0, 4, 7]
    assert windows[-1].tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("samples", "window", "hop", "message"),
    [
        (3, 4, 2, "3 samples do not fill a window of 4"),
        (9, 4, 5, r"hop must lie in \[1, 4\] samples, got 5"),
        (9, 4, 0, r"hop must lie in \[1, 4\] samples, got 0"),
    ],
)
def test_impossible_cuts(samples: int, window: int, hop: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(ramp(samples), window_samples=window, hop_samples=hop)


@pytest.mark.parametrize(
    ("stretches", "min_share", "expected"),
    [
        ([(0, 30)], 0.2, [True, True, True, True, False]),
        ([(0, 21)], 0.2, [True, True, False, False, False]),
        ([(0, 3), (36, 40)], 0.2, [True, False, False, True, True]),
        ([(0, 3), (38, 40)], 0.2, [True, False, False, False, False]),
        ([(0, 100)], 1.0, [True] * 5),
        ([(0, 3), (7, 9)], 0.9, [True, False, False, False, False]),
        ([], 0.2, [True] * 5),
        ([(0, 10)], 0.0, [True] * 5),
    ],
    ids=["half", "a trace", "both ends", "too little", "all", "the best only", "nothing", "no demand"],
)
def test_windows_without_speech_are_not_worth_scoring(
    stretches: list[tuple[int, int]], min_share: float, expected: list[bool]
) -> None:
    starts = np.array([0, 10, 20, 25, 30])
    speech = np.array(stretches, np.intp).reshape(-1, 2)
    heard = with_speech(starts, speech, window_samples=15, min_share=min_share)
    assert heard.tolist() == expected


def test_an_hour_of_short_stretches_takes_little_memory() -> None:
    """A window each tenth of a second, a stretch of speech every two: all pairs would be gigabytes."""
    starts = np.arange(36_000) * 1_600
    speech = np.arange(1_800)[:, np.newaxis] * 32_000 + np.array([0, 20_000])
    tracemalloc.start()
    try:
        heard = with_speech(starts, speech, window_samples=80_000, min_share=0.6)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    shares = [
        sum(max(0, min(end, at + 80_000) - max(first, at)) for first, end in speech) for at in starts[:50]
    ]
    assert heard[:50].tolist() == [share / 80_000 >= 0.6 for share in shares]
    assert peak < 8 << 20
