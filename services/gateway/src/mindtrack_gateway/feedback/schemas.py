"""What people say of a recording, as they send and read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator
from pydantic_core import PydanticCustomError

from mindtrack_gateway.moments import Moment, implausible
from mindtrack_gateway.words import storable
from mindtrack_shared.db.models import Feedback
from mindtrack_shared.domain.feedback import (
    GAD7,
    LONGEST_NOTE,
    MOST_ITEM,
    MOST_RATING,
    PHQ9,
    ClinicalLabel,
    FeedbackKind,
)

#: Calm, and nothing it cannot keep. No diagnosis: a question was answered, that is all that is known.
SUPPORT = (
    "Thank you for answering. Thoughts like these can be hard to carry alone, and talking to somebody can "
    "help. Nobody was told of this answer. If you may be in danger now, please call your local emergency "
    "number."
)

#: Whole numbers as JSON has them: neither true nor "3".
Rating = Annotated[int, Field(strict=True, ge=0, le=MOST_RATING)]
Item = Annotated[int, Field(strict=True, ge=0, le=MOST_ITEM)]


def _plausible(moment: datetime) -> datetime:
    if why := implausible(moment, now=datetime.now(UTC)):
        raise PydanticCustomError("moment", why)
    return moment


class _Questionnaire(BaseModel):
    """Either every item, in order, or the total only."""

    model_config = ConfigDict(extra="forbid")

    items: list[int] | None = None
    total: int | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.items is None) == (self.total is None):
            raise PydanticCustomError("questionnaire", "needs either `items` or `total`")
        return self

    @property
    def sum(self) -> int:
        return sum(self.items) if self.items is not None else self.total or 0


class Phq9(_Questionnaire):
    items: Annotated[
        list[Item] | None,
        Field(min_length=PHQ9.items, max_length=PHQ9.items, description="Each 0 to 3, in the form's order."),
    ] = None
    total: Annotated[int | None, Field(strict=True, ge=0, le=PHQ9.most)] = None


class Gad7(_Questionnaire):
    items: Annotated[
        list[Item] | None,
        Field(min_length=GAD7.items, max_length=GAD7.items, description="Each 0 to 3, in the form's order."),
    ] = None
    total: Annotated[int | None, Field(strict=True, ge=0, le=GAD7.most)] = None


class FeedbackQuery(BaseModel):
    """How somebody felt while they recorded; or, by a clinician, what they heard.

    The former holds at least one of `stress`, `anxiety`, `mood`, `phq9` and `gad7`; the latter `label` alone.
    """

    model_config = ConfigDict(extra="forbid")

    stress: Annotated[Rating | None, Field(description="0 is none, 10 the most there is.")] = None
    anxiety: Annotated[Rating | None, Field(description="0 is none, 10 the most there is.")] = None
    mood: Annotated[Rating | None, Field(description="0 is the worst, 10 the best there is.")] = None
    phq9: Annotated[Phq9 | None, Field(description="PHQ-9 (Kroenke 2001).")] = None
    gad7: Annotated[Gad7 | None, Field(description="GAD-7 (Spitzer 2006).")] = None
    note: Annotated[
        str | None,
        Field(min_length=1, max_length=LONGEST_NOTE, description="Your own words. Kept as they come."),
        AfterValidator(lambda note: note if note is None else storable(note)),
    ] = None
    label: Annotated[ClinicalLabel | None, Field(description="What a clinician heard.")] = None
    answered_at: Annotated[
        Moment | None,
        Field(description="When it was answered; now, unless told. RFC 3339 with an offset from UTC."),
        AfterValidator(lambda moment: moment if moment is None else _plausible(moment)),
    ] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        rated = any(value is not None for value in self._measures)
        if self.label is not None and (rated or self.note is not None):
            raise PydanticCustomError("feedback", "`label` is a clinician's and stands alone")
        if self.label is None and not rated:
            raise PydanticCustomError(
                "feedback", "needs at least one of `stress`, `anxiety`, `mood`, `phq9` and `gad7`"
            )
        return self

    @property
    def _measures(self) -> tuple[object, ...]:
        return self.stress, self.anxiety, self.mood, self.phq9, self.gad7

    @property
    def kind(self) -> FeedbackKind:
        return FeedbackKind.SELF if self.label is None else FeedbackKind.CLINICIAN

    def columns(self) -> dict[str, Any]:
        """Return what was said, by column."""
        said: dict[str, Any] = self.model_dump(include={"stress", "anxiety", "mood", "note", "label"})
        for name, answers in (("phq9", self.phq9), ("gad7", self.gad7)):
            said[f"{name}_items"] = answers and answers.items
            said[f"{name}_total"] = answers and answers.sum
        return said | ({} if self.answered_at is None else {"answered_at": self.answered_at})


class QuestionnaireView(BaseModel):
    items: Annotated[list[int] | None, Field(description="Null where only the total was told.")]
    total: int


class FeedbackView(BaseModel):
    """What was said, as it holds."""

    kind: FeedbackKind
    stress: int | None
    anxiety: int | None
    mood: int | None
    phq9: QuestionnaireView | None
    gad7: QuestionnaireView | None
    note: str | None
    label: ClinicalLabel | None
    answered_at: datetime
    given_at: Annotated[datetime, Field(description="When it reached us.")]

    @classmethod
    def of(cls, row: Feedback, note: str | None, **more: Any) -> Self:  # noqa: ANN401 - a subclass's fields
        return cls(
            kind=FeedbackKind(row.kind),
            stress=row.stress,
            anxiety=row.anxiety,
            mood=row.mood,
            phq9=_answers(row.phq9_items, row.phq9_total),
            gad7=_answers(row.gad7_items, row.gad7_total),
            note=note,
            label=None if row.label is None else ClinicalLabel(row.label),
            answered_at=row.answered_at,
            given_at=row.created_at,
            **more,
        )


def _answers(items: list[int] | None, total: int | None) -> QuestionnaireView | None:
    return None if total is None else QuestionnaireView(items=items, total=total)


class SupportView(BaseModel):
    """Wellness support, not a diagnosis, and not an alarm: nobody is told."""

    notice: str = SUPPORT
    link: Annotated[HttpUrl | None, Field(description="Where to find somebody to talk to.")]


class FeedbackGiven(FeedbackView):
    support: Annotated[
        SupportView | None,
        Field(description="Shown to the person where item 9 of the PHQ-9 is more than 0. Nobody is alerted."),
    ]


class FeedbackList(BaseModel):
    items: Annotated[list[FeedbackView], Field(description="What holds: one of each kind and author.")]
