from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mindtrack_trainer.corpora import READERS, RawClip, emodb
from mindtrack_trainer.corpora import ravdess as ravdess_reader
from mindtrack_trainer.corpora.splits import Choice, Person, split_speakers
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.labels import CORPORA
from mindtrack_trainer.manifest import Sex, Split
from unit.trainer.corpus_trees import RAVDESS_ACTORS, TREES, cremad, iemocap, meld, ravdess

Facts = tuple[str, str, Sex | None, int | None]

#: By corpus and clip: speaker, label, sex, age.
EXPECTED: dict[str, dict[str, Facts]] = {
    "ravdess": {
        "03-01-02-01-01-01-01": ("ravdess/01", "calm", "male", None),
        "03-01-05-01-01-01-08": ("ravdess/08", "angry", "female", None),
        "03-01-07-01-01-01-02": ("ravdess/02", "disgust", "female", None),
    },
    "cremad": {
        "1001_DFA_ANG_XX": ("cremad/1001", "ANG", "male", 51),
        "1002_IEO_FEA_HI": ("cremad/1002", "FEA", "female", 21),
        "1003_ITH_SAD_X": ("cremad/1003", "SAD", None, None),  # not in the table of actors
    },
    "meld": {
        "train-dia0_utt0": ("meld/ross", "anger", "male", None),
        "dev-dia0_utt0": ("meld/rachel", "fear", "female", None),
        "dev-dia110_utt7": ("meld/phoebe", "joy", "female", None),  # one actress plays both
        "test-dia3_utt1": ("meld/joey", "surprise", "male", None),
        "test-dia3_utt2": ("meld/mark", "joy", None, None),
    },
    "iemocap": {
        "Ses01F_impro04_F000": ("iemocap/Ses01F", "neu", "female", None),
        "Ses05F_impro04_M001": ("iemocap/Ses05M", "fru", "male", None),
    },
    "jl": {
        "female1_anxious_10a_1": ("jl/female1", "anxious", "female", None),
        "male2_excited_10a_1": ("jl/male2", "excited", "male", None),
    },
    "emodb": {
        "03a01Wa": ("emodb/03", "W", "male", 31),
        "08b09Ab": ("emodb/08", "A", "female", 34),
        "16b10L": ("emodb/16", "L", "female", 31),
    },
}


def by_name(corpus: str, root: Path) -> dict[str, RawClip]:
    return {clip.name: clip for clip in READERS[corpus].clips(root)}


@pytest.mark.parametrize("corpus", READERS)
def test_names_and_tables_say_who_speaks_and_how(corpus: str, tmp_path: Path) -> None:
    clips = by_name(corpus, TREES[corpus](tmp_path))
    for name, facts in EXPECTED[corpus].items():
        clip = clips[name]
        assert (clip.speaker, clip.source_label, clip.sex, clip.age) == facts
        assert clip.path.exists() == (name != "dev-dia110_utt7")


@pytest.mark.parametrize("corpus", READERS)
def test_labels_of_a_reader_are_in_the_table_of_labels(corpus: str, tmp_path: Path) -> None:
    labels = {clip.source_label.lower() for clip in READERS[corpus].clips(TREES[corpus](tmp_path))}
    assert labels <= set(CORPORA[corpus])


def test_every_code_in_a_name_is_in_the_table_of_labels() -> None:
    assert set(ravdess_reader._EMOTIONS.values()) == set(CORPORA["ravdess"])
    assert {code for code in "wleaftn" if emodb._STEM.fullmatch(f"03a01{code.upper()}a")} <= set(
        CORPORA["emodb"]
    )


