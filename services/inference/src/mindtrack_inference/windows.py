"""Recordings to windows of one fixed length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mindtrack_inference.audio import Waveform


def first_samples(samples: int, *, window_samples: int, hop_samples: int) -> NDArray[np.intp]:
    """Say where windows start that lie `hop_samples` apart and together cover every sample.

    The last window is moved back to end with the recording, so it may overlap its neighbour more than the
    others do. Nothing is ever padded: wav2vec2-base normalises over time, so padding would change scores.

    Returns:
        The windows' first samples (n,), strictly increasing.

    Raises:
        ValueError: the recording is shorter than one window, or the hop would leave gaps.

    """
    if not 1 <= hop_samples <= window_samples:
        raise ValueError(f"hop must lie in [1, {window_samples}] samples, got {hop_samples}")
    if samples < window_samples:
        raise ValueError(f"{samples} samples do not fill a window of {window_samples}")
    last = samples - window_samples
    starts = np.arange(0, last + 1, hop_samples)  # (n,)
    return starts if starts[-1] == last else np.append(starts, last)


def cut(waveform: Waveform, starts: NDArray[np.intp], *, window_samples: int) -> NDArray[np.float32]:
    """Copy the windows that start at the given samples. (n, window_samples)"""
    windows: NDArray[np.float32] = sliding_window_view(waveform, window_samples)[starts]
    return windows


def split(
    waveform: Waveform, *, window_samples: int, hop_samples: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Cut a waveform into windows that start where `first_samples` says.

    Returns:
        The windows' first samples (n,), and the windows (n, window_samples): a read-only view of the
        waveform when the hops fit exactly, a copy when the last one had to move.

    Raises:
        ValueError: as `first_samples`.

    """
    starts = first_samples(waveform.size, window_samples=window_samples, hop_samples=hop_samples)
    if (waveform.size - window_samples) % hop_samples == 0:
        return starts, sliding_window_view(waveform, window_samples)[::hop_samples]
    return starts, cut(waveform, starts, window_samples=window_samples)


def with_speech(
    starts: NDArray[np.intp], speech: NDArray[np.intp], *, window_samples: int, min_share: float
) -> NDArray[np.bool_]:
    """Say which windows (n,) are worth scoring, given the stretches of speech (m, 2): (n,)

    A model answers for silence, too, and the pause before somebody stops the recording must not outvote what
    they said. So `min_share` of a window must be speech; the one with the most always counts.
    """
    edges = np.append(0, speech)  # (2 m + 1,)
    # Speech before each edge: as much at the end of a pause as at its start.
    spoken = np.repeat(np.append(0, np.cumsum(np.diff(speech))), 2)[:-1]
    before = np.interp(np.stack([starts, starts + window_samples]), edges, spoken)
    shares = (before[1] - before[0]) / window_samples  # (n,)
    heard: NDArray[np.bool_] = shares >= min(min_share, shares.max())
    return heard
