from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import MANIFEST, Utterance, put_corpus, read_manifest, write_manifest


def utterance(**changes: object) -> Utterance:
    line: dict[str, object] = {
        "path": "ravdess/a.wav",
        "seconds": 3.2,
        "label": "Anxious",
        "source_label": "fearful",
        "speaker": "ravdess/07",
        "corpus": "ravdess",
        "split": "train",
    }
    return Utterance.model_validate(line | changes)


def test_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    everything = utterance(
        degraded_path="ravdess/b.wav", sex="male", age=31, device="\u00e9tude", noise="rain"
    )
    outlier = utterance(label=None, source_label="dtmf", speaker="noise/1", split="test")
    written = [everything, utterance(), outlier]
    path = write_manifest(tmp_path, written)
    assert path == tmp_path / MANIFEST
    assert read_manifest(tmp_path) == written
    assert [line.label for line in read_manifest(tmp_path)] == [Emotion.ANXIOUS, Emotion.ANXIOUS, None]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": "Bored"}, "label"),
        ({"split": "dev"}, "split"),
        ({"seconds": 0}, "seconds"),
        ({"speaker": ""}, "speaker"),
        ({"colour": "red"}, "colour"),
        ({"path": "/etc/a.wav"}, "path: .*leads out of the corpus's folder"),
        ({"path": "../a.wav"}, "path: .*leads out of the corpus's folder"),
        ({"degraded_path": "ravdess/../../a.wav"}, "degraded_path: .*leads out of the corpus's folder"),
    ],
    ids=str,
)
def test_malformed_line_is_named(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    good = utterance().model_dump(mode="json")
    lines = [json.dumps(line) for line in (good, good | changes)]
    (tmp_path / MANIFEST).write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=f"line 2, .*{complaint}"):
        read_manifest(tmp_path)


def test_folder_without_manifest_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=MANIFEST):
        read_manifest(tmp_path)


def test_corpus_is_put_beside_others_and_in_place_of_its_own(tmp_path: Path) -> None:
    other = utterance(path="emodb/a.wav", corpus="emodb", speaker="emodb/03")
    put_corpus(tmp_path, "ravdess", [utterance(), utterance(path="ravdess/b.wav")])
    put_corpus(tmp_path, "emodb", [other])
    put_corpus(tmp_path, "ravdess", [utterance(path="ravdess/c.wav")])
    assert read_manifest(tmp_path) == [other, utterance(path="ravdess/c.wav")]


def test_speaker_in_two_splits_is_refused_by_name_both_ways(tmp_path: Path) -> None:
    write_manifest(tmp_path, [utterance()])
    shared = [utterance(), utterance(split="test")]
    with pytest.raises(DatasetError, match="'ravdess/07'"):
        write_manifest(tmp_path, shared)
    assert read_manifest(tmp_path) == [utterance()]  # the refusal left it alone
    (tmp_path / MANIFEST).write_text("".join(f"{line.model_dump_json()}\n" for line in shared))
    with pytest.raises(DatasetError, match="'ravdess/07'"):
        read_manifest(tmp_path)
