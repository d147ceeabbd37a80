from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.dataset import read_manifest
from mindtrack_trainer.errors import SynthesisError
from mindtrack_trainer.espeak import EspeakSettings, speak
from mindtrack_trainer.sound import SAMPLE_RATE, read_wav
from mindtrack_trainer.synthesis import CLIP_SECONDS, make_clip, synthesise
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
    clips = [make_clip(speaker, Emotion.SAD, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert len(clips[0]) == CLIP_SECONDS * SAMPLE_RATE
    np.testing.assert_array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2])


def test_corpus_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    for workers in (1, 2):
        assert list(synthesise(tmp_path / str(workers), 3, 5, seed=7, workers=workers)) == [5, 10, 15]
    one, two = (read_manifest(tmp_path / name) for name in ("1", "2"))
    assert one == two
    assert len(one) == 15
    for clip in one:
        for path in (clip.path, clip.degraded_path):
            assert (tmp_path / "1" / path).read_bytes() == (tmp_path / "2" / path).read_bytes()
    clean, degraded = (read_wav(tmp_path / "1" / path) for path in (one[0].path, one[0].degraded_path))
    assert len(clean) == len(degraded) == one[0].seconds * SAMPLE_RATE
    assert not np.array_equal(clean, degraded)


@pytest.mark.parametrize(("speakers", "clips"), [(2, 5), (10_000, 5), (3, 7), (3, 0)])
def test_impossible_corpus_is_refused(tmp_path: Path, speakers: int, clips: int) -> None:
    with pytest.raises(SynthesisError):
        list(synthesise(tmp_path, speakers, clips, seed=1, workers=1))
