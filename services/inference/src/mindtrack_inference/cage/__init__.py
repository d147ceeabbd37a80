"""A child process in which recordings are decoded, judged, measured and cut, with nothing worth stealing.

`parent` starts it, talks to it and kills it; `child` is what runs in it; `protocol` is what they say.
"""

from __future__ import annotations

from mindtrack_inference.cage.parent import Cage, CageBrokenError, PreparationError, Reason

__all__ = ["Cage", "CageBrokenError", "PreparationError", "Reason"]
