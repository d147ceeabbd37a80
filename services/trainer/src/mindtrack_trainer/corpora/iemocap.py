"""IEMOCAP (Busso et al. 2008, doi 10.1007/s10579-008-9076-6): five sessions of one woman and one man each.

A dialogue's name holds the sex of whoever wore the motion-capture markers, an utterance's the sex of its
speaker: Ses01F_impro04_M013 is spoken by the man of session 1. The two of them share a room, so a split
keeps sessions together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mindtrack_trainer.corpora.clips import Corpus, RawClip
from mindtrack_trainer.manifest import Sex

_LINE = re.compile(
    r"\[[\d.]+ - [\d.]+\]\t(?P<utterance>(?P<session>Ses0[1-5])[FM]_\w+_(?P<sex>[FM])\w+)\t(?P<emotion>\w+)\t"
)
_SEXES: dict[str, Sex] = {"F": "female", "M": "male"}


def read(root: Path) -> Iterator[RawClip]:
    for table in sorted(root.rglob("dialog/EmoEvaluation/Ses*.txt")):
        recordings = table.parents[2] / "sentences" / "wav" / table.stem
        for line in table.read_text(encoding="latin-1").splitlines():
            if match := _LINE.match(line):
                yield RawClip(
                    path=recordings / f"{match['utterance']}.wav",
                    name=match["utterance"],
                    speaker=f"iemocap/{match['session']}{match['sex']}",
                    source_label=match["emotion"],
                    sex=_SEXES[match["sex"]],
                )


IEMOCAP = Corpus(
    name="iemocap",
    layout=(
        "Session1/dialog/EmoEvaluation/Ses01F_impro04.txt and "
        "Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_F000.wav"
    ),
    read=read,
    folds=tuple(tuple(f"iemocap/Ses0{session}{sex}" for sex in _SEXES) for session in range(1, 6)),
    whole_folds=True,
)
