"""What may be known about how a recording was made."""

from __future__ import annotations

from enum import StrEnum

#: Characters of a device's name, and of an app's version.
MAX_DEVICE = 64
MAX_APP_VERSION = 32


class Microphone(StrEnum):
    """What kind of microphone heard it."""

    BUILT_IN = "built_in"
    HEADSET = "headset"
    BLUETOOTH = "bluetooth"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


def device_class(microphone: Microphone | None, content_type: str) -> str:
    """Name what of a device changes a voice most: the kind of microphone, and what it is encoded as.

    The phone's model is not in it: phones agree well with each other, a headset with a phone less so, and a
    model's name may change with any update. `docs/trends.md` has the sources.
    """
    return f"{microphone or Microphone.UNKNOWN} {content_type}"
