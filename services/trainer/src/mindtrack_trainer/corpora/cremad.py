"""CREMA-D (Cao et al. 2014, doi 10.1109/TAFFC.2014.2336244): 91 actors, 7442 clips.

A file's name says actor, sentence, intended emotion and intensity. Sex and age come from the corpus's
`VideoDemographics.csv` and stay unknown without it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from mindtrack_trainer.corpora.clips import Corpus, RawClip, find
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Sex

# One file of actor 1040 ends in a single X.
_STEM = re.compile(r"(?P<actor>1\d{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(?:LO|MD|HI|XX?)")
_DEMOGRAPHICS = "VideoDemographics.csv"
_SEXES: dict[str, Sex] = {"Female": "female", "Male": "male"}


def read(root: Path) -> Iterator[RawClip]:
    actors = _actors(root)
    for path, match in find(root, _STEM):
        sex, age = actors.get(match["actor"], (None, None))
        yield RawClip(
            path=path,
            name=path.stem,
            speaker=f"cremad/{match['actor']}",
            source_label=match["emotion"],
            sex=sex,
            age=age,
        )


def _actors(root: Path) -> dict[str, tuple[Sex | None, int]]:
    tables = sorted(root.rglob(_DEMOGRAPHICS))
    if not tables:
        return {}
    with tables[0].open(encoding="utf-8-sig", newline="") as file:
        try:
            return {row["ActorID"]: (_SEXES.get(row["Sex"]), int(row["Age"])) for row in csv.DictReader(file)}
        except (KeyError, ValueError) as error:
            raise DatasetError(f"{tables[0]} is not CREMA-D's table of actors: {error}") from error


CREMAD = Corpus(name="cremad", layout="AudioWAV/1001_DFA_ANG_XX.wav", read=read)
