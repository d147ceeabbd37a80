"""RAVDESS (Livingstone and Russo 2018, doi 10.1371/journal.pone.0196391): 24 actors, 1440 spoken clips.

A file's name is seven numbers: modality, vocal channel, emotion, intensity, statement, repetition, actor.
Only the audio-only files (modality 03) are read: the films hold the same takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mindtrack_trainer.corpora.clips import Corpus, RawClip, find

_STEM = re.compile(r"03-(?P<channel>0[12])-(?P<emotion>0[1-8])-\d\d-\d\d-\d\d-(?P<actor>\d\d)")
_SONG = "02"
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}

#: EmoBox's six folds (github.com/emo-box/EmoBox, data/ravdess). The second has women only.
_FOLDS = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)


def read(root: Path) -> Iterator[RawClip]:
    for path, match in find(root, _STEM):
        yield RawClip(
            path=path,
            name=path.stem,
            speaker=_speaker(match["actor"]),
            source_label=_EMOTIONS[match["emotion"]],
            sex="male" if int(match["actor"]) % 2 else "female",
            unfit="sung" if match["channel"] == _SONG else None,
        )


def _speaker(actor: str) -> str:
    return f"ravdess/{actor}"


RAVDESS = Corpus(
    name="ravdess",
    layout="Actor_01/03-01-05-01-01-01-01.wav",
    read=read,
    folds=tuple(tuple(map(_speaker, fold)) for fold in _FOLDS),
)
