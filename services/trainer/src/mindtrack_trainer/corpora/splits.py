"""Which speakers a model learns from, is calibrated with, and is tested on. No speaker is in two of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mindtrack_trainer.corpora.clips import Corpus
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Sex, Split

#: Of the clips, as far as whole speakers allow.
SHARES: Mapping[Split, float] = {"train": 0.70, "calibration": 0.15, "test": 0.15}


@dataclass(frozen=True, slots=True)
class Person:
    """A speaker, and how much there is of them."""

    speaker: str
    sex: Sex | None
    clips: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What a split shall be made of; nothing chosen leaves it to the corpus and the seed."""

    #: Which published fold to test on, from 1.
    fold: int | None = None
    #: With or without the corpus's name in front: "ravdess/07" or "07".
    test: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()
    seed: int = 2026


def split_speakers(corpus: Corpus, people: Iterable[Person], choice: Choice) -> dict[str, Split]:
    """Give every speaker a split.

    A published fold or the speakers named are taken as they are. All others are drawn, each sex by itself,
    so that every split comes close to its share of that sex's clips. Where folds must stay whole, the next
    fold calibrates and nobody is drawn; the first fold tests if none is chosen.

    Raises:
        DatasetError: the choice contradicts itself, names speakers or a fold that the corpus does not have,
            or leaves a split without a speaker.

    """
    people = sorted(people, key=lambda person: person.speaker)
    named = _named(corpus, {person.speaker for person in people}, choice)
    splits = named | _drawn([person for person in people if person.speaker not in named], named, choice.seed)
    if empty := [split for split in SHARES if split not in splits.values()]:
        raise DatasetError(f"{len(people)} speakers of {corpus.name} leave none for {', '.join(empty)}")
    return splits


def _named(corpus: Corpus, speakers: set[str], choice: Choice) -> dict[str, Split]:
    test, calibration = (_full(corpus, names) for names in (choice.test, choice.calibration))
    if unknown := sorted({*test, *calibration} - speakers):
        known = ", ".join(sorted(speakers)[:5])
        raise DatasetError(f"{corpus.name} has no speaker {', '.join(unknown)} here; it has {known} ...")
    if twice := sorted({*test} & {*calibration}):
        raise DatasetError(f"{', '.join(twice)} cannot both calibrate and test")
    if test or calibration:
        if choice.fold is not None:
            raise DatasetError("choose a fold or name the speakers, not both")
        if corpus.whole_folds:
            raise DatasetError(f"choose a fold: {corpus.name}'s were each recorded together and stay so")
        return {**dict.fromkeys(test, "test"), **dict.fromkeys(calibration, "calibration")}
    if choice.fold is not None or corpus.whole_folds:
        return _folded(corpus, speakers, choice.fold or 1)
    return {}


def _full(corpus: Corpus, names: Iterable[str]) -> list[str]:
    prefix = f"{corpus.name}/"
    return [name if name.startswith(prefix) else prefix + name for name in names]


def _folded(corpus: Corpus, speakers: set[str], fold: int) -> dict[str, Split]:
    folds = corpus.folds
    if not 1 <= fold <= len(folds):
        raise DatasetError(
            f"{corpus.name} has {len(folds) or 'no'} published folds, and none numbered {fold}"
        )
    splits: dict[str, Split] = dict.fromkeys(folds[fold - 1], "test")
    if corpus.whole_folds:
        splits |= dict.fromkeys(folds[fold % len(folds)], "calibration")
        splits |= dict.fromkeys(speakers - set(splits), "train")
    return {speaker: split for speaker, split in splits.items() if speaker in speakers}


def _drawn(people: list[Person], named: Mapping[str, Split], seed: int) -> dict[str, Split]:
    """Deal speakers out in random order, each to the split that lacks most clips of their sex."""
    if not people:
        return {}
    shares = {split: share for split, share in SHARES.items() if split not in named.values()}
    splits: dict[str, Split] = {}
    drawn = [people[i] for i in np.random.default_rng(seed).permutation(len(people))]
    for sex in ("female", "male", None):
        group = [person for person in drawn if person.sex == sex]
        total = sum(person.clips for person in group) / sum(shares.values())
        lacking = {split: share * total for split, share in shares.items()}
        for person in group:
            # Few speakers must still reach all three splits.
            empty = [split for split in shares if split not in splits.values()]
            split = empty[0] if empty else max(lacking, key=lambda split: lacking[split])
            splits[person.speaker] = split
            lacking[split] -= person.clips
    return splits
