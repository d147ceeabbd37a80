"""What other people's labels stand for among our five emotions: the only table of it.

Proxies, by quadrants of valence and arousal (Russell 1980). Stressed is high arousal, negative, approach:
anger, frustration. Anxious is high arousal, negative, avoidance: fear, worry. Of these corpora JL alone has
actors play anxiety, and none has anybody stressed. What fits no quadrant for certain stands for nothing and
is dropped, never forced: disgust, surprise, boredom.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mindtrack_shared.domain.emotions import MIN_EMOTIONS, Emotion
from mindtrack_trainer.errors import ExportError

#: What a label stands for; None for a label that stands for none of ours.
Meaning = Emotion | None

_N, _H, _S, _A, _X = Emotion  # Neutral, Happy, Sad, Anxious, Stressed


def _vocabulary(meanings: Mapping[Meaning, str]) -> Mapping[str, Meaning]:
    return MappingProxyType(
        {label: emotion for emotion, labels in meanings.items() for label in labels.split()}
    )


#: By corpus, the labels and codes it uses, in lower case.
CORPORA: Mapping[str, Mapping[str, Meaning]] = MappingProxyType(
    {
        # Livingstone and Russo 2018, doi 10.1371/journal.pone.0196391
        "ravdess": _vocabulary(
            {
                _N: "neutral calm",
                _H: "happy",
                _S: "sad",
                _A: "fearful",
                _X: "angry",
                None: "disgust surprised",
            }
        ),
        # Cao et al. 2014, doi 10.1109/TAFFC.2014.2336244
        "cremad": _vocabulary({_N: "neu", _H: "hap", _S: "sad", _A: "fea", _X: "ang", None: "dis"}),
        # Poria et al. 2019, arXiv 1810.02508
        "meld": _vocabulary(
            {
                _N: "neutral",
                _H: "joy",
                _S: "sadness",
                _A: "fear",
                _X: "anger",
                None: "disgust surprise",
            }
        ),
        # Busso et al. 2008, doi 10.1007/s10579-008-9076-6; xxx is where the raters did not agree
        "iemocap": _vocabulary(
            {
                _N: "neu neutral",
                _H: "hap exc happy happiness excited",
                _S: "sad sadness",
                _A: "fea fear",
                _X: "ang fru angry anger frustrated frustration",
                None: "sur dis oth xxx surprise disgust other",
            }
        ),
        # Lotfian and Busso 2019, doi 10.1109/TAFFC.2017.2736999; X is where the raters did not agree
        "msp": _vocabulary(
            {
                _N: "n neutral",
                _H: "h happy happiness",
                _S: "s sad sadness",
                _A: "f fear",
                _X: "a angry anger",
                None: "c d u o x contempt disgust surprise other",
            }
        ),
        # James et al. 2018, doi 10.21437/Interspeech.2018-1349; releases differ in their secondary emotions
        "jl": _vocabulary(
            {
                _N: "neutral",
                _H: "happy excited",
                _S: "sad",
                _A: "anxious concerned worried",
                _X: "angry",
                None: "apologetic assertive encouraging pensive",
            }
        ),
        # Burkhardt et al. 2005, doi 10.21437/Interspeech.2005-446; the codes are German initials: A is Angst
        "emodb": _vocabulary(
            {
                _N: "n neutral",
                _H: "f happiness happy",
                _S: "t sadness sad",
                _A: "a fear anxiety",
                _X: "w anger angry",
                None: "e l disgust boredom",
            }
        ),
    }
)

_OURS = {emotion.lower(): emotion for emotion in Emotion}
_UNNAMED = re.compile(r"label_\d+", re.IGNORECASE)
_NOTHING = "none"


def parse_labels(pairs: Sequence[str]) -> dict[str, Meaning]:
    """Read `THEIRS=OURS` pairs; `THEIRS=none` drops a label.

    Raises:
        ExportError: a pair has another form, or names no emotion of ours.

    """
    labels: dict[str, Meaning] = {}
    for pair in pairs:
        theirs, _, ours = pair.rpartition("=")
        if not theirs or ours.lower() not in {*_OURS, _NOTHING}:
            raise ExportError(f"{pair!r} is not THEIRS=OURS with one of {', '.join(Emotion)} or {_NOTHING}")
        labels[theirs] = _OURS.get(ours.lower())
    return labels


def map_labels(
    labels: Sequence[str], overrides: Mapping[str, Meaning], corpus: str | None = None
) -> dict[str, Meaning]:
    """Say what each of a checkpoint's labels stands for.

    What `overrides` says, else what `corpus` calls it, else what it means in our words or in every corpus
    that knows it. Case does not matter. Codes of one letter mean one thing here and another there, so they
    are understood only where `corpus` names their source.

    Raises:
        ExportError: a label stays without meaning, or fewer than two emotions come out; the message says
            which and what to do.

    """
    if corpus is not None and corpus not in CORPORA:
        raise ExportError(f"no table of {corpus!r}'s labels; there is {', '.join(CORPORA)}")
    if strange := [label for label in overrides if label not in labels]:
        raise ExportError(f"the model has no label {', '.join(strange)}; it has {', '.join(labels)}")
    open_labels = [label for label in labels if label not in overrides]
    if unnamed := [label for label in open_labels if _UNNAMED.fullmatch(label)]:
        raise ExportError(
            f"the checkpoint does not say what {', '.join(unnamed)} are: write the labels' names into "
            "id2label of its config.json, in the order of its outputs"
        )
    known = {label: _meanings(label.lower(), corpus) for label in open_labels}
    if unclear := [label for label, candidates in known.items() if len(candidates) != 1]:
        raise ExportError(
            f"say with --label what {', '.join(unclear)} stand for, e.g. --label {unclear[0]}=Sad, or =none "
            f"for no emotion of ours; or with --labels-of whose labels they are: {', '.join(CORPORA)}"
        )
    found = {**{label: meaning for label, (meaning,) in known.items()}, **overrides}
    mapping = {label: found[label] for label in labels}
    if len({meaning for meaning in mapping.values() if meaning}) < MIN_EMOTIONS:
        raise ExportError(f"{', '.join(labels)} stand for fewer than {MIN_EMOTIONS} of our emotions")
    return mapping


def _meanings(label: str, corpus: str | None) -> set[Meaning]:
    """Everything the label may stand for."""
    if corpus is not None:
        return {CORPORA[corpus][label]} if label in CORPORA[corpus] else set()
    if label in _OURS:
        return {_OURS[label]}
    return {words[label] for words in CORPORA.values() if label in words and len(label) > 1}
