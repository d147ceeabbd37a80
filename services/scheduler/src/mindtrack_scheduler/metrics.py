"""What operators watch of the relay and the maintenance worker."""

from __future__ import annotations

from prometheus_client import Counter

RINGS = Counter("mindtrack_rings", "Jobs that the relay rang for.", ["priority"])
RELAY_FAILURES = Counter(
    "mindtrack_relay_failures", "Rounds of the relay that ended early, by who was away.", ["dependency"]
)
SWEPT_UPLOADS = Counter("mindtrack_swept_uploads", "Expired uploads that were removed, used or not.")
RESCUED_JOBS = Counter(
    "mindtrack_rescued_jobs", "Jobs that were stuck, by what was done about them.", ["outcome"]
)
