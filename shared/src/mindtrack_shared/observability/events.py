"""Log events: constant names. What varies goes into fields, and ids are the only names of people.

An event that is no constant of this module is not written, nor a field that `fields` does not declare.
"""

from __future__ import annotations

JOB_ACCEPTED = "job_accepted"
#: The recording, or the request by its key, was known: there is a job already.
UPLOAD_REPEATED = "upload_repeated"
#: A claim on an idempotency key could not be given up; its lease will lapse.
KEY_NOT_FREED = "key_not_freed"
#: Of a class of data, what was kept for long enough.
RETENTION_REMOVED = "retention_removed"
RETENTION_FAILED = "retention_failed"
TASK_FAILED = "task_failed"
#: A person's data key is not where it should be: they were erased after the moment that was restored.
KEY_MISSING = "key_missing"
#: There is no place for keys.
NOTHING_SEALED = "nothing_sealed"
KEYS_FORGOTTEN = "keys_forgotten"
#: Days of persons that did not hold what was analysed, and do now.
DAYS_MENDED = "days_mended"
#: And that still do not.
DAYS_AMISS = "days_amiss"
#: Persons of whom was found out where their trend stands.
STANDINGS_EVALUATED = "standings_evaluated"
#: And one of whom it could not be.
STANDING_FAILED = "standing_failed"
#: It opened or ended; the log does not say which.
ALERT_CHANGED = "alert_changed"
#: By the person, or a clinician of theirs.
ALERT_ACKNOWLEDGED = "alert_acknowledged"
NOTIFICATION_ATTEMPTED = "notification_attempted"
NOTIFICATION_ATTEMPT_FAILED = "notification_attempt_failed"
JOB_CLAIMED = "job_claimed"
JOB_SUCCEEDED = "job_succeeded"
JOB_REJECTED = "job_rejected"
JOB_RETRIED = "job_retried"
JOB_POSTPONED = "job_postponed"
JOB_FAILED = "job_failed"
JOB_RELEASED = "job_released"
JOB_CANCELED = "job_canceled"
#: By its owner, with its recording and its analysis.
JOB_DELETED = "job_deleted"
#: All that there was about somebody, by themselves.
PERSON_ERASED = "person_erased"
JOB_DEMOTED = "job_demoted"
#: A clinician redeemed a code; and a person took a grant back, or a clinician gave it back.
#: Somebody opened a person's data in an emergency.
GLASS_BROKEN = "glass_broken"
GRANT_GIVEN = "grant_given"
GRANT_REVOKED = "grant_revoked"
ATTEMPT_FAILED = "attempt_failed"
JOB_LEASE_LOST = "job_lease_lost"
JOB_STALE_WRITE_REFUSED = "job_stale_write_refused"
JOBS_RUNG = "jobs_rung"
JOBS_RESCUED = "jobs_rescued"
WEBHOOK_ATTEMPTED = "webhook_attempted"
WEBHOOK_ATTEMPT_FAILED = "webhook_attempt_failed"
WEBHOOK_DISABLED = "webhook_disabled"
#: Somebody uses a table for longer than a migration may keep others from it.
MIGRATION_WAITS = "migration_waits"
BROKER_UNAVAILABLE = "broker_unavailable"
DATABASE_UNAVAILABLE = "database_unavailable"
#: The gateway trusts other keys from now on, by their ids.
KEYS_CHANGED = "keys_changed"
#: Their file changed and cannot be used; the last good keys stay.
KEYS_REFUSED = "keys_refused"
#: An operator handed a key to a system, or ended one.
SERVICE_KEY_MADE = "service_key_made"
SERVICE_KEY_REVOKED = "service_key_revoked"
#: Somebody signed in to the page, could not (with a code that the page is told, and a reason), or signed out.
SIGNED_IN = "signed_in"
SIGN_IN_FAILED = "sign_in_failed"
SIGNED_OUT = "signed_out"
#: The provider's description of itself was asked for and did not come, or cannot be used.
PROVIDER_UNAVAILABLE = "provider_unavailable"
STORAGE_UNAVAILABLE = "storage_unavailable"
#: Valkey is away, and each gateway limits by its own count; later, that it is back.
LIMITS_ALONE = "limits_alone"
LIMITS_SHARED = "limits_shared"
REQUEST_FAILED = "request_failed"
UPLOAD_ABANDONED = "upload_abandoned"
UPLOADS_SWEPT = "uploads_swept"
OBJECT_ORPHANED = "object_orphaned"
WAKEUP_LOST = "wakeup_lost"
WORKER_HANGS = "worker_hangs"
WORKER_LOST = "worker_lost"
ROLL_UNUSABLE = "roll_unusable"
CLAIMS_UNSEEN = "claims_unseen"
ENGINE_STEPPED_DOWN = "engine_stepped_down"
SERVICE_STARTED = "service_started"
SERVICE_BROKEN = "service_broken"
SERVICE_STOPPED = "service_stopped"
#: With a reason: crash, timeout, memory or protocol.
DECODER_KILLED = "decoder_killed"
#: A library logged something. Its words are written where they are a constant of its code, and else left out.
LIBRARY_SPOKE = "library_spoke"
#: Python warned of something, by category; what the warning says is left out.
WARNED = "warned"
#: Somebody logged what is no event.
UNDECLARED = "undeclared_event"

NAMES = frozenset(value for name, value in globals().items() if name.isupper() and isinstance(value, str))
