"""How each emotion moves the voice: one table of rules, and what they become for one clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.espeak import EspeakSettings
from mindtrack_trainer.neutral import measure
from mindtrack_trainer.voices import Speaker


@dataclass(frozen=True, slots=True)
class Prosody:
    """A manner of speaking."""

    #: Percent of the same speaker's neutral.
    f0_mean: float = 100.0
    f0_range: float = 100.0
    duration: float = 100.0  # of syllables: 140 is slower
    loudness: float = 100.0
    pauses: float = 100.0
    #: Vocal effort as it shapes the spectrum: decibels per octave above 500 Hz, more when loud.
    effort: float = 0.0
    #: How far the F0 is displaced, at random and from moment to moment, percent.
    jitter: float = 0.0


#: Decibels per octave by which "loud" flattens the spectrum and "soft" steepens it. The direction is
#: Traunmüller and Eriksson's (2000); the size is ours.
_EFFORT = 3.0

#: After SyntAct (felixbur/syntAct, `emofilt_config/emotions.xml`; zenodo 6573016), whose "scared" stands for
#: Anxious and "angry" for Stressed. What espeak-ng cannot render is left out (vowel targets, focus stress,
#: contours) or folded in:
#: - Happy lasts 70 with vowels 130, about 97 for English syllables;
#: - Stressed lasts 70 with focus syllables 130, about 75;
#: - Anxious has F0 200, out of espeak-ng's reach; 160 is Emofilt's figure for its range, used for both;
#: - "loud" and "soft" are read as loudness 130 and 70, and as vocal effort.
RULES: dict[Emotion, Prosody] = {
    Emotion.NEUTRAL: Prosody(),
    Emotion.HAPPY: Prosody(f0_mean=120, f0_range=130, duration=97, loudness=130, effort=_EFFORT),
    Emotion.SAD: Prosody(f0_range=80, duration=140, loudness=70, effort=-_EFFORT, jitter=10),
    Emotion.ANXIOUS: Prosody(160, 160, 70, loudness=130, pauses=200, effort=_EFFORT, jitter=5),
    Emotion.STRESSED: Prosody(f0_range=140, duration=75, loudness=130, effort=_EFFORT, jitter=2),
}

#: Standard deviation of a clip around its rule: enough for neighbours to overlap.
SPREAD = Prosody(f0_mean=4, f0_range=8, duration=5, loudness=10, pauses=20, effort=0.75, jitter=0.5)
#: How strongly a clip shows its rule, as a share of the rule's distance from neutral.
INTENSITY = (0.8, 1.2)

#: Who is tense and gets more aroused is no less tense: of training clips of the tense emotions.
TENSE = (Emotion.ANXIOUS, Emotion.STRESSED)
_ROUSED_SHARE, _ROUSED_F0, _ROUSED_RATE = 0.5, 1.35, 1.2

_LOWEST = Prosody(30, 30, 30, 30, 30, effort=-math.inf, jitter=0)
_WORDS_PER_MINUTE = 175.0
_VOLUME = 60.0  # espeak-ng's 100 clips many variants
#: The share of a voice's mean F0 that lies below its range: espeak-ng's `pitch` moves only this part.
_BASE_SHARE = 0.82
_WORD_GAP = 4.0  # units of 10 ms per 100 % of extra pause
SENTENCE_PAUSE = 0.25  # seconds, at 100 %


def blend(start: Prosody, end: Prosody, share: float) -> Prosody:
    """The manner `share` of the way from one to another; 0 is the first, 1 the second, more overshoots."""
    return Prosody(
        *(
            getattr(start, f.name) + share * (getattr(end, f.name) - getattr(start, f.name))
            for f in fields(Prosody)
        )
    )


def vary(emotion: Emotion, rng: np.random.Generator) -> Prosody:
    """Draw one clip's prosody around the emotion's rule."""
    centre = blend(RULES[Emotion.NEUTRAL], RULES[emotion], rng.uniform(*INTENSITY))
    return Prosody(
        *(
            max(getattr(_LOWEST, f.name), rng.normal(getattr(centre, f.name), getattr(SPREAD, f.name)))
            for f in fields(Prosody)
        )
    )


def roused(manner: Prosody, rng: np.random.Generator) -> Prosody:
    """Sometimes the same manner at a higher F0 or faster, beyond what probes ask of a varied clip."""
    if rng.random() >= _ROUSED_SHARE:
        return manner
    return raised(manner, f0=rng.uniform(1.0, _ROUSED_F0), rate=rng.uniform(1.0, _ROUSED_RATE))


def raised(manner: Prosody, *, f0: float = 1.0, rate: float = 1.0) -> Prosody:
    """The same manner with F0 and speaking rate multiplied."""
    return replace(manner, f0_mean=manner.f0_mean * f0, duration=manner.duration / rate)


def settings(speaker: Speaker, prosody: Prosody) -> EspeakSettings:
    """Translate percentages into espeak-ng's units for this speaker, within the engine's limits."""
    neutral = measure(speaker.voice)
    f0 = neutral.f0_mean * speaker.pitch * prosody.f0_mean / 100
    base = max(0.5, (f0 - (1 - _BASE_SHARE)) / _BASE_SHARE)
    tempo = _WORDS_PER_MINUTE * neutral.tempo * speaker.tempo
    return EspeakSettings(
        voice=speaker.voice,
        rate=_bounded(tempo * 100 / prosody.duration, 80, 450),
        pitch=_bounded(50 + 50 * math.log2(base), 0, 99),
        pitch_range=_bounded(neutral.f0_range * prosody.f0_range / 2, 0, 99),
        volume=_bounded(_VOLUME * prosody.loudness / 100, 10, 100),
        word_gap=_bounded(_WORD_GAP * (prosody.pauses / 100 - 1), 0, 30),
    )


def _bounded(value: float, low: int, high: int) -> int:
    return round(min(high, max(low, value)))
