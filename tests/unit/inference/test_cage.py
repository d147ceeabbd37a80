"""The cage with its real child: what it prepares, what it survives, and what it keeps from the child."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soxr

from mindtrack_inference.cage import Cage, CageBrokenError, PreparationError, parent, protocol
from mindtrack_inference.cage.process import environment
from mindtrack_inference.errors import DecoderKilledError, RecordingRejectedError
from mindtrack_inference.metrics import DECODERS_KILLED
from mindtrack_inference.preparation import LaneExceededError, Prepared, Terms, prepare
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.domain.jobs import RejectionCode
from patience import eventually
from unit.inference.recordings import Format, encode, sweep, video, voice, voice_log

TERMS = Terms(window_samples=8_000, hop_samples=4_000, max_seconds=60, thresholds=QualitySettings())
FORMATS = [
    Format("wav", "pcm_s16le"),
    Format("wav", "pcm_f32le", 44_100, 2),
    Format("flac", "flac", 44_100),
    Format("ogg", "libopus", 48_000),
    Format("webm", "libopus", 48_000),
    Format("ogg", "vorbis", 44_100, 2),
    Format("mp3", "libmp3lame", 44_100),
    Format("ipod", "aac", 44_100),
    Format("adts", "aac", 44_100),
    Format("ipod", "alac", 44_100),
    Format("3gp", "libopencore_amrnb", 8_000),
    Format("amr", "libopencore_amrnb", 8_000),
]
#: Dies without closing its cage; its child's process id goes before.
SUDDEN_DEATH = """
import os, sys
from mindtrack_inference.cage import Cage
from mindtrack_inference.preparation import Terms
from mindtrack_inference.settings import QualitySettings
cage = Cage(Terms(8_000, 4_000, 60, QualitySettings()))
try:
    cage.prepare([b"no sound"])
except Exception:
    pass
print(cage.pid, flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Cage]:
    with Cage(TERMS) as cage:
        yield cage


@pytest.fixture
def cage(shared: Cage) -> Cage:
    assert agrees(shared.prepare([voice_log()]), voice_log())
    return shared


def agrees(prepared: Prepared, recording: bytes) -> bool:
    """Whether everything is what it is in this process: samples exactly, and figures but for rounding.

    The child has one thread, and sums are rounded differently in several.
    """
    expected = prepare(recording, TERMS)
    windows = np.concatenate(list(prepared.chunks()))
    return (
        figures(prepared) == pytest.approx(figures(expected.prepared()), rel=1e-5, nan_ok=True)
        and prepared.audio_seconds == expected.audio_seconds
        and np.array_equal(prepared.starts, expected.starts)
        and np.array_equal(windows, expected.windows)
    )


def figures(prepared: Prepared) -> dict[str, float]:
    """Everything that was measured, NaN for what could not be."""
    measured = asdict(prepared.quality) | asdict(prepared.biomarkers)
    return {name: math.nan if value is None else value for name, value in measured.items()}


def in_format(form: Format) -> bytes:
    return encode(np.asarray(soxr.resample(voice(), 16_000, form.rate), np.float32), form)


def silence(seconds: int) -> bytes:
    return encode(np.zeros(seconds * 8_000, np.float32), Format("wav", "pcm_alaw", 8_000))


def pid_of(cage: Cage) -> int:
    assert cage.pid is not None
    return cage.pid


def is_running(pid: int) -> bool:
    """Whether a process is there, and more than ashes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def seconds_of(pid: int) -> float:
    """Time that a process has spent on the processor."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sent_at_work(pid: int, number: signal.Signals) -> Iterator[None]:
    """Send a signal to a process as soon as it has worked for a moment."""
    before = seconds_of(pid)

    def send() -> None:
        eventually(lambda: seconds_of(pid) >= before + 0.03)
        os.kill(pid, number)

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_everything_is_as_in_this_process(cage: Cage, form: Format) -> None:
    recording = in_format(form)
    assert agrees(cage.prepare([recording]), recording)


