"""JL-Corpus (James et al. 2018, doi 10.21437/Interspeech.2018-1349): four New Zealanders, 2400 clips.

The published archive holds part of its clips twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from mindtrack_trainer.corpora.clips import Corpus, RawClip, find
from mindtrack_trainer.manifest import Sex

_STEM = re.compile(r"(?P<speaker>(?P<sex>female|male)[12])_(?P<emotion>[a-z]+)_\d+[ab]_[12]")


def read(root: Path) -> Iterator[RawClip]:
    for path, match in find(root, _STEM):
        yield RawClip(
            path=path,
            name=path.stem,
            speaker=f"jl/{match['speaker']}",
            source_label=match["emotion"],
            sex=cast("Sex", match["sex"]),
        )


JL = Corpus(
    name="jl",
    layout="Raw JL corpus (unchecked and unannotated)/JL(wav+txt)/female1_angry_10a_1.wav",
    read=read,
)
