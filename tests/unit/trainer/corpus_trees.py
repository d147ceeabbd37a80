"""Tiny corpora in the layouts that the real ones are published in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_trainer.sound import Encoding, Samples, encode

_STUDIO = Encoding("wav", "pcm_s16le", None, 48_000)
_FILM = Encoding("mp4", "aac", 64_000, 48_000)

RAVDESS_ACTORS = ("01", "02", "03", "04", "05", "06", "07", "08")
_RAVDESS = Path("Audio_Speech_Actors_01-24")
_JL = Path("Raw JL corpus (unchecked and unannotated)/JL(wav+txt)")


def tone(seconds: float = 0.6, peak: float = 0.2) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (peak * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def write_clip(path: Path, samples: Samples | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(tone() if samples is None else samples, path, _FILM if path.suffix == ".mp4" else _STUDIO)


def ravdess(root: Path) -> Path:
    """Eight actors, each calm, angry, disgusted and singing."""
    for actor in RAVDESS_ACTORS:
        for name in ("03-01-02", "03-01-05", "03-01-07", "03-02-05"):
            write_clip(root / _RAVDESS / f"Actor_{actor}" / f"{name}-01-01-01-{actor}.wav")
    return root


def cremad(root: Path) -> Path:
    for name in ("1001_DFA_ANG_XX", "1002_IEO_FEA_HI", "1003_ITH_SAD_X", "1003_TIE_DIS_LO"):
        write_clip(root / "AudioWAV" / f"{name}.wav")
    (root / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n'
        '1002,21,"Female","Caucasian","Not Hispanic"\n'
    )
    return root


def meld(root: Path) -> Path:
    """Three parts, each where the archive has it; one film is missing and one has two versions."""
    parts = {
        "train": ("train", "train/train_splits", [("Ross", "anger", 0, 0), ("All", "joy", 0, 1)]),
        "dev": ("", "dev_splits_complete", [("Rachel", "fear", 0, 0), ("Ursula", "joy", 110, 7)]),
        "test": (
            "",
            "output_repeated_splits_test",
            [("Joey/Drake", "surprise", 3, 1), ("Mark", "joy", 3, 2)],
        ),
    }
    for part, (tables, films, rows) in parts.items():
        for _, _, dialogue, utterance in rows:
            if (part, dialogue) != ("dev", 110):
                write_clip(root / films / f"dia{dialogue}_utt{utterance}.mp4")
        lines = [
            f'{number},"Oh, it\x92s you",{speaker},{emotion},neutral,{dialogue},{utterance},4,7,"00:20:57"'
            for number, (speaker, emotion, dialogue, utterance) in enumerate(rows, start=1)
        ]
        columns = (
            "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime"
        )
        (root / tables / f"{part}_sent_emo.csv").write_bytes("\r\n".join([columns, *lines]).encode("latin-1"))
    write_clip(root / "output_repeated_splits_test" / "final_videos_testdia3_utt2.mp4", tone(0.9))
    (root / "train" / "train_splits" / "._dia0_utt0.mp4").write_bytes(b"\0\5\x16\7")  # as macOS leaves them
    return root


def iemocap(root: Path) -> Path:
    """Five sessions of one dialogue; a second rater's line, and a turn that nobody agreed on."""
    for session in range(1, 6):
        dialogue = f"Ses0{session}F_impro04"
        folder = root / "IEMOCAP_full_release" / f"Session{session}"
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for turn, emotion in (("F000", "neu"), ("M001", "fru"), ("M002", "xxx")):
            lines += [f"[6.2901 - 8.2357]\t{dialogue}_{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]"]
            lines += ["C-E2:\tNeutral;\t()", ""]
            write_clip(folder / "sentences" / "wav" / dialogue / f"{dialogue}_{turn}.wav")
        ratings = folder / "dialog" / "EmoEvaluation"
        (ratings / "Categorical").mkdir(parents=True)
        (ratings / f"{dialogue}.txt").write_text("\n".join(lines))
        (ratings / f"._{dialogue}.txt").write_bytes(b"\0\5\x16\7")
        (ratings / "Categorical" / f"{dialogue}_e2_cat.txt").write_text(f"{dialogue}_F000 :Sadness; ()")
    return root


def jl(root: Path) -> Path:
    for speaker in ("female1", "female2", "male1", "male2"):
        for emotion in ("anxious", "excited", "assertive"):
            write_clip(root / _JL / f"{speaker}_{emotion}_10a_1.wav")
    write_clip(root / str(_JL).lower() / "male1_anxious_10a_1.wav")  # the archive's second copy
    return root


def emodb(root: Path) -> Path:
    for name in ("03a01Wa", "08b09Ab", "09a05Tc", "16b10L"):
        write_clip(root / "wav" / f"{name}.wav")
    return root


TREES = {"ravdess": ravdess, "cremad": cremad, "meld": meld, "iemocap": iemocap, "jl": jl, "emodb": emodb}
