"""What can go wrong, as one tree.

TrainerError
├── SynthesisError   espeak-ng refused, or the corpus asked for cannot be made
├── DatasetError     the directory is no corpus, or cannot honestly be trained on or evaluated with
├── ResumeError      an unfinished training was started with other options
├── CalibrationError the checkpoint was not calibrated, or cannot be with this corpus
└── ExportError      the checkpoint cannot become a bundle, or the bundle disagrees with it

The command line prints the message and exits with status 1.
"""

from __future__ import annotations

from pydantic import ValidationError


class TrainerError(Exception):
    """Anything the trainer refuses to do."""


class SynthesisError(TrainerError):
    """espeak-ng refused, or the corpus asked for cannot be made."""


class DatasetError(TrainerError):
    """The directory is no corpus, or cannot honestly be trained on or evaluated with."""


class ResumeError(TrainerError):
    """The unfinished training in the directory was started with other options."""


class CalibrationError(TrainerError):
    """The checkpoint was not calibrated, or cannot be with this corpus."""


class ExportError(TrainerError):
    """The checkpoint cannot become a bundle, or the bundle disagrees with it."""


def reasons(error: ValidationError, whole: str) -> str:
    """What is wrong, field by field; `whole` names the thing where no single field is to blame."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or whole}: {e['msg']}" for e in error.errors())
