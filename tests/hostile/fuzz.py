"""Damage recordings of every format at random, and see that each ends rejected or analysed.

    python -m hostile.fuzz --files 100000            # from the folder `tests`; `make fuzz`
    python -m hostile.fuzz --first 40000             # goes on where another run ended
    python -m hostile.fuzz --seed 1 --only 4711      # does one again, and says what became of it

A file depends on the seed and its number alone. What a decoder died of, hung on or failed over lies in
`var/fuzz`, and how a run stood 500 files ago at the most.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import soxr
from rich.console import Console
from rich.progress import track

from mindtrack_inference.cage import Cage, CageBrokenError, PreparationError
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_inference.preparation import Terms
from mindtrack_inference.settings import QualitySettings
from mindtrack_shared.bundles import SAMPLE_RATE
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.settings import LogSettings
from unit.inference.recordings import Format, encode, voice, voice_log

#: Where files that cost a decoder are kept.
KEPT = Path(__file__).parents[2] / "var" / "fuzz"
#: As the service has them, but for windows of half a second: files are short, so that there can be many.
TERMS = Terms(window_samples=8_000, hop_samples=8_000, max_seconds=3_600, thresholds=QualitySettings())
FORMATS = (
    Format("wav", "pcm_s16le"),
    Format("wav", "pcm_u8", 8_000),
    Format("wav", "pcm_s24le", 44_100, 2),
    Format("wav", "pcm_f32le"),
    Format("wav", "pcm_alaw", 8_000),
    Format("wav", "adpcm_ima_wav"),
    Format("flac", "flac", 44_100),
    Format("ogg", "libopus", 48_000),
    Format("ogg", "vorbis", 44_100, 2),
    Format("mp3", "libmp3lame", 44_100),
    Format("mp3", "libmp3lame", 16_000, muxer={"write_xing": "0", "id3v2_version": "0"}),
    Format("ipod", "aac", 44_100),
    Format("mp4", "aac", 44_100, muxer={"movflags": "frag_keyframe+empty_moov"}),
    Format("ipod", "alac", 44_100),
    Format("adts", "aac", 16_000),
    Format("webm", "libopus", 48_000),
    Format("webm", "libopus", 48_000, muxer={"live": "1"}),
    Format("3gp", "libopencore_amrnb", 8_000),
    Format("amr", "libopencore_amrnb", 8_000),
)
#: Where in the demo's voice log there is speech, samples: short, and long enough to pass the gate.
SHORT, LONG = (8_000, 12_000), (8_000, 40_000)
#: One in so many is long.
LONG_EVERY = 8
#: What lengths and counts are overwritten with.
ODD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


@cache
def seeds(part: tuple[int, int]) -> tuple[bytes, ...]:
    """Every format. A quarter of a second is enough to damage, and quick; two seconds can succeed."""
    return tuple(_recording(form, slice(*part)) for form in FORMATS)


def _any(random: Random) -> bytes:
    return random.choice(seeds(SHORT if random.randrange(LONG_EVERY) else LONG))


def _recording(form: Format, part: slice) -> bytes:
    return encode(np.asarray(soxr.resample(voice()[part], SAMPLE_RATE, form.rate), np.float32), form)


def damaged(seed: int, number: int) -> bytes:
    """The file with that number: a recording after one to four changes."""
    random = Random(f"{seed}/{number}")
    data = bytearray(_any(random))
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        random.choice(CHANGES)(data, random)
    return bytes(data)


def _place(data: bytearray, random: Random) -> int:
    """Where to change something: half the time where headers are."""
    end = max(len(data), 1)
    return random.randrange(min(end, 300)) if random.random() < 0.5 else random.randrange(end)


def _stretch(data: bytearray, random: Random) -> slice:
    first = _place(data, random)
    return slice(first, first + random.choice((1, 4, 16, 64, 256, 1_024)))


def flip_bits(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 2, 8, 32, 128))):
        place = _place(data, random)
        data[place : place + 1] = bytes(byte ^ 1 << random.randrange(8) for byte in data[place : place + 1])


def overwrite(data: bytearray, random: Random) -> None:
    part = _stretch(data, random)
    data[part] = random.randbytes(len(data[part]))


def move(data: bytearray, random: Random) -> None:
    part = _stretch(data, random)
    moved = data[part]
    del data[part]
    place = _place(data, random)
    data[place:place] = moved


def repeat(data: bytearray, random: Random) -> None:
    part = _stretch(data, random)
    data[part] = data[part] * random.choice((2, 3, 50))


def remove(data: bytearray, random: Random) -> None:
    del data[_stretch(data, random)]


def cut(data: bytearray, random: Random) -> None:
    del data[_place(data, random) :]


def splice(data: bytearray, random: Random) -> None:
    """Go on as another recording does."""
    other = _any(random)
    place = _place(data, random)
    data[place:] = other[min(place, len(other)) if random.random() < 0.5 else random.randrange(len(other)) :]


def state_odd_number(data: bytearray, random: Random) -> None:
    """Overwrite what may be a length or a count."""
    place, width = _place(data, random), random.choice((1, 2, 3, 4, 8))
    number = random.choice((*ODD_NUMBERS, len(data), len(data) * 2, random.getrandbits(32)))
    order = "big" if random.random() < 0.5 else "little"
    data[place : place + width] = (number & (1 << 8 * width) - 1).to_bytes(width, order)  # type: ignore[arg-type]


CHANGES = (flip_bits, overwrite, move, repeat, remove, cut, splice, state_odd_number, state_odd_number)


@dataclass
class Campaign:
    """What became of the files so far."""

    seed: int
    cage: Cage
    endings: Counter[str] = field(default_factory=Counter)
    #: Numbers of files over which a decoder was lost, by what it said of it.
    lost: dict[str, list[int]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak_kib: int = 0
    #: Number of the last file, and of the one that took longest.
    last: int | None = None
    slowest: int | None = None
    _most: float = 0.0

    def run(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.try_one(number)
            if number % 500 == 0:
                self._note()
        self._note()

    def try_one(self, number: int) -> str:
        """Give one file to the cage; return how it ended."""
        source, child = damaged(self.seed, number), self.cage.pid
        started = time.perf_counter()
        ending, detail = ended(self.cage, source)
        self.seconds.append(time.perf_counter() - started)
        if self.seconds[-1] > self._most:
            self._most, self.slowest = self.seconds[-1], number
        self.endings[ending] += 1
        self.last = number
        if ending == "failed" or (child is not None and self.cage.pid != child):
            self.lost.setdefault(detail, []).append(number)
            keep(source, f"{self.seed}-{number}")
        return f"{ending}: {detail}"

    def _note(self) -> None:
        """Write down how it stands, so that a run that is ended loses little."""
        self.peak_kib = max(self.peak_kib, peak_kib(self.cage))
        keep(json.dumps(self.summary()).encode(), f"{self.seed}.json")

    def summary(self) -> dict[str, object]:
        quick = sorted(self.seconds) or [0.0]
        return {
            "seed": self.seed,
            "files": len(self.seconds),
            "last": self.last,
            "succeeded": self.endings["succeeded"],
            "rejected": {
                code: n for code, n in sorted(self.endings.items()) if code not in {"succeeded", "failed"}
            },
            "failed": self.endings["failed"],
            "child_restarts": sum(map(len, self.lost.values())),
            "hangs": len(self.lost.get("it could not be decoded in time", ())),
            "lost": self.lost,
            "p50_seconds": round(quick[len(quick) // 2], 4),
            "p99_seconds": round(quick[min(math.ceil(len(quick) * 0.99), len(quick)) - 1], 4),
            "max_seconds": round(quick[-1], 4),
            "slowest": self.slowest,
            "max_rss_mib": round(self.peak_kib / 1024, 1),
        }


def ended(cage: Cage, source: bytes) -> tuple[str, str]:
    """How a recording ends in the cage: succeeded, rejected by a code, or failed; and the detail."""
    try:
        for windows in cage.prepare([source]).chunks():
            assert np.isfinite(windows).all()
    except RecordingRejectedError as error:
        return error.code.value, error.detail
    except PreparationError as error:
        return "failed", str(error)
    return "succeeded", ""


def peak_kib(cage: Cage) -> int:
    """The most memory that the child has had, KiB."""
    for line in Path(f"/proc/{cage.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("the child has gone")


def keep(source: bytes, name: str) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = KEPT / f".{name}"
    unfinished.write_bytes(source)
    unfinished.replace(KEPT / name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Damage recordings of every format at random.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=100_000, help="how many, the last one's number plus one")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to go on with a run")
    parser.add_argument("--only", type=int, help="do this one again")
    asked = parser.parse_args()
    configure_logging(LogSettings(), service="fuzz")
    with Cage(TERMS) as cage:
        list(cage.prepare([voice_log()]).chunks())  # starting is not what is measured
        campaign = Campaign(asked.seed, cage)
        if asked.only is not None:
            keep(damaged(asked.seed, asked.only), f"{asked.seed}-{asked.only}")
            print(campaign.try_one(asked.only))  # noqa: T201
            return
        deaths = 0
        try:
            campaign.run(_shown(range(asked.first, asked.files)))
        except CageBrokenError as error:
            deaths = 1
            print(error, file=sys.stderr)  # noqa: T201
        except KeyboardInterrupt:
            pass  # what there is of it is worth printing
    print(json.dumps(campaign.summary() | {"worker_deaths": deaths}))  # noqa: T201
    raise SystemExit(bool(deaths or campaign.lost))


def _shown(numbers: range) -> Iterator[int]:
    yield from track(numbers, "Fuzzing", console=Console(stderr=True))


if __name__ == "__main__":
    main()
