"""What has to be said to have everything erased, and what is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mindtrack_shared.db.models import Erasure


class Confirmation(BaseModel):
    """Words that nobody sends by accident."""

    model_config = ConfigDict(extra="forbid")

    confirm: Literal["erase everything"]


class ErasureView(BaseModel):
    """That all that there was about a person is gone."""

    receipt_id: UUID
    begun_at: datetime
    erased_at: datetime
    removed: Annotated[
        dict[str, int],
        Field(
            description="How many `recordings`, each with its job and its analysis, `uploads`, `webhooks`, "
            "`addresses`, `alerts`, `notes` and `labels` by clinicians, `grants` and `invitations`; and the "
            "`keys` that recordings and words were sealed with."
        ),
    ]
    audio_left: Annotated[
        int,
        Field(description="Objects that storage may still hold: nobody reaches them; they are deleted soon."),
    ]

    @classmethod
    def of(cls, row: Erasure, *, audio_left: int) -> Self:
        return cls(
            receipt_id=row.id,
            begun_at=row.begun_at,
            erased_at=row.finished_at or row.begun_at,
            removed=row.removed,
            audio_left=audio_left,
        )