@pytest.mark.parametrize(
    "recording",
    [
        encode(np.zeros(32_000, np.float32)),
        encode(voice()[:6_400]),
        encode(sweep(5.0, 16_000)),
        encode(sweep(61.0, 16_000)),
        b"no sound",
        b"",
        video(),
    ],
    ids=["silent", "short", "sweep", "long", "text", "empty", "video"],
)
def test_rejections_are_as_in_this_process(cage: Cage, recording: bytes) -> None:
    child = cage.pid
    with pytest.raises(RecordingRejectedError) as expected:
        prepare(recording, TERMS)
    with pytest.raises(RecordingRejectedError) as found:
        cage.prepare([recording])
    assert found.value.args == expected.value.args
    assert cage.pid == child


def test_a_recording_that_cannot_be_fetched_costs_no_child(cage: Cage) -> None:
    def broken() -> Iterator[bytes]:
        yield voice_log()[:1_000]
        raise ConnectionError("the storage is gone")

    child = cage.pid
    with pytest.raises(ConnectionError):
        cage.prepare(broken())
    assert agrees(cage.prepare([voice_log()]), voice_log())
    assert cage.pid == child


def test_the_child_can_only_read_what_was_handed_over(cage: Cage) -> None:
    files = Path(f"/proc/{cage.pid}/fd")
    shared = [file for file in files.iterdir() if "memfd:recording" in str(file.readlink())]
    assert [file.lstat().st_mode & 0o700 for file in shared] == [0o500]
    assert [file.stat().st_size for file in shared] == [0]  # nothing is left of the last one


def test_the_prompts_end_is_passed_on(cage: Cage) -> None:
    late = encode(np.concatenate([np.zeros(16_000, np.float32), voice()[: 8 * 16_000]]))
    prepared = cage.prepare([late], prompt_ended_seconds=0.25)
    expected = prepare(late, TERMS, prompt_ended_seconds=0.25).biomarkers.response_latency_seconds
    assert expected is not None
    assert prepared.biomarkers.response_latency_seconds == expected


def test_a_lane_takes_no_more_than_it_says(cage: Cage) -> None:
    child = cage.pid
    with pytest.raises(LaneExceededError, match="longer than 5 s"):
        cage.prepare([voice_log()], max_seconds=5)
    with pytest.raises(RecordingRejectedError) as caught:
        cage.prepare([silence(61)], max_seconds=3_600)
    assert (caught.value.code, caught.value.needed) == (RejectionCode.TOO_LONG, 60)
    assert cage.pid == child


def test_whoever_is_killed_takes_one_recording_along() -> None:
    busy = encode(np.tile(voice(), 5))
    with Cage(TERMS) as cage:
        for _ in range(10):
            assert agrees(cage.prepare([voice_log()]), voice_log())
            with sent_at_work(pid_of(cage), signal.SIGKILL), pytest.raises(DecoderKilledError) as caught:
                list(cage.prepare([busy]).chunks())
            assert caught.value.code is RejectionCode.UNREADABLE
            assert caught.value.detail == "its decoder was killed"
        assert agrees(cage.prepare([voice_log()]), voice_log())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_whoever_was_lost_between_recordings_is_replaced_unnoticed(
    cage: Cage, number: signal.Signals
) -> None:
    before = pid_of(cage)
    os.kill(before, number)
    assert agrees(cage.prepare([voice_log()], timeout=3), voice_log())
    assert cage.pid != before


def test_whoever_hangs_is_killed(cage: Cage) -> None:
    before = pid_of(cage)
    busy = encode(np.tile(voice(), 5))
    with sent_at_work(before, signal.SIGSTOP), pytest.raises(RecordingRejectedError) as caught:
        cage.prepare([busy], timeout=3)
    assert caught.value.code is RejectionCode.UNREADABLE
    assert caught.value.detail == "it could not be decoded in time"
    assert not is_running(before)


def test_whoever_hangs_between_chunks_is_killed(cage: Cage) -> None:
    chunks = cage.prepare([encode(np.tile(voice(), 5))], timeout=2).chunks()
    next(chunks)
    os.kill(pid_of(cage), signal.SIGSTOP)
    with pytest.raises(RecordingRejectedError, match="in time"):
        list(chunks)


def test_memory_is_bounded() -> None:
    terms = Terms(8_000, 4_000, 3_600, QualitySettings())
    with Cage(terms, headroom_bytes=32 << 20) as cage:
        with pytest.raises(RecordingRejectedError) as caught:
            cage.prepare([silence(3_599)])
        assert caught.value.code is RejectionCode.UNREADABLE
        assert caught.value.detail == "its decoder ran out of memory"


