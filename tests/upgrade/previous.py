"""The release before this one: where it is, and how to run its services beside ours."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
#: The commit that was released last. `docs/runbook/release.md` says when it changes.
PREVIOUS_RELEASE = "e636a30b182daaea11929a971777e607ad6dd802"
#: Where a release keeps its packages; a folder that is put before others is where Python finds them.
PACKAGES = ("shared/src", *(f"services/{name}/src" for name in ("gateway", "inference", "scheduler")))


def is_there() -> bool:
    """Say whether this clone has the commit: a shallow one may not."""
    found = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "-e", PREVIOUS_RELEASE],  # noqa: S607 - wherever git is
        capture_output=True,
        check=False,
    )
    return found.returncode == 0


def unpack(folder: Path) -> None:
    """Write the previous release's packages into a folder."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", PREVIOUS_RELEASE, *PACKAGES],  # noqa: S607 - wherever git is
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with which a service, and what it starts, runs from the folder."""
    return {"PYTHONPATH": ":".join(str(folder / package) for package in PACKAGES)}


def login(var: Path, user: str = "postgres") -> dict[str, str]:
    """Return the variable with which a service logs in to a stack's database: its own do as the owner."""
    return {"MINDTRACK_DATABASE_URL": f"postgresql://{user}@/mindtrack?host={quote(str(var / 'postgres'))}"}
