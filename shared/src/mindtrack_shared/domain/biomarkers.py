"""Acoustic biomarkers: what each measures, in which unit, and what is known about it.

The evidence is about groups of people. It says in which direction a marker moved in published studies, not
what a person's value means: that is for the person's own baseline to say, and for some it says the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Biomarkers:
    """Measurements of one recording; None where the recording does not hold what it takes."""

    f0_median_hz: float | None = None
    f0_sd_semitones: float | None = None
    #: Median absolute rate of change within voiced stretches.
    f0_rate_semitones_per_second: float | None = None
    pause_count: int | None = None
    pause_mean_seconds: float | None = None
    #: Pauses over the time from the first to the last speech, in [0, 1].
    pause_ratio: float | None = None
    #: Syllables over the time from the first to the last speech.
    speech_rate_per_second: float | None = None
    #: Syllables over speaking time without pauses.
    articulation_rate_per_second: float | None = None
    response_latency_seconds: float | None = None
    cpp_db: float | None = None
    #: Local jitter, a share (0.01 is 1 %).
    jitter: float | None = None
    #: Local shimmer, a share.
    shimmer: float | None = None
    hnr_db: float | None = None
    energy_range_db: float | None = None
    #: Creaky share of voiced frames, in [0, 1].
    creak_ratio: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


class Evidence(StrEnum):
    """How well studies agree that a marker follows stress, anxiety or low mood at all."""

    #: Meta-analyses, or replications in large samples.
    A = "A"
    #: Several independent studies that agree.
    B = "B"
    #: A single study, or studies that disagree.
    C = "C"
    #: Descriptive: nothing is known about its direction.
    D = "D"


class Direction(StrEnum):
    """Where studies saw a marker go."""

    UP = "up"
    DOWN = "down"
    #: Studies disagree.
    MIXED = "mixed"
    #: Studied, and no change found.
    NONE = "none"
    #: Not studied, as far as we know.
    UNKNOWN = "unknown"


class Robustness(StrEnum):
    """How far a phone, its codec and the room change a marker."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Directions:
    """Where a marker is expected to go, by state."""

    stress: Direction = Direction.UNKNOWN
    anxiety: Direction = Direction.UNKNOWN
    low_mood: Direction = Direction.UNKNOWN


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known about one marker."""

    #: "1" for a share or a count, as in SI.
    unit: str
    #: One sentence.
    description: str
    #: Where the way it is measured comes from.
    reference: str
    evidence: Evidence
    direction: Directions
    #: Studies behind the grade and the directions.
    studies: str
    robustness: Robustness
    #: What a phone does to it.
    on_phones: str


_STRESS_META = (
    "Meta-analyses of stress: standardised mean difference 0.55 (women 0.71, spontaneous "
    "speech 0.79; none in "
    "men or in read speech, none after correction for publication bias). Anxiety: small, "
    "n = 2000 (JMIR Mental "
    "Health 2022, e36828). Depression: about none"
)
_PAUSES = "Szabadi 1976; Greden 1981; Liu 2017 (92 depressed people, 92 controls)"
_RATES = (
    "Depression: Ellgring and Scherer 1996, Mundt 2007, Trevino 2011 (by durations of phones). Stress: "
    "changed under the Montreal stress task (Kappen 2023), faster in emergency calls (PMC6255927)"
)
_BOERSMA = "Boersma 1993, IFA Proceedings 17, 97-110"
_PERTURBATION = "waveform matching as in Praat: Boersma 2009, Folia Phoniatrica et Logopaedica 61, 305-308"
_NUCLEI = "de Jong and Wempe 2009, Behavior Research Methods 41, 385-390"
_GAPS = "Goldman-Eisler 1968, Psycholinguistics: gaps from 0.25 s"
_FROM_DETECTOR = "Depends on the voice-activity detector more than on the phone"

#: One for each field of `Biomarkers`, in their order.
DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "f0_median_hz": Definition(
            unit="Hz",
            description="Median fundamental frequency of modal voice, creaky frames left out.",
            reference=_BOERSMA,
            evidence=Evidence.A,
            direction=Directions(Direction.UP, Direction.UP, Direction.NONE),
            studies=_STRESS_META,
            robustness=Robustness.HIGH,
            on_phones="Agreement with a studio microphone: ICC 0.94",
        ),
        "f0_sd_semitones": Definition(
            unit="semitones",
            description=(
                "Standard deviation of the fundamental frequency of modal voice on a logarithmic scale."
            ),
            reference=_BOERSMA,
            evidence=Evidence.C,
            direction=Directions(low_mood=Direction.DOWN),
            studies="28 depressed people against 13 controls",
            robustness=Robustness.HIGH,
            on_phones="Follows the fundamental frequency, which phones keep",
        ),
        "f0_rate_semitones_per_second": Definition(
            unit="semitones/s",
            description=(
                "Median absolute rate at which the fundamental frequency changes over 40 ms of modal voice."
            ),
            reference=f"{_BOERSMA}; the rate is this project's",
            evidence=Evidence.C,
            direction=Directions(low_mood=Direction.DOWN),
            studies="28 depressed people against 13 controls",
            robustness=Robustness.HIGH,
            on_phones="Follows the fundamental frequency, which phones keep",
        ),
        "pause_count": Definition(
            unit="1",
            description="Number of pauses of at least 0.25 s between the first and the last speech.",
            reference=_GAPS,
            evidence=Evidence.D,
            direction=Directions(),
            studies="Grows with the length of what is said; read the two below",
            robustness=Robustness.MEDIUM,
            on_phones=_FROM_DETECTOR,
        ),
        "pause_mean_seconds": Definition(
            unit="s",
            description="Mean length of the pauses of at least 0.25 s.",
            reference=_GAPS,
            evidence=Evidence.B,
            direction=Directions(low_mood=Direction.UP),
            studies=_PAUSES,
            robustness=Robustness.HIGH,
            on_phones=_FROM_DETECTOR,
        ),
        "pause_ratio": Definition(
            unit="1",
            description="Share of pauses in the time from the first to the last speech, from 0 to 1.",
            reference=_GAPS,
            evidence=Evidence.B,
            direction=Directions(low_mood=Direction.UP),
            studies=_PAUSES,
            robustness=Robustness.HIGH,
            on_phones=_FROM_DETECTOR,
        ),
        "speech_rate_per_second": Definition(
            unit="syllables/s",
            description="Syllables per second from the first to the last speech, pauses included.",
            reference=_NUCLEI,
            evidence=Evidence.B,
            direction=Directions(stress=Direction.MIXED, low_mood=Direction.DOWN),
            studies=_RATES,
            robustness=Robustness.HIGH,
            on_phones="Relative levels only; noise hides weak syllables",
        ),
        "articulation_rate_per_second": Definition(
            unit="syllables/s",
            description="Syllables per second of speech, pauses left out.",
            reference=_NUCLEI,
            evidence=Evidence.B,
            direction=Directions(stress=Direction.MIXED, low_mood=Direction.DOWN),
            studies=_RATES,
            robustness=Robustness.HIGH,
            on_phones="Relative levels only; noise hides weak syllables",
        ),
        "response_latency_seconds": Definition(
            unit="s",
            description=(
                "Time from the end of the prompt to the first speech, if the upload says when "
                "the prompt ended."
            ),
            reference="Cohen 2024, Psychiatry Research 116104",
            evidence=Evidence.A,
            direction=Directions(low_mood=Direction.UP),
            studies="Cohen 2024: 1352 people, replicated in seven countries, falls with recovery",
            robustness=Robustness.HIGH,
            on_phones="As good as the client's clock",
        ),
        "cpp_db": Definition(
            unit="dB",
            description="Mean smoothed cepstral peak prominence of modal voice below 4 kHz.",
            reference=(
                "Hillenbrand 1994, JSHR 37, 769-778; smoothing: Hillenbrand and Houde 1996, JSHR 39, 311-321"
            ),
            evidence=Evidence.C,
            direction=Directions(low_mood=Direction.DOWN),
            studies="Lower in depression and fatigue, in few studies",
            robustness=Robustness.HIGH,
            on_phones="Weak effect of the device (PMC10545813), ICC 0.96; reverberation lowers it",
        ),
        "jitter": Definition(
            unit="1",
            description="Local jitter: mean difference of neighbouring glottal periods over the mean period.",
            reference=_PERTURBATION,
            evidence=Evidence.C,
            direction=Directions(stress=Direction.MIXED),
            studies=(
                "Followed negative affect (PMC9046336); changed in one stress task and not in another "
                "(Kappen 2023); "
                "lower under cognitive load (PMC6255927)"
            ),
            robustness=Robustness.LOW,
            on_phones="ICC 0.62 by phone, 0.56 by Bluetooth headset",
        ),
        "shimmer": Definition(
            unit="1",
            description=(
                "Local shimmer: mean difference of neighbouring periods' amplitudes over the mean amplitude."
            ),
            reference=_PERTURBATION,
            evidence=Evidence.C,
            direction=Directions(stress=Direction.MIXED, anxiety=Direction.MIXED),
            studies=(
                "No change in a stress task (Kappen 2023), lower under a cold pressor; associated "
                "with anxiety "
                "(JMIR Mental Health 2022, e36828)"
            ),
            robustness=Robustness.LOW,
            on_phones="ICC 0.59 by phone, 0.27 by Bluetooth headset",
        ),
        "hnr_db": Definition(
            unit="dB",
            description="Mean harmonics-to-noise ratio of modal voice below 4 kHz.",
            reference=_BOERSMA,
            evidence=Evidence.C,
            direction=Directions(stress=Direction.NONE),
            studies="No change in a stress task (Kappen 2023)",
            robustness=Robustness.MEDIUM,
            on_phones="Noise-to-harmonics ratio by phone: ICC 0.76; ambient noise lowers it",
        ),
        "energy_range_db": Definition(
            unit="dB",
            description="Range of the level of speech, from its 5th to its 95th percentile.",
            reference="this project's; levels smoothed over 65 ms",
            evidence=Evidence.C,
            direction=Directions(low_mood=Direction.DOWN),
            studies="Used by commercial screens for depression; few public figures",
            robustness=Robustness.LOW,
            on_phones="Automatic gain control and noise suppression change it",
        ),
        "creak_ratio": Definition(
            unit="1",
            description="Share of creaky voice (vocal fry) in all voiced frames, from 0 to 1.",
            reference=(
                "Ishi 2008, IEEE TASLP 16(1), 47-56; below 70 Hz after Hollien and Michel 1968, "
                "JSHR 11, 600-604"
            ),
            evidence=Evidence.D,
            direction=Directions(),
            studies="A habit of speech; nothing found that links it to stress or mood",
            robustness=Robustness.MEDIUM,
            on_phones="Single pulses survive codecs; room reverberation fills the gaps between them",
        ),
    }
)
