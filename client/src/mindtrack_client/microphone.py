"""Record from a microphone, through PortAudio. Needs the extra `record`; nothing else here imports it."""

from __future__ import annotations

import importlib
import math
import queue
import wave
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mindtrack_client.errors import MicrophoneError

#: What the service analyses; a device that cannot do it records at its own rate.
SAMPLE_RATE = 16_000
SAMPLE_BYTES = 2
FULL_SCALE = 32_768
#: Level of silence, dBFS: the least that 16 bits can say.
SILENCE = -96.0
#: How often the level is told.
BLOCKS_PER_SECOND = 10
#: Seconds in which a device must deliver something.
PATIENCE = 5.0

#: Called with (seconds so far, level in dBFS).
Level = Callable[[float, float], None]

NO_EXTRA = "recording needs the extra `record`: pip install 'mindtrack-client[record]'"
NO_PORTAUDIO = "recording needs PortAudio: on Debian and Ubuntu, apt-get install libportaudio2"
NO_DEVICE = "there is no microphone: PortAudio knows no device that records"


@dataclass(frozen=True, slots=True)
class Device:
    """Something that records."""

    index: int
    name: str
    channels: int
    #: Hz, its own.
    sample_rate: float
    is_default: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Take:
    """A recording that was made."""

    path: Path
    began_at: datetime
    seconds: float
    sample_rate: int
    #: Of the loudest block, dBFS.
    peak: float
    #: Blocks before which something was lost: this machine was too busy.
    gaps: int


def devices() -> list[Device]:
    """Return what records.

    Raises:
        MicrophoneError: the extra or PortAudio is missing.

    """
    portaudio = _portaudio()
    default = portaudio.default.device[0]
    return [
        Device(
            index=index,
            name=found["name"],
            channels=found["max_input_channels"],
            sample_rate=found["default_samplerate"],
            is_default=index == default,
        )
        for index, found in enumerate(portaudio.query_devices())
        if found["max_input_channels"] > 0
    ]


def record(path: Path, seconds: float, device: int | str | None, on_level: Level) -> Take:
    """Record mono, 16 bits, into a WAV file.

    Args:
        path: the file; it is overwritten.
        seconds: for how long.
        device: its index, a part of its name, or None for the system's own choice.
        on_level: called some ten times a second.

    Raises:
        MicrophoneError: the extra, PortAudio or a device is missing, or it delivers nothing.

    """
    portaudio = _portaudio()
    with _portaudio_errors(portaudio):
        rate = _sample_rate(portaudio, device)
        blocks = _Blocks()
        with (
            wave.open(str(path), "wb") as file,
            portaudio.RawInputStream(
                samplerate=rate,
                blocksize=rate // BLOCKS_PER_SECOND,
                device=device,
                channels=1,
                dtype="int16",
                callback=blocks.put,
            ),
        ):
            file.setnchannels(1)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(rate)
            began_at, peak = datetime.now(UTC), SILENCE
            wanted = round(seconds * rate)
            for block in blocks.until(wanted):
                file.writeframesraw(block)
                level = level_of(block)
                peak = max(peak, level)
                on_level(min(blocks.frames, wanted) / rate, level)
        return Take(path, began_at, wanted / rate, rate, peak, blocks.gaps)


def level_of(block: bytes) -> float:
    """Return the level of samples, dBFS: their root mean square."""
    samples = array("h", block)
    if not samples:
        return SILENCE
    power = sum(sample * sample for sample in samples) / len(samples)
    return max(SILENCE, 20 * math.log10(math.sqrt(power) / FULL_SCALE)) if power else SILENCE


class _Blocks:
    """What the device's own thread hands over."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.frames = 0
        self.gaps = 0

    def put(self, block: object, _frames: int, _time: object, status: Any) -> None:  # noqa: ANN401 - PortAudio's
        self.gaps += bool(status.input_overflow)
        self._queue.put(bytes(block))  # type: ignore[call-overload]

    def until(self, frames: int) -> Iterator[bytes]:
        """Yield blocks of so many frames in all; the last is cut."""
        while self.frames < frames:
            try:
                block = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                raise MicrophoneError(f"the microphone delivered nothing for {PATIENCE:g} s") from None
            block = block[: (frames - self.frames) * SAMPLE_BYTES]
            self.frames += len(block) // SAMPLE_BYTES
            yield block


def _portaudio() -> Any:  # noqa: ANN401 - an optional module without types
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise MicrophoneError(NO_EXTRA) from None
    except OSError:  # the module is there, the library is not
        raise MicrophoneError(NO_PORTAUDIO) from None


def _sample_rate(portaudio: Any, device: int | str | None) -> int:  # noqa: ANN401 - see above
    """Return ours if the device can do it, else its own."""
    try:
        found = portaudio.query_devices(device, "input")
    except (ValueError, portaudio.PortAudioError) as error:
        if device is None:
            raise MicrophoneError(NO_DEVICE) from None
        words = str(error).strip().splitlines()[0]
        raise MicrophoneError(f"cannot record from {device!r}: {words} (see --list-devices)") from None
    try:
        portaudio.check_input_settings(device=device, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except portaudio.PortAudioError:
        own: float = found["default_samplerate"]
        return round(own)
    return SAMPLE_RATE


@contextmanager
def _portaudio_errors(portaudio: Any) -> Iterator[None]:  # noqa: ANN401 - see above
    try:
        yield
    except portaudio.PortAudioError as error:
        raise MicrophoneError(f"the microphone cannot be used: {error}") from None
