"""Public corpora of emotional speech, read by their real file layouts."""

from __future__ import annotations

from mindtrack_trainer.corpora.clips import Corpus, RawClip
from mindtrack_trainer.corpora.cremad import CREMAD
from mindtrack_trainer.corpora.emodb import EMODB
from mindtrack_trainer.corpora.iemocap import IEMOCAP
from mindtrack_trainer.corpora.jl import JL
from mindtrack_trainer.corpora.meld import MELD
from mindtrack_trainer.corpora.ravdess import RAVDESS

READERS = {corpus.name: corpus for corpus in (RAVDESS, CREMAD, MELD, IEMOCAP, JL, EMODB)}

__all__ = ["READERS", "Corpus", "RawClip"]
