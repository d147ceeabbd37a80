"""Writes a corpus of rule-synthesised speech: WAV clips, a degraded twin of each, outliers and probes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import outliers, prosody
from mindtrack_trainer.errors import SynthesisError
from mindtrack_trainer.espeak import speak
from mindtrack_trainer.manifest import Split, Utterance, put_corpus
from mindtrack_trainer.neutral import measure
from mindtrack_trainer.probes import Probe, write_probes
from mindtrack_trainer.prosody import RULES, Prosody
from mindtrack_trainer.sentences import sentence
from mindtrack_trainer.sound import Encoding, Samples, read_wav, resample, round_trip, write_wav
from mindtrack_trainer.voices import Speaker, make_speakers
from mindtrack_trainer.voicing import shake, tilt

CORPUS = "demo-synthetic"
CLIP_SECONDS = 5.5  # room for a 4 s window at many positions
_PEAK = 0.7

_CODECS = (("mp4", "aac"), ("webm", "libopus"), ("mp3", "libmp3lame"))
_BIT_RATES = (12_000, 16_000, 24_000, 32_000, 48_000)
_TELEPHONE_SHARE = 0.5  # of degraded twins are band-limited to 4 kHz
_TELEPHONE_RATE, _MUSIC_RATE = 8_000, 48_000  # hertz; every codec here knows both

#: What each stream of random numbers is for; `make_speakers` has 0.
_MANNER, _WORDS, _CODEC, _OUTLIER = 1, 2, 3, 4
#: Outliers over clips, in each split.
OUTLIER_SHARE = 0.15
PROBES = 200
_RAISED = {"f0 +20 %": {"f0": 1.2}, "rate +30 %": {"rate": 1.3}}
_CUES = {
    "f0 mean": ("f0_mean",),
    "f0 range": ("f0_range",),
    "rate": ("duration",),
    "pauses": ("pauses",),
    "effort": ("effort",),
    "jitter": ("jitter",),
}
_BABBLE = "babble"


def say(text: str, speaker: Speaker, manner: Prosody, seed: int) -> Samples:
    """One utterance at `SAMPLE_RATE`."""
    samples, rate = speak(text, prosody.settings(speaker, manner), seed)
    spoken = resample(samples, rate * speaker.tract, SAMPLE_RATE)
    shaken = shake(spoken, speaker.jitter + manner.jitter, np.random.default_rng(seed))
    return tilt(shaken, measure(speaker.voice).tilt + speaker.brightness + manner.effort)


def make_clip(speaker: Speaker, manner: Prosody, rng: np.random.Generator) -> Samples:
    """`CLIP_SECONDS` of random sentences in one manner."""
    pause = np.zeros(round(SAMPLE_RATE * prosody.SENTENCE_PAUSE * manner.pauses / 100), dtype=np.float32)
    parts: list[Samples] = []
    wanted = round(SAMPLE_RATE * CLIP_SECONDS)
    while sum(map(len, parts)) < wanted:
        seed = int(rng.integers(2**31))
        parts += [say(sentence(rng), speaker, manner, seed), pause]
    clip = np.concatenate(parts)[:wanted]
    level: Samples = clip * np.float32(_PEAK / max(float(np.abs(clip).max()), 1e-6))
    return level


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


def synthesise(
    out: Path, speakers: int, clips_per_speaker: int, seed: int, workers: int
) -> Iterator[tuple[int, int]]:
    """Write the corpus, yielding how many of its parts are done, and how many there are.

    Clips are shared out evenly over the emotions. The same arguments give the same files.

    Raises:
        SynthesisError: clips_per_speaker is not a multiple of the number of emotions.

    """
    if clips_per_speaker <= 0 or clips_per_speaker % len(Emotion):
        raise SynthesisError(
            f"clips per speaker must be a multiple of {len(Emotion)}, got {clips_per_speaker}"
        )
    people = make_speakers(speakers, seed)
    probes = math.ceil(PROBES / sum(speaker.split == "test" for speaker in people))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # Outliers come second: babble is made of the clips.
        voices = _Work(
            [
                pool.submit(_write_speaker, _Voice(out, index, speaker, seed), clips_per_speaker, probes)
                for index, speaker in enumerate(people)
            ]
        )
        total = len(people) + len(get_args(Split))
        for done in voices.as_completed():
            yield done, total
        spoken = voices.utterances()
        others = _Work(
            [
                pool.submit(_write_outliers, out, split, [u for u in spoken if u.split == split], seed)
                for split in get_args(Split)
            ]
        )
        for done in others.as_completed():
            yield len(people) + done, total
    put_corpus(out, CORPUS, [*spoken, *others.utterances()])
    write_probes(out, voices.probes())


_Written = tuple[list[Utterance], list[Probe]]


@dataclass(frozen=True, slots=True)
class _Work:
    """Parts of the corpus that are being written, in the manifest's order."""

    parts: list[Future[_Written]]

    def as_completed(self) -> Iterator[int]:
        for done, part in enumerate(as_completed(self.parts), start=1):
            part.result()
            yield done

    def utterances(self) -> list[Utterance]:
        return [utterance for part in self.parts for utterance in part.result()[0]]

    def probes(self) -> list[Probe]:
        return [probe for part in self.parts for probe in part.result()[1]]


