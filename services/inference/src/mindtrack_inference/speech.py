"""Where in a waveform somebody speaks: Silero VAD, run by OpenVINO.

A small recurrent network (MIT licence, see `silero_vad/`), trained to tell speech in many languages from
noise and music. Unlike detectors that go by energy or Gaussian mixtures it does not take hum, hiss, tones or
chords for a voice. Its sequence variant judges many frames per call, which is what makes it cheap: 2.3 ms for
5 s of audio on one core.

Segments are not padded at either end: the gaps between them are what counts as pauses.
"""

from __future__ import annotations

import functools
import math
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.openvino import cpu_options, import_openvino

if TYPE_CHECKING:
    from mindtrack_inference.audio import Waveform

#: Samples: 32 ms, which the network judges at once, and the 4 ms before, which it hears with them.
FRAME_SAMPLES, CONTEXT_SAMPLES = 512, 64
#: About a second. One frame per call makes 15 ms for 5 s of audio, 32 make 2.3 ms and 157 the same.
FRAMES_PER_CALL = 32
#: Level to which a recording is brought before the network hears it, dB below full scale: about that of the
#: speech that it was tried with here. It hears less of a quiet voice; a phone held farther away must not make
#: pauses. Whether a recording is too quiet to say anything is the gate's to say.
HEARD_DBFS = -15.0
#: Of the frames' power, percent: the level of speech, in a recording that has any.
SPEAKING = 95.0
#: The network's state: what it heard before. (layers, batch, units)
_STATE_SHAPE = (1, 1, 128)

#: Speech begins where its probability reaches the first and lasts until it falls below the second. They and
#: the two durations are the defaults of Silero's own `get_speech_timestamps`.
ONSET, OFFSET = 0.5, 0.35
#: Frames by which the network lets go too late: at pauses of known length between synthesised sentences, with
#: noise 40 dB below, its median delay was 77 ms (and 6 ms at onsets).
RELEASE_FRAMES = 2
#: Seconds. A shorter gap is the closure of a plosive, no pause.
MIN_GAP = 0.1
#: Seconds. What is shorter is a click or a cough; most monosyllables are longer.
MIN_SPEECH = 0.25


def detect(waveform: Waveform) -> NDArray[np.intp]:
    """Find the stretches of speech.

    Returns:
        (n, 2): first sample and one past the last of each stretch, ascending, on a grid of 32 ms.

    """
    edges = _edges(_released(_hysteresis(probabilities(waveform, _gain(waveform))))) * FRAME_SAMPLES
    gaps = edges[1:-1].reshape(-1, 2)  # (n - 1, 2)
    pauses = gaps[np.diff(gaps)[:, 0] >= MIN_GAP * SAMPLE_RATE]
    segments = np.concatenate([edges[:1], pauses.ravel(), edges[-1:]]).reshape(-1, 2)  # (n, 2)
    segments = np.minimum(segments, waveform.size)
    spoken: NDArray[np.intp] = segments[np.diff(segments)[:, 0] >= MIN_SPEECH * SAMPLE_RATE]
    return spoken


def probabilities(waveform: Waveform, gain: float = 1.0) -> NDArray[np.float32]:
    """Probability of speech in each frame of 32 ms, the last one filled up with silence. (frames,)

    The network hears the waveform times `gain`.
    """
    frames = -(-waveform.size // FRAME_SAMPLES)
    calls = -(-frames // FRAMES_PER_CALL)
    request = load().create_infer_request()
    state = {name: np.zeros(_STATE_SHAPE, np.float32) for name in "hc"}
    answers = np.empty((calls, FRAMES_PER_CALL), np.float32)
    for call in range(calls):
        heard = _heard(waveform, call) * np.float32(gain)
        cut = sliding_window_view(heard, CONTEXT_SAMPLES + FRAME_SAMPLES)[::FRAME_SAMPLES]
        answer = request.infer({"input": np.ascontiguousarray(cut), **state})
        answers[call] = answer["speech_probs"].reshape(-1)
        state = {name: answer[f"{name}n"].copy() for name in state}
    return answers.reshape(-1)[:frames]


def _gain(waveform: Waveform) -> float:
    """What brings a recording to the level at which it is to be heard; 1 for silence."""
    whole = waveform.size // FRAME_SAMPLES * FRAME_SAMPLES
    frames = waveform[:whole].reshape(-1, FRAME_SAMPLES)
    if not frames.size:
        return 1.0
    power = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES - frames.mean(axis=1) ** 2  # (frames,)
    loud = float(np.percentile(power, SPEAKING))
    return 10 ** (HEARD_DBFS / 20) / math.sqrt(loud) if loud > 0 else 1.0


def _heard(waveform: Waveform, call: int) -> Waveform:
    """What the network hears in one call, with silence before the start and after the end.

    It is causal: silence after the end cannot change what it says of the frames before.
    (CONTEXT_SAMPLES + FRAMES_PER_CALL * FRAME_SAMPLES,)
    """
    first = call * FRAMES_PER_CALL * FRAME_SAMPLES - CONTEXT_SAMPLES
    heard = np.zeros(CONTEXT_SAMPLES + FRAMES_PER_CALL * FRAME_SAMPLES, np.float32)
    near = waveform[max(first, 0) : first + heard.size]
    heard[max(-first, 0) :][: near.size] = near
    return heard


@functools.cache
def load() -> Any:  # noqa: ANN401 - OpenVINO ships no usable types
    """Compile the network, once per process; `detect` does so unless somebody did before."""
    core = import_openvino().Core()
    model = core.read_model(Path(str(resources.files("mindtrack_inference"))) / "silero_vad" / "model.onnx")
    frames = [FRAMES_PER_CALL, CONTEXT_SAMPLES + FRAME_SAMPLES]
    model.reshape({"input": frames, "h": list(_STATE_SHAPE), "c": list(_STATE_SHAPE)})
    return core.compile_model(model, "CPU", cpu_options(threads=1))


def _hysteresis(chances: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Speech from the frame that reaches ONSET to the one before the next below OFFSET. (frames,)"""
    decided = (chances >= ONSET) | (chances < OFFSET)
    latest = np.maximum.accumulate(np.where(decided, np.arange(chances.size), -1))  # (frames,)
    spoken: NDArray[np.bool_] = (latest >= 0) & (chances[latest] >= ONSET)
    return spoken


def _released(spoken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the last RELEASE_FRAMES of each run of speech, unless it lasts to the end. (frames,)"""
    ahead = np.concatenate([spoken, np.repeat(spoken[-1:], RELEASE_FRAMES)])
    lasting = [ahead[frames:][: spoken.size] for frames in range(RELEASE_FRAMES + 1)]
    released: NDArray[np.bool_] = np.logical_and.reduce(lasting)
    return released


def _edges(spoken: NDArray[np.bool_]) -> NDArray[np.intp]:
    """First frame and one past the last of each run of speech, one after the other. (2 n,)"""
    return np.flatnonzero(np.diff(spoken, prepend=False, append=False))
