"""A child process in which recordings are decoded, judged, measured and cut, with nothing worth stealing.

`parent` asks it and judges its answers; `process` starts it, talks to it and kills it; `child` is what runs
in it; `protocol` is what they say, and `handover` where recordings lie.
"""

from __future__ import annotations

from mindtrack_inference.cage.parent import Cage, PreparationError
from mindtrack_inference.cage.process import CageBrokenError, Reason

__all__ = ["Cage", "CageBrokenError", "PreparationError", "Reason"]
