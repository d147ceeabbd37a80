"""Names that both ends of the wire must spell alike."""

#: Drain waiting jobs. One argument: the id of the job that rang.
DRAIN_TASK = "mindtrack.drain"
DRAIN_QUEUE = "drain"

#: Periodic repair: lapsed leases and silent messages.
RESCUE_TASK = "mindtrack.rescue"
MAINTENANCE_QUEUE = "maintenance"

#: Pub/sub channel on which a worker says which job has ended. Put behind the key prefix.
FINISHED_CHANNEL = "job-finished"
