"""What operators watch of the relay, the deliverer and the maintenance worker."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RINGS = Counter("mindtrack_rings", "Jobs that the relay rang for.", ["priority"])
RELAY_FAILURES = Counter(
    "mindtrack_relay_failures", "Rounds of the relay that ended early, by who was away.", ["dependency"]
)
SWEPT_UPLOADS = Counter("mindtrack_swept_uploads", "Expired uploads that were removed, used or not.")
SEALED_EVENTS = Counter("mindtrack_sealed_access_events", "Access events that were sealed.")
ANCHORS = Counter("mindtrack_anchors", "Anchors of the audit chain, by what came of them.", ["outcome"])
RETENTION_REMOVED = Counter(
    "mindtrack_retention_removed", "What was kept for long enough and was removed, by class.", ["data_class"]
)
RETAINED_AT = Gauge("mindtrack_retained_at_seconds", "When all classes were gone through last, in Unix time.")
RESCUED_JOBS = Counter(
    "mindtrack_rescued_jobs", "Jobs that were stuck, by what was done about them.", ["outcome"]
)
WEBHOOK_ATTEMPTS = Counter(
    "mindtrack_webhook_attempts", "Attempts to deliver a webhook, by what came of them.", ["outcome"]
)
WEBHOOK_ATTEMPT_SECONDS = Histogram(
    "mindtrack_webhook_attempt_seconds",
    "Time that an attempt took, from the name to the answer.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20),
)
WEBHOOKS_DISABLED = Counter(
    "mindtrack_webhooks_disabled", "Endpoints that were disabled for not taking deliveries.", ["reason"]
)
DELIVERER_FAILURES = Counter(
    "mindtrack_deliverer_failures",
    "Rounds of the deliverer that ended early, by who was away.",
    ["dependency"],
)
STANDING_SECONDS = Histogram(
    "mindtrack_standing_seconds",
    "Time that it took to find out where one person's trend stands, and to commit it.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
STANDING_FAILURES = Counter(
    "mindtrack_standing_failures", "Standings that could not be found out, and were put off."
)
ALERTS = Counter("mindtrack_alerts", "Alerts that opened, or ended, by why.", ["outcome"])
NOTIFICATION_ATTEMPTS = Counter(
    "mindtrack_notification_attempts",
    "Attempts to notify a person, by what came of them.",
    ["channel", "outcome"],
)
NOTIFICATION_ATTEMPT_SECONDS = Histogram(
    "mindtrack_notification_attempt_seconds",
    "Time that it took whoever carries a notification to take it.",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
