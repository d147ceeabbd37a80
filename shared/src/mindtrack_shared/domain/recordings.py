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
