from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import SynthesisError
from mindtrack_trainer.espeak import EspeakSettings, speak
from mindtrack_trainer.manifest import read_manifest, write_manifest
from mindtrack_trainer.outliers import SOURCES
from mindtrack_trainer.probes import read_probes
from mindtrack_trainer.prosody import RULES
from mindtrack_trainer.sound import read_wav
from mindtrack_trainer.synthesis import CLIP_SECONDS, CORPUS, make_clip, synthesise
from mindtrack_trainer.voices import make_speakers


# f2 takes its breath noise from espeak-ng's generator, Reed from the C library's; left alone, both remember
# earlier speech, as does the flutter every voice has.
@pytest.mark.parametrize("voice", ["en-us+f2", "en-us+Reed"])
def test_same_request_gives_the_same_samples_whatever_was_said_before(voice: str) -> None:
    settings = EspeakSettings(voice, rate=175, pitch=50, pitch_range=50, volume=60, word_gap=0)
    first, rate = speak("We walked to the bridge.", settings, seed=3)
    speak("Something else, at another length.", settings, seed=4)
    again, _ = speak("We walked to the bridge.", settings, seed=3)
    other_seed, _ = speak("We walked to the bridge.", settings, seed=5)
    assert rate == 22_050
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other_seed)


def test_unknown_voice_is_named() -> None:
    settings = EspeakSettings("xx-nowhere", rate=175, pitch=50, pitch_range=50, volume=60, word_gap=0)
    with pytest.raises(SynthesisError, match="xx-nowhere"):
        speak("Hello.", settings)


def test_speakers_are_reproducible_and_share_no_timbre_across_splits() -> None:
    speakers = make_speakers(120, seed=7)
    assert speakers == make_speakers(120, seed=7)
    assert len({speaker.voice for speaker in speakers}) == 120
    splits: dict[str, set[str]] = {}
    for speaker in speakers:
        splits.setdefault(speaker.voice.split("+")[1], set()).add(speaker.split)
    assert all(len(split) == 1 for split in splits.values())
    assert {speaker.split for speaker in speakers} == {"train", "calibration", "test"}


def test_clip_is_as_long_as_promised_and_reproducible() -> None:
    speaker = make_speakers(3, seed=7)[0]
    clips = [make_clip(speaker, RULES[Emotion.SAD], np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert len(clips[0]) == CLIP_SECONDS * SAMPLE_RATE
    np.testing.assert_array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    assert list(synthesise(out, 3, 10, seed=7, workers=2)) == [(done, 6) for done in range(1, 7)]
    return out


def test_corpus_does_not_depend_on_the_number_of_processes(corpus: Path, tmp_path: Path) -> None:
    assert len(list(synthesise(tmp_path, 3, 10, seed=7, workers=1))) == 6
    files = sorted(path.relative_to(corpus) for path in corpus.rglob("*.*"))
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    for name in files:
        assert (corpus / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_corpus_is_written_beside_others(corpus: Path, tmp_path: Path) -> None:
    alone = read_manifest(corpus)
    theirs = alone[0].model_copy(update={"path": "theirs/a.wav", "corpus": "theirs", "speaker": "theirs/1"})
    write_manifest(tmp_path, [theirs])
    for _ in synthesise(tmp_path, 3, 5, seed=7, workers=1):
        pass
    found = read_manifest(tmp_path)
    assert found[0] == theirs
    assert {utterance.corpus for utterance in found[1:]} == {CORPUS}


def test_corpus_holds_every_emotion_of_every_voice_clean_and_degraded(corpus: Path) -> None:
    clips = [utterance for utterance in read_manifest(corpus) if utterance.label is not None]
    assert len(clips) == 30
    for clip in clips:
        assert clip.degraded_path is not None
        clean, degraded = (read_wav(corpus / path) for path in (clip.path, clip.degraded_path))
        assert len(clean) == len(degraded) == clip.seconds * SAMPLE_RATE
        assert not np.array_equal(clean, degraded)
    for speaker in {clip.speaker for clip in clips}:
        assert {clip.label for clip in clips if clip.speaker == speaker} == set(Emotion)


def test_every_split_has_outliers_of_its_own(corpus: Path) -> None:
    outliers = [utterance for utterance in read_manifest(corpus) if utterance.label is None]
    assert {outlier.split for outlier in outliers} == {"train", "calibration", "test"}
    assert {outlier.source_label for outlier in outliers} <= {*SOURCES, "babble", "chirp", "drums"}
    assert len({(corpus / outlier.path).read_bytes() for outlier in outliers}) == len(outliers)


def test_probes_are_test_voices_that_differ_from_their_reference(corpus: Path) -> None:
    utterances = {utterance.path: utterance for utterance in read_manifest(corpus)}
    probes = read_probes(corpus)
    assert {probe.group for probe in probes} == {"monotonicity", "ablation"}
    assert {probe.label for probe in probes if probe.group == "monotonicity"} == set(Emotion)
    for probe in probes:
        reference = utterances[probe.reference_path]
        assert (reference.split, reference.speaker) == ("test", probe.speaker)
        assert probe.path not in utterances
        assert not np.array_equal(read_wav(corpus / probe.path), read_wav(corpus / probe.reference_path))


@pytest.mark.parametrize(("speakers", "clips"), [(2, 5), (10_000, 5), (3, 7), (3, 0)])
def test_impossible_corpus_is_refused(tmp_path: Path, speakers: int, clips: int) -> None:
    with pytest.raises(SynthesisError):
        list(synthesise(tmp_path, speakers, clips, seed=1, workers=1))
