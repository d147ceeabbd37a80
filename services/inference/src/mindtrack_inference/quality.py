"""Is there enough in a waveform to score it? A first gate; it does not look for speech.

A model answers for silence, too, and its answer would look like any other. So what holds no sound is refused
before it gets there.
"""

from __future__ import annotations

import numpy as np

from mindtrack_inference.audio import SAMPLE_RATE, Waveform
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_shared.domain.jobs import RejectionCode

#: dB relative to full scale (RMS). Test practice puts active speech at -26 dBov (ITU-T P.56 meter); this is
#: 34 dB below, about where a phone's own noise lies.
MIN_LEVEL_DBFS = -60.0
#: Samples: 20 ms, shorter than most phones.
FRAME_SAMPLES = SAMPLE_RATE // 50
#: Per cent of frames that may be quieter than the level we report: five in a hundred must carry sound.
LEVEL_PERCENTILE = 95.0


def check(waveform: Waveform, *, window_samples: int) -> None:
    """Let a waveform pass that can be scored.

    Raises:
        RecordingRejectedError: TOO_SHORT for one window, or TOO_QUIET to hold speech.

    """
    if waveform.size < window_samples:
        raise RecordingRejectedError(
            RejectionCode.TOO_SHORT,
            f"{waveform.size / SAMPLE_RATE:.2f} s do not fill a window of {window_samples / SAMPLE_RATE:g} s",
        )
    level = level_dbfs(waveform)
    if level < MIN_LEVEL_DBFS:
        raise RecordingRejectedError(
            RejectionCode.TOO_QUIET, f"its level is {level:.0f} dBFS, below {MIN_LEVEL_DBFS:.0f}"
        )


def level_dbfs(waveform: Waveform) -> float:
    """Level of the loudest frames, in dB relative to a full-scale square wave; minus infinity for silence.

    A percentile of short frames instead of the whole recording's RMS: pauses do not lower it, and the click
    of a microphone switched on does not raise it. Each frame's mean is taken out: an offset is no sound.
    """
    count = waveform.size // FRAME_SAMPLES
    if not count:
        return -np.inf
    frames = waveform[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)  # (frames, FRAME_SAMPLES)
    rms = float(np.percentile(frames.std(axis=1, dtype=np.float64), LEVEL_PERCENTILE))
    return 20 * float(np.log10(rms)) if rms > 0 else -np.inf
