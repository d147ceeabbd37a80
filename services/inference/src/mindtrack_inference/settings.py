"""Settings of the inference worker."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from mindtrack_inference.engines import EngineChoice, PrecisionChoice
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.settings import Duration, group


def _each_once(lanes: tuple[Priority, ...]) -> tuple[Priority, ...]:
    if len(set(lanes)) < len(lanes):
        raise ValueError("name each lane once")
    return lanes


class InferenceSettings(BaseSettings):
    model_config = group("INFERENCE")

    bundle: Annotated[
        str,
        Field(description="Model bundle: the id of a packaged one, or the path of a bundle directory."),
    ] = "demo-synthetic"
    concurrency: Annotated[int, Field(gt=0, description="Child processes, each with a model of its own.")] = 1
    lanes: Annotated[
        tuple[Priority, ...],
        Field(
            min_length=1,
            description="Priorities of the jobs this worker takes, as a JSON list. What no worker takes "
            "waits.",
        ),
        AfterValidator(_each_once),
    ] = tuple(Priority)
    threads: Annotated[
        int | None,
        Field(gt=0, description="Threads the model may use in each child; all cores when unset."),
    ] = None
    engine: Annotated[
        EngineChoice,
        Field(description="What runs the model; auto takes torch if it finds a CUDA device, else OpenVINO."),
    ] = "auto"
    precision: Annotated[
        PrecisionChoice,
        Field(
            description="What the model computes in; auto takes the quickest that agrees with the bundle's "
            "golden windows. Any other is used, or the worker does not start."
        ),
    ] = "auto"
    model_cache: Annotated[
        Path | None,
        Field(
            description="Directory for OpenVINO's compiled models, which spares compiling at the next start. "
            "Whoever can write to it chooses what runs."
        ),
    ] = None
    together: Annotated[
        bool,
        Field(
            description="On a CPU, score several windows at once while more than one waits, each on cores of "
            "its own: more windows per second, for a second copy of the model in memory."
        ),
    ] = True
    max_recording_seconds: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False, description="Longer recordings are rejected as too_long."),
    ] = 3600.0
    interactive_seconds: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Longer recordings are bulk work, whatever they were sent as: nobody waits behind "
            "them.",
        ),
    ] = 120.0
    ahead_seconds: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Audio that each lane prepares ahead of the model; at least two of the model's "
            "batches, and a recording at a time.",
        ),
    ] = 60.0
    batch_limit: Annotated[
        Duration,
        Field(
            ge=timedelta(seconds=1),
            description="A worker process whose model takes longer for one batch hangs: it is ended and "
            "replaced, and its jobs are taken back.",
        ),
    ] = timedelta(minutes=2)
    drain_budget: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            le=timedelta(minutes=10),  # what is claimed last must fit between it and Celery's time limit
            description="A drain claims no further job after this time; other messages carry on.",
        ),
    ] = timedelta(seconds=20)
    roll: Annotated[
        Path | None,
        Field(
            description="Folder in which processes write down that they are there, so that whoever is "
            "started after one was killed ends its leases at once. Of this worker alone; a temporary one "
            "unless set, which tells nobody of a whole worker that was killed and started again."
        ),
    ] = None
    ready_file: Annotated[
        Path | None,
        Field(description="Touched once the model is loaded and the worker takes messages."),
    ] = None


class QualitySettings(BaseSettings):
    """What a recording must be like to be analysed. A description says where its default comes from."""

    model_config = group("QUALITY") | {"allow_inf_nan": False}  # every comparison with NaN passes

    min_level_dbfs: Annotated[
        float,
        Field(
            le=0,
            description="Quieter recordings are rejected as too_quiet, dBFS. Test practice has speech at -26 "
            "(ITU-T P.56 meter); this is 34 dB below, about where a phone's own noise lies.",
        ),
    ] = -60.0
    max_dc_offset: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="A larger constant offset is rejected as offset, full scale at 1. Working "
            "microphones stay well below 0.01; this much takes a tenth of the range.",
        ),
    ] = 0.1
    min_speech_seconds: Annotated[
        float,
        Field(
            gt=0,  # a trend weighs recordings by their speech
            description="Less speech is rejected as too_little_speech, s. The sentences of RAVDESS, among "
            "the shortest that emotion corpora label, have seven syllables: a second when spoken very fast.",
        ),
    ] = 1.0
    min_speech_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="A smaller share of speech is rejected as mostly_silence, and windows with a smaller "
            "share are not scored. Low, as long pauses are a finding and no fault.",
        ),
    ] = 0.2
    max_clipping_ratio: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="A larger share of clipped samples is rejected as distorted. Speech driven 12 dB "
            "into clipping has this much (measured), unclipped speech up to 0.01.",
        ),
    ] = 0.1
    min_snr_db: Annotated[
        float,
        Field(
            description="Speech less far above the noise is rejected as too_noisy, dB. At 6 dB a voice has "
            "twice the noise's amplitude; demo-synthetic was trained with noise down to 8 dB.",
        ),
    ] = 6.0
    min_bandwidth_hz: Annotated[
        float,
        Field(
            ge=0,
            description="A narrower band is rejected as muffled, Hz. Half of what makes speech intelligible "
            "lies below 1.9 kHz (French and Steinberg 1947); telephones carry 3.4 kHz.",
        ),
    ] = 1_900.0
