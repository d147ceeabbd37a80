"""Quality gate and biomarkers beside Praat, on real speech and one core.

Ours: voice-activity detection, quality and all biomarkers. Praat, through parselmouth: the voice's markers
alone (pitch, jitter, shimmer, harmonicity, cepstral peak prominence, intensity).
"""

from __future__ import annotations

import json
import sys
from statistics import median

from bench.sides import interleaved, stay_on_one_core

stay_on_one_core()  # before anything starts threads

import numpy as np  # noqa: E402
import parselmouth  # noqa: E402
from parselmouth.praat import call  # noqa: E402

from mindtrack_inference import biomarkers, quality, speech  # noqa: E402
from mindtrack_inference.audio import SAMPLE_RATE, Waveform, decode  # noqa: E402
from mindtrack_shared.domain.biomarkers import Biomarkers  # noqa: E402
from unit.inference.recordings import PROMPTS, VOICE, voice  # noqa: E402

#: 30 s long.
PROMPT = "demo-congrats"
#: Share by which the two medians of F0 may differ.
AGREEMENT = 0.01
#: Ours over Praat's CPU time.
TARGET = 0.25
#: CPU milliseconds per 5 s of audio, a fifth of what the model takes.
BUDGET = 40.0
ROUNDS, SECONDS = 9, 40.0


def recording() -> tuple[str, Waveform]:
    """Human speech where Debian's prompts are installed, else the demo's synthesised voice."""
    prompt = PROMPTS / f"{PROMPT}.wav"
    if prompt.exists():
        return PROMPT, decode(prompt.read_bytes(), max_seconds=60)
    return VOICE, voice()


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
    name, waveform = recording()
    found, reference = ours(waveform).f0_median_hz, praat(waveform)
    agree = found is not None and abs(found / reference - 1) <= AGREEMENT
    times = interleaved(lambda: ours(waveform), lambda: praat(waveform), rounds=ROUNDS, seconds=SECONDS)
    milliseconds = 1000 * median(times.ours) * 5 / (waveform.size / SAMPLE_RATE)
    line = {
        "name": "biomarkers",
        "ratio": round(times.ratio, 3),
        "target": TARGET,
        "milliseconds_per_5_seconds": round(milliseconds, 1),
        "budget_milliseconds": BUDGET,
        "f0_median_hz": found,
        "praat_f0_median_hz": reference,
        "audio": name,
        "rounds": len(times.ours),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if agree and times.ratio <= TARGET and milliseconds <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
