"""Foreign labels find their emotion only where there is no doubt."""

from __future__ import annotations

import pytest

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.labels import CORPORA, map_labels, parse_labels


def mapped(labels: str, *overrides: str, corpus: str | None = None) -> str:
    """Initials of what the labels stand for, `-` for nothing."""
    meanings = map_labels(labels.split(), parse_labels(overrides), corpus).values()
    initials = {None: "-", Emotion.STRESSED: "X"}
    return "".join(initials.get(meaning) or str(meaning)[0] for meaning in meanings)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("Neutral Happy Sad Anxious Stressed", "NHSAX"),
        ("neu hap ang sad", "NHXS"),
        ("angry calm disgust fearful happy neutral sad surprised", "XN-AHNS-"),
        ("ANG DIS FEA HAP NEU SAD", "X-AHNS"),
        ("neutral joy sadness anger surprise fear disgust", "NHSX-A-"),
        ("Angry Sad Happy Surprise Fear Disgust Contempt Neutral", "XSH-A--N"),
        ("exc fru oth xxx fea", "HX--A"),
        ("anxious concerned apologetic assertive encouraging excited", "AA---H"),
    ],
)
def test_spelled_labels_need_no_help(labels: str, expected: str) -> None:
    assert mapped(labels) == expected


@pytest.mark.parametrize(
    ("corpus", "labels", "expected"),
    [("msp", "A S H U F D C N O X", "XSH-A--N--"), ("emodb", "W A F T N L E", "XAHSN--")],
)
def test_letters_are_read_as_their_corpus_means_them(corpus: str, labels: str, expected: str) -> None:
    assert mapped(labels, corpus=corpus) == expected
    with pytest.raises(ExportError, match=f"what {', '.join(labels.split())} stand for.*--labels-of"):
        mapped(labels)


def test_what_is_said_goes_before_what_is_known() -> None:
    assert mapped("calm fearful happy", "calm=none", "fearful=Stressed") == "-XH"
    assert mapped("LABEL_0 LABEL_1", "LABEL_0=Sad", "LABEL_1=happy") == "SH"
    assert mapped("a=b sad", "a=b=Neutral") == "NS"


@pytest.mark.parametrize(
    ("labels", "overrides", "corpus", "message"),
    [
        ("LABEL_0 LABEL_1", [], None, "what LABEL_0, LABEL_1 are: write the labels' names into id2label"),
        ("happy sad jubilant", [], None, "what jubilant stand for"),
        ("happy sad joy", [], "ravdess", "what joy stand for"),
        ("happy sad", ["bored=Sad"], None, "no label bored; it has happy, sad"),
        ("happy disgust", [], None, "fewer than 2 of our emotions"),
        ("happy sad", [], "tess", "no table of 'tess'"),
        ("fear", ["fear=Scared"], None, "not THEIRS=OURS"),
        ("fear", ["fear"], None, "not THEIRS=OURS"),
    ],
)
def test_doubt_is_refused(labels: str, overrides: list[str], corpus: str | None, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        mapped(labels, *overrides, corpus=corpus)


def test_no_word_of_two_letters_or_more_means_two_things() -> None:
    words = {word for vocabulary in CORPORA.values() for word in vocabulary if len(word) > 1}
    for word in words:
        assert len({vocabulary[word] for vocabulary in CORPORA.values() if word in vocabulary}) == 1
