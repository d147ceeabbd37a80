"""Following the pitch, beside librosa.pyin at the same hop and range: one core, CPU time, both warm.

That both find the same pitch is asserted on the demo's synthesised voice. On human speech they are farther
apart than AGREEMENT; that difference, and those of both from Praat, whose method ours follows, are reported
and not asserted.
"""

from __future__ import annotations

import sys

from bench.sides import in_turns, rate, ratio, rounds_wanted, stay_on_one_core

stay_on_one_core()  # before anything starts threads

import time  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any, TypeAlias  # noqa: E402

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import parselmouth  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bench import corpus  # noqa: E402
from bench.outcome import report, require  # noqa: E402
from mindtrack_inference.audio import Waveform  # noqa: E402
from mindtrack_inference.biomarkers.frames import HOP, RATE, centers, voice  # noqa: E402
from mindtrack_inference.biomarkers.pitch import CEILING, FLOOR, track  # noqa: E402
from mindtrack_shared.bundles import SAMPLE_RATE  # noqa: E402
from unit.inference.recordings import VOICE  # noqa: E402
from unit.inference.recordings import voice as demo_voice  # noqa: E402

TARGET = 12.0
#: Share by which F0 may differ, in the median over frames that both call voiced.
AGREEMENT = 0.01
#: Such frames must be at least this share of theirs: few could agree by chance.
OVERLAP = 0.5
SECONDS = 10
#: Samples: 64 ms. Of the powers of two the nearest to our 50 ms; pyin's default is twice that, and slower.
FRAME = 1024
#: Samples at 16 kHz from frame to frame.
_HOP = HOP * SAMPLE_RATE // RATE

#: F0 in Hz, which means nothing where a frame is not voiced, and whether it is. (frames,) each
Pitched: TypeAlias = tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]


def ours(waveform: Waveform) -> Pitched:
    narrow = voice(waveform)
    pitch = track(narrow, np.ones(centers(narrow.size).size, np.bool_))
    return pitch.hertz, pitch.voiced


def theirs(waveform: Waveform) -> Pitched:
    """Hear what `librosa.pyin` finds at the middles of our frames."""
    hertz, voiced, _ = librosa.pyin(
        waveform[_HOP // 2 :],
        fmin=FLOOR,
        fmax=CEILING,
        sr=SAMPLE_RATE,
        frame_length=FRAME,
        hop_length=_HOP,
    )
    return hertz, voiced


def praat(waveform: Waveform) -> Pitched:
    """Hear what Praat finds at the middles of our frames."""
    sound = parselmouth.Sound(waveform.astype(np.float64), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=_HOP / SAMPLE_RATE, pitch_floor=FLOOR, pitch_ceiling=CEILING)
    middles = centers(waveform.size * RATE // SAMPLE_RATE) / RATE
    hertz = np.array([pitch.get_value_at_time(middle) for middle in middles])
    return hertz, np.isfinite(hertz)


def apart(one: Pitched, other: Pitched) -> tuple[float, float]:
    """Return the median relative difference where both are voiced, and those frames' share of the other's."""
    frames = min(one[0].size, other[0].size)
    both = one[1][:frames] & other[1][:frames]
    relative = np.abs(one[0][:frames][both] / other[0][:frames][both] - 1)
    return float(np.median(relative)), float(both.sum() / other[1].sum())


def main() -> int:
    rounds = rounds_wanted(__doc__)
    waveform = demo_voice()[: SECONDS * SAMPLE_RATE]
    difference, overlap = apart(ours(waveform), theirs(waveform))
    require(
        overlap >= OVERLAP and difference <= AGREEMENT,
        f"F0 is {difference:.2%} apart in the median where both are voiced, {overlap:.0%} of pyin's frames",
    )
    name, human = corpus.real_speech()
    human = human[: SECONDS * SAMPLE_RATE]
    mine, pyin, reference = ours(human), theirs(human), praat(human)
    seconds = waveform.size / SAMPLE_RATE
    rates = in_turns(
        {
            "ours": lambda _: rate(seconds, lambda: ours(waveform), time.process_time),
            "pyin": lambda _: rate(seconds, lambda: theirs(waveform), time.process_time),
        },
        rounds=rounds,
    )
    report(
        "f0",
        ratio(rates["ours"], rates["pyin"]),
        TARGET,
        ours="pitch tracking, seconds of audio per CPU second",
        theirs="librosa.pyin, seconds of audio per CPU second",
        rounds=rounds,
        threads=1,
        details={
            "audio": VOICE,
            "audio_seconds": round(seconds, 2),
            "milliseconds_per_second": {
                side: round(1000 / median(values), 2) for side, values in rates.items()
            },
            "median_f0_difference": round(difference, 5),
            "voiced_by_both": round(overlap, 3),
            "speech": name,
            "speech_f0_difference": round(apart(mine, pyin)[0], 5),
            "speech_ours_from_praat": round(apart(mine, reference)[0], 5),
            "speech_pyin_from_praat": round(apart(pyin, reference)[0], 5),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
