"""A thin binding to the espeak-ng shared library that the `espeakng-loader` wheel carries.

Only what rule-synthesised speech needs: pick a voice, set five parameters, get samples back. Each call
loads the library afresh, because its flutter and noise generators otherwise remember earlier clips and
the same request would not give the same samples.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from mindtrack_trainer.errors import SynthesisError

# From speak_lib.h of espeak-ng 1.5x.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class EspeakSettings:
    """One utterance's parameters, in espeak-ng's own units."""

    voice: str  # accent plus variant: "en-us+f2"
    rate: int  # words per minute, 80 to 450
    pitch: int  # 0 to 99; 50 is the voice's own F0, 0 half of it, 99 twice
    pitch_range: int  # 0 to 99; 50 is the voice's own range
    volume: int  # 0 to 200; 100 is normal
    word_gap: int  # extra silence between words, units of 10 ms at the default rate


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_Synth.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
        *(ctypes.c_void_p, ctypes.c_void_p),
    ]
    return library


@contextmanager
def _engine(settings: EspeakSettings, seed: int) -> Iterator[tuple[ctypes.CDLL, int]]:
    library = _load()
    data = espeakng_loader.get_data_path().encode()
    sample_rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _DONT_EXIT)
    if sample_rate <= 0:
        raise SynthesisError(f"espeak-ng could not start with its data in {data.decode()}")
    # Breath noise comes from the library's own generator, Klatt voices' noise from the C library's.
    library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    ctypes.CDLL(None).srand(seed)
    try:
        if library.espeak_SetVoiceByName(settings.voice.encode()) != 0:
            raise SynthesisError(f"espeak-ng has no voice named {settings.voice!r}")
        for parameter, value in (
            (_RATE, settings.rate),
            (_VOLUME, settings.volume),
            (_PITCH, settings.pitch),
            (_RANGE, settings.pitch_range),
            (_WORD_GAP, settings.word_gap),
        ):
            library.espeak_SetParameter(parameter, value, 0)
        yield library, sample_rate
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)  # noqa: SLF001 - ctypes has no public way to unload


def speak(text: str, settings: EspeakSettings, seed: int = 0) -> tuple[NDArray[np.float32], int]:
    """Synthesise one utterance.

    Returns the mono samples in [-1, 1] and their sample rate in hertz. The same text, settings and seed
    give the same samples.

    Raises:
        SynthesisError: the library did not start, has no such voice, or returned no sound.

    """
    chunks: list[NDArray[np.int16]] = []

    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if count > 0:
            chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).astype(np.int16, copy=True))
        return 0

    callback = _CALLBACK(collect)
    encoded = text.encode() + b"\0"
    with _engine(settings, seed) as (library, sample_rate):
        library.espeak_SetSynthCallback(callback)
        status = library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _CHARS_UTF8, None, None)
    if status != 0 or not chunks:
        raise SynthesisError(f"espeak-ng gave no sound for {text!r} with voice {settings.voice!r}")
    return np.concatenate(chunks).astype(np.float32) / 32768.0, sample_rate
