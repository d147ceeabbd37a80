"""What parent and child say: frames of a length (4 bytes, big-endian) and so many bytes.

    parent  Setup
    child   Ready
    then for each recording:
    parent  Request: the recording lies in the file that the child inherited
    child   Ready: whoever is lost before that was not lost over the recording
    child   Passed, and its windows in chunks (float32, little-endian); or Refused; or Exceeded; or Failed

Never pickle: whoever took over the child could run code in the parent.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mindtrack_inference.preparation import Terms
from mindtrack_shared.domain.biomarkers import Biomarkers
from mindtrack_shared.domain.jobs import RejectionCode
from mindtrack_shared.domain.quality import Quality

LENGTH = struct.Struct(">I")
#: Bytes of JSON in a frame: an hour in hops of a tenth of a second has 36,000 starts of up to eight digits.
MAX_HEADER = 1 << 20
#: Characters. Ours have a few dozen.
MAX_DETAIL = 200
#: Windows are sent in this format.
SAMPLES = "<f4"
#: Exit status of a child that ran out of memory.
OUT_OF_MEMORY = 71


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Setup(_Message):
    terms: Terms
    #: Bytes of address space on top of what the loaded child has.
    headroom: int
    #: Of the process to die with.
    parent: int
    #: Descriptor of the file in which recordings come.
    recording: int


class Request(_Message):
    prompt_ended_seconds: float | None
    lane_seconds: float | None
    #: Of the processor's time; then it is killed.
    cpu_seconds: Annotated[float, Field(gt=0)]


class Ready(_Message):
    kind: Literal["ready"] = "ready"


class Passed(_Message):
    kind: Literal["passed"] = "passed"
    samples: Annotated[int, Field(gt=0)]
    quality: Quality
    biomarkers: Biomarkers
    #: First sample of each window.
    starts: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class Refused(_Message):
    kind: Literal["refused"] = "refused"
    code: RejectionCode
    detail: Annotated[str, Field(max_length=MAX_DETAIL)]
    measured: float | None
    needed: float | None
    quality: Quality | None


class Exceeded(_Message):
    kind: Literal["exceeded"] = "exceeded"


class Failed(_Message):
    """An exception that is no judgement on the recording: a bug of ours."""

    kind: Literal["failed"] = "failed"
    error: Annotated[str, Field(max_length=MAX_DETAIL)]


Answer = Passed | Refused | Exceeded | Failed
ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
