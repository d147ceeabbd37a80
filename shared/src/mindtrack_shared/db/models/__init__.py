"""Tables. Constraints make illegal rows impossible, whoever writes them."""

from mindtrack_shared.db.models.access import (
    AccessEvent,
    AccessMark,
    AccessSeal,
    AccessUnsealed,
    Emergency,
    ServiceKey,
)
from mindtrack_shared.db.models.alerts import Alert, AlertEvent, Standing
from mindtrack_shared.db.models.analyses import AnalysisRecord, AnalysisWindow
from mindtrack_shared.db.models.base import SHA256_BYTES, Base, Measurements
from mindtrack_shared.db.models.consent import Grant, Invitation
from mindtrack_shared.db.models.days import DayRollupRecord, DayValueRecord
from mindtrack_shared.db.models.feedback import Feedback
from mindtrack_shared.db.models.jobs import Job, Recording, Tombstone
from mindtrack_shared.db.models.notes import Note, NoteRevision, PatientLabel
from mindtrack_shared.db.models.notifications import (
    Notification,
    NotificationAddress,
    NotificationPreferences,
)
from mindtrack_shared.db.models.people import DataKeyRecord, Erasure, User
from mindtrack_shared.db.models.uploads import IdempotencyKey, Upload
from mindtrack_shared.db.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint

__all__ = [
    "SHA256_BYTES",
    "AccessEvent",
    "AccessMark",
    "AccessSeal",
    "AccessUnsealed",
    "Alert",
    "AlertEvent",
    "AnalysisRecord",
    "AnalysisWindow",
    "Base",
    "DataKeyRecord",
    "DayRollupRecord",
    "DayValueRecord",
    "Emergency",
    "Erasure",
    "Feedback",
    "Grant",
    "IdempotencyKey",
    "Invitation",
    "Job",
    "Measurements",
    "Note",
    "NoteRevision",
    "Notification",
    "NotificationAddress",
    "NotificationPreferences",
    "PatientLabel",
    "Recording",
    "ServiceKey",
    "Standing",
    "Tombstone",
    "Upload",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
