"""Real human speech in the formats phones send: the same words must score alike in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from mindtrack_client import JobStatus, MindTrack

#: Debian's package asterisk-core-sounds-en-wav: a professional speaker at 8 kHz.
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
#: Each some ten seconds long.
SPOKEN = ("demo-abouttotry", "demo-congrats", "demo-instruct")
FORMATS = {"wav": "pcm_s16le", "m4a": "aac", "webm": "libopus", "mp3": "libmp3lame"}
#: Containers' names where the suffix is not one.
CONTAINERS = {"m4a": "ipod"}
#: How far scores of the same words may lie apart.
TOLERANCE = 0.1

pytestmark = pytest.mark.skipif(
    not PROMPTS.is_dir(),
    reason="needs Debian's asterisk-core-sounds-en-wav; `.ci/run` installs it where it can",
)


def encode(source: Path, target: Path, codec: str) -> None:
    """Re-encode as a phone would send it: 48 kHz, or what the codec prefers."""
    suffix = target.suffix[1:]
    with av.open(source) as recording, av.open(target, "w", format=CONTAINERS.get(suffix, suffix)) as out:
        stream = out.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48_000)
        for frame in recording.decode(audio=0):
            for resampled in resampler.resample(frame):
                out.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            out.mux(stream.encode(resampled))
        out.mux(stream.encode(None))


@pytest.mark.parametrize("prompt", SPOKEN)
def test_the_same_words_score_alike_in_every_format(
    sign_in: Callable[[str], MindTrack],
    tmp_path: Path,
    prompt: str,
) -> None:
    client = sign_in("allison")
    files = [tmp_path / f"{prompt}.{suffix}" for suffix in FORMATS]
    for file, codec in zip(files, FORMATS.values(), strict=True):
        encode(PROMPTS / f"{prompt}.wav", file, codec)

    jobs = [client.submit(file) for file in files]
    done = [client.wait(job.id, timeout=120) for job in jobs]

    assert [job.status for job in done] == [JobStatus.SUCCEEDED] * len(FORMATS)
    scores = {
        file.suffix: job.analysis.stress_score
        for file, job in zip(files, done, strict=True)
        if job.analysis and job.analysis.stress_score is not None
    }
    assert len(scores) == len(FORMATS)
    assert max(scores.values()) - min(scores.values()) < TOLERANCE, scores
