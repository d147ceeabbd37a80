"""Recordings to windows of one fixed length."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mindtrack_inference.audio import Waveform


def split(
    waveform: Waveform, *, window_samples: int, hop_samples: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Cut a waveform into windows that start `hop_samples` apart and together cover every sample.

    The last window is moved back to end with the recording, so it may overlap its neighbour more than the
    others do. Nothing is ever padded: wav2vec2-base normalises over time, so padding would change scores.

    Returns:
        The windows' first samples (n,), strictly increasing, and the windows (n, window_samples): a
        read-only view of the waveform when the hops fit exactly, a copy when the last one had to move.

    Raises:
        ValueError: the waveform is shorter than one window, or the hop would leave gaps.

    """
    if not 1 <= hop_samples <= window_samples:
        raise ValueError(f"hop must lie in [1, {window_samples}] samples, got {hop_samples}")
    if waveform.size < window_samples:
        raise ValueError(f"{waveform.size} samples do not fill a window of {window_samples}")
    every = sliding_window_view(waveform, window_samples)  # (samples - window_samples + 1, window_samples)
    last = len(every) - 1
    starts = np.arange(0, last + 1, hop_samples)  # (n,)
    if starts[-1] == last:
        return starts, every[::hop_samples]
    starts = np.append(starts, last)
    return starts, every[starts]


def with_speech(
    starts: NDArray[np.intp], speech: NDArray[np.intp], *, window_samples: int, min_share: float
) -> NDArray[np.bool_]:
    """Say which windows (n,) are worth scoring, given the stretches of speech (m, 2): (n,)

    A model answers for silence, too, and the pause before somebody stops the recording must not outvote what
    they said. So `min_share` of a window must be speech; the one with the most always counts.
    """
    first = np.maximum(starts[:, np.newaxis], speech[:, 0])  # (n, m)
    end = np.minimum(starts[:, np.newaxis] + window_samples, speech[:, 1])  # (n, m)
    shares = (end - first).clip(0).sum(axis=1) / window_samples  # (n,)
    heard: NDArray[np.bool_] = shares >= min(min_share, shares.max())
    return heard
