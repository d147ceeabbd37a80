"""A microphone that a test speaks into: a PulseAudio of its own, which PortAudio hears through ALSA."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: As Debian's libasound2-plugins names them.
ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
SYSTEM_ALSA = Path("/usr/share/alsa/alsa.conf")
PLUGIN = "usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so"
SINK = "speaker"


def missing() -> str | None:
    """Say what keeps a test from having such a microphone, if anything does."""
    programs = [name for name in ("pulseaudio", "pactl", "pacat") if shutil.which(name) is None]
    if programs:
        return f"needs Debian's pulseaudio and pulseaudio-utils (no {', '.join(programs)})"
    if ctypes.util.find_library("portaudio") is None:
        return "needs Debian's libportaudio2"
    if not SYSTEM_ALSA.exists() or not list(Path("/").glob(PLUGIN)):
        return "needs Debian's libasound2-plugins"
    if importlib.util.find_spec("sounddevice") is None:
        return "needs mindtrack-client[record]"
    return None


class _Feeder(threading.Thread):
    """Writes into a pipe until it has no more, or nobody reads."""

    def __init__(self, pipe: IO[bytes], samples: bytes) -> None:
        super().__init__()
        self._pipe = pipe
        self._samples = samples

    def run(self) -> None:
        with suppress(BrokenPipeError):
            self._pipe.write(self._samples)
        with suppress(BrokenPipeError):
            self._pipe.close()


@dataclass(frozen=True)
class Microphone:
    #: For whoever is to hear it.
    environment: dict[str, str]

    @contextmanager
    def speaking(self, samples: bytes, rate: int) -> Iterator[None]:
        """Say something, mono and 16 bits, for as long as the block runs or it lasts."""
        command = [
            "pacat",
            "--playback",
            f"--device={SINK}",
            "--format=s16le",
            "--channels=1",
            f"--rate={rate}",
        ]
        process = subprocess.Popen(
            command, env=os.environ | self.environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        feeder = _Feeder(process.stdin, samples)
        feeder.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            feeder.join()


@contextmanager
def microphone(folder: Path) -> Iterator[Microphone]:
    """Run a PulseAudio whose only source hears what is played into it."""
    folder.chmod(0o700)
    alsa = folder / "asound.conf"
    alsa.write_text(ALSA)
    socket = folder / "native"
    environment = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_SERVER": f"unix:{socket}",
        "ALSA_CONFIG_PATH": f"{SYSTEM_ALSA}:{alsa}",
    }
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    command += ["-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"]
    command += ["-L", f"module-null-sink sink_name={SINK} rate=16000 channels=1"]
    # A server that is told of another server starts none.
    own = {name: value for name, value in (os.environ | environment).items() if name != "PULSE_SERVER"}
    server = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(environment, server)
        yield Microphone(environment)
    finally:
        server.terminate()
        server.wait()


def _wait_for(environment: dict[str, str], server: subprocess.Popen[bytes], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    ask = ["pactl", "set-default-source", f"{SINK}.monitor"]
    while subprocess.run(ask, env=os.environ | environment, capture_output=True, check=False).returncode:
        assert server.poll() is None, "pulseaudio ended"
        assert time.monotonic() < until, "pulseaudio does not answer"
        time.sleep(0.1)