@pytest.mark.parametrize("corpus", READERS)
def test_another_corpus_is_refused_with_what_was_expected_and_found(corpus: str, tmp_path: Path) -> None:
    other = "jl" if corpus == "ravdess" else "ravdess"
    root = TREES[other](tmp_path / "corpus")
    with pytest.raises(DatasetError) as refusal:
        READERS[corpus].clips(root)
    for part in (str(root), READERS[corpus].layout, next(root.iterdir()).name):
        assert part in str(refusal.value)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="an empty folder"):
        READERS["emodb"].clips(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        READERS["emodb"].clips(tmp_path / "nowhere")


def test_songs_are_unfit_and_films_are_not_read(tmp_path: Path) -> None:
    ravdess(tmp_path)
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / "01-01-05-01-01-01-01.mp4").touch()
    clips = list(READERS["ravdess"].read(tmp_path))
    assert len(clips) == 4 * len(RAVDESS_ACTORS)
    assert {clip.name[3:5] for clip in clips if clip.unfit} == {"02"}


def test_actors_without_a_table_have_neither_sex_nor_age(tmp_path: Path) -> None:
    (cremad(tmp_path) / "VideoDemographics.csv").unlink()
    assert {(clip.sex, clip.age) for clip in READERS["cremad"].clips(tmp_path)} == {(None, None)}
    (tmp_path / "VideoDemographics.csv").write_text("Actor,Years\n1001,51\n")
    with pytest.raises(DatasetError, match=r"VideoDemographics\.csv is not"):
        READERS["cremad"].clips(tmp_path)


def test_crowds_are_unfit_and_the_corrected_film_is_read(tmp_path: Path) -> None:
    clips = by_name("meld", meld(tmp_path))
    assert [name for name, clip in clips.items() if clip.unfit] == ["train-dia0_utt1"]
    assert clips["test-dia3_utt2"].path.name == "final_videos_testdia3_utt2.mp4"
    assert clips["dev-dia0_utt0"].path != clips["train-dia0_utt0"].path


def test_meld_needs_tables_and_films_of_the_same_part(tmp_path: Path) -> None:
    meld(tmp_path)
    table = tmp_path / "dev_sent_emo.csv"
    table.write_text("Utterance,Speaker\nOh,Joey\n")
    with pytest.raises(DatasetError, match="no column Emotion, Dialogue_ID, Utterance_ID"):
        READERS["meld"].clips(tmp_path)
    table.unlink()
    with pytest.raises(DatasetError, match=r"but no dev_sent_emo\.csv"):
        READERS["meld"].clips(tmp_path)
    (tmp_path / "dev_splits_complete").rename(tmp_path / "somewhere")
    table.touch()
    with pytest.raises(DatasetError, match="but no dev_splits_complete"):
        READERS["meld"].clips(tmp_path)
    table.unlink()  # one part less is fine
    assert not any(clip.name.startswith("dev") for clip in READERS["meld"].clips(tmp_path))


@pytest.mark.parametrize("row", ["Joey,joy,../0,1", "Joey,joy,3,1\u00b2", "Joey,joy,,1", "Joey,joy,3"])
def test_meld_s_ids_are_numbers(tmp_path: Path, row: str) -> None:
    table = meld(tmp_path) / "dev_sent_emo.csv"
    table.write_text(f"Speaker,Emotion,Dialogue_ID,Utterance_ID\n{row}\n", encoding="latin-1")
    with pytest.raises(
        DatasetError, match=r"dev_sent_emo\.csv .*Dialogue_ID and Utterance_ID must be numbers"
    ):
        READERS["meld"].clips(tmp_path)


def test_ratings_and_apple_s_shadows_are_no_labels(tmp_path: Path) -> None:
    clips = list(READERS["iemocap"].read(iemocap(tmp_path)))
    assert Counter(clip.source_label for clip in clips) == {"neu": 5, "fru": 5, "xxx": 5}


def test_folds_hold_every_speaker_once() -> None:
    for corpus, count in (("ravdess", 24), ("iemocap", 10)):
        speakers = [speaker for fold in READERS[corpus].folds for speaker in fold]
        assert len(speakers) == len(set(speakers)) == count
    assert all(len({speaker[:-1] for speaker in fold}) == 1 for fold in READERS["iemocap"].folds)


