"""Names that both ends of the wire must spell alike."""

from __future__ import annotations

from mindtrack_shared.domain.jobs import Priority

#: Drain waiting jobs. One argument: the id of the job that rang.
DRAIN_TASK = "mindtrack.drain"
#: Where the job rings, by its priority.
DRAIN_QUEUES = {priority: f"drain.{priority}" for priority in Priority}
#: Where relays of releases without priorities ring. Every worker listens, so that no such ring gets lost.
FORMER_DRAIN_QUEUE = "drain"

#: Periodic repair: lapsed leases and silent messages.
RESCUE_TASK = "mindtrack.rescue"
#: Periodic cleaning: audio of deleted jobs that the store would not delete at once.
BURY_TASK = "mindtrack.bury"
#: Periodic cleaning: idempotency keys that have expired.
FORGET_KEYS_TASK = "mindtrack.forget-keys"
#: Periodic removal of expired uploads.
SWEEP_TASK = "mindtrack.sweep"
#: Periodic repair: days that do not hold what was analysed.
MEND_DAYS_TASK = "mindtrack.mend-days"
#: Periodic, and often: where trends stand of which something changed, or whose day did.
EVALUATE_STANDINGS_TASK = "mindtrack.evaluate-standings"
#: Periodic, and often: seals on access events, in the order in which they were written down.
SEAL_TASK = "mindtrack.seal"
#: Periodic: the head of their chain, kept outside of the database.
ANCHOR_TASK = "mindtrack.anchor"
#: Periodic removal of what is kept for a while only.
RETAIN_TASK = "mindtrack.retain"
MAINTENANCE_QUEUE = "maintenance"

#: Pub/sub channel on which a worker says which job has ended. Put behind the key prefix.
FINISHED_CHANNEL = "job-finished"
