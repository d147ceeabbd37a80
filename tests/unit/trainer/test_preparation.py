from __future__ import annotations

import wave
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer import preparation
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.corpora import READERS
from mindtrack_trainer.corpora.splits import Choice
from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import MANIFEST, Utterance, read_manifest, write_manifest
from mindtrack_trainer.preparation import Summary
from mindtrack_trainer.sound import read_wav
from unit.trainer.corpus_trees import TREES, emodb, jl, ravdess, tone, write_clip


def prepare(
    corpus: str, root: Path, out: Path, choice: Choice | None = None, *, degraded: bool = True
) -> Summary:
    """Without the processes: the command's own tests start those."""
    plan = preparation.plan(corpus, root, out, choice or Choice(), degraded=degraded)
    return preparation.record(plan, map(preparation._convert, preparation._jobs(plan)))


@dataclass(frozen=True)
class Prepared:
    data: Path
    summaries: dict[str, Summary]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """All six corpora, one after the other, in one folder."""
    data, published = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("published")
    summaries = {name: prepare(name, tree(published / name), data) for name, tree in TREES.items()}
    return Prepared(data, summaries)


def test_corpora_share_one_manifest(prepared: Prepared) -> None:
    utterances = read_manifest(prepared.data)
    assert utterances == [u for summary in prepared.summaries.values() for u in summary.utterances]
    counts = Counter(utterance.corpus for utterance in utterances)
    assert counts == {"ravdess": 16, "cremad": 3, "meld": 3, "iemocap": 10, "jl": 8, "emodb": 3}
    assert all(u.split == prepared.summaries[u.corpus].plan.splits[u.speaker] for u in utterances)
    for corpus in READERS:
        assert {u.split for u in utterances if u.corpus == corpus} == {"train", "calibration", "test"}


