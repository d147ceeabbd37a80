"""Recordings to keep workers busy with, each different, sent as 20 people."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from mindtrack_client import MindTrack
from mindtrack_local.issuer import Issuer

PEOPLE = 20
SENDERS = 4
SAMPLE = "day-1.wav"


def recordings(number: int, seconds: float) -> Iterator[bytes]:
    """Yield WAV files: one voice saying the same again and again, each from another moment on."""
    with wave.open(io.BytesIO(files("mindtrack_local").joinpath("samples", SAMPLE).read_bytes())) as sample:
        form = sample.getparams()
        frames = sample.readframes(form.nframes)
    size = form.sampwidth * form.nchannels
    wanted = int(seconds * form.framerate) * size
    for index in range(number):
        start = index * form.nframes // number * size
        rotated = frames[start:] + frames[:start]
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setparams(form)
            written.writeframes((rotated * (wanted // len(rotated) + 1))[:wanted])
        yield file.getvalue()


def send(address: str, issuer: Issuer, folder: Path, number: int, seconds: float) -> list[str]:
    """Submit recordings, several at a time; return the accepted jobs' ids."""
    paths = []
    for index, content in enumerate(recordings(number, seconds)):
        path = folder / f"{index}.wav"
        path.write_bytes(content)
        paths.append(path)
    clients = [MindTrack(address, issuer.token(person(index))) for index in range(PEOPLE)]
    try:
        with ThreadPoolExecutor(SENDERS) as pool:
            jobs = pool.map(lambda item: clients[item[0] % PEOPLE].submit(item[1]), enumerate(paths))
            return [str(job.id) for job in jobs]
    finally:
        for client in clients:
            client.close()


def person(index: int) -> str:
    return f"person-{index}"
