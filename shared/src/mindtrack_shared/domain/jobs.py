"""The life of a job: its states, who moves it on, and why it may end without an analysis."""

from __future__ import annotations

from enum import StrEnum


class IllegalTransitionError(Exception):
    """A job was asked to move between two states that the table does not connect."""

    def __init__(self, current: JobStatus, target: JobStatus) -> None:
        super().__init__(f"a job cannot go from {current} to {target}")
        self.current = current
        self.target = target


class Priority(StrEnum):
    """Which lane a job waits in. In the order of the lanes, which is also how Postgres sorts them."""

    #: Somebody waits for the answer.
    INTERACTIVE = "interactive"
    #: Nobody does: imports, and recordings too long to stand in others' way. Goes after what is interactive.
    BULK = "bulk"


class JobStatus(StrEnum):
    """Where a job stands. Postgres enforces the same table with a trigger."""

    #: The recording is stored and the row committed; the relay rings for it and a worker will claim it.
    #: Rescue and retry bring a job back here. Left by a worker's claim or by cancellation.
    QUEUED = "queued"
    #: A worker holds the lease and renews it while it works. Left by that worker (`succeeded`, `rejected`,
    #: `failed`, or back to `queued` for another attempt), or by rescue once the lease has lapsed.
    RUNNING = "running"
    #: Terminal. The analysis was committed together with this state. Set by the worker.
    SUCCEEDED = "succeeded"
    #: Terminal. The recording cannot be analysed and another attempt would not help; `code` says why and
    #: what to do differently. Set by the worker.
    REJECTED = "rejected"
    #: Terminal. We could not do our part within the attempts allowed. Set by the worker or by rescue.
    FAILED = "failed"
    #: Terminal. Withdrawn by its owner before a worker claimed it.
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL

    def to(self, target: JobStatus) -> JobStatus:
        """Return `target`.

        Raises:
            IllegalTransitionError: the table has no arrow from this state to `target`.

        """
        if target not in TRANSITIONS[self]:
            raise IllegalTransitionError(self, target)
        return target


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.QUEUED, JobStatus.SUCCEEDED, JobStatus.REJECTED, JobStatus.FAILED},
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.REJECTED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
}

TERMINAL = frozenset(status for status, targets in TRANSITIONS.items() if not targets)


class RejectionCode(StrEnum):
    """Why a recording cannot be analysed. Codes are part of the API; the advice may be reworded."""

    UNREADABLE = "unreadable"
    NO_AUDIO = "no_audio"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_QUIET = "too_quiet"
    #: Fewer seconds of speech than it takes to say something about a voice; none in noise, tones or music.
    TOO_LITTLE_SPEECH = "too_little_speech"
    #: Speech for too small a share of the recording.
    MOSTLY_SILENCE = "mostly_silence"
    TOO_NOISY = "too_noisy"
    #: The microphone or the app cut off the loud parts (clipping).
    DISTORTED = "distorted"
    #: Much less of the spectrum than telephones carry.
    MUFFLED = "muffled"
    #: A constant offset: the microphone or its driver is broken.
    OFFSET = "offset"

    @property
    def advice(self) -> str:
        """One neutral sentence or two for the person who recorded."""
        return _REJECTIONS[self][0]

    @property
    def unit(self) -> str | None:
        """The unit in which "measured" and "needed" are given; None where nothing is measured."""
        return _REJECTIONS[self][1]


_REJECTIONS: dict[RejectionCode, tuple[str, str | None]] = {
    RejectionCode.UNREADABLE: (
        "The recording could not be read to its end. Please record it again.",
        None,
    ),
    RejectionCode.NO_AUDIO: (
        "The recording holds no sound. Please record again with the microphone on.",
        None,
    ),
    RejectionCode.TOO_SHORT: (
        "The recording is too short to analyse. Please speak a little longer.",
        "s",
    ),
    RejectionCode.TOO_LONG: (
        "The recording is longer than this service accepts. Please send a shorter one.",
        "s",
    ),
    RejectionCode.TOO_QUIET: (
        "The recording is almost silent. Please speak closer to the microphone.",
        "dBFS",
    ),
    RejectionCode.TOO_LITTLE_SPEECH: (
        "We heard too little speech in the recording. Please speak a little longer.",
        "s",
    ),
    RejectionCode.MOSTLY_SILENCE: (
        "We heard speech in a small part of the recording only. Please record while you speak.",
        "share",
    ),
    RejectionCode.TOO_NOISY: (
        "The surroundings are too loud for the voice. Please record in a quieter place.",
        "dB",
    ),
    RejectionCode.DISTORTED: (
        "The loud parts of the recording are cut off. Please hold the microphone a little further away.",
        "share",
    ),
    RejectionCode.MUFFLED: (
        "The recording sounds muffled. Please uncover the microphone, or use another one.",
        "Hz",
    ),
    RejectionCode.OFFSET: (
        "The microphone gave a faulty signal. Please record again, or use another microphone.",
        "full scale",
    ),
}


class FailureCode(StrEnum):
    """Why we gave up on a job. The fault is ours, never the recording's."""

    #: The last attempt ended in an unexpected error.
    INTERNAL = "internal_error"
    #: Object storage, or the keys that open it, stayed away for a day, and through every attempt after it.
    DEPENDENCY = "dependency_unavailable"
    #: The stored object is gone or no longer matches its checksum.
    RECORDING_LOST = "recording_lost"
    #: Every attempt ended with its worker dead or silent.
    WORKER_LOST = "worker_lost"

    @property
    def advice(self) -> str:
        return "The recording could not be analysed through no fault of yours. Please try again later."
