"""MELD (Poria et al. 2019, arXiv 1810.02508): 13 708 utterances of a television series, as short films.

The six main characters say five of six utterances and are in all three of its official parts, so the parts
are read together and split anew by speaker.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from mindtrack_trainer.corpora.clips import Corpus, RawClip, find
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Sex

#: By official part, its table and its folder of films.
_PARTS = {
    "train": ("train_sent_emo.csv", "train_splits"),
    "dev": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}
_NUMBERS = ("Dialogue_ID", "Utterance_ID")
_COLUMNS = ("Speaker", "Emotion", *_NUMBERS)

#: Where the test part has a film under both names, the longer one fits its annotation.
_STEM = re.compile(r"(?:final_videos_test)?(?P<utterance>dia\d+_utt\d+)")

_SEXES: dict[str, Sex] = {
    **dict.fromkeys(("monica", "phoebe", "rachel"), "female"),
    **dict.fromkeys(("chandler", "joey", "ross"), "male"),
}
#: Two names for one voice: spellings, and parts that one actor or character plays.
_SAME_VOICE = {
    "dr-drake-remoray": "joey",
    "dr-leedbetter": "dr-ledbetter",
    "fireman-1": "fireman-no-1",
    "jeannine": "janine",
    "kristin": "kristen",
    "ursula": "phoebe",
}
_CROWDS = {"all", "both", "her-friends", "the-guys"}

_Row = Mapping[str, str]


def read(root: Path) -> Iterator[RawClip]:
    films = _films(root)
    for part, (table, folder) in _PARTS.items():
        tables = sorted(root.rglob(table))
        paths = {**films[part], **films[folder]}
        if bool(tables) != bool(paths):
            missing, there = (f"{folder}/dia0_utt0.mp4", table) if tables else (table, f"{folder}'s films")
            raise DatasetError(f"{root} has {there} but no {missing}")
        for row in _rows(tables[0]) if tables else ():
            utterance = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            # dev's dia110_utt7 was never published: converting it will say so.
            path = paths.get(utterance, root / folder / f"{utterance}.mp4")
            yield _clip(path, f"{part}-{utterance}", row)


def _clip(path: Path, name: str, row: _Row) -> RawClip:
    voice = _slug(row["Speaker"].split("/")[0])  # "Joey/Drake" is Joey, who plays Drake
    voice = _SAME_VOICE.get(voice, voice)
    return RawClip(
        path=path,
        name=name,
        speaker=f"meld/{voice}",
        source_label=row["Emotion"],
        sex=_SEXES.get(voice),
        device="television",
        unfit="several people speak" if voice in _CROWDS or "-and-" in voice else None,
    )


def _films(root: Path) -> Mapping[str, dict[str, Path]]:
    """By folder and utterance."""
    films: dict[str, dict[str, Path]] = defaultdict(dict)
    for path, match in find(root, _STEM, ".mp4"):
        films[path.parent.name][match["utterance"]] = path  # the longer name sorts last and wins
    return films


def _rows(table: Path) -> list[_Row]:
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
            raise DatasetError(f"{table} is not MELD's: it has no column {', '.join(missing)}")
        rows: list[_Row] = list(reader)
    for row in rows:  # these become names of files
        if not all(re.fullmatch("[0-9]+", row[column] or "") for column in _NUMBERS):
            raise DatasetError(f"{table} is not MELD's: {' and '.join(_NUMBERS)} must be numbers in {row}")
    return rows


def _slug(speaker: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", speaker.lower()).strip("-")


MELD = Corpus(
    name="meld",
    layout="train_sent_emo.csv and train_splits/dia0_utt0.mp4 (or dev, or test)",
    read=read,
)
