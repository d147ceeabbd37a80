"""A Celery consumer that shows that its worker lives."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

from mindtrack_shared.observability.liveness import SHOW_EVERY, LifeSign


class LivingConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Shows with the timer of the worker's loop that the loop turns, whatever its children do.

    Without a broker the loop stands still, and starting again would not bring the broker back.
    """

    def __init__(self, *args: Any, life_sign: LifeSign, **options: Any) -> None:  # noqa: ANN401 - Celery's
        super().__init__(*args, **options)
        self._life_sign = life_sign
        life_sign.show()
        self.timer.call_repeatedly(SHOW_EVERY, life_sign.show)

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - Celery's
        with self._life_sign.shown_meanwhile():
            return super().ensure_connected(conn)
