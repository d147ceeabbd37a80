"""Seven voice logs of one synthetic speaker's week, each in another phone's format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.prosody import RULES, SENTENCE_PAUSE, Prosody, blend
from mindtrack_trainer.sound import Encoding, Samples, encode
from mindtrack_trainer.synthesis import say
from mindtrack_trainer.voices import DEFAULT_SEED, DEFAULT_SPEAKERS, Speaker, make_speakers

#: In the default corpus's test split.
_NARRATOR = "en-gb-scotland+f5"
_PEAK = 0.6


@dataclass(frozen=True, slots=True)
class Day:
    """One voice log."""

    name: str
    encoding: Encoding
    manner: Prosody
    text: tuple[str, ...]  # sentences


_NEUTRAL, _STRESSED, _ANXIOUS = (RULES[e] for e in (Emotion.NEUTRAL, Emotion.STRESSED, Emotion.ANXIOUS))

WEEK = (
    Day(
        "day-1.wav",
        Encoding("wav", "pcm_s16le", None, SAMPLE_RATE),
        RULES[Emotion.NEUTRAL],
        (
            "Monday was quiet.",
            "I took the usual train, answered a few letters, and had soup for lunch.",
            "In the evening I watered the plants.",
            "My brother called about the garden table.",
        ),
    ),
    Day(
        "day-2.m4a",
        Encoding("ipod", "aac", 48_000, 44_100),
        RULES[Emotion.HAPPY],
        (
            "On Tuesday my sister visited us.",
            "We walked along the river, and the market had the first apples.",
            "Then we cooked together and looked at old pictures.",
            "The evening was warm, and we sat by the window.",
        ),
    ),
    Day(
        "day-3.webm",
        Encoding("webm", "libopus", 32_000, 48_000),
        blend(_NEUTRAL, _STRESSED, 0.3),
        (
            "Wednesday was an ordinary day.",
            "Two meetings in the morning, then the report for the manager.",
            "I came home a little later than usual, and read for a while.",
            "The letter from the library came today.",
        ),
    ),
    Day(
        "day-4.mp3",
        Encoding("mp3", "libmp3lame", 48_000, 44_100),
        blend(_NEUTRAL, _STRESSED, 0.6),
        (
            "On Thursday the second meeting was moved to noon.",
            "So I wrote the report during lunch, and the printer was out of paper.",
            "The bus home was full, and I waited for the next one.",
            "Tomorrow the first call is at half past eight.",
        ),
    ),
    Day(
        "day-5.ogg",
        Encoding("ogg", "libopus", 32_000, 48_000),
        blend(_NEUTRAL, _STRESSED, 0.9),
        (
            "Friday began with three calls before nine.",
            "The report came back with questions, and the office moved my desk.",
            "I answered the letters after dinner, and packed for the weekend.",
            "There was no time to read, and the kitchen is still full of paper bags.",
        ),
    ),
    Day(
        "day-6.flac",
        Encoding("flac", "flac", None, SAMPLE_RATE),
        blend(_NEUTRAL, _STRESSED, 1.2),
        (
            "On Saturday I went back to the office for the second report.",
            "The train was late, and I walked the last part along the bridge.",
            "My neighbour called about the kitchen window in the afternoon.",
            "I finished the letters around ten, and wrote a list for the morning.",
        ),
    ),
    Day(
        "day-7.m4a",
        Encoding("ipod", "aac", 48_000, 44_100),
        _ANXIOUS,
        (
            "Sunday went by with the report again.",
            "The manager wrote twice before noon, and the numbers had changed.",
            "I drove to the station and came back for the other bag.",
            "Tomorrow there are four meetings, and the first one is at eight.",
        ),
    ),
)


def narrator() -> Speaker:
    """A voice of the default corpus's test split: the demo model has never heard it."""
    return next(
        person
        for person in make_speakers(DEFAULT_SPEAKERS, DEFAULT_SEED)
        if person.split == "test" and person.voice == _NARRATOR
    )


def make_samples(out: Path) -> Iterator[Path]:
    """Write the week's recordings, yielding each one's path."""
    out.mkdir(parents=True, exist_ok=True)
    for day in WEEK:
        path = out / day.name
        encode(render(day, narrator()), path, day.encoding)
        yield path


def render(day: Day, speaker: Speaker) -> Samples:
    """One day's log, at `SAMPLE_RATE`."""
    silence = round(SAMPLE_RATE * SENTENCE_PAUSE * day.manner.pauses / 100)
    pause: Samples = np.zeros(silence, dtype=np.float32)
    spoken = [say(text, speaker, day.manner, seed) for seed, text in enumerate(day.text)]
    samples = np.concatenate([part for sentence in spoken for part in (sentence, pause)])
    level: Samples = samples * np.float32(_PEAK / np.abs(samples).max())
    return level
