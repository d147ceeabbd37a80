"""Synthetic speakers: an espeak-ng voice variant, an English accent, and a body of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import espeakng_loader
import numpy as np

from mindtrack_trainer.errors import SynthesisError
from mindtrack_trainer.manifest import Sex, Split

#: The demo bundle's corpus.
DEFAULT_SPEAKERS, DEFAULT_SEED = 240, 2026

ACCENTS = (
    *("en-us", "en", "en-gb-x-rp", "en-gb-scotland"),
    *("en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "en-029"),
)

#: The variants in espeak-ng's `voices/!v` that sound like an adult who speaks in an ordinary way. Whispers
#: and robots are left out, and Alex (no intonation), croak and grandpa (creaky most of the time), and zac (a
#: neutral F0 of 350 Hz).
VARIANTS = (
    *("Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo"),
    *("Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Mr serious", "Nguyen", "Reed", "RicishayMax"),
    *("RicishayMax2", "RicishayMax3", "Storm", "Tweaky", "adam", "anika", "antonio", "aunty", "belinda"),
    *("boris", "david", "ed", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandma"),
    *("gustave", "ian", "iven2", "iven4", "john", "kaukovalta", "klatt3", "klatt4", "klatt6"),
    *("linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel", "mike2"),
    *("norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "steph2"),
    *("travis", "victor"),
)

#: Shares of the variants, not of the speakers: a timbre heard in training is in no other split,
#: whatever the accent.
_CALIBRATION_SHARE, _TEST_SHARE = 0.14, 0.20
_PITCH, _TEMPO, _TRACT = (0.92, 1.08), (0.92, 1.08), (0.93, 1.07)
#: Percent and decibels per octave: no two people's voices are equally steady or bright.
_JITTER, _BRIGHTNESS = (0.0, 1.0), (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Speaker:
    """One synthetic voice and the split it belongs to."""

    voice: str  # espeak-ng's "accent+variant", also the speaker's id
    pitch: float  # neutral F0 over the variant's own
    tempo: float  # neutral rate over espeak-ng's default
    tract: float  # spectrum (and F0) stretched by this factor: a shorter vocal tract above 1
    jitter: float  # neutral jitter, percent
    brightness: float  # spectral tilt over the variant's own, decibels per octave above 500 Hz
    split: Split

    @property
    def variant(self) -> str:
        return self.voice.split("+")[1]

    @property
    def sex(self) -> Sex | None:
        """What espeak-ng's voice file says; many say nothing."""
        text = (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / self.variant).read_text()
        found = re.search(r"^gender +(female|male)\b", text, re.IGNORECASE | re.MULTILINE)
        return cast("Sex", found[1].lower()) if found else None


def make_speakers(count: int, seed: int) -> list[Speaker]:
    """Draw `count` speakers; the same count and seed give the same people.

    Raises:
        SynthesisError: more speakers than accents times variants, or too few for three splits.

    """
    limit = len(ACCENTS) * len(VARIANTS)
    if not 3 <= count <= limit:  # noqa: PLR2004 - one speaker per split
        raise SynthesisError(f"between 3 and {limit} speakers can be made, not {count}")
    rng = np.random.default_rng([seed, 0])
    variants = [VARIANTS[i] for i in rng.permutation(len(VARIANTS))][:count]
    accents = {variant: rng.permutation(len(ACCENTS)) for variant in variants}
    splits = _split(variants)
    return [
        Speaker(
            voice=f"{ACCENTS[accents[variant][index // len(variants)]]}+{variant}",
            pitch=float(rng.uniform(*_PITCH)),
            tempo=float(rng.uniform(*_TEMPO)),
            tract=float(rng.uniform(*_TRACT)),
            jitter=float(rng.uniform(*_JITTER)),
            brightness=float(rng.uniform(*_BRIGHTNESS)),
            split=splits[variant],
        )
        for index in range(count)
        for variant in (variants[index % len(variants)],)
    ]


def _split(variants: list[str]) -> dict[str, Split]:
    calibration = max(1, round(_CALIBRATION_SHARE * len(variants)))
    held_out = calibration + max(1, round(_TEST_SHARE * len(variants)))

    def split(position: int) -> Split:
        if position < calibration:
            return "calibration"
        return "test" if position < held_out else "train"

    return {variant: split(position) for position, variant in enumerate(variants)}
