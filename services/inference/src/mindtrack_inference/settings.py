"""Settings of the inference worker."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from mindtrack_shared.settings import Duration, group


class InferenceSettings(BaseSettings):
    model_config = group("INFERENCE")

    bundle: Annotated[
        str,
        Field(description="Model bundle: the id of a packaged one, or the path of a bundle directory."),
    ] = "demo-synthetic"
    concurrency: Annotated[int, Field(gt=0, description="Child processes, each with a model of its own.")] = 1
    threads: Annotated[
        int | None,
        Field(gt=0, description="Threads the model may use in each child; all cores when unset."),
    ] = None
    max_recording_seconds: Annotated[
        float,
        Field(gt=0, description="Longer recordings are rejected as too_long."),
    ] = 300.0
    drain_budget: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            le=timedelta(minutes=2),  # the last job must fit between it and Celery's time limit
            description="A drain claims no further job after this time; other messages carry on.",
        ),
    ] = timedelta(seconds=20)
    ready_file: Annotated[
        Path | None,
        Field(description="Touched once the model is loaded and the worker takes messages."),
    ] = None