def test_a_recording_given_up_halfway_leaves_the_cage_usable(cage: Cage) -> None:
    chunks = cage.prepare([encode(np.tile(voice(), 5))]).chunks()
    next(chunks)
    assert agrees(cage.prepare([voice_log()]), voice_log())
    with pytest.raises(RuntimeError, match="another was prepared"):
        next(chunks)


def test_the_child_outlives_the_thread_that_asked() -> None:
    with Cage(TERMS) as cage:
        asking = threading.Thread(target=lambda: list(cage.prepare([voice_log()]).chunks()))
        asking.start()
        asking.join()
        before = cage.pid
        assert agrees(cage.prepare([voice_log()]), voice_log())
        assert cage.pid == before


def test_the_child_dies_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUDDEN_DEATH], stdout=subprocess.PIPE, check=True, timeout=60
    )
    eventually(lambda: not is_running(int(done.stdout)), what="the child's end")


def test_closing_kills_the_child() -> None:
    with Cage(TERMS) as cage:
        child = pid_of(cage)
        assert is_running(child)
    assert not is_running(child)


def test_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_DATABASE_URL", "postgresql://user:secret@host/mindtrack")
    assert "MINDTRACK_DATABASE_URL" not in environment(os.environ)
    with Cage(TERMS) as cage:
        list(cage.prepare([voice_log()]).chunks())
        path = Path(f"/proc/{cage.pid}/environ")
        if os.geteuid():  # not even its own user may look into it
            with pytest.raises(PermissionError):
                path.read_bytes()
        else:
            assert b"OMP_NUM_THREADS=1" in path.read_bytes()
            assert b"secret" not in path.read_bytes()


def test_the_child_is_confined(cage: Cage) -> None:
    process = Path(f"/proc/{cage.pid}")
    limits = {
        line[:25].strip(): line[26:].split()[:2]
        for line in (process / "limits").read_text(encoding="ascii").splitlines()
    }
    for name, limit in {
        "Max core file size": "0",
        "Max file size": "0",
        "Max open files": "3",
        "Max processes": "0",
    }.items():
        assert limits[name] == [limit, limit]
    assert int(limits["Max address space"][1]) < 8 << 30
    assert (process / "oom_score_adj").read_text(encoding="ascii") == "1000\n"
    assert "NoNewPrivs:\t1" in (process / "status").read_text(encoding="ascii")
    assert os.getsid(pid_of(cage)) == cage.pid


#: Confined as a child is, each tries one thing.
CONFINED = """
import ctypes, os, signal, socket, threading
from mindtrack_inference.cage.child import _confine
idle = threading.Event()
threading.Thread(target=idle.wait, daemon=True).start()
_confine(64 << 20)
try:
    {attempt}
except OSError as error:
    os._exit(error.errno)
os._exit(0)
"""


def exit_status(attempt: str) -> int:
    code = CONFINED.format(attempt=attempt)
    return subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=60,
    ).returncode


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socketpair()",
        "os.execv('/bin/true', ['true'])",
        "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
        "ctypes.CDLL(None).unshare(0x40000000)",
    ],
)
def test_whoever_reaches_out_is_killed(attempt: str) -> None:
    assert exit_status(attempt) == -signal.SIGSYS


@pytest.mark.parametrize(
    "attempt",
    [
        "os.open('/etc/hostname', os.O_RDONLY)",
        "os.open('/tmp/x', os.O_WRONLY | os.O_CREAT)",
        "os.unlink('/tmp/x')",
        "os.kill(os.getppid(), 0)",
        "os.fork()",
        "os.memfd_create('x')",
        "os.dup(0)",
        "os.setpriority(os.PRIO_PROCESS, 0, 1)",
    ],
)
def test_whatever_else_is_not_needed_fails(attempt: str) -> None:
    assert exit_status(attempt) == errno.EPERM


def test_what_is_needed_works_when_confined() -> None:
    assert exit_status("os.lseek(0, 0, os.SEEK_CUR), bytearray(1 << 24), os.read(0, 1)") == 0


