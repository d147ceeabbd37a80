"""How good a recording is, in numbers. Measured before the model is asked, and part of every result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """Measurements of a decoded recording (mono, 16 kHz)."""

    #: Seconds in which a voice-activity detector heard speech.
    speech_seconds: float
    #: `speech_seconds` over the recording's length, in [0, 1].
    speech_ratio: float
    #: Level of the speech over that of the quietest twentieth of the recording, dB; None without speech. For
    #: steady noise the signal-to-noise ratio, for unsteady noise more, for speech without a dip less than it.
    snr_db: float | None
    #: Share of samples on plateaus at the recording's extremes, in [0, 1].
    clipping_ratio: float
    #: Level of the loudest frames, dB relative to a full-scale square wave; -120 for digital silence.
    level_dbfs: float
    #: Frequency below which the (differentiated) recording's energy lies during speech, Hz; None without
    #: speech.
    bandwidth_hz: float | None
    #: Mean of the samples, full scale at 1.
    dc_offset: float
