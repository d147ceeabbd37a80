"""Clips that differ from a reference in one respect: what moves the model, and which way.

`probes.jsonl` stands beside a corpus's manifest. Its clips are made from test speakers and are in no split.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.errors import DatasetError, reasons

PROBES = "probes.jsonl"


class Probe(BaseModel):
    """One line of `probes.jsonl`: a clip, and the same speech without the change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What was changed: "f0+20%", "rate only".
    probe: Annotated[str, Field(min_length=1)]
    #: Probes that are read together: "monotonicity", "ablation".
    group: Annotated[str, Field(min_length=1)]
    #: Both relative to the corpus's folder.
    path: str
    reference_path: str
    speaker: Annotated[str, Field(min_length=1)]
    #: What the reference was spoken as; None where no emotion applies.
    label: Emotion | None = None


def read_probes(data: Path) -> list[Probe]:
    """Read a corpus's probes; none where it has no such file.

    Raises:
        DatasetError: a line is not a probe.

    """
    path = data / PROBES
    if not path.exists():
        return []
    return [_parse(path, number, line) for number, line in enumerate(path.read_text().splitlines(), start=1)]


def write_probes(data: Path, probes: Iterable[Probe]) -> Path:
    """Write a corpus's probes; returns the file's path."""
    path = data / PROBES
    path.write_text("".join(f"{probe.model_dump_json()}\n" for probe in probes))
    return path


def _parse(path: Path, number: int, line: str) -> Probe:
    try:
        return Probe.model_validate_json(line)
    except ValidationError as error:
        raise DatasetError(f"{path}, line {number}, is not a probe: {reasons(error, 'line')}") from error
