"""Adds up what processes count, over their restarts, and says how quickly it rises."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping

from mindtrack_gateway.operations.exposition import Labels, Samples

#: What is counted, and what tells it from its like.
Key = tuple[str, ...]

ENDED = "ended"
RESCUED = "rescued"
RETRIED = "retried"
AUDIO = "audio"
REQUESTS = "requests"

#: By metric: what it counts, and the labels that matter here.
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "mindtrack_jobs_ended_total": (ENDED, ("status", "code")),
    "mindtrack_rescued_jobs_total": (RESCUED, ("outcome",)),
    "mindtrack_job_retries_total": (RETRIED, ()),
    "mindtrack_audio_seconds_total": (AUDIO, ("priority",)),
}
ANSWERS = "mindtrack_http_request_seconds_count"
#: Asked for by machines, over and over.
NOT_CLIENTS = frozenset({"/healthz", "/readyz", "/metrics"})


def counted(samples: Samples) -> dict[Key, float]:
    """Return what a page counts of what we tell."""
    found: defaultdict[Key, float] = defaultdict(float)
    for key, value in _counted(samples):
        found[key] += value
    return dict(found)


def _counted(samples: Samples) -> Iterator[tuple[Key, float]]:
    for metric, (what, names) in COUNTERS.items():
        for labels, value in samples.each(metric):
            yield (what, *(labels.get(name, "") for name in names)), value
    for labels, value in samples.each(ANSWERS):
        if labels.get("route") not in NOT_CLIENTS:
            yield (REQUESTS, _status_class(labels)), value


def _status_class(labels: Labels) -> str:
    return f"{labels.get('status', '')[:1]}xx"


class Tally:
    """Totals over all processes that were ever seen, and their rise over a window of looks.

    A counter that fell was started again, and counts from zero. What a process had counted before it was
    first seen is part of the total, and of no rise: nobody knows when it happened.

    Args:
        window: seconds; looks that are older are forgotten, but for the last one.

    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._last: dict[Hashable, Mapping[Key, float]] = {}
        self._risen: defaultdict[Key, float] = defaultdict(float)
        self._looks: deque[tuple[float, Mapping[Key, float]]] = deque()
        self.totals: defaultdict[Key, float] = defaultdict(float)

    def add(self, origin: Hashable, now: Mapping[Key, float]) -> None:
        """Take in what a process counts."""
        before = self._last.get(origin)
        for key, value in now.items():
            last = (before or {}).get(key, 0.0)
            risen = value - last if value >= last else value
            self.totals[key] += risen
            if before is not None:
                self._risen[key] += risen
        self._last[origin] = now

    def forget(self, origin: Hashable) -> None:
        """Whoever comes to the same place is somebody else."""
        self._last.pop(origin, None)

    def rates(self, at: float) -> tuple[float | None, dict[Key, float]]:
        """End a look; return the seconds since the one it is compared with, and what rose, per second.

        The first look has none to compare with: None, and no rates.
        """
        while len(self._looks) > 1 and at - self._looks[0][0] > self._window:
            self._looks.popleft()
        seconds, then = (at - self._looks[0][0], self._looks[0][1]) if self._looks else (None, {})
        self._looks.append((at, dict(self._risen)))
        if not seconds:
            return None, {}
        return seconds, {key: (self._risen[key] - then.get(key, 0.0)) / seconds for key in self.totals}
