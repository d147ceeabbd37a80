"""What a reader makes of a corpus on disk: its clips, and what their names and tables say of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mindtrack_trainer.errors import DatasetError
from mindtrack_trainer.manifest import Sex


@dataclass(frozen=True, slots=True)
class RawClip:
    """One clip as its corpus publishes it."""

    path: Path
    #: Unique in its corpus, and fit for a file's name.
    name: str
    #: Unique over all corpora: "ravdess/07".
    speaker: str
    #: What the corpus calls it; `labels.CORPORA` says what that stands for.
    source_label: str
    sex: Sex | None = None
    age: int | None = None
    device: str | None = None
    noise: str | None = None
    #: Why it is left out whatever its label; None for most.
    unfit: str | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """How one corpus is read, and the folds it is usually tested with."""

    #: As in `labels.CORPORA`.
    name: str
    #: An example of what is expected in or below the corpus's folder.
    layout: str
    #: Finds the clips in or below a folder; none if it is another corpus's.
    read: Callable[[Path], Iterator[RawClip]]
    #: The speakers of each published test fold.
    folds: tuple[tuple[str, ...], ...] = ()
    #: Whether the speakers of a fold were recorded together, so that no split may part them.
    whole_folds: bool = False

    def clips(self, root: Path) -> list[RawClip]:
        """Find every clip.

        Raises:
            DatasetError: nothing there looks like the corpus.

        """
        clips = list(self.read(root))
        if not clips:
            raise DatasetError(
                f"{root} does not look like {self.name}: expected {self.layout} in or below it, "
                f"found {_entries(root)}"
            )
        return clips


def find(root: Path, stem: re.Pattern[str], suffix: str = ".wav") -> Iterator[tuple[Path, re.Match[str]]]:
    """Files below `root` whose name without its suffix is `stem`, in a stable order."""
    for path in sorted(root.rglob(f"*{suffix}")):
        if match := stem.fullmatch(path.stem):
            yield path, match


def _entries(root: Path) -> str:
    if not root.is_dir():
        return "no such folder"
    names = sorted(path.name for path in root.iterdir())
    shown = ", ".join(names[:5]) or "an empty folder"
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown  # noqa: PLR2004 - as above
