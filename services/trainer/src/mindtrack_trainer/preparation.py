"""Turns a public corpus on disk into a manifest with clips that a training can read."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np
from rich.table import Table

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.corpora import READERS, RawClip
from mindtrack_trainer.corpora.splits import SHARES, Choice, Person, split_speakers
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.labels import CORPORA
from mindtrack_trainer.manifest import Sex, Split, Utterance, put_corpus
from mindtrack_trainer.sound import Samples, decode, read_wav, write_wav
from mindtrack_trainer.synthesis import degrade

#: Shorter clips hold no more than a word. Filling a window that is longer than a clip is the training's part.
MIN_SECONDS = 0.5
#: Peak of a clip in which nobody was recorded, as a share of full scale: -60 dB, far below any speaker.
_SILENCE = 1e-3


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a corpus goes where; nothing is converted yet."""

    corpus: str
    out: Path
    clips: tuple[RawClip, ...]
    labels: Mapping[str, Emotion]
    splits: Mapping[str, Split]
    #: Clips left out on purpose, by reason.
    dropped: Mapping[str, int]
    degraded: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A clip that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a corpus."""

    plan: Plan
    utterances: tuple[Utterance, ...]
    skipped: tuple[Skipped, ...]


def plan(corpus: str, root: Path, out: Path, choice: Choice, *, degraded: bool = True) -> Plan:
    """Find a corpus's clips, drop what no emotion fits, and give every speaker a split.

    Raises:
        DatasetError: there is no reader for the corpus, the folder holds another one, or it cannot be split
            as chosen.

    """
    if corpus not in READERS:
        raise DatasetError(f"no reader for {corpus!r}; there is {', '.join(READERS)}")
    dropped: Counter[str] = Counter()
    labels: dict[str, Emotion] = {}
    clips: dict[str, RawClip] = {}
    for clip in READERS[corpus].clips(root):
        meaning = CORPORA[corpus].get(clip.source_label.lower())
        if clip.name in clips:
            dropped["second copy"] += 1
        elif clip.unfit or meaning is None:
            dropped[clip.unfit or f"{clip.source_label}: none of our emotions"] += 1
        else:
            clips[clip.name] = clip
            labels[clip.name] = meaning
    return Plan(
        corpus=corpus,
        out=out,
        clips=tuple(clips.values()),
        labels=labels,
        splits=split_speakers(READERS[corpus], _people(clips.values()), choice),
        dropped=dropped,
        degraded=degraded,
        seed=choice.seed,
    )


def convert(plan: Plan, workers: int) -> Iterator[Utterance | Skipped]:
    """Write every clip as 16-bit mono at `SAMPLE_RATE`, with a degraded twin; clips already there are kept.

    Yields each as it is done, in the corpus's order.
    """
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_convert, _jobs(plan), chunksize=8)


def record(plan: Plan, outcomes: Iterable[Utterance | Skipped]) -> Summary:
    """Put the corpus into the manifest, beside other corpora and in place of its own earlier lines.

    Raises:
        DatasetError: no clip could be used, or a speaker is in more than one split.

    """
    outcomes = list(outcomes)
    utterances = tuple(outcome for outcome in outcomes if isinstance(outcome, Utterance))
    skipped = tuple(outcome for outcome in outcomes if isinstance(outcome, Skipped))
    if not utterances:
        raise DatasetError(f"no clip of {plan.corpus} can be used; {skipped[0].path}: {skipped[0].reason}")
    put_corpus(plan.out, plan.corpus, utterances)
    return Summary(plan, utterances, skipped)


def table(summary: Summary) -> Table:
    """Clips by label and split, and how many people speak them."""
    counts = Counter((utterance.label, utterance.split) for utterance in summary.utterances)
    grid = Table(title=f"{summary.plan.corpus}: {len(summary.utterances)} clips")
    grid.add_column("Label")
    for split in SHARES:
        grid.add_column(split, justify="right")
    for emotion in Emotion:
        grid.add_row(emotion, *(str(counts[emotion, split]) for split in SHARES))
    grid.add_section()
    grid.add_row("Minutes", *(f"{_minutes(summary, split):.0f}" for split in SHARES))
    grid.add_row("Speakers", *(str(len(_speakers(summary, split))) for split in SHARES))
    for sex in get_args(Sex):
        grid.add_row(
            f"  {sex}", *(str(list(_speakers(summary, split).values()).count(sex)) for split in SHARES)
        )
    return grid


@dataclass(frozen=True, slots=True)
class _Job:
    clip: RawClip
    label: Emotion
    split: Split
    corpus: str
    out: Path
    degraded: bool
    seed: int

    def path(self, suffix: str = "") -> str:
        return f"{self.corpus}/{self.clip.name}{suffix}.wav"


def _jobs(plan: Plan) -> Iterator[_Job]:
    for clip in plan.clips:
        yield _Job(
            clip=clip,
            label=plan.labels[clip.name],
            split=plan.splits[clip.speaker],
            corpus=plan.corpus,
            out=plan.out,
            degraded=plan.degraded,
            seed=plan.seed,
        )


def _convert(job: _Job) -> Utterance | Skipped:
    path, twin = job.path(), job.path("-degraded")
    try:
        if not (job.out / path).exists():
            _write(job.out / path, _usable(job.clip.path))
    except DatasetError as error:
        return Skipped(job.clip.path, str(error))
    samples = (read_wav(job.out / path) / 32768).astype(np.float32)
    if job.degraded and not (job.out / twin).exists():
        rng = np.random.default_rng([job.seed, zlib.crc32(path.encode())])
        _write(job.out / twin, degrade(samples, rng))
    clip = job.clip
    return Utterance(
        path=path,
        degraded_path=twin if job.degraded else None,
        seconds=len(samples) / SAMPLE_RATE,
        label=job.label,
        source_label=clip.source_label,
        speaker=clip.speaker,
        corpus=job.corpus,
        split=job.split,
        sex=clip.sex,
        age=clip.age,
        device=clip.device,
        noise=clip.noise,
    )


def _usable(path: Path) -> Samples:
    """Decode a clip.

    Raises:
        DatasetError: it cannot be decoded, or nobody could be heard in it.

    """
    if not path.exists():
        raise DatasetError("missing")
    samples = decode(path)
    if len(samples) < MIN_SECONDS * SAMPLE_RATE:
        raise DatasetError(f"too short: {len(samples) / SAMPLE_RATE:.2f} s of at least {MIN_SECONDS} s")
    if float(np.abs(samples).max()) < _SILENCE:
        raise DatasetError("silent")
    return samples


def _write(path: Path, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    write_wav(partial, samples)
    partial.replace(path)  # an interrupted run leaves no half a clip to be kept


def _people(clips: Iterable[RawClip]) -> list[Person]:
    counts = Counter((clip.speaker, clip.sex) for clip in clips)
    return [Person(speaker, sex, number) for (speaker, sex), number in counts.items()]


def _minutes(summary: Summary, split: Split) -> float:
    return sum(u.seconds for u in summary.utterances if u.split == split) / 60


def _speakers(summary: Summary, split: Split) -> dict[str, Sex | None]:
    return {u.speaker: u.sex for u in summary.utterances if u.split == split}
