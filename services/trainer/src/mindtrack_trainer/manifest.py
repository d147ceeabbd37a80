"""One schema for every corpus, synthetic or human: a folder with WAV clips and a `manifest.jsonl`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import DatasetError, reasons

MANIFEST = "manifest.jsonl"

Split = Literal["train", "calibration", "test"]
Sex = Literal["female", "male"]


class Utterance(BaseModel):
    """One line of a manifest: 16-bit mono WAV at 16 kHz, and what is known about it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Relative to the manifest's folder.
    path: str
    #: The same sound after a lossy codec, sample for sample in time; None where nobody made one.
    degraded_path: str | None = None
    seconds: Annotated[float, Field(gt=0)]
    #: None marks an outlier: sound that no emotion fits. `source_label` says what it is.
    label: Emotion | None
    #: What the corpus itself calls it.
    source_label: str
    #: Unique over all corpora: "ravdess/07".
    speaker: Annotated[str, Field(min_length=1)]
    corpus: str
    split: Split
    sex: Sex | None = None
    age: int | None = None
    #: What recorded it, and what is heard beside the voice, in the corpus's own words.
    device: str | None = None
    noise: str | None = None

    @field_validator("path", "degraded_path")
    @classmethod
    def _stays_inside(cls, path: str | None) -> str | None:
        if path is not None and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
            raise ValueError("leads out of the corpus's folder")
        return path


def read_manifest(data: Path) -> list[Utterance]:
    """Read and check a corpus's manifest.

    Raises:
        DatasetError: it is missing or malformed, or a speaker is in more than one split.

    """
    path = data / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DatasetError(f"{data} is not a corpus: it has no {MANIFEST}") from error
    utterances = [_parse(path, number, line) for number, line in enumerate(lines, start=1)]
    check_speakers(utterances)
    return utterances


def write_manifest(data: Path, utterances: Iterable[Utterance]) -> Path:
    """Write a corpus's manifest; returns its path.

    Raises:
        DatasetError: a speaker is in more than one split.

    """
    utterances = list(utterances)
    check_speakers(utterances)
    path, partial = data / MANIFEST, data / f"{MANIFEST}.partial"
    partial.write_text("".join(f"{u.model_dump_json()}\n" for u in utterances), encoding="utf-8")
    partial.replace(path)  # a crash leaves the corpora already in it
    return path


def put_corpus(data: Path, corpus: str, utterances: Iterable[Utterance]) -> Path:
    """Write a corpus's lines beside those of others and in place of its own earlier ones.

    Raises:
        DatasetError: a speaker is in more than one split, or the present manifest is malformed.

    """
    present = read_manifest(data) if (data / MANIFEST).exists() else []
    return write_manifest(data, [*(u for u in present if u.corpus != corpus), *utterances])


def check_speakers(utterances: Iterable[Utterance]) -> None:
    """Refuse splits that share a speaker.

    Raises:
        DatasetError: the message names one.

    """
    splits: dict[str, set[Split]] = defaultdict(set)
    for utterance in utterances:
        splits[utterance.speaker].add(utterance.split)
    shared = sorted(speaker for speaker, heard in splits.items() if len(heard) > 1)
    if shared:
        raise DatasetError(
            f"{len(shared)} speakers are in more than one split, {shared[0]!r} for one: "
            "figures from such a split would flatter the model"
        )


def _parse(path: Path, number: int, line: str) -> Utterance:
    try:
        return Utterance.model_validate_json(line)
    except ValidationError as error:
        raise DatasetError(f"{path}, line {number}, is not an utterance: {reasons(error, 'line')}") from error
