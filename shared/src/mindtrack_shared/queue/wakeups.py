"""Wake those who wait for a job. Best effort: whoever waits also looks into Postgres now and then."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from mindtrack_shared.queue.names import FINISHED_CHANNEL
from mindtrack_shared.settings import QueueSettings

if TYPE_CHECKING:
    from redis import Redis

#: Short, because a worker says it between two jobs and whoever waits will look anyway.
CONNECT_TIMEOUT = 1.0  # seconds
REPLY_TIMEOUT = 1.0  # seconds


def finished_channel(settings: QueueSettings) -> str:
    return f"{settings.key_prefix}{FINISHED_CHANNEL}"


class Wakeups:
    """Publishes the ids of jobs that have ended."""

    def __init__(self, settings: QueueSettings) -> None:
        self._channel = finished_channel(settings)
        self._url = settings.url

    @cached_property
    def _redis(self) -> Redis:
        from redis import Redis  # noqa: PLC0415 - with the first wake-up: a cold worker has better to do

        return Redis.from_url(
            self._url.get_secret_value(),
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=REPLY_TIMEOUT,
        )

    def job_finished(self, job_id: UUID) -> bool:
        """Say that a job has ended. Returns whether Redis took it."""
        from redis import RedisError  # noqa: PLC0415

        try:
            self._redis.publish(self._channel, str(job_id))
        except RedisError:
            return False
        return True

    def close(self) -> None:
        self._redis.close()
