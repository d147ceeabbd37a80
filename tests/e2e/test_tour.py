"""What the READMEs show in their sections "Tour" works, and says what they say it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from mindtrack_local.stack import Stack
from samples import SAMPLES

ROOT = Path(__file__).parents[2]
#: What the tours call their recordings.
RECORDINGS = {"log.m4a": "day-7.m4a", "other.wav": "day-1.wav", "third.wav": "day-1.wav"}
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable]}


def tour(page: str, language: str) -> tuple[str, str]:
    """Return a page's blocks in one language as one program, and the output that is shown for them."""
    section = re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith("Tour\n"))
    program, shown, latest = [], [], ""
    for kind, block in FENCED.findall(text):
        if kind == "text":
            shown += [block] if latest == language else []
        else:
            latest = kind
            program += [block] if latest == language else []
    assert program
    assert shown
    return "\n".join(program), "".join(shown)


def figures_aside(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "DAY", re.sub(r"\b\d\.\d+\b", "SHARE", text))


@pytest.mark.parametrize(
    ("page", "language"),
    [
        pytest.param(
            "README.md",
            "sh",
            marks=pytest.mark.skipif(shutil.which("curl") is None, reason="needs Debian's curl"),
        ),
        ("README.md", "python"),
        ("client/README.md", "python"),
    ],
)
def test_the_tour_goes_where_it_says(stack: Stack, tmp_path: Path, page: str, language: str) -> None:
    for name, sample in RECORDINGS.items():
        shutil.copy(SAMPLES / sample, tmp_path / name)
    program, shown = tour(page, language)
    script = tmp_path / "tour"
    script.write_text(program)
    token = stack.token(f"tour-{uuid4()}")
    done = subprocess.run(
        [*PROGRAMS[language], str(script)],
        cwd=tmp_path,
        env=os.environ | {"MINDTRACK_URL": stack.base_url, "MINDTRACK_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert figures_aside(done.stdout) == figures_aside(shown)
