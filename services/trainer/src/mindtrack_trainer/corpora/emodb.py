"""EmoDB (Burkhardt et al. 2005, doi 10.21437/Interspeech.2005-446): ten Germans, 535 clips.

A file's name says speaker, sentence, emotion and version: 03a01Wa is speaker 03, sentence a01, Wut (anger).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mindtrack_trainer.corpora.clips import Corpus, RawClip, find
from mindtrack_trainer.manifest import Sex

_STEM = re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[WLEAFTN])[a-z]?")

#: Sex and age as the corpus's own page lists them.
_SPEAKERS: dict[str, tuple[Sex, int]] = {
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}


def read(root: Path) -> Iterator[RawClip]:
    for path, match in find(root, _STEM):
        sex, age = _SPEAKERS.get(match["speaker"], (None, None))
        yield RawClip(
            path=path,
            name=path.stem,
            speaker=f"emodb/{match['speaker']}",
            source_label=match["emotion"],
            sex=sex,
            age=age,
            device="Sennheiser MKH 40 P 48",
        )


EMODB = Corpus(name="emodb", layout="wav/03a01Wa.wav", read=read)
