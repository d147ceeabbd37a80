"""Quality gate and biomarkers beside Praat, on real speech and one core.

Ours: voice-activity detection, quality and all biomarkers. Praat, through parselmouth: the voice's markers
alone (pitch, jitter, shimmer, harmonicity, cepstral peak prominence, intensity).
"""

from __future__ import annotations

import sys
import time
from statistics import median

from bench.sides import in_turns, rate, ratio, rounds_wanted, stay_on_one_core

stay_on_one_core()  # before anything starts threads

import numpy as np  # noqa: E402
import parselmouth  # noqa: E402
from parselmouth.praat import call  # noqa: E402

from bench.corpus import real_speech  # noqa: E402
from bench.outcome import report, require  # noqa: E402
from mindtrack_inference import biomarkers, quality, speech  # noqa: E402
from mindtrack_inference.audio import Waveform  # noqa: E402
from mindtrack_shared.bundles import SAMPLE_RATE  # noqa: E402
from mindtrack_shared.domain.biomarkers import Biomarkers  # noqa: E402

#: Share by which the two medians of F0 may differ.
AGREEMENT = 0.01
#: Praat's CPU time over ours.
TARGET = 4.0
#: CPU milliseconds per 5 s of audio, a fifth of what the model takes.
BUDGET = 40.0


def ours(waveform: Waveform) -> Biomarkers:
    spoken = speech.detect(waveform)
    quality.measure(waveform, spoken)
    return biomarkers.measure(waveform, spoken, prompt_ended_seconds=0.0)


def praat(waveform: Waveform) -> float:
    """Measure the voice's markers; return the median F0, Hz."""
    sound = parselmouth.Sound(waveform.astype(np.float64), SAMPLE_RATE)
    wide = sound.to_pitch_ac(time_step=0.01, pitch_floor=60, pitch_ceiling=500).selected_array["frequency"]
    low, high = np.percentile(wide[wide > 0], [25, 75])  # the speaker's range: De Looze and Hirst (2008)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=max(60, 0.75 * low), pitch_ceiling=1.5 * high)
    pulses = call([sound, pitch], "To PointProcess (cc)")
    call(pulses, "Get jitter (local)", 0, 0, 1e-4, 0.02, 1.3)
    call([sound, pulses], "Get shimmer (local)", 0, 0, 1e-4, 0.02, 1.3, 1.6)
    call(sound.to_harmonicity_ac(0.01, 60, 0.1, 3.0), "Get mean", 0, 0)
    cepstra = call(sound, "To PowerCepstrogram", 60, 0.01, 4000, 50)
    peak = (60, 333.3, 0.05, "parabolic", 0.001, 1 / 60, "Straight", "Least squares")
    call(cepstra, "Get CPPS", "no", 0.03, 0.000875, *peak)
    sound.to_intensity(50, 0.005)
    hertz = pitch.selected_array["frequency"]
    return float(np.median(hertz[hertz > 0]))


def main() -> int:
    rounds = rounds_wanted(__doc__)
    name, waveform = real_speech()
    found, reference = ours(waveform).f0_median_hz, praat(waveform)
    agree = found is not None and abs(found / reference - 1) <= AGREEMENT
    require(agree, f"the median F0 is {found} Hz, Praat's {reference:.2f} Hz")
    fives = waveform.size / SAMPLE_RATE / 5
    rates = in_turns(
        {
            "ours": lambda _: rate(fives, lambda: ours(waveform), time.process_time),
            "praat": lambda _: rate(fives, lambda: praat(waveform), time.process_time),
        },
        rounds=rounds,
    )
    milliseconds = 1000 / median(rates["ours"])
    report(
        "biomarkers",
        ratio(rates["ours"], rates["praat"]),
        TARGET,
        ours="quality gate and all biomarkers, 5 s of audio per CPU second",
        theirs="the voice's markers in Praat, 5 s of audio per CPU second",
        rounds=rounds,
        threads=1,
        details={
            "milliseconds_per_5_seconds": round(milliseconds, 1),
            "budget_milliseconds": BUDGET,
            "budget_met": milliseconds <= BUDGET,
            "f0_median_hz": found,
            "praat_f0_median_hz": reference,
            "audio": name,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
