"""Makes a bundle of somebody else's checkpoint, on disk or on the hub. Nothing is measured on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from pydantic import ValidationError

from mindtrack_shared.bundles import (
    CONFIG_NAME,
    PREPROCESSOR_NAME,
    WEIGHTS_NAME,
    BundleManifest,
    Head,
)
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_trainer.checkpoint import PICKLE_NAME, Checkpoint, read_checkpoint
from mindtrack_trainer.dataset import Framing
from mindtrack_trainer.emotion_map import DIMENSION_LABELS, EmotionMap
from mindtrack_trainer.errors import ExportError, reasons
from mindtrack_trainer.labels import Meaning, map_labels
from mindtrack_trainer.model_card import imported_card
from mindtrack_trainer.packaging import NO_REVISION, package

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the checkpoint itself does not say."""

    bundle_id: str
    licence: str
    intended_use: str
    framing: Framing
    #: `owner/name@commit` on the hub, if it came from there.
    source: str | None = None
    #: What these of the checkpoint's labels stand for.
    labels: Mapping[str, Meaning] = field(default_factory=dict)
    #: Whose labels they are, as `CORPORA` spells it.
    labels_of: str | None = None
    #: Refuse any other head.
    head: Head | None = None
    #: From arousal, dominance and valence to emotions.
    emotion_map: EmotionMap | None = None


def locate(source: str, revision: str | None) -> Path:
    """Find the directory of a checkpoint: a path, or the id of one on the hub, which is downloaded.

    What is on disk never touches the network.

    Raises:
        ExportError: there is no such directory, or it has no revision; the hub's is not pinned to a commit;
            or the download failed.

    """
    if Path(source).is_dir():
        if revision is not None:
            raise ExportError(f"{source} is a directory; --revision names a commit on the hub")
        return Path(source)
    if not _HUB_ID.fullmatch(source):
        raise ExportError(f"{source} is neither a directory nor the id of a checkpoint on the hub")
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ExportError(
            f"{source} is no directory here; to take it from the hub, say which commit with --revision and "
            "all forty digits: a branch or tag may be another model tomorrow"
        )
    names = [CONFIG_NAME, PREPROCESSOR_NAME, WEIGHTS_NAME, PICKLE_NAME]
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=names))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise ExportError(
            f"{source} at {revision} could not be downloaded ({type(error).__name__}): check the id, the "
            "commit and the connection, or download it elsewhere and give its directory"
        ) from error


def import_checkpoint(directory: Path, out: Path, options: ImportOptions) -> BundleManifest:
    """Write a bundle directory and return its manifest.

    Raises:
        ExportError: the checkpoint does not fit a head we know, listens at another rate than 16 kHz, or its
            labels' meaning is in doubt; the message says what to do.

    """
    checkpoint = read_checkpoint(directory, options.head)
    if checkpoint.head is Head.DIMENSIONAL:
        mapping = _put_map(checkpoint, options)
    elif options.emotion_map is not None:
        raise ExportError(f"a {checkpoint.head} head needs no map to emotions: leave --map out")
    else:
        mapping = map_labels(checkpoint.labels, options.labels, options.labels_of)
    try:
        draft = BundleManifest(
            id=options.bundle_id,
            revision=NO_REVISION,
            checksums={},
            source=options.source,
            head=checkpoint.head,
            fitted_on=options.emotion_map.fitted_on if options.emotion_map else None,
            window_seconds=options.framing.window_seconds,
            hop_seconds=options.framing.hop_seconds,
            label_mapping=mapping,
            licence=options.licence,
            intended_use=options.intended_use,
        )
    except ValidationError as error:
        raise ExportError(reasons(error, "manifest")) from error
    return package(checkpoint, draft, out, imported_card)


def _put_map(checkpoint: Checkpoint, options: ImportOptions) -> dict[str, Meaning]:
    """Put the fitted map behind a dimensional head, whose labels are ours from then on."""
    labels = {label.lower() for label in checkpoint.labels}
    if labels != DIMENSION_LABELS:
        raise ExportError(
            f"a head to arousal, dominance and valence is expected of keys like these, but the labels are "
            f"{', '.join(checkpoint.labels)}"
        )
    if options.labels or options.labels_of:
        raise ExportError("arousal, dominance and valence are no labels: leave --label and --labels-of out")
    if options.emotion_map is None:
        raise ExportError(
            "the checkpoint answers with arousal, dominance and valence, and no threshold turns these into "
            "emotions. Fit a map on a prepared corpus: `mindtrack-trainer fit-map CHECKPOINT DATA --out "
            "map.json`, then import with --map map.json"
        )
    options.emotion_map.put_into(checkpoint)
    return {str(label): Emotion(label) for label in options.emotion_map.labels}
