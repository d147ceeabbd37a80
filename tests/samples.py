"""The demo's voice logs, to send as a phone sends them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SAMPLES = Path(str(files("mindtrack_local"))) / "samples"