def test_threads_that_were_there_are_confined_too(cage: Cage) -> None:
    """A filter is each thread's own unless it is given to all: libraries start theirs before."""
    threads = [task / "status" for task in Path(f"/proc/{cage.pid}/task").iterdir()]
    assert len(threads) > 1
    assert all("Seccomp:\t2" in status.read_text(encoding="ascii") for status in threads)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGSYS, "forbidden"), (signal.SIGPROF, "timeout"), (signal.SIGSEGV, "crash")],
)
def test_what_a_child_died_of_is_told(cage: Cage, number: signal.Signals, reason: str) -> None:
    counted = DECODERS_KILLED.labels(reason)
    before = counted._value.get()
    with sent_at_work(pid_of(cage), number), pytest.raises(RecordingRejectedError) as caught:
        list(cage.prepare([encode(np.tile(voice(), 5))]).chunks())
    assert caught.value.code is RejectionCode.UNREADABLE
    assert not isinstance(caught.value, DecoderKilledError), "that was the recording's doing"
    assert counted._value.get() == before + 1


def test_the_processors_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "labour", lambda _: 0.05)
    with Cage(TERMS) as cage, pytest.raises(RecordingRejectedError, match="in time"):
        list(cage.prepare([encode(np.tile(voice(), 5))]).chunks())


def test_limits_go_by_what_a_file_of_its_size_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def generous(seconds: float) -> float:
        asked.append(seconds)
        return 60.0

    monkeypatch.setattr(parent, "labour", generous)
    with Cage(TERMS) as cage:
        for size in (0, 1_180, 1 << 20):
            with pytest.raises(RecordingRejectedError):
                cage.prepare([bytes(size)])
    assert asked == [0, 10, TERMS.max_seconds]


def test_a_child_that_cannot_start_is_no_recordings_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Cage(TERMS) as cage, pytest.raises(CageBrokenError, match="did not start"):
        cage.prepare([voice_log()])
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(CageBrokenError, match="no child process"):
        Cage(TERMS).start()


def test_a_bug_of_ours_is_no_recordings_fault() -> None:
    gaps = replace(TERMS, hop_samples=TERMS.window_samples + 1)  # which nobody can cut
    with Cage(gaps) as cage:
        with pytest.raises(PreparationError, match="ValueError"):
            cage.prepare([voice_log()])
        child = cage.pid
        with pytest.raises(PreparationError, match="ValueError"):
            cage.prepare([voice_log()])
        assert cage.pid == child


PASSED = (
    '{"kind":"passed","samples":16000,"quality":{"speech_seconds":1,"speech_ratio":1,"snr_db":20,'
    '"clipping_ratio":0,"level_dbfs":%s,"bandwidth_hz":4000,"dc_offset":0},"biomarkers":{},"starts":%s}'
)


@pytest.mark.parametrize(
    ("answer", "windows"),
    [
        (b"\x00\x00\x00\x02{]", 0),
        (b"\xff\xff\xff\xff", 0),
        (PASSED % ("NaN", "[0]"), 0),
        (PASSED % ("-20", "[]"), 0),
        (PASSED % ("-20", "[4000,0]"), 0),
        (PASSED % ("-20", "[9000]"), 0),
        (PASSED % ("-20", "[-1]"), 0),
        (PASSED.replace("16000", "99999999") % ("-20", "[0]"), 0),
        (PASSED % ("-20", "[0]"), 7_999),
        (PASSED % ("-20", "[0]"), 8_001),
        (PASSED % ("-20", "[0]"), -8_000),
    ],
    ids=[
        "no JSON", "huge", "NaN", "no window", "backwards", "beyond", "before", "too long", "less", "more",
        "NaN sound",
    ],
)  # fmt: skip
def test_a_child_that_lies_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes | str, windows: int
) -> None:
    """Whoever took it over can say anything: here a script does."""
    said = 2 * frame(b'{"kind":"ready"}') + (answer if isinstance(answer, bytes) else frame(answer.encode()))
    if windows:
        said += frame(np.full(abs(windows), 0 if windows > 0 else np.nan, "<f4").tobytes())
    (tmp_path / "said").write_bytes(said)
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\ncat '{tmp_path / 'said'}'\nexec cat > /dev/null\n", encoding="ascii")
    liar.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(liar))
    with Cage(TERMS) as cage:
        before = cage.pid
        with pytest.raises(RecordingRejectedError) as caught:
            list(cage.prepare([voice_log()]).chunks())
        assert caught.value.code is RejectionCode.UNREADABLE
        assert caught.value.detail == "its decoder gave an answer that makes no sense"
        assert cage.pid != before


def frame(payload: bytes) -> bytes:
    return protocol.LENGTH.pack(len(payload)) + payload