def cast_of(corpus: str, women: int, men: int, clips: int = 10) -> list[Person]:
    return [
        *(Person(f"{corpus}/{number:02d}", "female", clips) for number in range(2, 2 * women + 1, 2)),
        *(Person(f"{corpus}/{number:02d}", "male", clips) for number in range(1, 2 * men + 1, 2)),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_drawn_splits_balance_the_sexes(seed: int) -> None:
    people = cast_of("ravdess", 12, 12)
    splits = split_speakers(READERS["ravdess"], people, Choice(seed=seed))
    sizes = Counter((splits[person.speaker], person.sex) for person in people)
    for sex in ("female", "male"):
        assert [sizes[split, sex] for split in ("train", "calibration", "test")] == [8, 2, 2]


def test_draw_depends_on_the_seed_alone() -> None:
    people = cast_of("cremad", 43, 48)
    first, again, other = (
        split_speakers(READERS["cremad"], order, Choice(seed=seed))
        for order, seed in ((people, 1), (people[::-1], 1), (people, 2))
    )
    assert first == again != other


def test_few_or_unequal_speakers_still_reach_every_split() -> None:
    four = split_speakers(READERS["jl"], cast_of("jl", 2, 2), Choice())
    assert Counter(four.values()) == {"train": 2, "calibration": 1, "test": 1}
    stars = [Person(f"meld/star{number}", None, 1000) for number in range(6)]
    extras = [Person(f"meld/extra{number}", None, 5) for number in range(200)]
    splits = split_speakers(READERS["meld"], [*stars, *extras], Choice())
    clips: Counter[Split] = Counter()
    for person in [*stars, *extras]:
        clips[splits[person.speaker]] += person.clips
    assert clips["train"] == max(clips.values())
    with pytest.raises(DatasetError, match="2 speakers of jl leave none for test"):
        split_speakers(READERS["jl"], cast_of("jl", 1, 1), Choice())


def test_published_fold_is_tested_and_the_others_are_drawn() -> None:
    people = cast_of("ravdess", 12, 12)
    splits = split_speakers(READERS["ravdess"], people, Choice(fold=6))
    assert sorted(s for s, split in splits.items() if split == "test") == [
        *("ravdess/06", "ravdess/13", "ravdess/17", "ravdess/22")
    ]
    drawn = Counter((splits[person.speaker], person.sex) for person in people)
    assert drawn["calibration", "female"] == drawn["calibration", "male"] == 2
    assert Counter(splits.values()) == {"train": 16, "calibration": 4, "test": 4}


def test_sessions_stay_together_without_being_asked() -> None:
    people = [Person(speaker, None, 1) for fold in READERS["iemocap"].folds for speaker in fold]
    for choice, tested, calibrating in ((Choice(), 1, 2), (Choice(fold=5), 5, 1)):
        splits = split_speakers(READERS["iemocap"], people, choice)
        assert {splits[f"iemocap/Ses0{tested}{sex}"] for sex in "FM"} == {"test"}
        assert {splits[f"iemocap/Ses0{calibrating}{sex}"] for sex in "FM"} == {"calibration"}
        assert Counter(splits.values())["train"] == 6
    with pytest.raises(DatasetError, match="choose a fold: iemocap"):
        split_speakers(READERS["iemocap"], people, Choice(test=("Ses01F",)))


def test_named_speakers_are_taken_and_the_others_drawn() -> None:
    people = cast_of("ravdess", 12, 12)
    splits = split_speakers(READERS["ravdess"], people, Choice(test=("07", "ravdess/08")))
    assert {speaker for speaker, split in splits.items() if split == "test"} == {"ravdess/07", "ravdess/08"}
    assert Counter(splits.values())["calibration"] == 4


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(test=("07",), calibration=("07",)), "ravdess/07 cannot both"),
        (Choice(test=("99",)), "no speaker ravdess/99"),
        (Choice(fold=1, test=("07",)), "not both"),
        (Choice(fold=7), "6 published folds, and none numbered 7"),
    ],
    ids=str,
)
def test_contradictory_choices_are_refused(choice: Choice, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        split_speakers(READERS["ravdess"], cast_of("ravdess", 12, 12), choice)


def test_corpus_without_folds_has_none_to_choose() -> None:
    with pytest.raises(DatasetError, match="no published folds"):
        split_speakers(READERS["cremad"], cast_of("cremad", 3, 3), Choice(fold=1))