def test_clips_are_16_khz_mono_16_bit_and_twins_as_long(prepared: Prepared) -> None:
    for utterance in read_manifest(prepared.data):
        assert utterance.degraded_path is not None
        paths = [prepared.data / path for path in (utterance.path, utterance.degraded_path)]
        for path in paths:
            with wave.open(str(path)) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
                assert file.getnframes() / SAMPLE_RATE == utterance.seconds
        clean, twin = (read_wav(path) for path in paths)
        assert np.any(clean != twin)
        spectrum = np.abs(np.fft.rfft(clean[: SAMPLE_RATE // 2]))  # bins of 2 Hz
        assert abs(2 * int(spectrum.argmax()) - 440) <= 2


def test_line_says_all_that_the_corpus_says(prepared: Prepared) -> None:
    lines = {u.path: u for u in read_manifest(prepared.data)}
    assert lines["emodb/08b09Ab.wav"] == Utterance(
        path="emodb/08b09Ab.wav",
        degraded_path="emodb/08b09Ab-degraded.wav",
        seconds=0.6,
        label=Emotion.ANXIOUS,
        source_label="A",
        speaker="emodb/08",
        corpus="emodb",
        split=prepared.summaries["emodb"].plan.splits["emodb/08"],
        sex="female",
        age=34,
        device="Sennheiser MKH 40 P 48",
    )
    assert lines["meld/dev-dia0_utt0.wav"].device == "television"
    assert lines["iemocap/Ses01F_impro04_M001.wav"].label == Emotion.STRESSED
    assert lines["meld/test-dia3_utt2.wav"].seconds > 0.8  # the corrected film is the longer one


def test_whatever_is_left_out_is_counted(prepared: Prepared) -> None:
    none = "none of our emotions"
    dropped = {name: dict(summary.plan.dropped) for name, summary in prepared.summaries.items()}
    assert dropped == {
        "ravdess": {f"disgust: {none}": 8, "sung": 8},
        "cremad": {f"DIS: {none}": 1},
        "meld": {"several people speak": 1, f"surprise: {none}": 1},
        "iemocap": {f"xxx: {none}": 5},
        "jl": {f"assertive: {none}": 4, "second copy": 1},
        "emodb": {f"L: {none}": 1},
    }
    skipped = {name: summary.skipped for name, summary in prepared.summaries.items() if summary.skipped}
    assert list(skipped) == ["meld"]
    assert [(clip.path.name, clip.reason) for clip in skipped["meld"]] == [("dia110_utt7.mp4", "missing")]


def test_second_run_keeps_what_is_there_and_makes_what_is_not(tmp_path: Path) -> None:
    root, data = emodb(tmp_path / "emodb"), tmp_path / "data"
    first = prepare("emodb", root, data)
    kept, lost = data / "emodb" / "03a01Wa.wav", data / "emodb" / "08b09Ab-degraded.wav"
    before = lost.read_bytes()
    kept_bytes = kept.read_bytes()
    write_clip(root / "wav" / "03a01Wa.wav", tone(2.0))  # not looked at again
    lost.unlink()
    assert prepare("emodb", root, data) == first
    assert lost.read_bytes() == before  # the codec depends on seed and clip alone
    assert kept.read_bytes() == kept_bytes


def test_new_split_replaces_the_corpus_s_own_lines(tmp_path: Path) -> None:
    root, data = emodb(tmp_path / "emodb"), tmp_path / "data"
    for tested in ("03", "08"):
        prepare("emodb", root, data, Choice(test=(tested,)), degraded=False)
        lines = read_manifest(data)
        assert len(lines) == 3
        assert [line.speaker for line in lines if line.split == "test"] == [f"emodb/{tested}"]
        assert all(line.degraded_path is None for line in lines)
    assert not list(data.rglob("*-degraded.wav"))


def test_speaker_that_another_corpus_has_elsewhere_is_refused(tmp_path: Path) -> None:
    root, data = emodb(tmp_path / "emodb"), tmp_path / "data"
    data.mkdir()
    mine = Utterance(
        path="mine/a.wav",
        seconds=1.0,
        label=Emotion.SAD,
        source_label="sad",
        speaker="emodb/03",
        corpus="mine",
        split="train",
    )
    write_manifest(data, [mine])
    with pytest.raises(DatasetError, match="'emodb/03'"):
        prepare("emodb", root, data, Choice(test=("03",)), degraded=False)
    assert read_manifest(data) == [mine]


def write_silent_film(path: Path) -> None:
    with av.open(str(path), "w", format="wav") as output:  # a header, and nothing behind it
        output.add_stream("pcm_s16le", rate=SAMPLE_RATE)
        output.start_encoding()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "1001_DFA_ANG_XX": (lambda path: path.write_text("version https://git-lfs.github.com"), "unreadable"),
    "1002_IEO_FEA_HI": (lambda path: write_clip(path, tone(0.4)), r"too short: 0\.40 s"),
    "1003_ITH_SAD_X": (lambda path: write_clip(path, tone(peak=0.0005)), "silent"),
    "1004_ITH_SAD_XX": (write_silent_film, "unreadable"),
}


def test_unusable_clips_are_listed_with_the_reason(tmp_path: Path) -> None:
    root, data = tmp_path / "cremad" / "AudioWAV", tmp_path / "data"
    for actor in (1005, 1006, 1007):
        write_clip(root / f"{actor}_DFA_NEU_XX.wav", tone(0.6, peak=0.01))  # quiet, and yet somebody
    for name, (spoil, _) in BROKEN.items():
        spoil(root / f"{name}.wav")
    summary = prepare("cremad", root, data, degraded=False)
    assert {clip.path.stem for clip in summary.skipped} == set(BROKEN)
    for clip in summary.skipped:
        assert clip.reason.startswith(BROKEN[clip.path.stem][1].split(":")[0])
    assert [u.speaker for u in summary.utterances] == ["cremad/1005", "cremad/1006", "cremad/1007"]
    assert sorted(path.name for path in (data / "cremad").iterdir()) == [
        *("1005_DFA_NEU_XX.wav", "1006_DFA_NEU_XX.wav", "1007_DFA_NEU_XX.wav")
    ]


def test_corpus_without_one_usable_clip_is_refused(tmp_path: Path) -> None:
    root, data = emodb(tmp_path / "emodb"), tmp_path / "data"
    for path in root.rglob("*.wav"):
        path.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DatasetError, match=r"no clip of emodb can be used; .*unreadable"):
        prepare("emodb", root, data)
    assert not (data / MANIFEST).exists()


def test_command_prints_what_became_of_the_corpus(tmp_path: Path) -> None:
    root, data = jl(tmp_path / "jl"), tmp_path / "data"
    write_clip(next(root.rglob("female1_anxious*")), tone(0.1))
    command = ["prepare", "jl", str(root), "--out", str(data), "--workers", "1", "--no-degraded"]
    result = CliRunner().invoke(
        app, [*command, "--test-speakers", "male1", "--calibration-speakers", "male2"]
    )
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    for part in (
        "jl: 7 clips",
        "Anxious │ 1 │ 1 │ 1",
        "Speakers │ 2 │ 1 │ 1",
        "male │ 0 │ 1 │ 1",
        "dropped 4: assertive: none of our emotions",
        "female1_anxious_10a_1.wav: too short: 0.10 s",
    ):
        assert part in words
    lines = read_manifest(data)
    assert {line.speaker for line in lines if line.split == "test"} == {"jl/male1"}
    assert all((data / line.path).exists() and line.degraded_path is None for line in lines)


def test_command_refuses_in_one_line(tmp_path: Path) -> None:
    root = ravdess(tmp_path / "published")
    for arguments, message in (
        (["iemocap", str(root)], "does not look like iemocap"),
        (["savee", str(root)], "no reader for 'savee'"),
        (["ravdess", str(root), "--test-speakers", "01", "--calibration-speakers", "01"], "ravdess/01"),
    ):
        result = CliRunner().invoke(app, ["prepare", *arguments, "--out", str(tmp_path / "data")])
        assert result.exit_code == 1
        assert message in result.stderr
        assert not (tmp_path / "data").exists()


def test_help_names_every_corpus() -> None:
    help_text = CliRunner().invoke(app, ["prepare", "--help"]).output
    assert all(name in help_text for name in READERS)
