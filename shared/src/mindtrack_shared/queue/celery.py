"""Celery, set up for long, precious, idempotent tasks on a broker that may lose messages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from celery import Celery

from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.observability.liveness import LifeSign
from mindtrack_shared.queue.names import (
    BURY_TASK,
    DRAIN_QUEUES,
    DRAIN_TASK,
    EVALUATE_STANDINGS_TASK,
    FORGET_KEYS_TASK,
    MAINTENANCE_QUEUE,
    MEND_DAYS_TASK,
    RESCUE_TASK,
    SWEEP_TASK,
)
from mindtrack_shared.settings import QueueSettings

#: Kill a drain that has not finished by then: an hour of audio on a slow CPU, and an hour to spare. A worker
#: notices a model that hangs within minutes; this is for the worker that hangs altogether. Leases of what it
#: held lapse on their own.
TASK_TIME_LIMIT_SECONDS = 2 * 3600


def celery_app(name: str, settings: QueueSettings) -> Celery:
    """Build an app whose settings are argued for one by one below."""
    app = Celery(name, broker=_checked(settings.url.get_secret_value()), set_as_current=False)
    app.conf.update(_SETTINGS)
    app.conf.broker_transport_options = {**_TRANSPORT, "global_keyprefix": settings.key_prefix}
    return app


def _checked(url: str) -> str:
    """Have certificates checked: kombu takes a `rediss://` that does not speak of them for leave not to."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def run_worker(app: Celery, queues: Sequence[str], life_sign: LifeSign) -> int:
    """Work on queues in this process and its children until told to stop; return the exit status.

    What `celery worker` does, without its command line: that imports a shell, 0.1 s of every start.
    """
    from mindtrack_shared.queue.consumer import LivingConsumer  # noqa: PLC0415 - only parents consume

    worker = app.Worker(
        queues=list(queues),
        consumer_cls=partial(LivingConsumer, life_sign=life_sign),
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    status: int = worker.exitcode
    return status


_TRANSPORT: dict[str, Any] = {
    # A backstop only, longer than the hard time limit: leases in Postgres recover lost work much sooner.
    "visibility_timeout": 3 * 3600,
    # Look for unacknowledged messages every 10 s; the default sweep comes about every 100 s.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # Without it, a socket whose peer is gone blocks worker and publisher for ever.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    # Finds a half-open BRPOP within seconds.
    "health_check_interval": 5,
    # An LPUSH whose reply was lost must not be repeated blindly; the relay rings again knowingly.
    "retry_on_timeout": False,
}

_SETTINGS: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # the default gives up after 100
    "broker_channel_error_retry": True,  # a demoted primary answers READONLY
    # The relay must notice a broken broker, not hang on it.
    "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.5},
    "task_routes": {
        # The doorbell names the queue of the job's priority; this is where anybody else's ring would go.
        DRAIN_TASK: {"queue": DRAIN_QUEUES[Priority.INTERACTIVE]},
        RESCUE_TASK: {"queue": MAINTENANCE_QUEUE},
        BURY_TASK: {"queue": MAINTENANCE_QUEUE},
        FORGET_KEYS_TASK: {"queue": MAINTENANCE_QUEUE},
        MEND_DAYS_TASK: {"queue": MAINTENANCE_QUEUE},
        EVALUATE_STANDINGS_TASK: {"queue": MAINTENANCE_QUEUE},
        SWEEP_TASK: {"queue": MAINTENANCE_QUEUE},
    },
    # Acknowledge after the work, also when the child was killed; repeating a drain is harmless. A job that
    # kills its worker every time is stopped by the attempts counted in its row.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    # One message per free slot: what waits, waits in the queue where operators can see it.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # Children start clean: neither CUDA nor psycopg survives a fork. Threads could not enforce time limits.
    "worker_pool": "prefork",
    "worker_pool_start_method": "spawn",
    "worker_proc_alive_timeout": 120,  # seconds; loading a model takes longer than the default four
    "worker_max_tasks_per_child": 1000,  # bounds slow leaks; each new child loads the model again
    "task_time_limit": TASK_TIME_LIMIT_SECONDS,
    # The fence makes a late finish harmless, so there is no need to cancel work when the broker goes away.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # State lives in Postgres.
    "task_ignore_result": True,
    "result_backend": None,
    # Nothing executable on the wire, and nothing about tasks on the event bus.
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    # Our logging leaves people's data out; Celery's would replace it.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}
