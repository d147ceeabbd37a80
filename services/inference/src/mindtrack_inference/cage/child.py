"""What runs in the cage: `python -m mindtrack_inference.cage.child`, with pipes for its input and output.

Nothing is read from a recording before everything is loaded and every limit is set.
"""

from __future__ import annotations

import ctypes
import io
import os
import resource
import signal
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from pydantic import BaseModel

from mindtrack_inference import speech
from mindtrack_inference.cage import protocol, syscalls
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import LaneExceededError, ModelInput, Terms, prepare
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import configure_logging, get_logger
from mindtrack_shared.settings import LogSettings

if TYPE_CHECKING:
    from mindtrack_inference.audio import Waveform

SERVICE = "inference-cage"
#: From Linux's <sys/prctl.h>.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
#: Descriptors: input, output and errors, and no room for another.
DESCRIPTORS = 3


def main() -> None:
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    configure_logging(LogSettings(), service=SERVICE)
    try:
        setup = protocol.Setup.model_validate_json(_required(questions))
        _die_with(setup.parent)
        _load()
        _confine(setup.headroom)
        _send(answers, protocol.Ready())
        while (request := _read(questions)) is not None:
            asked = protocol.Request.model_validate_json(request)
            # RLIMIT_CPU would count all recordings together; this counts one's, and kills.
            signal.setitimer(signal.ITIMER_PROF, asked.cpu_seconds)
            _send(answers, protocol.Ready())
            with open(setup.recording, "rb", closefd=False) as recording:
                recording.seek(0)
                _serve(setup.terms, asked, recording, answers)
    except MemoryError:
        os._exit(protocol.OUT_OF_MEMORY)
    except BrokenPipeError:
        os._exit(0)  # the parent has gone, or gave this recording up
    except Exception:  # noqa: BLE001 - whatever it was, it goes to the log and not to standard error
        get_logger().exception(events.SERVICE_BROKEN)
        raise SystemExit(1) from None


def _serve(terms: Terms, request: protocol.Request, recording: BinaryIO, answers: BinaryIO) -> None:
    try:
        found = prepare(
            recording,
            terms,
            prompt_ended_seconds=request.prompt_ended_seconds,
            lane_seconds=request.lane_seconds,
        )
    except RecordingRejectedError as error:
        refused = protocol.Refused(
            code=error.code,
            detail=error.detail[: protocol.MAX_DETAIL],
            measured=error.measured,
            needed=error.needed,
            quality=error.quality,
        )
        _send(answers, refused)
    except LaneExceededError:
        _send(answers, protocol.Exceeded())
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, it is not the recording's fault
        get_logger().exception(events.ATTEMPT_FAILED)
        _send(answers, protocol.Failed(error=type(error).__name__))
    else:
        _send(answers, _passed(found))
        for chunk in found.prepared().chunks():
            _write(answers, np.ascontiguousarray(chunk, protocol.SAMPLES).data.cast("B"))


def _passed(found: ModelInput) -> protocol.Passed:
    return protocol.Passed(
        samples=found.waveform.size,
        quality=found.quality,
        biomarkers=found.biomarkers,
        starts=tuple(found.starts.tolist()),
    )


def _send(answers: BinaryIO, message: BaseModel) -> None:
    _write(answers, message.model_dump_json().encode())


def _write(answers: BinaryIO, payload: bytes | memoryview) -> None:
    answers.write(protocol.LENGTH.pack(len(payload)))
    answers.write(payload)
    answers.flush()


def _read(questions: BinaryIO) -> bytes | None:
    """Return the next frame; None once the parent has closed its end."""
    head = questions.read(protocol.LENGTH.size)
    if not head:
        return None
    (length,) = protocol.LENGTH.unpack(head)
    frame = questions.read(length)
    if len(frame) < length:
        raise BrokenPipeError
    return frame


def _required(questions: BinaryIO) -> bytes:
    frame = _read(questions)
    if frame is None:
        raise BrokenPipeError
    return frame


def _die_with(parent: int) -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it was watched
        os._exit(0)


def _load() -> None:
    """Run everything once, so that libraries have their threads, tables and files before the limits."""
    with ThreadPoolExecutor(1) as others:
        others.submit(speech.load)  # compiles while the rest is imported
        from mindtrack_inference import audio, biomarkers, quality  # noqa: PLC0415
    audio.cap_pieces()
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    pulses = np.asarray(np.sign(np.sin(2 * np.pi * 120 * time)) / 4, np.float32)  # voiced from end to end
    buzz = audio.decode(_wav(pulses), max_seconds=pulses.size)
    speech.detect(buzz)
    everywhere = np.array([[0, buzz.size]])
    quality.measure(buzz, everywhere)
    biomarkers.measure(buzz, everywhere)


def _wav(waveform: Waveform) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 2 * SAMPLE_RATE, 0, "NONE", "NONE"))  # so that it is resampled, too
        writer.writeframes((waveform * 2**15).astype("<i2").tobytes())
    return file.getvalue()


def _confine(headroom: int) -> None:
    """Give up what decoding does not need: files, network, memory beyond `headroom`, other processes."""
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # the first to go
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_DUMPABLE, 0)
    space = _address_space() + headroom
    for limit, value in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),  # binds whoever is not root
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
    ):
        resource.setrlimit(limit, (value, value))
    syscalls.restrict()


def _address_space() -> int:
    """Bytes of address space in use."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl failed")


if __name__ == "__main__":
    main()
