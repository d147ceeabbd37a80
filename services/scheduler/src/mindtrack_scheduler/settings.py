"""Settings of the scheduler's processes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from mindtrack_shared.settings import Duration, group


class SchedulerSettings(BaseSettings):
    model_config = group("SCHEDULER")

    relay_poll: Annotated[
        Duration,
        Field(description="The relay looks for jobs this often, should a notification get lost."),
    ] = timedelta(seconds=1)
    relay_batch: Annotated[int, Field(gt=0, description="Jobs the relay rings for in one transaction.")] = 500
    rescue_every: Annotated[
        Duration,
        Field(description="How often beat asks for lapsed leases and silent messages to be repaired."),
    ] = timedelta(seconds=15)
    forget_every: Annotated[
        Duration,
        Field(gt=timedelta(0), description="How often beat asks for expired idempotency keys to be deleted."),
    ] = timedelta(minutes=10)
    bury_every: Annotated[
        Duration,
        Field(description="How often the audio of deleted jobs is deleted, should the store have been away."),
    ] = timedelta(seconds=60)
    sweep_every: Annotated[
        Duration,
        Field(description="How often beat asks for expired uploads to be removed."),
    ] = timedelta(minutes=10)
    beat_file: Annotated[Path, Field(description="Where Celery beat keeps its schedule.")] = Path(
        "celerybeat-schedule",
    )