@dataclass(frozen=True, slots=True)
class _Voice:
    """A speaker at work: clips by number, each the same whenever it is asked for."""

    out: Path
    index: int
    speaker: Speaker
    seed: int

    @property
    def folder(self) -> str:
        return f"s{self.index:03d}"

    def rng(self, purpose: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, self.index, number])

    def emotion(self, number: int) -> Emotion:
        return list(Emotion)[number % len(Emotion)]

    def manner(self, number: int) -> Prosody:
        rng, emotion = self.rng(_MANNER, number), self.emotion(number)
        manner = prosody.vary(emotion, rng)
        learning = self.speaker.split == "train" and emotion in prosody.TENSE
        return prosody.roused(manner, rng) if learning else manner

    def path(self, number: int, suffix: str = "") -> str:
        return f"{self.folder}/c{number:03d}{suffix}.wav"

    def write(self, path: str, number: int, manner: Prosody) -> Samples:
        """Write the words of clip `number`, spoken in that manner."""
        samples = make_clip(self.speaker, manner, self.rng(_WORDS, number))
        write_wav(self.out / path, samples)
        return samples


def _write_speaker(voice: _Voice, clips: int, probes: int) -> _Written:
    (voice.out / voice.folder).mkdir(parents=True, exist_ok=True)
    utterances = []
    for number in range(clips):
        path, twin = voice.path(number), voice.path(number, "-degraded")
        samples = voice.write(path, number, voice.manner(number))
        write_wav(voice.out / twin, degrade(samples, voice.rng(_CODEC, number)))
        utterances.append(
            Utterance(
                path=path,
                degraded_path=twin,
                seconds=len(samples) / SAMPLE_RATE,
                label=voice.emotion(number),
                source_label=voice.emotion(number),
                speaker=f"{CORPUS}/{voice.speaker.voice}",
                corpus=CORPUS,
                split=voice.speaker.split,
                sex=voice.speaker.sex,
            )
        )
    if voice.speaker.split != "test":
        return utterances, []
    # Voices begin at different emotions, so that few clips each still cover all five.
    chosen = [(voice.index + number) % clips for number in range(min(probes, clips))]
    return utterances, [*_write_raised(voice, chosen), *_write_ablations(voice)]


def _write_raised(voice: _Voice, numbers: list[int]) -> Iterator[Probe]:
    """The same words at a higher F0, or faster."""
    for number in numbers:
        for position, (name, change) in enumerate(_RAISED.items()):
            path = voice.path(number, f"-raised-{position}")
            voice.write(path, number, prosody.raised(voice.manner(number), **change))
            yield _probe(voice, name, "monotonicity", path, number)


def _write_ablations(voice: _Voice) -> Iterator[Probe]:
    """One neutral clip with single cues of Anxious and Stressed, and with all of them."""
    number = list(Emotion).index(Emotion.NEUTRAL)
    for emotion in (Emotion.ANXIOUS, Emotion.STRESSED):
        rule = RULES[emotion]
        for name, cues in {**_CUES, "all cues": tuple(field.name for field in fields(Prosody))}.items():
            changes = {cue: getattr(rule, cue) for cue in cues}
            if all(getattr(RULES[Emotion.NEUTRAL], cue) == value for cue, value in changes.items()):
                continue  # the emotion leaves this cue alone
            path = voice.path(number, f"-{emotion}-{name.replace(' ', '-')}".lower())
            voice.write(path, number, replace(voice.manner(number), **changes))
            yield _probe(voice, f"{name} of {emotion}", "ablation", path, number)


def _probe(voice: _Voice, name: str, group: str, path: str, number: int) -> Probe:
    return Probe(
        probe=name,
        group=group,
        path=path,
        reference_path=voice.path(number),
        speaker=f"{CORPUS}/{voice.speaker.voice}",
        label=voice.emotion(number),
    )


def _write_outliers(out: Path, split: Split, spoken: list[Utterance], seed: int) -> _Written:
    """Noise, tones, music and babble; some kinds only for the test."""
    folder = f"outliers-{split}"
    (out / folder).mkdir(parents=True, exist_ok=True)
    sources = {**outliers.SOURCES, **(outliers.UNHEARD_SOURCES if split == "test" else {})}
    kinds = [*sources, _BABBLE]
    utterances = []
    for number in range(round(OUTLIER_SHARE * len(spoken))):
        kind = kinds[number % len(kinds)]
        rng = np.random.default_rng([seed, _OUTLIER, get_args(Split).index(split), number])
        if kind == _BABBLE:
            samples = outliers.babble(_voices(out, spoken, rng), rng)
        else:
            samples = sources[kind](CLIP_SECONDS, rng)
        path, twin = (f"{folder}/o{number:04d}{suffix}.wav" for suffix in ("", "-degraded"))
        write_wav(out / path, samples)
        write_wav(out / twin, degrade(samples, rng))
        utterances.append(
            Utterance(
                path=path,
                degraded_path=twin,
                seconds=len(samples) / SAMPLE_RATE,
                label=None,
                source_label=kind,
                speaker=f"{CORPUS}/outliers-{split}",
                corpus=CORPUS,
                split=split,
            )
        )
    return utterances, []


def _voices(out: Path, spoken: list[Utterance], rng: np.random.Generator) -> list[Samples]:
    """Clips of different speakers, as they talk at the same time."""
    order = [spoken[index] for index in rng.permutation(len(spoken))]
    by_speaker = {utterance.speaker: utterance for utterance in order}
    crowd = list(by_speaker.values())[: outliers.BABBLE_VOICES]
    return [(read_wav(out / u.path) / 32768).astype(np.float32) for u in crowd]
