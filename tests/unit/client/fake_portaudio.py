"""`sounddevice` as far as it is used here: devices that play back what a test gives them.

It stands in for the boundary to PortAudio; `test_record_pulse.py` goes through the real one.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any


class PortAudioError(Exception):
    pass


@dataclass
class FakePortAudio:
    #: Mono, 16 bits, at whatever rate is asked for; silence follows.
    sound: bytes = b""
    rates: tuple[int, ...] = (16_000, 48_000)
    names: tuple[str, ...] = ("Built-in Microphone",)
    #: Blocks before which something is said to be lost.
    overflows: frozenset[int] = frozenset()
    mute: bool = False
    opened: list[dict[str, Any]] = field(default_factory=list)

    def module(self) -> types.ModuleType:
        module = types.ModuleType("sounddevice")
        vars(module).update(
            PortAudioError=PortAudioError,
            query_devices=self._query_devices,
            check_input_settings=self._check_input_settings,
            RawInputStream=partial(Stream, self),
            default=types.SimpleNamespace(device=[1 if self.names else -1, 0]),
        )
        return module

    def _query_devices(self, device: int | str | None = None, kind: str | None = None) -> object:
        found = [_device(name, channels=1) for name in self.names]
        if kind is None:
            return [_device("Speaker", channels=0), *found]
        if not found:
            raise PortAudioError("Error querying device -1")
        if isinstance(device, str):
            found = [one for one in found if device in one["name"]]
            if not found:
                raise ValueError(f"No input device matching {device!r}")
        return found[0]

    def _check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")


def _device(name: str, *, channels: int) -> dict[str, Any]:
    return {"name": name, "max_input_channels": channels, "default_samplerate": 48_000.0}


class Stream:
    """A thread that hands over blocks, as PortAudio's does, only sooner."""

    def __init__(
        self,
        fake: FakePortAudio,
        *,
        blocksize: int,
        callback: Callable[[object, int, object, object], None],
        **settings: object,
    ) -> None:
        fake.opened.append(settings)
        self._fake = fake
        self._frames = blocksize
        self._callback = callback
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def _play(self) -> None:
        sound, size = self._fake.sound, self._frames * 2
        number = 0
        while not self._over.is_set() and not self._fake.mute:
            block = sound[number * size :][:size].ljust(size, b"\0")
            status = types.SimpleNamespace(input_overflow=number in self._fake.overflows)
            self._callback(memoryview(block), self._frames, None, status)
            number += 1
            self._over.wait(0.0005)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
