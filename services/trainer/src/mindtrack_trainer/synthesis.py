"""Writes a corpus of rule-synthesised speech: WAV clips, a degraded twin of each, and a manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import prosody
from mindtrack_trainer.errors import SynthesisError
from mindtrack_trainer.espeak import speak
from mindtrack_trainer.prosody import Prosody
from mindtrack_trainer.sentences import sentence
from mindtrack_trainer.sound import SAMPLE_RATE, Encoding, Samples, resample, round_trip, write_wav
from mindtrack_trainer.voices import Speaker, Split, make_speakers

MANIFEST = "manifest.jsonl"
CLIP_SECONDS = 5.5  # room for a 4 s window at many positions
_PEAK = 0.7

_CODECS = (("mp4", "aac"), ("webm", "libopus"), ("mp3", "libmp3lame"))
_BIT_RATES = (12_000, 16_000, 24_000, 32_000, 48_000)
_TELEPHONE_SHARE = 0.5  # of degraded twins are band-limited to 4 kHz
_TELEPHONE_RATE, _MUSIC_RATE = 8_000, 48_000  # hertz; every codec here knows both


@dataclass(frozen=True, slots=True)
class Clip:
    """One line of the manifest; paths are relative to the corpus."""

    path: str
    degraded_path: str  # the same speech after a phone's codec
    label: Emotion
    speaker: str
    split: Split
    seconds: float


def say(text: str, speaker: Speaker, manner: Prosody, seed: int) -> Samples:
    """One utterance at `SAMPLE_RATE`."""
    samples, rate = speak(text, prosody.settings(speaker, manner), seed)
    return resample(samples, rate * speaker.tract, SAMPLE_RATE)


def make_clip(speaker: Speaker, emotion: Emotion, rng: np.random.Generator) -> Samples:
    """`CLIP_SECONDS` of random sentences in one manner."""
    manner = prosody.vary(emotion, rng)
    pause = np.zeros(round(SAMPLE_RATE * prosody.SENTENCE_PAUSE * manner.pauses / 100), dtype=np.float32)
    parts: list[Samples] = []
    wanted = round(SAMPLE_RATE * CLIP_SECONDS)
    while sum(map(len, parts)) < wanted:
        seed = int(rng.integers(2**31))
        parts += [say(sentence(rng), speaker, manner, seed), pause]
    return np.concatenate(parts)[:wanted]


def degrade(samples: Samples, rng: np.random.Generator) -> Samples:
    """The clip after one random lossy codec, half of the time at telephone bandwidth.

    A codec may run at a higher rate than its input was recorded at, and then fills the empty band with
    noise of its own.
    """
    band = _TELEPHONE_RATE if rng.random() < _TELEPHONE_SHARE else SAMPLE_RATE
    rate = int(rng.choice([band, SAMPLE_RATE, _MUSIC_RATE]))
    container, codec = _CODECS[rng.integers(len(_CODECS))]
    encoding = Encoding(container, codec, int(rng.choice(_BIT_RATES)), rate)
    heard = resample(resample(samples, SAMPLE_RATE, band), band, SAMPLE_RATE)[: len(samples)]
    return round_trip(heard, encoding)


def synthesise(out: Path, speakers: int, clips_per_speaker: int, seed: int, workers: int) -> Iterator[int]:
    """Write the corpus, yielding the number of clips written as each speaker is done.

    Clips are shared out evenly over the emotions. The same arguments give the same files.

    Raises:
        SynthesisError: clips_per_speaker is not a multiple of the number of emotions.

    """
    if clips_per_speaker <= 0 or clips_per_speaker % len(Emotion):
        raise SynthesisError(
            f"clips per speaker must be a multiple of {len(Emotion)}, got {clips_per_speaker}"
        )
    people = make_speakers(speakers, seed)
    done: dict[int, list[Clip]] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = {
            pool.submit(_write_speaker, out, speaker, index, clips_per_speaker, seed): index
            for index, speaker in enumerate(people)
        }
        for future in as_completed(pending):
            done[pending[future]] = future.result()
            yield len(done) * clips_per_speaker
    lines = [json.dumps(asdict(clip)) for _, clips in sorted(done.items()) for clip in clips]
    (out / MANIFEST).write_text("\n".join(lines) + "\n")


def _write_speaker(out: Path, speaker: Speaker, index: int, clips: int, seed: int) -> list[Clip]:
    folder = f"s{index:03d}"
    (out / folder).mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(clips):
        emotion = list(Emotion)[number % len(Emotion)]
        rng = np.random.default_rng([seed, 1, index, number])
        samples = make_clip(speaker, emotion, rng)
        samples *= _PEAK / max(float(np.abs(samples).max()), 1e-6)
        path, twin = (f"{folder}/c{number:03d}{suffix}.wav" for suffix in ("", "-degraded"))
        write_wav(out / path, samples)
        write_wav(out / twin, degrade(samples, rng))
        written.append(Clip(path, twin, emotion, speaker.voice, speaker.split, len(samples) / SAMPLE_RATE))
    return written
